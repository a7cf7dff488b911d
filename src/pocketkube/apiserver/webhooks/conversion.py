"""Objects of custom kinds in other versions, by the webhooks of their definitions.

Models apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import objects
from pocketkube.apiserver.webhooks.calling import Caller, Failed
from pocketkube.errors import Unknown
from pocketkube.fields import show
from pocketkube.objects import Obj
from pocketkube.resources import metadata
from pocketkube.resources.custom.conversion import REVIEW_VERSIONS

_GROUP: Final = "apiextensions.k8s.io"
_SECONDS: Final = 30


class Malformed(Exception):
    """An answer that is none; the text is upstream's."""


class Converter:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def convert(self, definition: Obj, found: list[Obj], wanted: str) -> list[Obj]:
        """See resources.custom.conversion.Convert."""
        webhook = definition["spec"]["conversion"]["webhook"]
        failed = f"conversion webhook for {found[0]['apiVersion']}, Kind={found[0]['kind']}"
        version = next(one for one in webhook["conversionReviewVersions"] if one in REVIEW_VERSIONS)
        uid = objects.new_uid()
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"{_GROUP}/{version}",
            "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": found},
        }
        try:
            said = await self._caller.post(webhook["clientConfig"], review, _SECONDS)
            made = _objects(review, said)
        except (Failed, Malformed) as why:
            raise Unknown(f"{failed} failed: {why}") from None
        if len(made) != len(found):
            raise Unknown(f"{failed} returned {len(made)} objects, expected {len(found)}")
        for index, (before, after) in enumerate(zip(found, made, strict=True)):
            if problem := next(_problems(before, after, wanted, index), ""):
                raise Unknown(f"{failed} returned {problem}")
        return made


def _objects(sent: Obj, said: Obj) -> list[Any]:
    """Raises Malformed."""
    response = said.get("response")
    if sent["apiVersion"] == f"{_GROUP}/v1":
        given = f"{said.get('apiVersion') or '/'}, Kind={said.get('kind') or ''}"
        if given != (expected := f"{sent['apiVersion']}, Kind=ConversionReview"):
            raise Malformed(f"expected webhook response of {expected}, got {given}")
    if not isinstance(response, dict):
        raise Malformed("no response provided")
    uid, told = sent["request"]["uid"], str(response.get("uid", ""))
    if sent["apiVersion"] == f"{_GROUP}/v1" and told != uid:
        raise Malformed(f"expected response.uid={show(uid)}, got {show(told)}")
    result = response.get("result") or {}
    if result.get("status") != "Success":
        text = f"response.result.status was '{result.get('status') or ''}', not 'Success'"
        raise Malformed(result.get("message") or text)
    return list(response.get("convertedObjects") or ())


def _problems(before: Obj, after: Any, wanted: str, index: int) -> Iterator[str]:
    """What is wrong with a converted object."""
    head, at = "invalid converted object", f"at index {index}"
    if not isinstance(after, dict):
        yield f"{head} {at}: json: cannot unmarshal into Go value of type map[string]interface {{}}"
        return
    if (given := after.get("apiVersion") or "") != wanted:
        yield f"{head} {at}: invalid groupVersion (expected {wanted}, received {given})"
    if (kind := after.get("kind") or "") != before["kind"]:
        yield f"{head} {at}: invalid kind (expected {before['kind']}, received {kind})"
    meta = after.get("metadata")
    if not isinstance(meta, dict):
        shown = "missing metadata" if meta is None else "invalid metadata"
        yield f"invalid metadata in object {at}: {shown} in converted object"
        return
    for field, named in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        old, new = before["metadata"].get(field, ""), meta.get(field) or ""
        if old != new:
            yield f"{head} {at}: must have the same {named}: {old} != {new}"
    yield from _map_problems(before, meta, at)


def _map_problems(before: Obj, meta: Obj, at: str) -> Iterator[str]:
    for field in "labels", "annotations":
        held = meta.get(field)
        if held is None:
            continue
        if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
            yield f"invalid metadata in object {at}: metadata.{field} must be strings in converted object"
        elif held != before["metadata"].get(field):
            check = metadata.labels if field == "labels" else metadata.annotation_map
            for cause in check("metadata.labels" if field == "labels" else "metadata.annotation", held):
                yield f"invalid metadata in object {at}: {cause}"
