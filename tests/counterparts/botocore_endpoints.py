"""Where botocore would look for buckets: its own endpoint rules, asked directly.

Reads {"places": [{bucket, region, endpoint, path_style, dual_stack, fips, accelerate}], "regions": [...]} as JSON; writes
{"places": [{"url", "region"} or {"error"}], "partitions": [{"id", "dns_suffix", "regions"}]}. Needs no network.
"""

import json
import sys

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

loader = botocore.session.get_session().get_component("data_loader")
partitions = loader.load_data("partitions")
rules = loader.load_service_model("s3", "endpoint-rule-set-1")
provider = EndpointProvider(rules, partitions)


def resolve(place):
    parameters = {
        "Bucket": place["bucket"],
        "Region": place["region"],
        "UseFIPS": place["fips"],
        "UseDualStack": place["dual_stack"],
        "Accelerate": place["accelerate"],
        "ForcePathStyle": place["path_style"],
        "UseGlobalEndpoint": False,
    }
    if place["endpoint"]:
        parameters["Endpoint"] = place["endpoint"]
    try:
        endpoint = provider.resolve_endpoint(**parameters)
    except EndpointProviderError as error:
        return {"error": str(error)}
    scheme = endpoint.properties["authSchemes"][0]
    if scheme["name"] != "sigv4" or scheme["signingName"] != "s3":
        return {"error": f"{scheme['name']} for {scheme['signingName']}"}
    return {"url": endpoint.url, "region": scheme["signingRegion"]}


question = json.load(sys.stdin)
json.dump(
    {
        "places": [resolve(place) for place in question["places"]],
        "partitions": [
            {
                "id": partition["id"],
                "dns_suffix": partition["outputs"]["dnsSuffix"],
                "regions": [region for region in partition["regions"] if not region.endswith("-global")],
            }
            for partition in partitions["partitions"]
        ],
    },
    sys.stdout,
)
