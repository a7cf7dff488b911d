"""[sig-network] conformance of what needs the API alone: life cycles of objects, watches, status, collections."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any

import pytest
from tests.parity.network.support import SERVICE_NAME, Place, port, seen, service, watch

from kindlab.api import MERGE_PATCH, Api, ApiError, Obj


def version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


def served(api: Api, group: str, plural: str) -> None:
    """The group, its version and the kind are in every discovery document."""
    groups = {g["name"]: [v["version"] for v in g["versions"]] for g in api.request("GET", "/apis")["groups"]}
    assert "v1" in groups[group]
    assert "v1" in [v["version"] for v in api.request("GET", f"/apis/{group}")["versions"]]
    assert plural in [r["name"] for r in api.request("GET", f"/apis/{group}/v1")["resources"]]


def noted(obj: Obj, **annotations: str) -> Obj:
    obj["metadata"].setdefault("annotations", {}).update(annotations)
    return obj


def was_patched(obj: Obj) -> bool:
    return bool((obj["metadata"].get("annotations") or {}).get("patched") == "true")


def again_on_conflict(write: Callable[[], Obj]) -> Obj:
    """Read and write again when somebody (a controller) wrote between."""
    for _ in range(5):
        try:
            return write()
        except ApiError as error:
            if error.code != 409:
                raise
    return write()


class Collection:
    """One kind of the API, driven as upstream's API tests drive it."""

    def __init__(self, api: Api, kind: str, namespace: str | None, label: str) -> None:
        self.api = api
        self.path = api.path(kind, namespace)
        self.everywhere = api.path(kind)
        self.selector = {"labelSelector": f"special-label={label}"}

    def ask(self, method: str, name: str = "", body: Any = None, **options: Any) -> Any:
        return self.api.request(method, f"{self.path}/{name}" if name else self.path, body, **options)

    def list(self, *, everywhere: bool = False) -> Obj:
        return self.api.request("GET", self.everywhere if everywhere else self.path, query=self.selector)  # type: ignore[no-any-return]

    def walk(self, *templates: Obj) -> Obj:
        """Create three, get, list here and everywhere, watch, patch and update the last one; it is returned."""
        assert len(templates) == 3
        *_, made = [self.ask("POST", body=template) for template in templates]
        name = made["metadata"]["name"]
        got = self.ask("GET", name)
        assert got["metadata"]["uid"] == made["metadata"]["uid"]
        assert version(got) > 0
        listed = self.list()
        assert len(listed["items"]) == len(self.list(everywhere=True)["items"]) == 3
        start = {**self.selector, "resourceVersion": listed["metadata"]["resourceVersion"]}
        patched = self.ask("PATCH", name, {"metadata": {"annotations": {"patched": "true"}}}, content_type=MERGE_PATCH)
        assert patched["metadata"]["annotations"]["patched"] == "true"
        assert version(patched) > version(made)
        updated = again_on_conflict(lambda: self.ask("PUT", name, noted(self.ask("GET", name), updated="true")))
        assert updated["metadata"]["annotations"]["updated"] == "true"
        for path in {self.path, self.everywhere}:
            seen(watch(self.api, path, **start), "MODIFIED", was_patched)
        return updated

    def end(self, name: str) -> None:
        """Delete one, then the others as a collection."""
        self.ask("DELETE", name)
        with pytest.raises(ApiError) as refused:
            self.ask("GET", name)
        assert refused.value.code == 404
        assert name not in [o["metadata"]["name"] for o in self.list()["items"]]
        assert len(self.list()["items"]) == 2
        self.ask("DELETE", query=self.selector)
        assert self.list()["items"] == []


def test_endpointslice_api_operations(net: Place) -> None:
    """[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]"""
    served(net.api, "discovery.k8s.io", "endpointslices")
    label = net.namespace
    slices = Collection(net.api, "EndpointSlice", net.namespace, label)
    template = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"generateName": "e2e-example-ing", "labels": {"special-label": label}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["1.2.3.4", "5.6.7.8"]}, {"addresses": ["2.2.3.4", "6.6.7.8"]}],
    }
    last = slices.walk(template, template, template)
    slices.end(last["metadata"]["name"])


