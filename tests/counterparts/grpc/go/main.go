// Calls a signer with grpc-go, with code that `buf generate` made of the contract, beside Google's and Envoy's own Go
// packages in one binary. Reads a question as JSON on stdin, writes the answers as JSON on stdout.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	resizerv1 "github.com/safelight/safelight/gen/go/safelight/resizer/v1"
	signerv1 "github.com/safelight/safelight/gen/go/safelight/signer/v1"
)

type question struct {
	Address string `json:"address"`
	Key     string `json:"key"`
	URL     string `json:"url"`
}

type answer struct {
	SignedURL string `json:"signed_url"`
	Valid     bool   `json:"valid"`
	Code      string `json:"code"`
	Reason    string `json:"reason"`
	Domain    string `json:"domain"`
	Allowed   bool   `json:"allowed"` // Envoy's question, in Envoy's own types
	Denied    bool   `json:"denied"`
	Methods   int    `json:"methods"` // of the resizer: its package is linked too
}

func main() {
	var asked question
	must(json.NewDecoder(os.Stdin).Decode(&asked))
	connection, err := grpc.NewClient(asked.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	signer := signerv1.NewSignerServiceClient(connection)
	request := &signerv1.SignUrlRequest{
		Key:    asked.Key,
		Url:    asked.URL,
		Expiry: &signerv1.SignUrlRequest_Ttl{Ttl: durationpb.New(time.Minute)},
	}
	signed, err := signer.SignUrl(ctx, request)
	must(err)
	target := signed.SignedUrl[len("https://images.example"):]
	verified, err := signerv1.NewVerifierServiceClient(connection).VerifyUrl(ctx, &signerv1.VerifyUrlRequest{
		Key: asked.Key, RequestTarget: target,
	})
	must(err)

	request.Key = "no-such-key"
	_, err = signer.SignUrl(ctx, request)
	said := status.Convert(err)
	result := answer{
		SignedURL: signed.SignedUrl,
		Valid:     verified.Verdict == signerv1.Verdict_VERDICT_VALID,
		Code:      said.Code().String(),
		Methods:   len(resizerv1.ResizerService_ServiceDesc.Methods) + len(resizerv1.ResizerService_ServiceDesc.Streams),
	}
	for _, detail := range said.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			result.Reason, result.Domain = info.Reason, info.Domain
		}
	}
	result.Allowed = check(ctx, connection, asked.Key, target) == codes.OK
	result.Denied = check(ctx, connection, asked.Key, target+"x") == codes.PermissionDenied
	must(json.NewEncoder(os.Stdout).Encode(result))
}

// check asks as Envoy does, with the messages of go-control-plane.
func check(ctx context.Context, connection *grpc.ClientConn, key, target string) codes.Code {
	answer, err := authv3.NewAuthorizationClient(connection).Check(ctx, &authv3.CheckRequest{
		Attributes: &authv3.AttributeContext{
			Source: &authv3.AttributeContext_Peer{
				Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
					SocketAddress: &corev3.SocketAddress{Address: "192.0.2.1"},
				}},
			},
			Request: &authv3.AttributeContext_Request{
				Http: &authv3.AttributeContext_HttpRequest{
					Method: "GET", Path: target, Host: "images.example", Scheme: "https",
				},
			},
			ContextExtensions: map[string]string{"key": key},
		},
	})
	must(err)
	return codes.Code(answer.Status.Code)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
