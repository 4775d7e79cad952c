"""Whether deploy/k8s/base is valid, and true: its parts fit each other, the images and the configuration files.

Usage: check_kubernetes.py VERSION..., the Kubernetes versions whose schemas must accept it (strictly: no unknown field).
The schemas are those of kubernetes-validate, which carries them. What no schema says is checked here by name, since no
cluster runs in CI: selectors, references, ports, probes, grants, network policies, the `restricted` pod policy, the memory
arithmetic.
"""

import copy
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

from check_dockerfile import DOCKERFILE, ROOT, USER, arguments, stages

BASE = ROOT / "deploy/k8s/base"
KIB = 1 << 10
MIB = 1 << 20
# The ports of each service: those of the image, in its order, by name.
PORTS = {"signer": ["grpc", "admin"], "resizer": ["grpc", "http", "admin"]}
# Paths of the admin port, by probe.
PROBES = {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
UNITS = {"Mi": MIB, "Gi": 1 << 30, "MiB": MIB, "GiB": 1 << 30}


def size(text):
    """`2Gi` or `1536MiB` in bytes."""
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()
    return int(number) * UNITS[unit]


def constant(path, name):
    """The first `name: 64 * 1024,` or `name: 512,` of a Rust source."""
    text = re.search(rf"\b{name}: ([0-9][0-9_ *]*),", (ROOT / path).read_text()).group(1)
    answer = 1
    for factor in text.split("*"):
        answer *= int(factor)
    return answer


def held_by_connections(max_connections):
    """What is not for pictures: the sum in chassis/src/server/limits.rs, with the resizer's numbers and two ports."""
    service, chassis = "resizer/src/service/mod.rs", "chassis/src/server/limits.rs"
    unread = constant(service, "stream_window") + constant(service, "max_decoding_message_size")
    unread += constant(chassis, "max_header_list_size")
    idle, large_headers = 33 * KIB, 64 * 256 * KIB
    return 2 * max_connections * idle + constant(service, "max_calls") * unread + large_headers


def against_schemas(objects, versions):
    found = []
    for version in versions:
        for item in objects:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(step) for step in error.path)
                found.append(f"{item.get('kind')} {item['metadata']['name']}: {path}: {error.message} (Kubernetes {version})")
    return found


def restricted(name, pod):
    """The `restricted` profile of the Pod Security Standards, as far as our pods use its fields, and a read-only root."""
    found = []
    security = pod.get("securityContext", {})
    user, group = (int(number) for number in USER.split(":"))
    wanted = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": group, "fsGroup": group}
    for key, value in wanted.items():
        if security.get(key) != value:
            found.append(f"{name}: securityContext.{key} is not {value}")
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append(f"{name}: seccompProfile is not RuntimeDefault")
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            found.append(f"{name}: {key}")
    for volume in pod.get("volumes", []):
        if set(volume) - {"name", "configMap", "secret", "emptyDir", "projected", "csi"}:
            found.append(f"{name}: volume {volume['name']} is of a kind that `restricted` refuses")
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("readOnlyRootFilesystem") is not True:
            found.append(f"{name}: container {container['name']} may escalate or write to its root")
        if own.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"{name}: container {container['name']} does not drop all capabilities")
        if own.get("privileged") or {"runAsUser", "runAsNonRoot", "seccompProfile"} & set(own):
            found.append(f"{name}: container {container['name']} overrides the pod's security")
    return found