def test_ingress_api_operations(net: Place) -> None:
    """[sig-network] Ingress API should support creating Ingress API operations [Conformance]"""
    served(net.api, "networking.k8s.io", "ingresses")
    label = net.namespace
    ingresses = Collection(net.api, "Ingress", net.namespace, label)

    def template(host: str) -> Obj:
        backend = {"service": {"name": "test-backend", "port": {"number": 8080}}}
        path = {"path": "/", "pathType": "ImplementationSpecific", "backend": backend}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"generateName": "e2e-example-ing", "labels": {"special-label": label}},
            "spec": {
                "defaultBackend": {"service": {"name": "default-backend", "port": {"number": 8080}}},
                "rules": [{"host": host, "http": {"paths": [path]}}],
            },
        }

    last = ingresses.walk(*(template(f"host{n}.bar.com") for n in (1, 2, 3)))
    name = last["metadata"]["name"]
    change = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}},
    }
    patched = ingresses.ask("PATCH", f"{name}/status", change, content_type=MERGE_PATCH)
    assert patched["status"]["loadBalancer"] == {"ingress": [{"ip": "169.1.1.1"}]}
    assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
    other = {"loadBalancer": {"ingress": [{"ip": "169.1.1.2"}]}}
    updated = again_on_conflict(
        lambda: ingresses.ask("PUT", f"{name}/status", {**ingresses.ask("GET", name), "status": other})
    )
    assert updated["status"]["loadBalancer"] == {"ingress": [{"ip": "169.1.1.2"}]}
    assert ingresses.ask("GET", f"{name}/status")["metadata"]["uid"] == last["metadata"]["uid"]
    ingresses.end(name)


def test_ingressclass_api_operations(api: Api) -> None:
    """[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]"""
    served(api, "networking.k8s.io", "ingressclasses")
    label = token_hex(4)
    classes = Collection(api, "IngressClass", None, label)
    templates = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": f"ingressclass{n}-{label}", "labels": {"special-label": label}},
            "spec": {"controller": "example.com/controller"},
        }
        for n in (2, 3, 1)
    ]
    try:
        last = classes.walk(*templates)
        classes.end(last["metadata"]["name"])
    finally:
        classes.ask("DELETE", query=classes.selector)


def test_lifecycle_of_an_endpoint(net: Place) -> None:
    """[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]"""
    path, labels = net.path("Endpoints"), {"labelSelector": f"test-endpoint-static={net.namespace}"}
    start = net.request("GET", net.api.path("Endpoints"), query=labels)["metadata"]["resourceVersion"]
    subset = {"addresses": [{"ip": "10.0.0.24"}], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    (made,) = net.put(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "testservice", "labels": {"test-endpoint-static": net.namespace}},
            "subsets": [subset],
        }
    )
    assert version(made) > 0
    events = watch(net.api, path, **labels, resourceVersion=start)
    seen(events, "ADDED")
    listed = net.request("GET", net.api.path("Endpoints"), query=labels)["items"]
    (found,) = [o for o in listed if o["metadata"]["namespace"] == net.namespace]
    found["metadata"]["labels"]["test-service"] = "updated"
    net.request("PUT", f"{path}/testservice", found)
    seen(events, "MODIFIED", lambda o: o["metadata"]["labels"].get("test-service") == "updated")
    new = {"addresses": [{"ip": "10.0.0.25"}], "ports": [{"name": "http-test", "port": 8080}]}
    patched = net.merge(
        "Endpoints", "testservice", {"metadata": {"labels": {"test-service": "patched"}}, "subsets": [new]}
    )
    assert version(patched) > version(made)
    seen(events, "MODIFIED", lambda o: o["metadata"]["labels"].get("test-service") == "patched")
    current = net.require("Endpoints", "testservice")
    assert current["metadata"]["labels"]["test-service"] == "patched"
    first = current["subsets"][0]
    assert (first["addresses"][0]["ip"], first["ports"][0]["name"], first["ports"][0]["port"]) == (
        "10.0.0.25",
        "http-test",
        8080,
    )
    net.request("DELETE", path, query=labels)
    seen(events, "DELETED")
    assert net.get("Endpoints", "testservice") is None


