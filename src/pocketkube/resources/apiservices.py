"""APIServices: which server answers for a group and version, this one (`Local`) or one behind a Service.

Models kube-aggregator/pkg/registry/apiservice, ValidateAPIService*, and the priorities kube-apiserver gives its own
groups, which are the order of discovery. Who calls the servers is apiserver/aggregation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

AUTOMANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"
CUSTOM: Final = (1000, 100)
"""Priorities (group, version) of what CustomResourceDefinitions bring."""
PRIORITIES: Final[dict[tuple[str, str], tuple[int, int]]] = {
    ("", "v1"): (18000, 1),
    ("apps", "v1"): (17800, 15),
    ("events.k8s.io", "v1"): (17750, 15),
    ("authentication.k8s.io", "v1"): (17700, 15),
    ("authorization.k8s.io", "v1"): (17600, 15),
    ("autoscaling", "v2"): (17500, 30),
    ("autoscaling", "v1"): (17500, 15),
    ("batch", "v1"): (17400, 15),
    ("certificates.k8s.io", "v1"): (17300, 15),
    ("networking.k8s.io", "v1"): (17200, 15),
    ("policy", "v1"): (17100, 15),
    ("rbac.authorization.k8s.io", "v1"): (17000, 15),
    ("storage.k8s.io", "v1"): (16800, 15),
    ("admissionregistration.k8s.io", "v1"): (16700, 15),
    ("apiextensions.k8s.io", "v1"): (16700, 15),
    ("scheduling.k8s.io", "v1"): (16600, 15),
    ("coordination.k8s.io", "v1"): (16500, 15),
    ("node.k8s.io", "v1"): (16300, 15),
    ("discovery.k8s.io", "v1"): (16200, 15),
    ("resource.k8s.io", "v1"): (16200, 21),
    ("flowcontrol.apiserver.k8s.io", "v1"): (16100, 21),
}
"""Of the versions this server may serve, (group, version) -> (groupPriorityMinimum, versionPriority)."""
ANSWERED: Final = (("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1"))
"""Versions of which nothing is stored: their kinds are answered only."""
LOCAL: Final = ("Local", "Local APIServices are always available")
GROUP: Final = "apiregistration.k8s.io"
"""First of all groups, and the only one without an APIService."""


class RESOURCE(Resource):
    group = GROUP
    kind = "APIService"
    plural = "apiservices"
    categories = ("api-extensions",)
    namespaced = False
    has_status = True
    unconditional_update = False
    knows_finalizers = False
    storage_prefix = "apiregistration.k8s.io/apiservices"
    columns = described(
        "apiservices",
        NAME,
        Column("Service", description="The reference to the service that hosts this API endpoint."),
        Column("Available", description="Whether this service is available."),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        service, found = backend(obj), objects.condition(obj, "Available")
        where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service is not None else "Local"
        available = found["status"] if found is not None else "Unknown"
        if found is not None and available != "True" and found.get("reason"):
            available = f"{available} ({found['reason']})"
        return [objects.name(obj), where, available, age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        service = backend(obj)
        if service is not None and service.get("port") is None:
            service["port"] = 443

    def initial_status(self, obj: Obj) -> Obj:
        if backend(obj) is not None:
            return {}
        said = {"reason": LOCAL[0], "message": LOCAL[1]}
        now = self.world.clock.now()
        return {"conditions": [{"type": "Available", "status": "True", "lastTransitionTime": now, **said}]}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            new["metadata"].pop(field, None)
            if field in old["metadata"]:
                new["metadata"][field] = old["metadata"][field]

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterator[str]:
        yield from formats.path_segment(name, prefix=prefix)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec, name = objects.spec(obj), objects.name(obj)
        group, version = spec.get("group", ""), spec.get("version", "")
        wanted = f"{version}.{group}"
        if name != wanted and not formats.path_segment(name):
            yield fields.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
        if not group and version != "v1":
            yield fields.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
        for why in formats.dns1123_subdomain(group) if group else ():
            yield fields.invalid("spec.group", group, why)
        for why in formats.dns1035_label(version):
            yield fields.invalid("spec.version", version, why)
        for field, most in ("groupPriorityMinimum", 20000), ("versionPriority", 1000):
            value = spec.get(field, 0)
            if not 0 < value <= most:
                yield fields.invalid(f"spec.{field}", value, f"must be positive and less than {most}")
        yield from _server(spec)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        for index, one in enumerate(objects.status(new).get("conditions") or ()):
            if one.get("status", "") not in ("True", "False", "Unknown"):
                path = f"status.conditions[{index}].status"
                yield fields.not_supported(path, one.get("status", ""), ("True", "False", "Unknown"))


def backend(obj: Obj) -> Obj | None:
    """The Service (namespace, name, port) whose server answers; None: this one does."""
    found: Obj | None = objects.spec(obj).get("service")
    return found


def _server(spec: Obj) -> Iterator[Cause]:
    service, bundle = spec.get("service"), spec.get("caBundle") or ""
    insecure = spec.get("insecureSkipTLSVerify", False)
    if service is None:
        if bundle:
            size = f"{len(bundle) * 3 // 4 - bundle.count('=')} bytes"
            yield fields.invalid("spec.caBundle", size, "local APIServices may not have a caBundle")
        if insecure:
            why = "local APIServices may not have insecureSkipTLSVerify"
            yield fields.invalid("spec.insecureSkipTLSVerify", insecure, why)
        return
    for field in "namespace", "name":
        if not service.get(field):
            yield fields.required(f"spec.service.{field}")
    if found := formats.port_number(service["port"]):
        yield fields.invalid("spec.service.port", service["port"], f"port is not valid: {', '.join(found)}")
    if insecure and bundle:
        yield fields.invalid("spec.insecureSkipTLSVerify", insecure, "may not be true if caBundle is present")
