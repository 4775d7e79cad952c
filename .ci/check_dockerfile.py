"""Whether deploy/docker/Dockerfile fits the workspace: no container engine runs in CI, so what it names is looked up.

Builds nothing. hadolint has checked the syntax before.
"""

import fnmatch
import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "deploy/docker/Dockerfile"
# What a release pod may be: nobody, by number, so that Kubernetes can tell that it is not root.
USER = "65532:65532"


def stages(text):
    """[{name, base, steps: [(instruction, argument)]}], in the order of the file."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    answer = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, argument = line.partition(" ")
        if instruction == "FROM":
            base, _, name = argument.partition(" AS ")
            answer.append({"name": name, "base": base, "steps": []})
        else:
            answer[-1]["steps"].append((instruction, argument.strip()))
    return answer


def arguments(stage, instruction):
    return [argument for name, argument in stage["steps"] if name == instruction]


def in_context(path, patterns):
    """Whether .dockerignore lets `path` into the build context: the last pattern that matches decides."""
    inside = True
    for pattern in patterns:
        rule = pattern.removeprefix("!").rstrip("/")
        if fnmatch.fnmatch(path, rule) or path.startswith(rule + "/"):
            inside = pattern.startswith("!")
    return inside


def binaries():
    """{(package, binary)} of the workspace."""
    out = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--locked", "--format-version=1"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    return {
        (package["name"], target["name"])
        for package in json.loads(out)["packages"]
        for target in package["targets"]
        if "bin" in target["kind"]
    }


def problems(text, ignore, workspace):
    """What is wrong with the Dockerfile `text`."""
    found = []
    all_stages = stages(text)
    by_name = {stage["name"]: stage for stage in all_stages}

    def built_by(name):
        """Paths under /out that a stage installs."""
        words = [word for run in arguments(by_name[name], "RUN") for word in shlex.split(run)]
        return {word for word in words if word.startswith("/out/")}

    for stage in all_stages:
        for copy in arguments(stage, "COPY"):
            words = shlex.split(copy)
            options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
            *sources, _ = [word for word in words if not word.startswith("--")]
            for source in sources:
                if "from" in options:
                    if options["from"] not in by_name:
                        found.append(f"COPY --from={options['from']}: no such stage")
                    elif source not in built_by(options["from"]):
                        found.append(f"COPY {source}: stage {options['from']} does not make it")
                elif not (ROOT / source).exists():
                    found.append(f"COPY {source}: no such path")
                elif not in_context(source, ignore):
                    found.append(f"COPY {source}: .dockerignore keeps it out")
        for run in arguments(stage, "RUN"):
            words = shlex.split(run)
            if "cargo" in words:
                named = (words[words.index("--package") + 1], words[words.index("--bin") + 1])
                if named not in workspace:
                    found.append(f"cargo build: package {named[0]} has no binary {named[1]}")

    for service in ("signer", "resizer"):
        if service not in by_name:
            found.append(f"no target {service}")
            continue
        stage = by_name[service]
        binary = f"/usr/local/bin/safelight-{service}"
        if arguments(stage, "ENTRYPOINT") != [json.dumps([binary])]:
            found.append(f"{service}: the entry point is not {binary}")
        if not any(copy.endswith(" " + binary) for copy in arguments(stage, "COPY")):
            found.append(f"{service}: nothing is copied to {binary}")
        if arguments(stage, "USER") != [USER]:
            found.append(f"{service}: the user is not {USER}")
        if len(arguments(stage, "EXPOSE")) != 1:
            found.append(f"{service}: exposes other than one port")
        if arguments(stage, "RUN"):
            found.append(f"{service}: runs a command, in an image that has no shell")
    copied = {copy.split()[-1] for stage in all_stages for copy in arguments(stage, "COPY")}
    with open(ROOT / "Cargo.toml", "rb") as file:
        for member in tomllib.load(file)["workspace"]["members"]:
            if not any(member == path or member.startswith(path + "/") for path in copied):
                found.append(f"workspace member {member} is not copied: cargo would not load the workspace")
    return found


def main():
    text = DOCKERFILE.read_text()
    ignore = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and line[0] != "#"]
    workspace = binaries()
    found = problems(text, ignore, workspace)
    # The check itself is checked: each of these must be noticed.
    noticed = [problems(broken, ignore, workspace) != found for broken in (
        text.replace("COPY chassis chassis", "COPY chasis chassis"),
        text.replace("COPY tests tests\n", ""),
        text.replace("--bin safelight-signer", "--bin safelight-singer"),
        text.replace("--from=build-resizer", "--from=build-rezizer"),
        text.replace("USER 65532:65532", "USER root"),
        text.replace(" AS resizer", " AS rezizer"),
    )]
    noticed.append(problems(text, ["*"], workspace) != found)
    if not all(noticed):
        found.append(f"this check would not notice a broken Dockerfile: {noticed}")
    for problem in found:
        print(f"deploy/docker/Dockerfile: {problem}")
    if found:
        sys.exit(1)
    print("deploy/docker/Dockerfile: every stage, path, package, binary and user it names is there")


if __name__ == "__main__":
    main()