def test_service_status_lifecycle(net: Place) -> None:
    """[sig-network] Services should complete a service status lifecycle [Conformance]"""
    static = {"test-service-static": net.namespace}
    labels = {"labelSelector": f"test-service-static={net.namespace}"}
    path = net.path("Service")
    start = net.request("GET", net.api.path("Service"), query=labels)["metadata"]["resourceVersion"]
    events = watch(net.api, path, **labels, resourceVersion=start)
    made = service(
        "test-service",
        port(80, 80, name="http"),
        selector={},
        labels=static,
        type="LoadBalancer",
        loadBalancerClass="example.com/internal-vip",  # nobody's, so nobody but the test writes the status
    )
    net.put(made)
    seen(events, "ADDED")
    one = f"{path}/test-service"
    status = net.request("GET", f"{one}/status")
    assert (status["kind"], status["status"]["loadBalancer"]) == ("Service", {})
    change = {
        "metadata": {"annotations": {"patchedstatus": "true"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}},
    }
    net.request("PATCH", f"{one}/status", change, content_type=MERGE_PATCH)
    patched = seen(events, "MODIFIED", lambda o: "patchedstatus" in o["metadata"].get("annotations", {}))
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.1"
    current = net.request("GET", one)
    condition = {
        "type": "StatusUpdate",
        "status": "True",
        "reason": "E2E",
        "message": "Set from e2e test",
        "lastTransitionTime": None,  # Go writes a zero time as null
    }
    current["status"].setdefault("conditions", []).append(condition)
    updated = net.request("PUT", f"{one}/status", current)
    assert updated["status"]["conditions"][0]["reason"] == "E2E"
    seen(events, "MODIFIED", lambda o: any(c["type"] == "StatusUpdate" for c in o["status"].get("conditions") or ()))
    # what Go sends for an empty Service besides the label: nulls and empty structures are no change
    empty = {"metadata": {"creationTimestamp": None, "labels": {"test-service": "patched"}}, "spec": {}}
    net.merge("Service", "test-service", {**empty, "status": {"loadBalancer": {}}})
    seen(events, "MODIFIED", lambda o: o["metadata"]["labels"].get("test-service") == "patched")
    net.request("DELETE", one)
    seen(events, "DELETED")


def test_delete_a_collection_of_services(net: Place) -> None:
    """[sig-network] Services should delete a collection of services [Conformance]"""
    for name, value, number in (("a", "delete", 8001), ("b", "delete", 8002), ("c", "keep", 8003)):
        net.put(
            service(
                f"e2e-svc-{name}", port(number, number, name="http"), selector={}, labels={"e2e-test-service": value}
            )
        )
    assert len(net.list("Service")) == 3
    net.request("DELETE", net.path("Service"), query={"labelSelector": "e2e-test-service=delete"})
    assert [o["metadata"]["name"] for o in net.list("Service")] == ["e2e-svc-c"]


def test_find_a_service_from_listing_all_namespaces(api: Api) -> None:
    """[sig-network] Services should find a service from listing all namespaces [Conformance]"""
    found = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in api.list("Service")}
    assert ("default", "kubernetes") in found


def test_secure_master_service(api: Api) -> None:
    """[sig-network] Services should provide secure master service [Conformance]"""
    found = api.get("Service", "kubernetes", "default")
    assert found is not None
    assert 443 in [p["port"] for p in found["spec"]["ports"]]


