"""Whether the output of a test run shows a secret of the tests: `check_output.py FILE`.

Secrets of the tests are known by how they are written, so that a new one is looked for without being listed:
- in Rust and Python, a word that begins with `fake-` or `fake/`, of ten characters or more;
- in the vectors, what stands in a case's `key`, its public half apart.
Each is looked for as it stands, in hexadecimal, base64, base64url and percent-encoded.
"""

import base64
import json
import re
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("chassis", "deploy", "resizer", "signer", "tests")
WORD = re.compile(r"\bfake[-/][\w+/=-]+")
# Shorter ones are found everywhere.
SHORTEST = 10
# What stands beside a secret in the vectors.
PUBLIC = {"id", "name", "state", "access_key_id", "key_pair_id", "public_key_b64url", "private_key_pem_ref", "signature_size"}


def in_vectors(value):
    """Every secret text of a case's `key`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in PUBLIC:
                yield from in_vectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from in_vectors(inner)
    elif isinstance(value, str):
        # Of a key in PEM, each line would be too much to show.
        yield from (line for line in value.splitlines() if not line.startswith("-----"))


def secrets():
    found = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".rs", ".py") and "target" not in path.parts:
                found.update(WORD.findall(path.read_text()))
    for path in (ROOT / "tests/vectors").glob("*.json"):
        for case in json.loads(path.read_text()):
            found.update(in_vectors(case["key"]))
    return {secret for secret in found if len(secret) >= SHORTEST}


def forms(secret):
    """How a secret may be written. Of base64, what does not depend on what stands before and behind it."""
    data = secret.encode()
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield data.hex()
    yield data.hex().upper()
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data).decode().rstrip("=")
        # The first characters hold bits of what is before, and the last may hold bits of what follows.
        text = text[(0, 2, 3)[shift] : len(text) - 1]
        yield text
        yield text.replace("+", "-").replace("/", "_")


def shown(output, needles):
    """The secrets in `output`, each with the line that shows it."""
    if not any(needle in output for needle in needles):
        return []
    return [
        (secret, number)
        for number, line in enumerate(output.splitlines(), 1)
        for needle, secret in needles.items()
        if needle in line
    ]


def main():
    known = secrets()
    needles = {form: secret for secret in known for form in forms(secret)}
    # The check itself is checked: every form of every secret is noticed, in the middle of other text as well.
    for needle in needles:
        assert shown(f"a line\n{{\"level\":\"INFO\",\"x\":\"{needle}\"}}\n", needles), needle
    for secret in list(known)[:20]:
        for before in ("", "k", "ke", "key"):
            text = base64.b64encode(f"{before}{secret}:more".encode()).decode()
            assert shown(text, needles), (before, secret)
    found = shown(Path(sys.argv[1]).read_text(errors="replace"), needles)
    for secret, number in found:
        # Not the line, which would show it once more.
        print(f"the output of the tests shows a secret in line {number}: it begins with {secret[:6]!r}")
    if found:
        sys.exit(1)
    print(f"secrets: none of {len(known)} in the output of the tests, in {len(needles)} spellings")


if __name__ == "__main__":
    main()
