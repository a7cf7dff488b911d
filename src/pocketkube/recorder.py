"""Events: what components say about objects. Repeats of the same text raise the count instead of adding objects.

Models client-go/tools/record (recorder, correlator without its rate limit and without similar-event grouping).
"""

from __future__ import annotations

import json
import logging
import time

from pocketkube import asked, objects
from pocketkube.errors import StatusError
from pocketkube.fieldmanager.writers import By
from pocketkube.objects import Obj
from pocketkube.registry import Registry

REMEMBERED = 4096
_LINE = '"Event occurred" object="%s" kind="%s" type="%s" reason="%s" message=%s'
"""client-go's structured line, without the fields that are mostly empty."""


class Recorder:
    def __init__(
        self,
        registry: Registry,
        component: str,
        host: str = "",
        log: logging.Logger | None = None,
        by: By | None = None,
    ) -> None:
        self.registry = registry
        self._by = by
        self._asked = asked.by_component(component, host)
        self._log = log
        self.source = {"component": component, **({"host": host} if host else {})}
        self._seen: dict[tuple[str, ...], objects.Key] = {}

    def record(self, about: Obj, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Write or count up the Event; an Event that cannot be written is dropped, as upstream drops it."""
        involved = {
            "kind": about["kind"],
            "namespace": objects.namespace(about),
            "name": objects.name(about),
            "uid": objects.uid(about),
            "apiVersion": about["apiVersion"],
            "resourceVersion": about["metadata"].get("resourceVersion", ""),
            "fieldPath": field_path,
        }
        involved = {k: v for k, v in involved.items() if v}
        fingerprint = (involved.get("uid", ""), objects.name(about), field_path, type_, reason, message)
        now = self.registry.clock.now()
        if self._log is not None:
            self._log.info(
                _LINE, "/".join(filter(None, objects.key(about))), about["kind"], type_, reason, json.dumps(message)
            )
        try:
            at = self._seen.get(fingerprint)
            found = self.registry.find("events", *at) if at else None
            if found is not None:
                self.registry.update(
                    "events",
                    {**found, "metadata": {**found["metadata"]}, "count": found["count"] + 1, "lastTimestamp": now},
                    by=self._by,
                    review=self.registry.policies.review(self._asked),
                )
                return
            namespace = objects.namespace(about) or "default"
            name = f"{objects.name(about)}.{time.time_ns():x}"
            event: Obj = {
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "reason": reason,
                "message": message,
                "source": self.source,
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
                "type": type_,
                "reportingComponent": self.source["component"],
                "reportingInstance": self.source.get("host", ""),
            }
            self.registry.create("events", event, by=self._by, review=self.registry.policies.review(self._asked))
            if len(self._seen) >= REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
            self._seen[fingerprint] = (namespace, name)
        except StatusError:
            return  # the namespace is going or gone: there is nobody left to tell
