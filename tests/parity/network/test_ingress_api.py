"""Ingress and IngressClass as objects: the verbs, as the API tests of Kubernetes ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

import pytest
from tests.parity.network.support import Place, seen, watch

from kindlab.api import Api, ApiError, Obj

VERSION = "networking.k8s.io/v1"
DEFAULT = "ingressclass.kubernetes.io/is-default-class"
BACKEND = {"service": {"name": "default-backend", "port": {"number": 8080}}}


def ingress(mark: str, **spec: object) -> Obj:
    meta = {"generateName": "example-", "labels": {"mark": mark}}
    return {"apiVersion": VERSION, "kind": "Ingress", "metadata": meta, "spec": {"defaultBackend": BACKEND, **spec}}


def ingress_class(mark: str, name: str = "", *, default: bool = False, **spec: object) -> Obj:
    meta: Obj = {"labels": {"mark": mark}, **({"name": name} if name else {"generateName": "example-"})}
    if default:
        meta["annotations"] = {DEFAULT: "true"}
    return {
        "apiVersion": VERSION,
        "kind": "IngressClass",
        "metadata": meta,
        "spec": {"controller": "example.com/nobody", **spec},
    }


@pytest.fixture
def mark(api: Api) -> Iterator[str]:
    """A label of the test's own; classes that carry it are deleted behind it."""
    value = f"m{token_hex(4)}"
    yield value
    api.request("DELETE", api.path("IngressClass"), query={"labelSelector": f"mark={value}"})


def test_the_verbs_of_ingresses(net: Place, api: Api, mark: str) -> None:
    api.create(ingress_class(mark, mark))  # nobody's: no controller writes a status meanwhile
    kind = {r["name"]: r for r in api.request("GET", f"/apis/{VERSION}")["resources"]}
    assert (kind["ingresses"]["kind"], kind["ingresses"]["shortNames"]) == ("Ingress", ["ing"])
    assert "ingresses/status" in kind
    made = [api.create(ingress(mark, ingressClassName=mark), net.namespace) for _ in range(3)]
    one = made[-1]["metadata"]
    path, wanted = net.path("Ingress"), {"labelSelector": f"mark={mark}"}
    listed = api.request("GET", path, query=wanted)
    assert len(listed["items"]) == len(api.list("Ingress", labels=f"mark={mark}")) == 3
    api.patch("Ingress", one["name"], net.namespace, {"metadata": {"annotations": {"patched": "true"}}})
    changed = net.update("Ingress", one["name"], rules=[{"host": "a.example.com"}])
    assert changed["metadata"]["generation"] == 2
    events = watch(api, path, timeout=20, resourceVersion=listed["metadata"]["resourceVersion"], **wanted)
    assert seen(events, "MODIFIED", lambda o: "rules" in o["spec"])["metadata"]["annotations"] == {"patched": "true"}

    balancer = {"ingress": [{"ip": "169.1.1.1"}]}
    patch = {"metadata": {"annotations": {"status": "patched"}}, "status": {"loadBalancer": balancer}}
    status = f"{net.path('Ingress', one['name'])}/status"
    patched = net.request("PATCH", status, patch, content_type="application/merge-patch+json")
    assert patched["status"] == {"loadBalancer": balancer}
    assert patched["metadata"]["annotations"]["status"] == "patched"
    patched["status"]["loadBalancer"] = {"ingress": [{"hostname": "b.example.com", "ip": "169.1.1.2"}]}
    assert net.request("PUT", status, patched)["status"] == patched["status"]
    latest = net.request("GET", status)
    assert latest["metadata"]["generation"] == 2
    with pytest.raises(ApiError, match="must be a valid IP address"):
        net.request("PUT", status, {**latest, "status": {"loadBalancer": {"ingress": [{"ip": "there"}]}}})

    api.delete("Ingress", one["name"], net.namespace)
    assert len(net.list("Ingress", f"mark={mark}")) == 2
    api.request("DELETE", path, query=wanted)
    assert net.list("Ingress", f"mark={mark}") == []


def test_the_verbs_of_ingress_classes(api: Api, mark: str) -> None:
    made = [api.create(ingress_class(mark)) for _ in range(3)]
    one = made[-1]["metadata"]
    path, wanted = api.path("IngressClass"), {"labelSelector": f"mark={mark}"}
    listed = api.request("GET", path, query=wanted)
    assert len(listed["items"]) == 3
    patched = api.patch("IngressClass", one["name"], None, {"metadata": {"annotations": {"patched": "true"}}})
    assert patched["metadata"]["generation"] == 1
    events = watch(api, path, timeout=20, resourceVersion=listed["metadata"]["resourceVersion"], **wanted)
    seen(events, "MODIFIED", lambda o: o["metadata"].get("annotations") == {"patched": "true"})
    with pytest.raises(ApiError, match="field is immutable"):
        api.patch("IngressClass", one["name"], None, {"spec": {"controller": "example.com/other"}})
    api.delete("IngressClass", one["name"])
    assert len(api.list("IngressClass", labels=f"mark={mark}")) == 2
    api.request("DELETE", path, query=wanted)
    assert api.list("IngressClass", labels=f"mark={mark}") == []


def test_parameters_of_a_namespace(api: Api, mark: str) -> None:
    parameters = {"apiGroup": "example.com", "kind": "Limits", "name": "x", "scope": "Namespace", "namespace": "shop"}
    made = api.create(ingress_class(mark, parameters=parameters))
    assert made["spec"]["parameters"] == parameters
    wide = api.create(ingress_class(mark, parameters={"kind": "Limits", "name": "x"}))
    assert wide["spec"]["parameters"]["scope"] == "Cluster"
    with pytest.raises(ApiError, match=r"`parameters\.scope` is set to 'Cluster'"):
        api.create(ingress_class(mark, parameters={"kind": "Limits", "name": "x", "namespace": "shop"}))


def test_of_two_default_classes_the_newest_is_taken(net: Place, api: Api, mark: str) -> None:
    """And of two of the same second the first by name; whatever default the cluster has is older than both."""
    one, two = (api.create(ingress_class(mark, f"{mark}-{n}", default=True))["metadata"] for n in ("a", "b"))
    expected = two if two["creationTimestamp"] > one["creationTimestamp"] else one
    net.until("Ingress", lambda _: _chosen(net, mark) == expected["name"])


def _chosen(net: Place, mark: str) -> str:
    """The class an Ingress gets: admission may take a moment to see new classes."""
    made = net.put(ingress(mark))[0]
    return str(made["spec"].get("ingressClassName"))


def test_the_annotation_of_old_warns_and_must_agree(net: Place, mark: str) -> None:
    obj = ingress(mark, ingressClassName="a")
    obj["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "b"}
    with pytest.raises(ApiError, match="must match `ingressClassName` when both are specified"):
        net.put(obj)
    del obj["spec"]["ingressClassName"]
    assert "ingressClassName" not in net.put(obj)[0]["spec"]
