"""Cloudinary's Python SDK signs, and posts an upload to a server of this script, which tells what it was sent.

    python cloudinary_upload.py < QUESTION.json

QUESTION: {"secret", "api_key", "cases": [{"algorithm", "parameters"}], "upload": {options of uploader.upload}}
Answer:   {"signatures": [...], "form": [[name, value], ...]}
"""

import email.parser
import email.policy
import http.server
import json
import os
import sys
import threading

question = json.load(sys.stdin)
received = []


class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        received.append(b"content-type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + body)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def fields(form):
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(form)
    return [
        [part.get_param("name", header="content-disposition"), part.get_payload(decode=True).decode()]
        for part in message.iter_parts()
    ]


server = http.server.HTTPServer(("127.0.0.1", 0), Sink)
threading.Thread(target=server.serve_forever, daemon=True).start()
# Read when the module is imported.
os.environ["CLOUDINARY_URL"] = "cloudinary://{api_key}:{secret}@cloud".format(**question)

import cloudinary.uploader
import cloudinary.utils

cloudinary.uploader.upload(
    b"bytes of a file", upload_prefix=f"http://127.0.0.1:{server.server_port}", **question["upload"]
)
signatures = [
    cloudinary.utils.api_sign_request(case["parameters"], question["secret"], case["algorithm"])
    for case in question["cases"]
]
json.dump({"signatures": signatures, "form": fields(received[0])}, sys.stdout)
