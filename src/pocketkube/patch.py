"""The three kinds of patch.

Models apiserver's patch handler up to the patched object: JSON patch (RFC 6902, as evanphx/json-patch applies it),
JSON merge patch (RFC 7386) and strategic merge patch (apimachinery/pkg/util/strategicpatch, in `strategic`). Pure:
inputs are never changed; what comes out still has to be decoded (`schema.decode`, for strategic merges
`schema.decode_patched`).

Server-side apply is in fieldmanager.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from pocketkube import objects
from pocketkube.errors import BadRequest, Invalid, RequestEntityTooLarge
from pocketkube.schema import ParseError, bounds, loads_json
from pocketkube.schema.gojson import word
from pocketkube.strategic import strategic_merge

__all__ = ["json_patch", "merge_patch", "parse_json_patch", "parse_map_patch", "strategic_merge"]

_MAX_OPERATIONS: Final = 10_000
_MAX_COPIED: Final = 3 << 20
"""Bytes that all copies of a JSON patch may add together, as much as a request may have."""
# What a client shows for the 422 of a JSON patch that does not apply: upstream keeps the cause for its log.
_REJECTED: Final = "the server rejected our request due to an error in our request"


def parse_map_patch(body: bytes, *, strategic: bool = False) -> dict[str, Any]:
    """A merge patch or strategic merge patch. Raises BadRequest with upstream's text."""
    prefix = "" if strategic else "error decoding patch: "
    try:
        value = loads_json(body, strict=True)
    except ParseError as error:
        raise BadRequest(f"{prefix}{error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(
            f"{prefix}json: cannot unmarshal {word(value)} into Go value of type map[string]interface {{}}"
        )
    return value


def parse_json_patch(body: bytes) -> list[dict[str, Any]]:
    """A JSON patch. Raises BadRequest with upstream's text."""
    try:
        value = loads_json(body)
    except ParseError as error:
        raise BadRequest(f"error decoding patch: {error}") from None
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRequest(
            f"error decoding patch: json: cannot unmarshal {word(value)} into Go value of type []handlers.jsonPatchOp"
        )
    for operation in value:
        _check_operation(operation)
    if len(value) > _MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(value)}"
        )
    return value


def _check_operation(operation: Any) -> None:
    if operation is None:
        return
    prefix = "error decoding patch: json: cannot unmarshal"
    if not isinstance(operation, dict):
        raise BadRequest(f"{prefix} {word(operation)} into Go value of type handlers.jsonPatchOp")
    for name in operation:
        if name in ("op", "path", "from") and not isinstance(operation[name], str | None):
            raise BadRequest(f"{prefix} {word(operation[name])} into Go struct field jsonPatchOp.{name} of type string")


def merge_patch(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    result = dict(original)
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        elif isinstance(change, dict):
            held = result.get(name)
            result[name] = merge_patch(held if isinstance(held, dict) else {}, change)
        else:
            result[name] = objects.copy(change)
    return result


def json_patch(original: dict[str, Any], operations: list[dict[str, Any]]) -> Any:
    """RFC 6902 with json-patch's leniency: a map key that is not there can be replaced, and tests as null.

    Raises Invalid.
    """
    import jsonpatch

    document: Any = objects.copy(original)
    refusals = (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError, ValueError)
    try:
        copied = 0
        for operation in operations:
            copied += _copied(document, operation or {}, jsonpatch)
            if copied > _MAX_COPIED:
                raise Invalid(_REJECTED, details={})
            document = _apply(document, operation or {}, jsonpatch)
        bounds.check_depth([document])
    except refusals:
        raise Invalid(_REJECTED, details={}) from None
    return document


def _apply(document: Any, operation: dict[str, Any], jsonpatch: Any) -> Any:
    word = operation.get("op")
    if word in ("replace", "test") and _names_missing_key(document, operation["path"], jsonpatch):
        if word == "test" and operation.get("value") is None:
            return document
        if word == "replace":
            operation = {**operation, "op": "add"}
    return jsonpatch.apply_patch(document, [operation], in_place=True)


def _copied(document: Any, operation: dict[str, Any], jsonpatch: Any) -> int:
    """Bytes that a copy adds: each could double the document."""
    if operation.get("op") != "copy":
        return 0
    return len(orjson.dumps(jsonpatch.JsonPointer(operation.get("from") or "").resolve(document)))


def _names_missing_key(document: Any, path: str, jsonpatch: Any) -> bool:
    holder, name = jsonpatch.JsonPointer(path).to_last(document)
    return isinstance(holder, dict) and name is not None and name not in holder
