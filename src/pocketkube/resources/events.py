"""Events of core/v1.

Models pkg/registry/core/event and ValidateEvent* for the legacy form. Left out: the events.k8s.io view and its stricter
rules, expiry after an hour.
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

_INVOLVED: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


class RESOURCE(Resource):
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
        if (about and about != namespace) or (not about and namespace not in ("", "default", "kube-system")):
            yield fields.invalid("involvedObject.namespace", about, "does not match event.namespace")
        for problem in formats.dns1123_subdomain(namespace):
            yield fields.invalid("namespace", namespace, problem)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self.validate(new)
