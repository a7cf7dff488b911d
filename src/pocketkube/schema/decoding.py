"""From parsed JSON to the object a real API server would hold and answer.

Models what decoding into a Go struct and encoding it again does (sigs.k8s.io/json, the protobuf storage between
them, and runtime.DefaultUnstructuredConverter for strategic merge patches): unknown fields vanish and are reported
with their path, null is absent, empty values of `omitempty` fields vanish, structs and fields without omitempty
are always there (`status: {}`, `name: ""`, `endpoints: null`), quantities, times and base64 are rewritten in
canonical form, and wrong types are refused with Go's texts.

An object that is as it should be takes the quick way (`compiled`: one closure per type); at the first doubt it is
read again by `reader.Reader`, which knows where it is and what to say (`patched.PatchedReader` for patches).

Left out: field order of the answer (that of the request is kept); Go's limits on depth.
"""

from __future__ import annotations

from typing import Any

from pocketkube.schema.compiled import Doubt
from pocketkube.schema.patched import PatchedReader
from pocketkube.schema.reader import Reader
from pocketkube.schema.types import Type


def decode(obj: Any, type_: Type) -> tuple[dict[str, Any], list[str]]:
    """The object as held by the server, and what strict decoding complains about, in document order.

    Complaints read `unknown field "spec.selectors"` or `duplicate field "spec.type"` (the latter only for bodies
    parsed with `loads_json(body, strict=True)`). Raises DecodeError for values of the wrong type. `obj` is not
    changed.
    """
    try:
        return type_.decoder(obj), []
    except Doubt:
        reader = Reader()
    return reader.read(type_, obj), reader.problems


def decode_patched(obj: Any, type_: Type) -> tuple[dict[str, Any], list[str]]:
    """As `decode`, for the outcome of a strategic merge patch: another upstream decoder, whose unknown fields come
    sorted and whose complaints about types are its own (`unrecognized type: int32`, `cannot restore slice from
    string`).
    """
    try:
        return type_.decoder(obj), []
    except Doubt:
        reader = PatchedReader()
    return reader.read(type_, obj), sorted(reader.problems)


def strict_text(problems: list[str]) -> str:
    """The one text of several complaints: `strict decoding error: unknown field "a", unknown field "b"`."""
    return f"strict decoding error: {', '.join(problems)}"
