from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, PARTIAL, TABLE, World

GOLDEN = Path(__file__).parents[3] / "golden" / "api" / "mechanics-08-discovery.yaml"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBECTL = f"{AGGREGATED},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"


def recorded(step: str) -> Any:
    steps = yaml.safe_load(GOLDEN.read_text())["steps"]
    return next(found["response"]["body"] for found in steps if found["id"] == step)


@pytest.mark.parametrize(("step", "path"), [("api-v1", "/api/v1"), ("apis-apps-v1", "/apis/apps/v1")])
async def test_what_is_listed_is_listed_as_upstream_lists_it(world: World, step: str, path: str) -> None:
    _, body = await world.get(path)
    known = {entry["name"]: entry for entry in recorded(step)["resources"]}
    assert {key: value for key, value in body.items() if key != "resources"} == {
        key: value for key, value in recorded(step).items() if key != "resources"
    }
    assert len(body["resources"]) > 3
    for entry in body["resources"]:
        assert entry == known[entry["name"]]
    names = [entry["name"] for entry in body["resources"]]
    assert names == sorted(names)


async def test_definitions_are_listed_as_recorded(world: World) -> None:
    assert (await world.get("/apis/apiextensions.k8s.io/v1"))[1] == recorded("apis-apiextensions.k8s.io-v1")


async def test_groups_come_in_upstreams_order(world: World) -> None:
    _, body = await world.get("/apis")
    names = [group["name"] for group in body["groups"]]
    known = [group["name"] for group in recorded("apis")["groups"]]
    assert names == [name for name in known if name in names]
    assert "apps" in names
    _, one = await world.get("/apis/apps")
    assert one == recorded("apis-apps")


