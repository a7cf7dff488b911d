"""What the cluster's components have said about an object, newest first."""

from __future__ import annotations

from collections.abc import Collection

from kindlab.api import Api, Obj


def said(api: Api, obj: Obj, reasons: Collection[str] = ()) -> list[Obj]:
    """The Events about `obj` (of these reasons only, when given), newest first."""
    meta = obj["metadata"]
    found = api.list("Event", meta.get("namespace"), fields=f"involvedObject.uid={meta['uid']}")
    return sorted((e for e in found if not reasons or e.get("reason") in reasons), key=moment, reverse=True)


def last(api: Api, obj: Obj, reasons: Collection[str] = ()) -> str:
    """`Reason: message` of the newest of them; "" when there is none."""
    found = said(api, obj, reasons)
    return f"{found[0].get('reason', '')}: {(found[0].get('message') or '').strip()}" if found else ""


def moment(event: Obj) -> str:
    """When it was said last, to the second; "" when that is not known."""
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(event.get("lastTimestamp") or series or event.get("eventTime") or event.get("firstTimestamp") or "")
