"""Cloudinary's SDK for Python uploads a picture: python cloudinary_api.py UPLOAD_PREFIX SECRET FILE.
Prints one JSON object."""
import base64
import json
import sys

import cloudinary
import cloudinary.exceptions
import cloudinary.uploader
import cloudinary.utils

prefix, secret, file = sys.argv[1:]
cloudinary.config(
    cloud_name="demo", api_key="local-api-key", api_secret=secret, upload_prefix=prefix,
    signature_algorithm="sha256")


def attempt(source, **options):
    try:
        return {"answer": cloudinary.uploader.upload(source, **options)}
    except cloudinary.exceptions.Error as error:
        return {"error": {"type": type(error).__name__, "message": str(error)}}


named = attempt(file, folder="holiday", public_id="pier", tags=["a", "b"], context={"alt": "x"}, type="private")
answer = named.get("answer", {})
with open(file, "rb") as opened:
    data = "data:image/jpeg;base64," + base64.b64encode(opened.read()).decode()
print(json.dumps({
    "named": named,
    "verified": cloudinary.utils.verify_api_response_signature(
        answer.get("public_id"), answer.get("version"), answer.get("signature")),
    "unnamed": attempt(file),
    "again": attempt(file, use_filename=True, unique_filename=False),
    "uri": attempt(data, public_id="uri-2"),
    "remote": attempt("https://example.com/a.jpg", public_id="remote"),
    "unserved": attempt(file, public_id="m", moderation="manual"),
    "forged": attempt(file, public_id="f", api_secret="another"),
}))
