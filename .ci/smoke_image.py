"""Starts both services as their pods would: what comes nearest to a container without an engine.

The root directory holds the binary, the packages that distroless/cc-debian12 is made of (from this machine, which must be
Debian 12 too), and what the rendered Deployment mounts; user, groups and arguments are the Deployment's. Then the probes
must answer, the services must know the keys and variants of their configuration and each other, and SIGTERM must end them
with 0.

Usage: smoke_image.py DIRECTORY, the directory of the binaries. Needs root, for chroot.
"""

import hashlib
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from check_kubernetes import BASE

# What the base image has of shared libraries, and what the image build would link against.
PACKAGES = ["libc6", "libgcc-s1", "libstdc++6"]
# Made up: the backend's, and the resizer's own. In the files their hashes are to be replaced.
TOKEN, RESIZER_TOKEN = secrets.token_hex(32), secrets.token_hex(32)
HASHES = {"0" * 64: TOKEN, "1" * 64: RESIZER_TOKEN}
# Pods have addresses of their own; here both admin ports would be one.
ADMIN = {"signer": 9090, "resizer": 9091}
START_SECONDS = 30  # a debug build; the startup probe allows 60 s
STOP_SECONDS = 55  # terminationGracePeriodSeconds is 60


def base_image(root):
    """The files of distroless/cc that a service needs."""
    out = subprocess.run(["dpkg", "-L", *PACKAGES], check=True, capture_output=True, text=True).stdout
    folders = {"lib", "lib64", f"{platform.machine()}-linux-gnu"}
    for path in out.split():
        if ".so" not in Path(path).name or Path(path).parent.name not in folders or not os.path.isfile(path):
            continue
        # Debian 12 lists /lib/..., which is /usr/lib/... here and in the image.
        target = root / Path(path).relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(path).read_bytes())
        target.chmod(0o755)
    write(root / "etc/hosts", "127.0.0.1 localhost safelight-signer safelight-signer-headless\n")
    write(root / "etc/nsswitch.conf", "hosts: files dns\n")
    write(root / "etc/ssl/certs/ca-certificates.crt", Path("/etc/ssl/certs/ca-certificates.crt").read_text())


