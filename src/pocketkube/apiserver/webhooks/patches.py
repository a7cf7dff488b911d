"""The JSON patches of mutating webhooks.

Models the second half of callAttrMutatingHook (plugin/webhook/mutating/dispatcher.go).
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects, patch, schema
from pocketkube.admission.matching import Match, kind_of
from pocketkube.apiserver import body
from pocketkube.apiserver.webhooks.reviews import Answer
from pocketkube.errors import BadRequest, InternalError, StatusError
from pocketkube.objects import Obj


class Undecodable(Exception):
    """Not a JSON patch; the text is upstream's."""


def load(answer: Answer) -> list[dict[str, Any]]:
    """Raises Undecodable."""
    try:
        operations = patch.parse_json_patch(answer.patch)
    except StatusError as error:
        why = error.message.removeprefix("error decoding patch: ")
        raise Undecodable(f"received undecodable patch in webhook response: {why}") from None
    if operations and answer.patch_type != "JSONPatch":
        raise Undecodable(f'unsupported patch type "{answer.patch_type}"')
    return operations


def apply(shown: Obj, operations: list[dict[str, Any]], match: Match) -> Obj:
    """The object (of the kind and version of `match`) with a patch applied, as decoded. Raises InternalError."""
    plain = {**shown, "metadata": {**shown["metadata"]}} if "metadata" in shown else shown
    if "managedFields" in plain.get("metadata", {}):
        plain["metadata"]["managedFields"] = objects.copy(list(plain["metadata"]["managedFields"]))
    try:
        changed = patch.json_patch(plain, operations)
    except StatusError:
        raise InternalError("the patch of the webhook does not apply to the object") from None
    group, version, kind = match.kind
    api_version = f"{group}/{version}" if group else version
    if not isinstance(changed, dict) or (changed.get("apiVersion"), changed.get("kind")) != (api_version, kind):
        raise InternalError("the patch of the webhook makes another kind of the object")
    if "metadata" in shown and not isinstance(changed.get("metadata"), dict):
        raise InternalError("the patch of the webhook leaves the object without metadata")
    try:
        if match.kind == kind_of(match.declared):
            return match.declared.decode(changed)[0]
        return schema.decode(changed, body.type_of(api_version, kind))[0]
    except (schema.DecodeError, BadRequest) as error:
        raise InternalError(str(error)) from None
