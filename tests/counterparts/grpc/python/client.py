"""Calls a signer with grpcio, with code that grpcio-tools made of the contract, beside Google's own packages.

Reads a question as JSON on stdin, writes the answers as JSON on stdout. argv[1]: where the generated code is.
"""

import json
import sys

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

sys.path.insert(0, sys.argv[1])
from safelight.resizer.v1 import resizer_pb2_grpc  # noqa: E402
from safelight.signer.v1 import signer_pb2, signer_pb2_grpc, verifier_pb2, verifier_pb2_grpc  # noqa: E402

asked = json.load(sys.stdin)
with grpc.insecure_channel(asked["address"]) as channel:
    signer = signer_pb2_grpc.SignerServiceStub(channel)
    request = signer_pb2.SignUrlRequest(key=asked["key"], url=asked["url"], ttl=Duration(seconds=60))
    signed = signer.SignUrl(request, timeout=20).signed_url
    target = signed.removeprefix("https://images.example")
    verifier = verifier_pb2_grpc.VerifierServiceStub(channel)
    verified = verifier.VerifyUrl(
        verifier_pb2.VerifyUrlRequest(key=asked["key"], request_target=target), timeout=20
    )
    answer = {
        "signed_url": signed,
        "valid": verified.verdict == verifier_pb2.VERDICT_VALID,
        "methods": sum(not name.startswith("_") for name in vars(resizer_pb2_grpc.ResizerServiceServicer)),
    }
    request.key = "no-such-key"
    try:
        signer.SignUrl(request, timeout=20)
    except grpc.RpcError as error:
        answer["code"] = error.code().name
        for detail in rpc_status.from_call(error).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                answer |= {"reason": info.reason, "domain": info.domain}
json.dump(answer, sys.stdout)