def write(path, text, mode=0o444, group=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chown(path, 0, group)
    path.chmod(mode)


def mount(directory, files, mode, group):
    """As Kubernetes lays a volume out: files in a hidden directory, behind two symbolic links."""
    directory.mkdir(parents=True)
    for name, text in files.items():
        write(directory / "..2026_01_01" / name, text, mode, group)
        (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data").symlink_to("..2026_01_01")


class Pod:
    """One service, started from its Deployment."""

    def __init__(self, service, objects, binaries, parent):
        def named(kind, name):
            (item,) = [i for i in objects if (i["kind"], i["metadata"]["name"]) == (kind, name)]
            return item

        spec = named("Deployment", f"safelight-{service}")["spec"]["template"]["spec"]
        (self.container,) = spec["containers"]
        user, group = (spec["securityContext"][key] for key in ("runAsUser", "runAsGroup"))
        self.name, root = service, parent / service
        base_image(root)
        binary = root / f"usr/local/bin/safelight-{service}"
        binary.parent.mkdir(parents=True)
        binary.write_bytes((binaries / binary.name).read_bytes())
        binary.chmod(0o755)
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for point in self.container["volumeMounts"]:
            volume = volumes[point["name"]]
            directory = root / point["mountPath"].lstrip("/")
            if "configMap" in volume:
                data = named("ConfigMap", volume["configMap"]["name"])["data"]
                for placeholder, token in HASHES.items():
                    token = hashlib.sha256(token.encode()).hexdigest()
                    data = {name: text.replace(placeholder, token) for name, text in data.items()}
                mount(directory, data, 0o644, group)
            else:
                # The files of the Secret, as the README makes it; fsGroup lets the group read them.
                config = tomllib.loads((BASE / f"{service}.toml").read_text())
                if service == "signer":
                    paths = [version["secret_file"] for key in config["keys"] for version in key["versions"]]
                    files = {Path(path).name: secrets.token_hex(32) for path in paths}
                else:
                    files = {Path(config["signer"]["token_file"]).name: RESIZER_TOKEN}
                mount(directory, files, volume["secret"]["defaultMode"], spec["securityContext"]["fsGroup"])
        args = [argument.replace(":9090", f":{ADMIN[service]}") if argument.startswith("--admin-listen=") else argument
                for argument in self.container["args"]]
        self.log = open(parent / f"{service}.log", "w+")
        self.process = subprocess.Popen(
            [shutil.which("chroot"), f"--userspec={user}:{group}", "--groups=" + str(spec["securityContext"]["fsGroup"]), root,
             f"/usr/local/bin/safelight-{service}", *args],
            stdout=self.log, stderr=subprocess.STDOUT, env={},
        )

    def call(self, method, request="{}"):
        port = self.container["ports"][0]["containerPort"]
        return subprocess.run(["grpcurl", "-plaintext", "-max-time", "5", "-H", f"authorization: Bearer {TOKEN}", "-d", request, f"127.0.0.1:{port}", method],
                              capture_output=True, text=True)

    def get(self, port, path):
        """Status and text of a GET; 0 while it is not listened."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_until_ready(self):
        """Every probe succeeds, and the metrics are there."""
        deadline = time.monotonic() + START_SECONDS
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            while True:
                status, text = self.get(ADMIN[self.name], self.container[probe]["httpGet"]["path"])
                if status == 200:
                    break
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.fail(f"{probe} was not answered: {status} {text}")
                time.sleep(0.2)
        status, text = self.get(ADMIN[self.name], "/metrics")
        if status != 200 or "\nsafelight_connections{" not in text:
            self.fail(f"/metrics: {status}")

    def knows(self, method, field, wanted):
        answer = self.call(method)
        if answer.returncode != 0:
            self.fail(f"{method}: {answer.stderr}")
        names = sorted(item["name"] for item in json.loads(answer.stdout)[field])
        if names != sorted(wanted):
            self.fail(f"{method} says {names}, not {sorted(wanted)}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail("SIGTERM did not end it within the grace period")
        if code != 0:
            self.fail(f"ended with {code} after SIGTERM")

    def fail(self, problem):
        self.log.seek(0)
        sys.exit(f"safelight-{self.name}, as its pod would run it: {problem}\n{self.log.read()}")


def main():
    if os.geteuid() != 0:
        sys.exit("smoke_image.py needs root, for chroot")
    rendered = subprocess.run(["kustomize", "build", str(BASE)], check=True, capture_output=True, text=True).stdout
    objects = list(yaml.safe_load_all(rendered))
    pods = []
    with tempfile.TemporaryDirectory(prefix="safelight-pods-") as parent:
        os.chmod(parent, 0o755)
        try:
            for service in ("signer", "resizer"):
                pods.append(Pod(service, objects, Path(sys.argv[1]), Path(parent)))
                pods[-1].wait_until_ready()
            signer, resizer = pods
            signer.knows("safelight.signer.v1.KeyService/ListKeys", "keys", ["web", "uploads"])
            resizer.knows("safelight.resizer.v1.ResizerService/ListVariants", "variants", ["thumbnail", "large"])
            # The signer knows the resizer by its token, and the route: else the answer would be that it refused the resizer.
            for path in ("/acme/a.jpg/large", "/acme/a.jpg/large?exp=1&sig=00"):
                status, text = resizer.get(8080, path)
                if status != 403 or json.loads(text)["reason"] != "URL_REFUSED":
                    resizer.fail(f"{path} over HTTP: {status} {text}")
            for pod in reversed(pods):
                pod.stop()
        finally:
            for pod in pods:
                pod.process.kill()
                pod.process.wait()
    print("both services start, answer their probes and stop as their pods would")


if __name__ == "__main__":
    main()
