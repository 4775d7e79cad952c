// A backend that lets browsers upload pictures and see them, and handles no picture itself. See ../README.md.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	signerv1 "backend/gen/safelight/signer/v1"
)

type answer map[string]string

func main() {
	env, ttl, variants := os.Getenv, durationpb.New(10*time.Minute), []string{"card", "thumbnail"}
	secured := insecure.NewCredentials()
	if file := env("SAFELIGHT_CA_FILE"); file != "" {
		secured = must(credentials.NewClientTLSFromFile(file, ""))
	}
	connection := must(grpc.NewClient(env("SAFELIGHT_SIGNER"), grpc.WithTransportCredentials(secured)))
	uploads, signer := signerv1.NewUploadTokenServiceClient(connection), signerv1.NewSignerServiceClient(connection)
	bearer := "Bearer " + strings.TrimSpace(string(must(os.ReadFile(env("SAFELIGHT_TOKEN_FILE")))))
	serve := func(pattern string, get func(context.Context, *http.Request) (int, answer, error)) {
		http.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
			defer cancel()
			status, said, err := get(metadata.AppendToOutgoingContext(ctx, "authorization", bearer), r)
			if err != nil {
				log.Print("the signer: ", err)
				status, said = http.StatusServiceUnavailable, answer{"error": "try again later"}
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(said)
		})
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "../page.html") })
	serve("POST /upload-url", func(ctx context.Context, r *http.Request) (int, answer, error) {
		// Find out here who the user is, and whether they may upload.
		account, limits := env("SAFELIGHT_ACCOUNT"), &signerv1.UploadConstraints{MaxBytes: 10 << 20}
		request := &signerv1.CreateUploadTokenRequest{Account: account, RequireSignedUrls: true, Constraints: limits}
		made, err := uploads.CreateUploadToken(ctx, request)
		fill := strings.NewReplacer("{account}", url.PathEscape(account), "{token}", made.GetToken())
		return http.StatusOK, answer{"id": made.GetImageId(), "upload_url": fill.Replace(env("SAFELIGHT_UPLOAD_URL"))}, err
	})
	serve("GET /pictures/{id}", func(ctx context.Context, r *http.Request) (int, answer, error) {
		// Find out here whether the user may see this picture: anyone who has the answer can. The URLs are the same for
		// ten minutes, so that browsers have the pictures cached.
		request := &signerv1.BatchSignUrlsRequest{Key: env("SAFELIGHT_KEY"), ExpiryWindow: ttl}
		for _, variant := range variants {
			fill := strings.NewReplacer("{id}", url.PathEscape(r.PathValue("id")), "{variant}", variant)
			address, expiry := fill.Replace(env("SAFELIGHT_PICTURE_URL")), &signerv1.BatchSignUrlsItem_Ttl{Ttl: ttl}
			request.Items = append(request.Items, &signerv1.BatchSignUrlsItem{Url: address, Expiry: expiry})
		}
		signed, err := signer.BatchSignUrls(ctx, request)
		said := answer{}
		for index, result := range signed.GetResults() {
			if refused := result.GetError(); refused != nil {
				return http.StatusBadRequest, answer{"error": refused.Reason}, nil
			}
			said[variants[index]] = result.GetSigned().GetSignedUrl()
		}
		return http.StatusOK, said, err
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(env("PORT"), "3000"), nil))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
