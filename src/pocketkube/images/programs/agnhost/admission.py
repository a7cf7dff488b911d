"""agnhost webhook: answers to AdmissionReviews, one path for each thing that tests want of a webhook.

Models test/images/agnhost/webhook. A review of a version is answered in that version.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import orjson

from pocketkube import objects
from pocketkube.images.golang import answer, klog
from pocketkube.images.programs.agnhost.reviews import JSON, VERSIONS, Webhook, load
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response
from pocketkube.objects import Obj

Judge = Callable[[Webhook, Obj], Awaitable[Obj | None]]
_DELAY: Final = 5.0
_KEY: Final = "webhook-e2e-test"
_PODS: Final = {"group": "", "version": "v1", "resource": "pods"}
_CONFIGMAPS: Final = {"group": "", "version": "v1", "resource": "configmaps"}
_DEFINITIONS: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
_INIT, _SIDECAR = "webhook-added-init-container", "webhook-added-sidecar"


async def webhook(process: Process, words: list[str]) -> int:
    server = Webhook(process, words, **{"sidecar-image": ""})
    return await server.serve({path: partial(_serve, server, judge) for path, judge in _PATHS.items()})


async def _serve(server: Webhook, judge: Judge, request: Request) -> Response:
    content = request.header("content-type")
    if content != JSON:
        await klog(server.process, f"contentType={content}, expect {JSON}", level="E")
        return answer(server.process, request)
    await server.say(f"handling request: {request.body.decode(errors='replace')}")
    try:
        review = load(request.body)
    except ValueError as error:
        return await server.refuse(request, f"Request could not be decoded: {error}")
    version = review.get("apiVersion") or ""
    group, _, name = version.partition("/")
    if group != "admission.k8s.io" or name not in VERSIONS or review.get("kind") != "AdmissionReview":
        return await server.refuse(request, f"Unsupported group version kind: {version}, Kind={review.get('kind')}")
    asked = review.get("request") or {}
    said = await judge(server, asked)
    if said is None:  # the program panics there, and the connection with it
        await klog(server.process, "http: panic serving: runtime error: invalid memory address", level="E")
        raise ConnectionResetError
    body = {"kind": "AdmissionReview", "apiVersion": version, "response": {"uid": asked.get("uid", ""), **said}}
    await server.say(f"sending response: {orjson.dumps(body).decode()}")
    return server.reply(request, body)


def _allowed(**more: Any) -> Obj:
    return {"allowed": True, **more}


def _denied(**status: Any) -> Obj:
    return {"allowed": False, "status": {"metadata": {}, **status}}


def _patched(*operations: Obj) -> Obj:
    if not operations:
        return _allowed()
    return _allowed(patch=base64.b64encode(orjson.dumps(operations)).decode(), patchType="JSONPatch")


def _add(path: str, value: Any) -> Obj:
    return {"op": "add", "path": path, "value": value}


def _subject(asked: Obj) -> Obj:
    """What is to be written, of a deletion what is stored."""
    return asked.get("oldObject" if asked.get("operation") == "DELETE" else "object") or {}


async def _allow_late(server: Webhook, asked: Obj) -> Obj:
    await server.process.clock.sleep(_DELAY)
    return _allowed(status={"metadata": {}, "message": "this webhook allows all requests"})


async def _deny(server: Webhook, asked: Obj) -> Obj:
    return _denied(message="this webhook denies all requests")


async def _add_label(server: Webhook, asked: Obj) -> Obj:
    labels = objects.labels(_subject(asked))
    if not labels:
        return _patched(_add("/metadata/labels", {"added-label": "yes"}))
    if "added-label" not in labels:
        return _patched(_add("/metadata/labels/added-label", "yes"))
    if labels["added-label"] != "yes":
        return _patched({"op": "replace", "path": "/metadata/labels/added-label", "value": "yes"})
    return _allowed()


async def _pods(server: Webhook, asked: Obj) -> Obj:
    if asked.get("resource") != _PODS:
        return _denied(message=f"expect resource to be {_shown(_PODS)}")
    pod = asked.get("object") or {}
    wrong = []
    label = objects.labels(pod).get(_KEY)
    if label == "webhook-disallow":
        wrong.append("the pod contains unwanted label;")
    if label == "wait-forever":
        await asyncio.Event().wait()
    containers = objects.spec(pod).get("containers") or ()
    wrong += ["the pod contains unwanted container name;" for one in containers if "webhook-disallow" in one["name"]]
    return _denied(message=" ".join(wrong)) if wrong else _allowed()


async def _attach(server: Webhook, asked: Obj) -> Obj:
    name = "to-be-attached-pod"
    if asked.get("name") != name:
        return _allowed()
    if asked.get("resource") != _PODS:
        return _denied(message=f"expect resource to be {_shown(_PODS)}, got {_shown(asked.get('resource') or {})}")
    if asked.get("subResource") != "attach":
        return _denied(message=f"expect subresource to be attach, got {asked.get('subResource', '')}")
    options = asked.get("object") or {}
    if not options.get("stdin") or options.get("container") != "container1":
        return _allowed()
    return _denied(message=f"attaching to pod '{name}' is not allowed")


async def _mutate_pods(server: Webhook, asked: Obj) -> Obj | None:
    container = {"image": "webhook-added-image", "name": _INIT, "resources": {}}
    operation = _add("/spec/initContainers", [container])
    if objects.dig(asked.get("object") or {}, "metadata", "name") != "webhook-to-be-mutated":
        return await _with_container(server, asked, "initContainers", _INIT)
    return await _with_container(server, asked, "initContainers", _INIT, operation)


async def _mutate_pods_sidecar(server: Webhook, asked: Obj) -> Obj | None:
    if not server.flags["sidecar-image"]:
        text = "No image specified by the sidecar-image parameter"
        return _denied(status="Failure", message=text, code=500)
    container = {"image": server.flags["sidecar-image"], "name": _SIDECAR, "resources": {}}
    return await _with_container(server, asked, "containers", _SIDECAR, _add("/spec/containers/-", container))


async def _with_container(server: Webhook, asked: Obj, field: str, name: str, *operations: Obj) -> Obj | None:
    """The pod with one container more, unless it has one of that name."""
    if asked.get("resource") != _PODS:
        await klog(server.process, f"expect resource to be {_shown(_PODS)}", level="E")
        return None
    there = {one.get("name") for one in objects.spec(asked.get("object") or {}).get(field) or ()}
    return _allowed() if name in there else _patched(*operations)


def _judge_data(asked: Obj, noun: str, short: str) -> Obj:
    value = (_subject(asked).get("data") or {}).get(_KEY)
    if value == "webhook-disallow" and asked.get("operation") in ("CREATE", "UPDATE"):
        return _denied(reason=f"the {noun} contains unwanted {short}")
    if value == "webhook-nondeletable" and asked.get("operation") == "DELETE":
        return _denied(reason=f"the {noun} cannot be deleted because it contains unwanted key and value")
    return _allowed()


def _mutate_data(asked: Obj) -> Obj:
    data = (asked.get("object") or {}).get("data") or {}
    if data.get("mutation-stage-1") == "yes":
        return _patched(_add("/data/mutation-stage-2", "yes"))
    if data.get("mutation-start") == "yes":
        return _patched(_add("/data/mutation-stage-1", "yes"))
    return _allowed()


async def _configmaps(server: Webhook, asked: Obj) -> Obj | None:
    if asked.get("resource") != _CONFIGMAPS:
        await klog(server.process, f"expect resource to be {_shown(_CONFIGMAPS)}", level="E")
        return None
    return _judge_data(asked, "configmap", "key and value")


async def _mutate_configmaps(server: Webhook, asked: Obj) -> Obj | None:
    if asked.get("resource") != _CONFIGMAPS:
        await klog(server.process, f"expect resource to be {_shown(_CONFIGMAPS)}", level="E")
        return None
    return _mutate_data(asked)


async def _custom(server: Webhook, asked: Obj) -> Obj:
    return _judge_data(asked, "custom resource", "data")


async def _mutate_custom(server: Webhook, asked: Obj) -> Obj:
    return _mutate_data(asked)


async def _definitions(server: Webhook, asked: Obj) -> Obj:
    resource = asked.get("resource") or {}
    if (resource.get("group"), resource.get("resource")) != _DEFINITIONS:
        group, plural = _DEFINITIONS
        known = ", ".join(f"{{{group} {version} {plural}}}" for version in ("v1beta1", "v1"))
        return _denied(message=f"expect resource to be one of [{known}] but got {_shown(resource)}")
    if objects.labels(asked.get("object") or {}).get(_KEY) == "webhook-disallow":
        return _denied(message="the crd contains unwanted label")
    return _allowed()


def _shown(resource: Obj) -> str:
    """A resource as Go prints one."""
    return f"{{{resource.get('group', '')} {resource.get('version', '')} {resource.get('resource', '')}}}"


_PATHS: Final[dict[str, Judge]] = {
    "/add-label": _add_label,
    "/always-allow-delay-5s": _allow_late,
    "/always-deny": _deny,
    "/configmaps": _configmaps,
    "/crd": _definitions,
    "/custom-resource": _custom,
    "/mutating-configmaps": _mutate_configmaps,
    "/mutating-custom-resource": _mutate_custom,
    "/mutating-pods": _mutate_pods,
    "/mutating-pods-sidecar": _mutate_pods_sidecar,
    "/pods": _pods,
    "/pods/attach": _attach,
}
