"""Custom objects in another version, which a webhook makes (spec.conversion.strategy: Webhook).

Within `by`, that is while a request is answered, a version that is not there yet is asked for (pocketkube.unanswered)
and then kept for that request. The cluster's own components, who are outside of it, see and leave objects in the
version they are stored in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Final

import orjson

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.unanswered import Unanswered

Convert = Callable[[Obj, list[Obj], str], Awaitable[list[Obj]]]
"""(definition, objects, apiVersion wanted) -> the objects in that version. Raises StatusError."""
REVIEW_VERSIONS: Final = ("v1", "v1beta1")
"""Of ConversionReview, as this server speaks them."""
_OF_A_TRY: Final = ("uid", "creationTimestamp")
"""What a new object gets anew at each try."""


class _Known:
    """What was converted for one request."""

    def __init__(self, convert: Convert) -> None:
        self.convert = convert
        self.made: dict[tuple[str, bytes], Obj] = {}
        self.open = True


_KNOWN: ContextVar[_Known | None] = ContextVar("converted", default=None)


@contextmanager
def by(convert: Convert) -> Iterator[None]:
    known = _Known(convert)
    token = _KNOWN.set(known)
    try:
        yield
    finally:
        known.open = False  # tasks that began meanwhile have it still
        _KNOWN.reset(token)


def forget() -> None:
    """What a watch has shown it does not show again."""
    if (known := _KNOWN.get()) is not None:
        known.made.clear()


def is_by_webhook(definition: Obj) -> bool:
    return bool(objects.dig(definition, "spec", "conversion", "strategy") == "Webhook")


def converted(definition: Obj, obj: Obj, wanted: str) -> Obj | None:
    """A copy in the version wanted; None where nobody is asked. Raises Unanswered."""
    known = _KNOWN.get()
    if known is None or not known.open:
        return None
    expect(definition, [obj], wanted)
    made: Obj = objects.copy(known.made[wanted, _digest(obj)])
    return {**made, "metadata": _metadata(obj["metadata"], made["metadata"])}


def expect(definition: Obj, found: Iterable[Obj], wanted: str) -> None:
    """Have all of them converted at once. Raises Unanswered."""
    known = _KNOWN.get()
    if known is None or not known.open:
        return
    missing = {key: obj for obj in found if (key := (wanted, _digest(obj))) not in known.made}
    if missing:
        raise Unanswered(partial(_ask, known, definition, missing, wanted))


async def _ask(known: _Known, definition: Obj, missing: dict[tuple[str, bytes], Obj], wanted: str) -> None:
    made = await known.convert(definition, list(missing.values()), wanted)
    known.made.update(zip(missing, made, strict=True))


def _digest(obj: Obj) -> bytes:
    """Tells objects apart, and not the tries to write one."""
    meta = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    if "resourceVersion" not in meta:
        dropped = (*_OF_A_TRY, "name") if meta.get("generateName") else _OF_A_TRY
        meta = {name: value for name, value in meta.items() if name not in dropped}
    return orjson.dumps({**obj, "metadata": meta})


def _metadata(before: Obj, after: Obj) -> Obj:
    """Labels and annotations are the webhook's to change, all else stays."""
    kept = {name: value for name, value in before.items() if name not in ("labels", "annotations")}
    return kept | {name: after[name] for name in ("labels", "annotations") if after.get(name) is not None}