def test_endpoints_and_slices_point_to_the_api_server(api: Api) -> None:
    """[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server [Conformance]"""
    service_ = api.get("Service", "kubernetes", "default")
    endpoints = api.get("Endpoints", "kubernetes", "default")
    assert service_ is not None
    assert endpoints is not None
    assert endpoints["subsets"]
    addresses, ports = set(), set()
    for subset in endpoints["subsets"]:
        every = [*(subset.get("addresses") or ()), *(subset.get("notReadyAddresses") or ())]
        addresses |= {a["ip"] for a in every}
        ports |= {p["port"] for p in subset["ports"]}
    slices = api.list("EndpointSlice", "default", labels=f"{SERVICE_NAME}=kubernetes")
    family = "IPv6" if ":" in service_["spec"]["clusterIP"] else "IPv4"
    slices = [piece for piece in slices if piece["addressType"] == family]
    assert slices
    assert {a for piece in slices for e in piece["endpoints"] for a in e["addresses"]} == addresses
    assert {p["port"] for piece in slices for p in piece["ports"]} == ports


def test_servicecidr_api_operations(api: Api) -> None:
    """[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]"""
    served(api, "networking.k8s.io", "servicecidrs")
    path = api.path("ServiceCIDR")
    default = api.request("GET", f"{path}/kubernetes")
    assert {c["type"]: c["status"] for c in default["status"]["conditions"]}["Ready"] == "True"
    status = api.request("GET", f"{path}/kubernetes/status")
    assert (status["apiVersion"], status["kind"]) == ("networking.k8s.io/v1", "ServiceCIDR")
    assert status["metadata"]["uid"] == default["metadata"]["uid"]
    assert "kubernetes" in [o["metadata"]["name"] for o in api.list("ServiceCIDR")]
    assert next(watch(api, path))["type"] == "ADDED"


def test_ipaddress_api_operations(api: Api) -> None:
    """[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations [Conformance]"""
    served(api, "networking.k8s.io", "ipaddresses")
    path, label = api.path("IPAddress"), token_hex(4)

    def address(name: str, kind: str) -> Obj:
        parent = {"group": "mygroup", "resource": "myresources", "namespace": "foo", "name": "bar"}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IPAddress",
            "metadata": {"name": name, "labels": {"type": f"{kind}-{label}"}},
            "spec": {"parentRef": parent},
        }

    broadcast, local = {"labelSelector": f"type=broadcast-{label}"}, {"labelSelector": f"type=link-local-{label}"}
    made = api.create(address("255.255.255.255", "broadcast"))
    try:
        assert version(made) > 0
        api.create(address("fe80::42:1dff:fe84:f9e2", "link-local"))
        one = f"{path}/255.255.255.255"
        patched = api.request(
            "PATCH", one, {"metadata": {"annotations": {"patched": "true"}}}, content_type=MERGE_PATCH
        )
        assert patched["metadata"]["annotations"]["patched"] == "true"
        assert version(patched) > version(made)
        updated = api.request("PUT", one, noted(api.request("GET", one), updated="true"))
        assert updated["metadata"]["annotations"]["updated"] == "true"
        assert len(api.request("GET", path, query=broadcast)["items"]) == 1
        assert next(watch(api, path, **broadcast))["type"] == "ADDED"
        api.request("DELETE", one)
        api.request("DELETE", path, query=local)
        assert api.request("GET", path, query=local)["items"] == []
    finally:
        for left in (broadcast, local):
            api.request("DELETE", path, query=left)


def test_a_service_has_an_ipaddress(net: Place) -> None:
    """What upstream's allocator does: an IPAddress named as each ClusterIP, that refers to the Service."""
    (made,) = net.put(service("web"))
    ip = made["spec"]["clusterIP"]
    found = net.wait("IPAddress", ip, lambda o: True)
    parent = {"resource": "services", "namespace": net.namespace, "name": "web"}
    assert found["spec"]["parentRef"] == parent
    net.api.delete("Service", "web", net.namespace)
    net.gone("IPAddress", name=ip, timeout=120)
