"""botocore signs POST forms at a given time.

    python botocore_post.py < QUESTION.json

QUESTION: {"access_key_id", "secret_access_key", "session_token" (or null), "region", "now" (Unix seconds), "bucket",
           "forms": [{"key", "fields": {}, "conditions": [], "expires" (seconds), "policy" (ours)}]}
Answer:   [{"fields": {}, "theirs": {} (the policy, decoded), "ours": {}, "signature" (of ours)}, ...]
"""

import base64
import datetime
import json
import sys

import botocore.auth
import botocore.session
import botocore.signers
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

question = json.load(sys.stdin)
now = datetime.datetime.fromtimestamp(question["now"], datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda: now
botocore.signers.get_current_datetime = lambda: now
keys = (question["access_key_id"], question["secret_access_key"], question["session_token"])
client = botocore.session.get_session().create_client(
    "s3",
    region_name=question["region"],
    aws_access_key_id=keys[0],
    aws_secret_access_key=keys[1],
    aws_session_token=keys[2],
    config=Config(signature_version="s3v4"),
)


def sign(asked):
    form = client.generate_presigned_post(
        question["bucket"], asked["key"], asked["fields"], asked["conditions"], asked["expires"]
    )
    fields = form["fields"]
    del fields["x-amz-signature"]
    theirs, ours = (json.loads(base64.b64decode(policy)) for policy in (fields.pop("policy"), asked["policy"]))
    request = AWSRequest(method="POST", url=form["url"])
    request.context["timestamp"] = fields["x-amz-date"]
    auth = botocore.auth.S3SigV4PostAuth(Credentials(*keys), "s3", question["region"])
    return {
        "fields": fields,
        "theirs": theirs,
        "ours": ours,
        "signature": auth.signature(asked["policy"], request),
    }


json.dump([sign(asked) for asked in question["forms"]], sys.stdout)
