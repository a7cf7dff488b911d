"""agnhost's webhooks: what each path says to a review, and what is no review."""

from __future__ import annotations

import base64
import json
import signal
import ssl
from typing import Any

import pytest
from tests.unit.pocketkube.images.test_agnhost import AGNHOST, dial

from pocketkube.network import http, tls
from pocketkube.objects import Obj

PAIR = ("--tls-cert-file=/localhost.crt", "--tls-private-key-file=/localhost.key", "--port=8443", "-v=4")
PODS = {"group": "", "version": "v1", "resource": "pods"}
CONFIGMAPS = {"group": "", "version": "v1", "resource": "configmaps"}
DEFINITIONS = {"group": "apiextensions.k8s.io", "version": "v1", "resource": "customresourcedefinitions"}


class Caller:
    def __init__(self, own: Any) -> None:
        self.own = own

    async def post(self, path: str, body: bytes, content: str = "application/json") -> Any:
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        secure = await tls.client(await dial(self.own, 8443), anybody, "localhost")

        async def already() -> tls.TlsStream:
            return secure

        headers = [("Host", "x"), ("Content-Type", content)]
        return await http.request(already, "POST", path, headers, body, timeout=20)

    async def review(self, path: str, version: str = "v1", **request: Any) -> Obj:
        body = {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview"}
        sent = {**body, "request": {"uid": "17", "operation": "CREATE", **request}}
        found = json.loads((await self.post(path, json.dumps(sent).encode())).text)
        assert (found["apiVersion"], found["response"]["uid"]) == (body["apiVersion"], "17")
        return found["response"]


async def started(pod: Any, *words: str) -> Any:
    own = pod(AGNHOST, "webhook")
    own.running = own.start("/agnhost", *words, *PAIR)
    return own


@pytest.fixture
async def webhook(pod: Any) -> Any:
    own = await started(pod, "webhook", "--sidecar-image=side")
    yield Caller(own)
    own.running.process.signal(signal.SIGKILL)
    await own.running.ended()


@pytest.fixture
async def converter(pod: Any) -> Any:
    own = await started(pod, "crd-conversion-webhook")
    yield Caller(own)
    own.running.process.signal(signal.SIGKILL)
    await own.running.ended()


def labelled(**labels: str) -> Obj:
    return {"metadata": {"name": "x", "labels": labels}}


@pytest.mark.parametrize(
    ("path", "request_", "why"),
    [
        ("/always-deny", {}, "this webhook denies all requests"),
        (
            "/pods",
            {"resource": PODS, "object": labelled(**{"webhook-e2e-test": "webhook-disallow"})},
            "the pod contains unwanted label;",
        ),
        (
            "/pods",
            {"resource": PODS, "object": {"metadata": {}, "spec": {"containers": [{"name": "webhook-disallow"}]}}},
            "the pod contains unwanted container name;",
        ),
        ("/pods", {"resource": CONFIGMAPS, "object": {}}, "expect resource to be { v1 pods}"),
        (
            "/pods/attach",
            {
                "name": "to-be-attached-pod",
                "resource": PODS,
                "subResource": "attach",
                "object": {"stdin": True, "container": "container1"},
            },
            "attaching to pod 'to-be-attached-pod' is not allowed",
        ),
        (
            "/configmaps",
            {"resource": CONFIGMAPS, "object": {"data": {"webhook-e2e-test": "webhook-disallow"}}},
            "the configmap contains unwanted key and value",
        ),
        (
            "/custom-resource",
            {"operation": "DELETE", "oldObject": {"data": {"webhook-e2e-test": "webhook-nondeletable"}}},
            "the custom resource cannot be deleted because it contains unwanted key and value",
        ),
        (
            "/crd",
            {"resource": DEFINITIONS, "object": labelled(**{"webhook-e2e-test": "webhook-disallow"})},
            "the crd contains unwanted label",
        ),
    ],
)
async def test_what_is_denied(webhook: Caller, path: str, request_: Obj, why: str) -> None:
    said = await webhook.review(path, **request_)
    assert said["allowed"] is False
    assert why in (said["status"].get("message"), said["status"].get("reason"))


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/always-allow-delay-5s", {}),
        ("/pods", {"resource": PODS, "object": {"metadata": {"name": "x"}}}),
        ("/pods/attach", {"name": "another", "resource": PODS}),
        ("/configmaps", {"resource": CONFIGMAPS, "object": {"data": {"a": "b"}}}),
        ("/mutating-configmaps", {"resource": CONFIGMAPS, "object": {"data": {"a": "b"}}}),
        ("/mutating-pods", {"resource": PODS, "object": {"metadata": {"name": "another"}}}),
        ("/add-label", {"object": labelled(**{"added-label": "yes"})}),
        ("/crd", {"resource": DEFINITIONS, "object": labelled()}),
    ],
)
async def test_what_is_allowed_as_it_is(webhook: Caller, path: str, request_: Obj) -> None:
    said = await webhook.review(path, "v1beta1", **request_)
    assert said["allowed"] is True
    assert "patch" not in said