def deployment(service, item, by_kind, image):
    """One service's Deployment and what refers to it. `image` is its stage in the Dockerfile."""
    name = f"safelight-{service}"
    found = []

    def need(truth, problem):
        if not truth:
            found.append(f"{name}: {problem}")

    spec, template = item["spec"], item["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    (container,) = pod["containers"]
    ports = dict(zip(PORTS[service], map(int, arguments(image, "EXPOSE")[0].split()), strict=True))
    port = ports["grpc"]

    def selects(selector):
        return selector and selector.items() <= labels.items()

    need(selects(spec["selector"]["matchLabels"]), "the Deployment does not select its own pods")
    for constraint in pod["topologySpreadConstraints"]:
        need(selects(constraint["labelSelector"]["matchLabels"]), "spreads other pods than its own")
    account = by_kind["ServiceAccount"].get(pod.get("serviceAccountName"))
    need(account and account.get("automountServiceAccountToken") is False, "no ServiceAccount without a token")
    need(pod.get("automountServiceAccountToken") is False, "mounts a token")
    found += restricted(name, pod)

    # Image, arguments, ports, probes.
    need(container["image"].split(":")[0].split("@")[0] == name, "is not our image")
    need(re.search(r":\d+\.\d+\.\d+$|@sha256:", container["image"]), "the image has no version")
    found_ports = {item["name"]: item["containerPort"] for item in container["ports"]}
    need(found_ports == ports, f"the ports are not {ports}, as the image exposes")
    flags = dict(argument.removeprefix("--").partition("=")[::2] for argument in container["args"])
    need(flags.get("listen") == f"[::]:{port}" and "plaintext" in flags, "does not listen where its port is")
    need(flags.get("admin-listen") == f"[::]:{ports['admin']}", "the admin port is elsewhere")
    for probe, path in PROBES.items():
        need(container[probe].get("httpGet") == {"path": path, "port": "admin"}, f"{probe} does not ask {path} of the admin port")
    scraped = {"scrape": "true", "port": str(ports["admin"]), "path": "/metrics"}
    annotations = template["metadata"].get("annotations", {})
    need(all(annotations.get(f"prometheus.io/{key}") == value for key, value in scraped.items()), "is not scraped")
    need(pod["terminationGracePeriodSeconds"] == 60, "the grace period is not 60 s")

    # Configuration and keys are where the arguments and the configuration look for them.
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    need(all(mount.get("readOnly") for mount in mounts.values()), "mounts something writable")
    directory, _, file = flags["config"].rpartition("/")
    config_map = by_kind["ConfigMap"].get(volumes[mounts[directory]["name"]]["configMap"]["name"], {})
    need(file in config_map.get("data", {}), f"{flags['config']} is in no ConfigMap")
    config = tomllib.loads((BASE / file).read_text())
    need(tomllib.loads(config_map["data"][file]) == config, "the ConfigMap is not the file")

    # Callers.
    for grant in config["grants"]:
        need(grant["caller"] != "anonymous", "a grant is for anyone")
    tokens = {token["caller"]: token["sha256"] for token in config["tokens"]}
    need({grant["caller"] for grant in config["grants"]} == set(tokens), "a grant is of a caller without a token")
    need(len(set(tokens.values())) == len(tokens), "two callers have one token")

    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    if service == "signer":
        need(spec.get("replicas", 1) >= 2, "a single replica")
        files = [version["secret_file"] for key in config["keys"] for version in key["versions"]]
        (grant,) = [grant for grant in config["grants"] if grant["caller"] == "resizer"]
        need(grant["methods"] == ["AuthorizeDelivery", "ListDeliveries"], "the resizer may do more than deliver")
        need(set(grant["deliveries"]) == {d["name"] for d in config["deliveries"]}, "the resizer has not these deliveries")
    else:
        need("replicas" not in spec, "replicas would undo what the autoscaler does")
        files = [config["signer"]["token_file"]]
        need(config["http"]["listen"] == f"[::]:{ports['http']}", "HTTP is elsewhere")
        need(limits == requests, "requests are not limits")
        memory, budget = size(limits["memory"]), size(config["limits"]["memory_budget"])
        held = -(-held_by_connections(config["server"]["max_connections"]) // (64 * MIB)) * 64 * MIB
        left = memory - max(memory // 8, 128 * MIB) - held
        need(budget == left, f"memory_budget is not what the limit leaves, {left // MIB}MiB")
        host, signer_port = re.fullmatch(r"http://([^:/]+):(\d+)", config["signer"]["endpoint"]).groups()
        signer = by_kind["Service"].get(host, {"spec": {"ports": []}})
        need([p["port"] for p in signer["spec"]["ports"]] == [int(signer_port)], "the signer's endpoint is no Service")
        need(signer["spec"].get("selector") == {"app.kubernetes.io/name": "safelight-signer"}, "asks another than the signer")

    secret = {"signer": "safelight-keys", "resizer": "safelight-resizer"}[service]
    readme = (ROOT / "deploy/README.md").read_text()
    need([v["secret"]["secretName"] for v in volumes.values() if "secret" in v] == [secret], f"mounts another Secret than {secret}")
    for path in files:
        directory, _, file = path.rpartition("/")
        volume = volumes.get(mounts.get(directory, {}).get("name"), {})
        need(volume.get("secret", {}).get("secretName") == secret, f"{path} is in no Secret")
        need(volume.get("secret", {}).get("defaultMode") == 0o440, f"{path} has another mode than 0440")
        need(f"--from-file={file}" in readme, f"deploy/README.md does not say how {file} gets into the Secret")

    for suffix, cluster_ip in (("", None), ("-headless", "None")):
        facade = by_kind["Service"][name + suffix]["spec"]
        need(selects(facade["selector"]), f"Service {name}{suffix} selects other pods")
        need(facade.get("clusterIP") == cluster_ip, f"Service {name}{suffix} has the wrong clusterIP")
        wanted = [{"name": "grpc", "port": port, "targetPort": "grpc", "appProtocol": "grpc"}]
        if "http" in ports and not suffix:
            wanted.append({"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"})
        need(facade["ports"] == wanted, f"Service {name}{suffix} has another port")
    budget = by_kind["PodDisruptionBudget"][name]["spec"]
    need(selects(budget["selector"]["matchLabels"]) and budget.get("maxUnavailable") == 1, "the disruption budget is another's")
    return found


def network(by_kind):
    """Whether the policies deny what they do not allow, and allow what there is."""
    found = []
    policies = {name: item["spec"] for name, item in by_kind.get("NetworkPolicy", {}).items()}
    deny = [p for p in policies.values() if p["podSelector"] == {} and not p.get("ingress") and not p.get("egress")]
    if not any(set(policy["policyTypes"]) == {"Ingress", "Egress"} for policy in deny):
        found.append("no NetworkPolicy denies by default")
    signer_port = None
    for service, ports in PORTS.items():
        name = f"safelight-{service}"
        template = by_kind["Deployment"][name]["spec"]["template"]
        named = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
        signer_port = signer_port or named["grpc"]
        own = [p for p in policies.values() if p["podSelector"].get("matchLabels", {}).items() <= template["metadata"]["labels"].items()]
        rules = [rule for policy in own for rule in policy.get("ingress", [])]
        opened = {port["port"] for rule in rules for port in rule["ports"]}
        if opened != set(ports):
            found.append(f"{name}: the policies open {opened}, not {ports}")
        for rule in rules:
            anyone = not rule.get("from") or {} in rule["from"] or any(peer == {"namespaceSelector": {}} for peer in rule["from"])
            if anyone and rule["ports"] != [{"port": "http"}]:
                found.append(f"{name}: anyone reaches {rule['ports']}")
    resizer = policies.get("safelight-resizer", {"egress": []})
    if not any(rule["ports"] == [{"port": signer_port}] for rule in resizer["egress"]):
        found.append("the resizer does not reach the signer")
    return found


def coherence(objects):
    found = []
    by_kind = {}
    for item in objects:
        by_kind.setdefault(item["kind"], {})[item["metadata"]["name"]] = item
        namespace = item["metadata"].get("namespace")
        if item["kind"] != "Namespace" and namespace not in by_kind.get("Namespace", {}):
            found.append(f"{item['kind']} {item['metadata']['name']}: namespace {namespace} is not ours")
    if "Secret" in by_kind:
        found.append("a Secret is in the repository")
    (namespace,) = by_kind["Namespace"].values()
    if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
        found.append("the namespace does not enforce the restricted pod policy")
    images = {stage["name"]: stage for stage in stages(DOCKERFILE.read_text())}
    for service in ("signer", "resizer"):
        found += deployment(service, by_kind["Deployment"][f"safelight-{service}"], by_kind, images[service])
    found += network(by_kind)

    (scaler,) = by_kind["HorizontalPodAutoscaler"].values()
    target = scaler["spec"]["scaleTargetRef"]["name"]
    if target != "safelight-resizer":
        found.append("the autoscaler is not the resizer's")
    containers = {c["name"]: c for c in by_kind["Deployment"][target]["spec"]["template"]["spec"]["containers"]}
    for metric in scaler["spec"]["metrics"]:
        container = containers.get(metric["containerResource"]["container"], {})
        if metric["containerResource"]["name"] not in container.get("resources", {}).get("requests", {}):
            found.append("the autoscaler measures what the container does not request")
    return found


def edited(objects, kind, name, edit):
    """A copy in which one object is changed."""
    answer = copy.deepcopy(objects)
    (item,) = [item for item in answer if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    edit(item)
    return answer


def unnoticed(objects, versions):
    """Mistakes that the checks above do not notice: they must be none."""
    pod = ("Deployment", "safelight-resizer")

    def container(item):
        return item["spec"]["template"]["spec"]["containers"][0]

    mistakes = [
        ("unknown field", against_schemas, pod, lambda item: container(item).update(readynessProbe={})),
        ("wrong type", against_schemas, pod, lambda item: container(item)["ports"][0].update(containerPort="grpc")),
        ("other port", coherence, pod, lambda item: container(item)["readinessProbe"]["httpGet"].update(port="http")),
        ("no denial", coherence, ("NetworkPolicy", "safelight-deny"), lambda item: item["spec"].update(policyTypes=["Ingress"])),
        ("open signer", coherence, ("NetworkPolicy", "safelight-signer"), lambda item: item["spec"]["ingress"][0].pop("from")),
        ("open namespaces", coherence, ("NetworkPolicy", "safelight-resizer"),
         lambda item: item["spec"]["ingress"][1].update({"from": [{"namespaceSelector": {}}]})),
        ("root", coherence, pod, lambda item: item["spec"]["template"]["spec"]["securityContext"].update(runAsUser=0)),
        ("less memory", coherence, pod, lambda item: container(item)["resources"]["limits"].update(memory="1Gi")),
        ("selector", coherence, ("Service", "safelight-signer"), lambda item: item["spec"]["selector"].update(x="y")),
        ("open keys", coherence, ("Deployment", "safelight-signer"),
         lambda item: item["spec"]["template"]["spec"]["volumes"][1]["secret"].update(defaultMode=0o444)),
    ]
    answer = []
    for what, check, which, edit in mistakes:
        more = [versions] if check is against_schemas else []
        if check(edited(objects, *which, edit), *more) == check(objects, *more):
            answer.append(f"this check would not notice: {what}")
    return answer


def main():
    versions = sys.argv[1:]
    rendered = subprocess.run(["kustomize", "build", str(BASE)], check=True, capture_output=True, text=True).stdout
    objects = list(yaml.safe_load_all(rendered))
    found = against_schemas(objects, versions) + coherence(objects) + unnoticed(objects, versions)
    for problem in found:
        print(f"deploy/k8s/base: {problem}")
    if found or not versions:
        sys.exit(1)
    print(f"deploy/k8s/base: {len(objects)} objects, valid in Kubernetes {' and '.join(versions)}, and they fit each other")


if __name__ == "__main__":
    main()
