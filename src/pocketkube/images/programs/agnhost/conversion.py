"""agnhost crd-conversion-webhook: /crdconvert makes hostPort of stable.example.com/v1 host and port of v2, and back.

Models test/images/agnhost/crd-conversion-webhook. Left out: the client of the cluster that it makes and never uses.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from pocketkube import objects
from pocketkube.images.golang import klog
from pocketkube.images.programs.agnhost.reviews import JSON, VERSIONS, Webhook, load
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response
from pocketkube.objects import Obj

_V1: Final = "stable.example.com/v1"
_V2: Final = "stable.example.com/v2"


class Unconvertible(Exception):
    """An object that cannot be had in that version; the text is the answer's."""


async def crd_conversion_webhook(process: Process, words: list[str]) -> int:
    server = Webhook(process, words)
    return await server.serve({"/crdconvert": partial(_serve, server)})


async def _serve(server: Webhook, request: Request) -> Response:
    content = request.header("content-type")
    if content != JSON:
        return await server.refuse(request, f"invalid Content-Type header `{content}`")
    body = request.body.decode(errors="replace")
    await server.say(f"handling request: {body}")
    try:
        review = load(request.body)
    except ValueError as error:
        return await server.refuse(request, f"failed to deserialize body ({body}) with error {error}")
    group, _, version = str(review.get("apiVersion") or "").partition("/")
    if group != "apiextensions.k8s.io" or version not in VERSIONS or review.get("kind") != "ConversionReview":
        named = f"{review.get('apiVersion')}, Kind={review.get('kind')}"
        return await server.refuse(request, f"Unsupported group version kind: {named}")
    asked = review.get("request") or {}
    wanted = asked.get("desiredAPIVersion", "")
    response: Obj = {"uid": asked.get("uid", "")}
    try:
        response["convertedObjects"] = [
            {**convert(one, wanted), "apiVersion": wanted} for one in asked.get("objects") or ()
        ]
        response["result"] = {"metadata": {}, "status": "Success"}
    except Unconvertible as why:
        await klog(server.process, str(why), level="E")
        response["convertedObjects"] = None
        response["result"] = {"metadata": {}, "status": "Failure", "message": str(why)}
    nothing = {"uid": "", "desiredAPIVersion": "", "objects": None}
    return server.reply(request, {**review, "request": nothing, "response": response})


def convert(obj: Obj, wanted: str) -> Obj:
    """Raises Unconvertible."""
    given = obj.get("apiVersion", "")
    if wanted == given:
        raise Unconvertible(f"conversion from a version to itself should not call the webhook: {wanted}")
    if given not in (_V1, _V2):
        raise Unconvertible(f'unexpected conversion version "{given}"')
    if wanted not in (_V1, _V2):
        raise Unconvertible(f'unexpected conversion version "{wanted}"')
    made: Obj = objects.copy(obj)
    if wanted == _V2 and "hostPort" in made:
        both = made.pop("hostPort")
        parts = str(both).split(":")
        if len(parts) != 2:
            raise Unconvertible(f"invalid hostPort value `{both}`")
        made["host"], made["port"] = parts
    elif wanted == _V1 and ("host" in made or "port" in made):
        made["hostPort"] = f"{made.pop('host', '')}:{made.pop('port', '')}"
    return made
