"""botocore against the embedded S3 server of safelight-local.

AWS's own client signs here, so what this shows is that the server verifies what the world calls SigV4, and that it
keeps object keys as the world writes them. One line per check; exits 0 when every check holds, 1 otherwise.

    python botocore_s3.py ENDPOINT VIRTUAL_HOST_ENDPOINT REGION BUCKET ACCESS_KEY_ID SECRET_ACCESS_KEY [SEEDED_KEY SEEDED_BODY]

The bucket exists. SEEDED_KEY was stored by the server's own process and is read here.
"""

import socket
import sys
import urllib.error
import urllib.request

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

ODD_KEYS = [
    "plain.jpg",
    "with space.jpg",
    "plus+plus.jpg",
    "plus plus.jpg",
    "percent%.jpg",
    "percent%2B.jpg",
    "été/写真/🌹.jpg",
    "a//b",
    "a/b",
    "a",
    "//a",
    "a/",
    "a/./b",
    "q;'\"<>[]{}|\\^`~!@$*():,=?#&.jpg",
    "k" * 1024,
]

failures = 0


def check(name, holds, detail=""):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {name}{': ' + str(detail) if detail and not holds else ''}")


def loopback_below_localhost():
    """RFC 6761 section 6.3: names below localhost are loopback. Not every system resolver knows it."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        return resolve("127.0.0.1" if name and name.endswith(".localhost") else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def refusal(call):
    """The S3 error code and status of a call that must not succeed."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "success", 200


def main():
    endpoint, virtual_host_endpoint, region, bucket, access_key_id, secret_access_key, *seeded = sys.argv[1:]
    loopback_below_localhost()

    def client(style, url, secret=secret_access_key, region=region, token=None, version="s3v4"):
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(
                signature_version=version, s3={"addressing_style": style}, retries={"total_max_attempts": 1}
            ),
        )

    def read(client, key):
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()

    print(f"botocore {botocore.__version__}")
    path = client("path", endpoint)
    virtual = client("virtual", virtual_host_endpoint)

    # All are written before any is read: two keys in one place would show the later one's bytes.
    for key in ODD_KEYS:
        path.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="image/jpeg")
    for key in ODD_KEYS:
        shown = key if len(key) < 50 else f"{key[:3]}... ({len(key)} bytes)"
        for style, reader in (("path", path), ("virtual host", virtual)):
            try:
                body = read(reader, key)
                check(f"{style} style keeps {shown!r}", body == key.encode(), body)
            except ClientError as error:
                check(f"{style} style keeps {shown!r}", False, error)

    if seeded:
        key, body = seeded
        check(f"the object seeded by the process is at {key!r}", read(path, key) == body.encode())

    head = path.head_object(Bucket=bucket, Key="plain.jpg")
    check("head tells length and type", (head["ContentLength"], head["ContentType"]) == (9, "image/jpeg"), head)
    ranged = path.get_object(Bucket=bucket, Key="plain.jpg", Range="bytes=1-3")["Body"].read()
    check("a range is answered", ranged == b"lai", ranged)

    def presigned(client):
        return client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": "with space.jpg"}, ExpiresIn=60
        )

    def status(url):
        try:
            with urllib.request.urlopen(url) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, b""

    for style, signer in (("path", path), ("virtual host", virtual)):
        found = status(presigned(signer))
        check(f"a presigned URL is answered, {style} style", found == (200, b"with space.jpg"), found)

    def put(url, body, method="PUT"):
        # urllib would say what form the bytes have, which is not signed; S3 does not mind.
        request = urllib.request.Request(url, data=body, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    for style, signer in (("path", path), ("virtual host", virtual)):
        for key in ("put/with space+%2B.jpg", "put/été/🌹.jpg"):
            params = {"Bucket": bucket, "Key": key}
            url = signer.generate_presigned_url("put_object", Params=params, ExpiresIn=60)
            check(f"a presigned PUT of {key!r} is taken, {style} style", put(url, style.encode()) == 200)
            check(f"and it is there, {style} style", read(path, key) == style.encode())
    check("a presigned PUT is no GET", status(url)[0] == 403)
    check("a presigned PUT elsewhere is refused", put(url.replace("put/", "got/"), b"other") == 403)
    check("a presigned GET is no PUT", put(presigned(path), b"other") == 403)

    def refused(name, expected, call):
        found = refusal(call)
        check(name, found == expected, found)

    get = lambda client: lambda: client.get_object(Bucket=bucket, Key="plain.jpg")
    wrong_secret = client("path", endpoint, secret=secret_access_key + "x")
    refused("a wrong secret is refused", ("SignatureDoesNotMatch", 403), get(wrong_secret))
    wrong_virtual = client("virtual", virtual_host_endpoint, secret=secret_access_key + "x")
    refused("a wrong secret is refused, virtual host style", ("SignatureDoesNotMatch", 403), get(wrong_virtual))
    refused("a wrong secret writes nothing", ("SignatureDoesNotMatch", 403),
            lambda: wrong_secret.put_object(Bucket=bucket, Key="plain.jpg", Body=b"other"))
    check("and nothing was written", read(path, "plain.jpg") == b"plain.jpg")
    refused("another region is refused", ("AuthorizationHeaderMalformed", 400),
            get(client("path", endpoint, region="ap-south-2")))
    refused("a token of nobody is refused", ("InvalidToken", 400), get(client("path", endpoint, token="made-up")))
    refused("a missing key is not found", ("NoSuchKey", 404),
            lambda: path.get_object(Bucket=bucket, Key="plain.jpeg"))
    for name, url in (
        ("an unsigned request is refused", f"{endpoint}/{bucket}/plain.jpg"),
        ("a presigned URL with another path is refused", presigned(path).replace("with%20space", "plain")),
        ("a signature of version 2 is refused", presigned(client("path", endpoint, version="s3"))),
    ):
        found = status(url)
        check(name, found == (403, b""), found)

    print("all hold" if not failures else f"{failures} FAILED")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
