"""Signs URLs of Cloudflare Images with Python's urllib.parse, the way that goes round in blog posts.

It writes the query in another way than the documented example: `~` is kept, blank values are dropped, duplicates are
grouped, and the path is not touched.

    python cloudflare_images.py < QUESTION.json

QUESTION: {"secret", "expires" (Unix seconds), "urls": [...]}
Answer:   [signed URL, ...]
"""

import hashlib
import hmac
import json
import sys
from urllib.parse import parse_qs, urlencode, urlparse, urlunparse

question = json.load(sys.stdin)


def sign(url):
    parts = urlparse(url)
    query = parse_qs(parts.query)
    query["exp"] = [str(question["expires"])]
    query = urlencode(query, doseq=True)
    message = f"{parts.path}?{query}"
    signature = hmac.new(question["secret"].encode(), message.encode(), hashlib.sha256).hexdigest()
    return f"{urlunparse(parts._replace(query=query))}&sig={signature}"


json.dump([sign(url) for url in question["urls"]], sys.stdout)