async def test_the_aggregated_form(world: World) -> None:
    response = await world.call("GET", "/apis", Accept=KUBECTL)
    assert response.headers["Content-Type"] == AGGREGATED
    body = await response.json()
    assert (body["kind"], body["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    apps = next(item for item in body["items"] if item["metadata"]["name"] == "apps")
    deployments = next(r for r in apps["versions"][0]["resources"] if r["resource"] == "deployments")
    assert deployments["scope"] == "Namespaced"
    assert [sub["subresource"] for sub in deployments["subresources"]] == ["scale", "status"]
    again = await world.call("GET", "/apis", Accept=KUBECTL, If_None_Match=response.headers["ETag"])
    assert again.status == 304


async def test_the_aggregated_core(world: World) -> None:
    _, body = await world.get("/api", Accept=AGGREGATED)
    resources = {entry["resource"]: entry for entry in body["items"][0]["versions"][0]["resources"]}
    upstream = recorded("aggregated-api")["items"][0]["versions"][0]["resources"]
    for entry in upstream:
        if isinstance(entry, dict) and entry["resource"] in resources:
            assert resources[entry["resource"]] == entry
    assert body["items"][0]["metadata"] == {}
    _, plain = await world.get("/api")
    assert plain["versions"] == ["v1"]


async def test_version_and_health(world: World) -> None:
    for path in ("/version", "/version/"):
        code, body = await world.get(path)
        assert (code, body["major"], body["minor"], body["gitVersion"]) == (200, "1", "36", "v1.36.2+pocket")
        assert all(isinstance(value, str) for value in body.values())
        assert set(body) == set(recorded("version"))
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        assert await world.get(path) == (200, "ok")
    _, text = await world.get("/livez?verbose")
    assert text.startswith("[+]ping ok\n[+]log ok\n[+]etcd ok\n")
    code, _ = await world.get("/healthz/nope")
    assert code == 404


async def test_paths_of_the_root_are_served(world: World) -> None:
    _, body = await world.get("/")
    for path in body["paths"]:
        code, _ = await world.get(path)
        assert code == 200, path


async def test_openapi_documents_are_what_kubectl_needs(world: World) -> None:
    _, index = await world.get("/openapi/v3")
    assert set(index["paths"]) >= {"api/v1", "apis/apps/v1", "apis/discovery.k8s.io/v1"}
    served = set()
    for entry in index["paths"].values():
        code, document = await world.get(entry["serverRelativeURL"])
        assert code == 200
        for operations in document["paths"].values():
            patch = operations.get("patch")
            if patch is None or patch["x-kubernetes-action"] != "patch":
                continue
            gvk = patch["x-kubernetes-group-version-kind"]
            served.add((gvk["group"], gvk["version"], gvk["kind"]))
            assert "fieldValidation" in {p["name"] for p in patch["parameters"]}
            assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    every = (kind for one in world.registry.resources.values() for kind in (one, *one.other_versions))
    kinds = {(k.group, k.version, k.kind) for k in every if "patch" in k.verbs}
    assert served == kinds | {("autoscaling", "v1", "Scale")}


async def test_openapi_v2_has_the_definitions(world: World) -> None:
    code, document = await world.get("/openapi/v2")
    assert (code, document["swagger"]) == (200, "2.0")
    port = document["definitions"]["io.k8s.api.core.v1.ServicePort"]
    assert port["required"] == ["port"]
    target = port["properties"]["targetPort"]
    assert target["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString"
    assert target["description"].startswith("Number or name of the port to access on the pods")
    patch = document["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" in patch["consumes"]


async def test_openapi_names_what_can_be_done(world: World) -> None:
    _, document = await world.get("/openapi/v3/apis/apps/v1")
    named = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]
    assert [parameter["name"] for parameter in named["parameters"]] == ["name", "namespace", "pretty"]
    put = named["put"]
    assert (put["operationId"], put["tags"]) == ("replaceAppsV1NamespacedDeploymentScale", ["apps_v1"])
    assert put["description"] == "replace scale of the specified Deployment"
    assert put["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert put["requestBody"]["content"]["*/*"]["schema"]["$ref"].endswith("io.k8s.api.autoscaling.v1.Scale")
    lists = document["paths"]["/apis/apps/v1/deployments"]
    assert lists["get"]["operationId"] == "listAppsV1DeploymentForAllNamespaces"
    assert "parameters" not in lists["get"]  # they are the path's
    assert {"watch", "labelSelector"} <= {parameter["name"] for parameter in lists["parameters"]}
    _, core = await world.get("/openapi/v3/api/v1")
    pods = core["paths"]["/api/v1/namespaces/{namespace}/pods"]
    assert pods["delete"]["operationId"] == "deleteCoreV1CollectionNamespacedPod"
    assert core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/eviction"].keys() == {"post", "parameters"}


async def test_openapi_names_what_streams(world: World) -> None:
    paths = (await world.get("/openapi/v3/api/v1"))[1]["paths"]
    pod = "/api/v1/namespaces/{namespace}/pods/{name}"
    log = paths[f"{pod}/log"]
    assert (log["get"]["operationId"], log["get"]["x-kubernetes-action"]) == ("readCoreV1NamespacedPodLog", "get")
    assert {"name": "tailLines", "in": "query", "schema": {"type": "integer", "uniqueItems": True}} in log["parameters"]
    run = paths[f"{pod}/exec"]
    assert run.keys() == {"get", "post", "parameters"}
    assert run["post"]["operationId"] == "connectCoreV1PostNamespacedPodExec"
    assert run["post"]["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
    assert [one["name"] for one in run["parameters"]][:3] == ["command", "container", "name"]
    further = paths["/api/v1/nodes/{name}/proxy/{path}"]
    assert further.keys() == {"delete", "get", "head", "options", "patch", "post", "put", "parameters"}
    assert further["head"]["operationId"] == "connectCoreV1HeadNodeProxyWithPath"
    assert [(one["name"], one["in"]) for one in further["parameters"]] == [
        ("name", "path"),
        ("path", "path"),
        ("path", "query"),
    ]
    both = (await world.get("/openapi/v2"))[1]["parameters"]
    assert (both["path"]["in"], both["path-path"]["in"]) == ("query", "path")


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/api/v1"])
async def test_who_has_a_document_is_told_so(world: World, path: str) -> None:
    tag = (await world.call("GET", path)).headers["ETag"]
    response = await world.call("GET", path, If_None_Match=tag)
    assert (response.status, await response.text(), response.headers["ETag"]) == (304, "", tag)
    assert (await world.call("GET", path, If_None_Match='"other"')).status == 200


async def test_explain_finds_its_path(world: World) -> None:
    _, document = await world.get("/openapi/v3/apis/apps/v1")
    paths = document["paths"]
    assert paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["get"]["x-kubernetes-action"] == "get"
    schema = paths["/apis/apps/v1/deployments"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["$ref"].rpartition("/")[2] in document["components"]["schemas"]


async def test_tables_of_lists_and_single_objects(world: World) -> None:
    obj = world.configmap("a")
    for path in (CONFIGMAPS, f"{CONFIGMAPS}/a"):
        code, body = await world.get(path, Accept=TABLE)
        assert (code, body["kind"], body["apiVersion"]) == (200, "Table", "meta.k8s.io/v1")
        assert body["rows"][0]["cells"][:2] == ["a", 1]
        assert body["rows"][0]["object"] == {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    assert body["metadata"] == {"resourceVersion": obj["metadata"]["resourceVersion"]}
    _, body = await world.get(f"{CONFIGMAPS}?includeObject=Object", Accept=TABLE)
    assert body["rows"][0]["object"] == obj
    _, body = await world.get(f"{CONFIGMAPS}?includeObject=None", Accept=TABLE.replace("v=v1", "v=v1beta1"))
    assert (body["apiVersion"], body["rows"][0]["object"]) == ("meta.k8s.io/v1beta1", None)
    code, body = await world.get(f"{CONFIGMAPS}?includeObject=Bad", Accept=TABLE)
    text = (
        "Unable to convert to Table as requested: includeObject: Invalid value: \"Bad\": must be 'Metadata', "
        "'Object', 'None', or empty"
    )
    assert (code, body["message"]) == (400, text)
    code, body = await world.get(f"{CONFIGMAPS}/ghost", Accept=TABLE)
    assert (code, body["kind"]) == (404, "Status")


async def test_metadata_of_lists(world: World) -> None:
    obj = world.configmap("a")
    _, body = await world.get(CONFIGMAPS, Accept=PARTIAL.replace("Metadata;", "MetadataList;"))
    assert (body["kind"], body["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert [item["metadata"] for item in body["items"]] == [obj["metadata"]]


async def test_deprecated_kinds_warn_on_every_request(world: World) -> None:
    response = await world.call("GET", "/api/v1/namespaces/test/endpoints")
    text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    assert response.headers.getall("Warning") == [f'299 - "{text}"']
