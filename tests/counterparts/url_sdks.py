"""The vendors' own packages for Python sign URLs.

    python url_sdks.py < QUESTION.json

QUESTION: {"keys": {...}, "cases": [{"sdk", "expires", "starts", "client", "scope", "cookies", "extra", ...}]}
Answer:   {"versions": {sdk: version}, "answers": [{"url", "signed", "cookies": {name: value}, "authenticated"}, ...]}

`url` is what the SDK makes when it is not to sign, `signed` the same when it is. `authenticated`, where that is not
`url`, is what was signed. Google has no package: what signs is the algorithm that its documentation shows ("Use signed
URLs", "Use signed cookies"), on `cryptography`, with which its samples do it too.
"""

import base64
import datetime
import hashlib
import hmac
import importlib.metadata
import json
import re
import sys

import cloudinary
import cloudinary.auth_token
import cloudinary.utils
import imgix
from akamai.edgeauth import EdgeAuth
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from libthumbor import CryptoURL
from libthumbor.url import unsafe_url
from libthumbor.url_signers.base64_hmac_sha1 import UrlSigner

question = json.load(sys.stdin)
keys = question["keys"]


def joined(url, *pairs):
    return url + ("&" if "?" in url else "?") + "&".join(pairs)


def imgix_url(asked):
    """{"domain", "path", "params"}"""

    def build(key, params):
        return imgix.UrlBuilder(asked["domain"], sign_key=key).create_url(asked["path"], params)

    params = asked["params"]
    every = {**params, "expires": asked["expires"]} if asked["expires"] else params
    return {"url": build(None, params), "authenticated": build(None, every), "signed": build(keys["text"], every)}


def thumbor(asked):
    """{"origin", "options"}; with {"verify"}, a signed path, tells whether it is good."""
    if "verify" in asked:
        signature, _, path = asked["verify"][1:].partition("/")
        return {"valid": UrlSigner(keys["text"]).validate(signature.encode(), path)}
    options = asked["options"]
    plain = unsafe_url(**options).removeprefix("unsafe")
    signed = CryptoURL(keys["text"]).generate(**options)
    return {"url": asked["origin"] + plain, "signed": asked["origin"] + signed}


def cloudfront(asked):
    """{"url"}; with {"verify": {"public_key", "signature"}}, tells whether this is a signature of its policy."""
    moment = lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    url, expires = asked["url"], moment(asked["expires"])

    def sign(policy):
        key = serialization.load_pem_private_key(keys["rsa"].encode(), None)
        return key.sign(policy, padding.PKCS1v15(), hashes.SHA1())

    signer = CloudFrontSigner(keys["key_pair_id"], sign)
    if "verify" in asked:
        key = serialization.load_pem_public_key(asked["verify"]["public_key"].encode())
        signature = asked["verify"]["signature"].translate(str.maketrans("-_~", "+=/"))
        policy = signer.build_policy(url, expires)
        # Raises where it is none.
        key.verify(base64.b64decode(signature), policy.encode(), ec.ECDSA(hashes.SHA256()))
        return {"valid": True}
    if not (asked["scope"] or asked["starts"] or asked["client"]):
        return {"url": url, "signed": signer.generate_presigned_url(url, date_less_than=expires)}
    policy = signer.build_policy(
        asked["scope"][0] if asked["scope"] else url,
        expires,
        moment(asked["starts"]) if asked["starts"] else None,
        asked["client"] or None,
    )
    return {"url": url, "signed": signer.generate_presigned_url(url, policy=policy)}


