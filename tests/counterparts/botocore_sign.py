"""botocore signs requests to S3 at a given time.

    python botocore_sign.py < QUESTION.json

QUESTION: {"access_key_id", "secret_access_key", "session_token" (or null), "region", "now" (Unix seconds),
           "requests": [{"method", "url", "headers": {}, "sign_body" (empty), "expires" (seconds; null: in headers)}]}
Answer:   [{"url", "headers": {name in lower case: value}}, ...]
"""

import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

question = json.load(sys.stdin)
now = datetime.datetime.fromtimestamp(question["now"], datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda: now
credentials = Credentials(
    question["access_key_id"], question["secret_access_key"], question["session_token"]
)


def sign(asked):
    request = AWSRequest(method=asked["method"], url=asked["url"], headers=asked["headers"])
    if asked["expires"] is None:
        request.context["client_config"] = Config(s3={"payload_signing_enabled": asked["sign_body"]})
        signer = botocore.auth.S3SigV4Auth(credentials, "s3", question["region"])
    else:
        signer = botocore.auth.S3SigV4QueryAuth(
            credentials, "s3", question["region"], expires=asked["expires"]
        )
    signer.add_auth(request)
    return {"url": request.url, "headers": {name.lower(): value for name, value in request.headers.items()}}


json.dump([sign(asked) for asked in question["requests"]], sys.stdout)
