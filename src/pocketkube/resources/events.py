"""Events, stored as core/v1; events.k8s.io/v1 is a view of the same ones.

Models pkg/registry/core/event, legacyValidateEvent and the conversions of pkg/apis/events/v1. Left out: the stricter
rules for what is written by way of events.k8s.io, expiry after an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import NAME, described, since

_LENGTHS: Final = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}
_INVOLVED: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


_RENAMED: Final = {"message": "note", "reportingComponent": "reportingController", "count": "deprecatedCount"}
_SAME: Final = ("action", "reason", "related", "reportingInstance", "series", "type")
_ALWAYS: Final = {
    "involvedObject": "regarding",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "eventTime": "eventTime",
}
"""Fields of core/v1 and what events.k8s.io/v1 calls them; those of `_ALWAYS` are there when empty, too."""


class _Event(Resource):
    kind = "Event"
    plural = "events"
    short_names = ("ev",)
    create_on_update = True
    columns = described(
        "events",
        Column("Last Seen"),
        Column("Type"),
        Column("Reason"),
        Column("Object"),
        Column("Subobject", priority=1),
        Column("Source", priority=1),
        Column("Message"),
        Column("First Seen", priority=1),
        Column("Count", priority=1),
        replace(NAME, priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        obj = self.internal(obj)
        clock, about, source = self.world.clock, obj.get("involvedObject") or {}, obj.get("source") or {}
        first = since(clock, obj.get("firstTimestamp") or obj.get("eventTime"))
        last = since(clock, obj["lastTimestamp"]) if obj.get("lastTimestamp") else first
        count = obj.get("count") or 1
        if series := obj.get("series"):
            last, count = since(clock, series.get("lastObservedTime")), series.get("count", 0)
        parts = (
            source.get("component") or obj.get("reportingComponent", ""),
            source.get("host") or obj.get("reportingInstance", ""),
        )
        return [
            last,
            obj.get("type", ""),
            obj.get("reason", ""),
            "/".join(filter(None, (about.get("kind", "").lower(), about.get("name", "")))),
            about.get("fieldPath", ""),
            ", ".join(parts) if parts[1] else parts[0],
            obj.get("message", "").strip(),
            first,
            count,
            objects.name(obj),
        ]


class EventsV1(_Event):
    group = "events.k8s.io"

    @property
    def stored_group(self) -> str:
        return ""

    def present(self, obj: Obj) -> Obj:
        shown = {"apiVersion": self.api_version, "kind": self.kind, "metadata": obj["metadata"]}
        shown |= {to: obj.get(name) for name, to in _ALWAYS.items()}
        given = {**{name: name for name in _SAME}, **_RENAMED}
        return shown | {to: obj[name] for name, to in given.items() if obj.get(name)}

    def internal(self, obj: Obj) -> Obj:
        given = {**{name: name for name in _SAME}, **_RENAMED, **_ALWAYS}
        kept = {name: obj[name] for name in ("apiVersion", "kind", "metadata") if name in obj}
        return kept | {name: obj[to] for name, to in given.items() if to in obj}

    def fields(self, obj: Obj) -> Mapping[str, str]:
        about = obj.get("regarding") or {}
        return {
            **super().fields(obj),
            **{f"regarding.{name}": about.get(name, "") for name in _INVOLVED},
            "reason": obj.get("reason", ""),
            "reportingController": obj.get("reportingController", ""),
            "type": obj.get("type", ""),
        }


class RESOURCE(_Event):
    other_versions = (EventsV1,)

    def fields(self, obj: Obj) -> Mapping[str, str]:
        about = obj.get("involvedObject") or {}
        reporter = obj.get("reportingComponent", "")
        return {
            **super().fields(obj),
            **{f"involvedObject.{name}": about.get(name, "") for name in _INVOLVED},
            "reason": obj.get("reason", ""),
            "reportingComponent": reporter,
            "source": (obj.get("source") or {}).get("component", "") or reporter,
            "type": obj.get("type", ""),
        }

    def default(self, obj: Obj) -> None:
        for name in ("involvedObject", "source"):
            obj.setdefault(name, {})
        for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
            obj.setdefault(name, None)
        for name in ("reportingComponent", "reportingInstance"):
            obj.setdefault(name, "")

    def validate(self, obj: Obj) -> Iterator[Cause]:
        about = (obj.get("involvedObject") or {}).get("namespace", "")
        namespace = objects.namespace(obj)
        if obj.get("eventTime"):
            if not about and namespace not in ("default", "kube-system"):
                yield fields.invalid("involvedObject.namespace", about, "does not match event.namespace")
            yield from _reported(obj)
        elif (about and about != namespace) or (not about and namespace not in ("", "default")):
            yield fields.invalid("involvedObject.namespace", about, "does not match event.namespace")
        for problem in formats.dns1123_subdomain(namespace):
            yield fields.invalid("namespace", namespace, problem)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self.validate(new)


def _reported(obj: Obj) -> Iterator[Cause]:
    """Field errors of what events have that say when they happened."""
    reporter = obj.get("reportingComponent", "")
    if not reporter:
        yield fields.required("reportingComponent")
    yield from (fields.invalid("reportingComponent", reporter, why) for why in formats.qualified_name(reporter))
    for name in ("reportingInstance", "action", "reason"):
        if not obj.get(name):
            yield fields.required(name)
    for name, most in _LENGTHS.items():
        if len((obj.get(name) or "").encode()) > most:
            yield fields.invalid(name, "", f"can have at most {most} characters")