def akamai(asked):
    """{"origin", "target"}"""
    escaped = asked.get("escaped", False)
    edge_auth = EdgeAuth(
        token_name="hdnts" if escaped else "__token__",
        key=keys["hex"],
        algorithm=asked.get("algorithm", "sha256"),
        salt=keys["salt"] if escaped else None,
        ip=asked["client"] or None,
        payload=asked["extra"].get("data"),
        session_id=asked["extra"].get("id"),
        start_time=asked["starts"],
        end_time=asked["expires"],
        escape_early=escaped,
    )
    target = asked["target"]
    token = edge_auth.generate_acl_token(asked["scope"]) if asked["scope"] else edge_auth.generate_url_token(target)
    url = asked["origin"] + target
    if asked["cookies"]:
        return {"url": url, "signed": url, "cookies": {edge_auth.token_name: token}}
    return {"url": url, "signed": joined(url, f"{edge_auth.token_name}={token}")}


def cloudinary_verifies(asked):
    """What it makes of a webhook, or of an answer to an upload."""
    if "webhook" in asked:
        return {"valid": cloudinary.utils.verify_notification_signature(**asked["webhook"], algorithm="sha256")}
    return {"valid": cloudinary.utils.verify_api_response_signature(**asked["answer"], algorithm="sha256")}


def cloudinary_url(asked):
    """{"public_id", "options", "long"}, or {"origin", "target"} for a token"""
    cloudinary.config(cloud_name="demo", api_secret=keys["text"], secure=True, analytics=False)
    if "webhook" in asked or "answer" in asked:
        return cloudinary_verifies(asked)
    if "public_id" in asked:

        def build(sign):
            # The SDK takes its options out of what it is given.
            options = json.loads(json.dumps(asked["options"]))
            options |= {"sign_url": sign, "long_url_signature": asked["long"], "signature_algorithm": "sha1"}
            return cloudinary.utils.cloudinary_url(asked["public_id"], **options)[0]

        url = build(False)
        # Neither what stands before it nor the version is signed.
        origin, path = re.fullmatch(r"(https://[^/]+)/demo/\w+/\w+/(.*)", url).groups()
        message = path if "sign_version" in asked["extra"] else re.sub(r"(^|/)v\d+/", r"\1", path, count=1)
        return {"url": url, "authenticated": f"{origin}/{message}", "signed": build(True)}
    token = cloudinary.auth_token.generate(
        key=keys["hex"],
        ip=asked["client"] or None,
        start_time=asked["starts"],
        expiration=asked["expires"],
        **({"acl": asked["scope"]} if asked["scope"] else {"url": asked["target"]}),
    )
    name, _, value = token.partition("=")
    url = asked["origin"] + asked["target"]
    if asked["cookies"]:
        return {"url": url, "signed": url, "cookies": {name: value}}
    return {"url": url, "signed": joined(url, token)}


def google(asked):
    """{"url", "media"}"""

    def signature(message):
        if asked["media"]:
            seed = base64.urlsafe_b64decode(keys["google_media"])
            made = ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(message.encode())
        else:
            made = hmac.new(base64.urlsafe_b64decode(keys["google"]), message.encode(), hashlib.sha1).digest()
        return base64.urlsafe_b64encode(made).decode()

    url = asked["url"]
    fields = [f"Expires={asked['expires']}", f"KeyName={keys['key_name']}"]
    if asked["scope"]:
        fields.insert(0, f"URLPrefix={base64.urlsafe_b64encode(asked['scope'][0].encode()).decode()}")
    if asked["cookies"]:
        message = ":".join(fields)
        name = "Edge-Cache-Cookie" if asked["media"] else "Cloud-CDN-Cookie"
        return {"url": url, "signed": url, "cookies": {name: f"{message}:Signature={signature(message)}"}}
    message = "&".join(fields) if asked["scope"] else joined(url, *fields)
    return {"url": url, "signed": joined(url, *fields, f"Signature={signature(message)}")}


SDKS = {
    "cloudinary": cloudinary_url,
    "imgix": imgix_url,
    "libthumbor": thumbor,
    "botocore": cloudfront,
    "akamai-edgeauth": akamai,
    "cryptography": google,
}

answers = [SDKS[asked["sdk"]](asked) for asked in question["cases"]]
versions = {sdk: importlib.metadata.version(sdk) for sdk in SDKS}
json.dump({"versions": versions, "answers": answers}, sys.stdout)