@pytest.mark.parametrize(
    ("path", "request_", "changed"),
    [
        ("/add-label", {"object": {"metadata": {}}}, "/metadata/labels"),
        ("/add-label", {"object": labelled(a="b")}, "/metadata/labels/added-label"),
        (
            "/mutating-configmaps",
            {"resource": CONFIGMAPS, "object": {"data": {"mutation-start": "yes"}}},
            "/data/mutation-stage-1",
        ),
        ("/mutating-custom-resource", {"object": {"data": {"mutation-stage-1": "yes"}}}, "/data/mutation-stage-2"),
        (
            "/mutating-pods",
            {"resource": PODS, "object": {"metadata": {"name": "webhook-to-be-mutated"}}},
            "/spec/initContainers",
        ),
        ("/mutating-pods-sidecar", {"resource": PODS, "object": {"metadata": {}, "spec": {}}}, "/spec/containers/-"),
    ],
)
async def test_what_is_changed(webhook: Caller, path: str, request_: Obj, changed: str) -> None:
    said = await webhook.review(path, **request_)
    assert said["patchType"] == "JSONPatch"
    assert [one["path"] for one in json.loads(base64.b64decode(said["patch"]))] == [changed]


async def test_what_is_no_review(webhook: Caller) -> None:
    assert (await webhook.post("/pods", b"", "text/plain")).text == ""
    assert (await webhook.post("/pods", b"{")).status == 400
    other = b'{"apiVersion": "v1", "kind": "Pod"}'
    assert (await webhook.post("/pods", other)).text == "Unsupported group version kind: v1, Kind=Pod\n"
    assert (await webhook.post("/nowhere", other)).status == 404
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"resource": PODS}})
    with pytest.raises((OSError, http.Disconnected)):  # where the real one panics
        await webhook.post("/configmaps", body.encode())
    assert (await webhook.own.sh("curl -sk https://127.0.0.1:8443/readyz")).out == "ok"


async def convert(caller: Caller, wanted: str, *objects: Obj) -> Obj:
    request = {"uid": "18", "desiredAPIVersion": wanted, "objects": objects}
    body = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    found = json.loads((await caller.post("/crdconvert", json.dumps(body).encode())).text)
    assert found["response"]["uid"] == "18"
    return found["response"]


async def test_conversion(converter: Caller) -> None:
    one, two = "stable.example.com/v1", "stable.example.com/v2"
    old = {"apiVersion": one, "hostPort": "localhost:8080"}
    new = {"apiVersion": two, "host": "localhost", "port": "8080"}
    said = await convert(converter, two, old, {"apiVersion": one})
    assert said["result"]["status"] == "Success"
    assert said["convertedObjects"] == [new, {"apiVersion": two}]
    assert (await convert(converter, one, new))["convertedObjects"] == [old]
    assert (await convert(converter, one, old))["result"]["message"] == (
        f"conversion from a version to itself should not call the webhook: {one}"
    )
    said = await convert(converter, two, {"apiVersion": one, "hostPort": "localhost"})
    assert said["result"] == {"metadata": {}, "status": "Failure", "message": "invalid hostPort value `localhost`"}
    said = await convert(converter, "stable.example.com/v3", old)
    assert said["result"]["message"] == 'unexpected conversion version "stable.example.com/v3"'
    assert (await converter.post("/crdconvert", b"", "text/plain")).text == "invalid Content-Type header `text/plain`\n"


async def test_a_sidecar_needs_an_image(pod: Any) -> None:
    own = await started(pod, "webhook")
    said = await Caller(own).review("/mutating-pods-sidecar", resource=PODS, object={})
    assert said["status"]["message"] == "No image specified by the sidecar-image parameter"
    own.running.process.signal(signal.SIGKILL)
    await own.running.ended()


async def test_without_a_certificate_there_is_no_server(pod: Any) -> None:
    ran = await pod(AGNHOST, "webhook").run("/agnhost", "webhook", "--tls-cert-file=/none")
    assert ran.status == 255
    assert "open /none: no such file or directory" in ran.err
