"""A backend that lets browsers upload pictures and see them, and handles no picture itself. See ../README.md."""

import os
import sys
from pathlib import Path
from urllib.parse import quote

import flask
import grpc
from google.protobuf.duration_pb2 import Duration

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "proto"))  # compiled below; copy it with this file
upload_pb2, upload_services = grpc.protos_and_services("safelight/signer/v1/upload_token.proto")
signer_pb2, signer_services = grpc.protos_and_services("safelight/signer/v1/signer.proto")

VARIANTS = ["card", "thumbnail"]
MAX_BYTES = 10 * 1024 * 1024
TTL = Duration(seconds=600)

env = os.environ
if "SAFELIGHT_CA_FILE" in env:
    roots = grpc.ssl_channel_credentials(Path(env["SAFELIGHT_CA_FILE"]).read_bytes())
    channel = grpc.secure_channel(env["SAFELIGHT_SIGNER"], roots)
else:
    channel = grpc.insecure_channel(env["SAFELIGHT_SIGNER"])
uploads = upload_services.UploadTokenServiceStub(channel)
signer = signer_services.SignerServiceStub(channel)
token = Path(env["SAFELIGHT_TOKEN_FILE"]).read_text().strip()
call = {"timeout": 5, "metadata": [("authorization", f"Bearer {token}")]}

app = flask.Flask(__name__)


@app.get("/")
def page():
    return flask.send_file(HERE.parent / "page.html")


@app.post("/upload-url")
def upload_url():
    # Find out here who the user is, and whether they may upload.
    account = env["SAFELIGHT_ACCOUNT"]
    request = upload_pb2.CreateUploadTokenRequest(
        account=account,
        require_signed_urls=True,
        constraints=upload_pb2.UploadConstraints(max_bytes=MAX_BYTES),
    )
    made = uploads.CreateUploadToken(request, **call)
    url = env["SAFELIGHT_UPLOAD_URL"].format(account=quote(account, safe=""), token=made.token)
    return {"id": made.image_id, "upload_url": url}


@app.get("/pictures/<id>")
def picture(id):
    # Find out here whether the user may see this picture: anyone who has the answer can.
    urls = [env["SAFELIGHT_PICTURE_URL"].format(id=quote(id, safe=""), variant=name) for name in VARIANTS]
    request = signer_pb2.BatchSignUrlsRequest(
        key=env["SAFELIGHT_KEY"],
        items=[signer_pb2.BatchSignUrlsItem(url=url, ttl=TTL) for url in urls],
        expiry_window=TTL,  # the same URLs for ten minutes, so that browsers have the pictures cached
    )
    results = signer.BatchSignUrls(request, **call).results
    for result in results:
        if result.HasField("error"):
            return {"error": result.error.reason}, 400
    return {name: result.signed.signed_url for name, result in zip(VARIANTS, results)}


@app.after_request
def not_cached(response):
    response.headers["Cache-Control"] = "no-store"
    return response


@app.errorhandler(grpc.RpcError)
def failed(error):
    app.logger.error("the signer: %s: %s", error.code(), error.details())
    return {"error": "try again later"}, 503


if __name__ == "__main__":
    app.run(port=int(env.get("PORT", "3000")))
