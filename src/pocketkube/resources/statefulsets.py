"""StatefulSets.

Models pkg/registry/apps/statefulset, pkg/apis/apps (defaults, ValidateStatefulSet*) and the printer. The feature gate
MaxUnavailableStatefulSet is off, as by default in v1.36: `rollingUpdate.maxUnavailable` is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects, selectors
from pocketkube.errors import BadRequest, Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata, workload
from pocketkube.resources.base import Column, Resource, Scale
from pocketkube.resources.columns import AGE, NAME, age, containers, described
from pocketkube.resources.persistentvolume_spec import claims
from pocketkube.resources.persistentvolume_spec import defaults as volume_defaults
from pocketkube.resources.pod_spec import defaults, validation, warnings

POLICIES: Final = ("OrderedReady", "Parallel")
RETENTION: Final = ("Retain", "Delete")
_CHANGEABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_COUNTS: Final = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


class RESOURCE(Resource):
    group = "apps"
    kind = "StatefulSet"
    plural = "statefulsets"
    short_names = ("sts",)
    categories = ("all",)
    has_status = True
    scale = Scale()
    bumps_generation = True
    columns = described(
        "statefulsets",
        NAME,
        Column("Ready"),
        AGE,
        Column("Containers", priority=1),
        Column("Images", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        return [
            objects.name(obj),
            f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
            age(self.world.clock, obj),
            *containers(objects.dig(spec, "template", "spec", default={})),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        spec.setdefault("selector", None)
        defaults.template(spec.setdefault("template", {}))
        for claim in spec.get("volumeClaimTemplates") or ():
            _claim(claim)
        spec.setdefault("serviceName", "")
        spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
        strategy = spec.setdefault("updateStrategy", {})
        if not strategy.get("type"):
            strategy["type"] = "RollingUpdate"
            strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
            strategy["rollingUpdate"].setdefault("partition", 0)
        spec.setdefault("revisionHistoryLimit", 10)
        retention = spec["persistentVolumeClaimRetentionPolicy"] = (
            spec.get("persistentVolumeClaimRetentionPolicy") or {}
        )
        for moment in ("whenDeleted", "whenScaled"):
            retention[moment] = retention.get(moment) or "Retain"
        if spec.get("ordinals") is not None:
            spec["ordinals"].setdefault("start", 0)

    def initial_status(self, obj: Obj) -> Obj:
        return {"replicas": 0, "availableReplicas": 0}

    def prepare_create(self, obj: Obj) -> None:
        _drop_gated(obj)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        _drop_gated(new)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        status = new.setdefault("status", {})
        status.setdefault("replicas", 0)
        status.setdefault("availableReplicas", 0)

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterable[str]:
        return formats.dns1123_label(name, prefix=prefix)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from _spec(objects.spec(obj), new=True)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        before, after = objects.spec(old), objects.spec(new)
        # what was let in once may stay: a template that is wrong by now does not hold up everything else
        yield from _spec(after, template=not any(_spec(before)))
        if _fixed(before) != _fixed(after):
            *some, last = (f"'{name}'" for name in _CHANGEABLE)
            text = f"updates to statefulset spec for fields other than {', '.join(some)} and {last} are forbidden"
            yield fields.forbidden("spec", text)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        status = objects.status(new)
        yield from workload.status(status, *_COUNTS, ready="status.readyReplicas")
        collisions = status.get("collisionCount") or 0
        if collisions < (objects.status(old).get("collisionCount") or 0):
            yield fields.invalid("status.collisionCount", collisions, "cannot be decremented")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        spec = objects.spec(new)
        if old is None or new["metadata"].get("generation") != old["metadata"].get("generation"):
            yield from warnings.of_template("spec.template", spec.get("template") or {})
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            name = "spec" if old is None else "Spec"  # upstream's slip, which clients see
            yield from claims.spec_warnings(f"spec.volumeClaimTemplates[{index}].{name}", objects.spec(claim))
        if spec.get("revisionHistoryLimit", 0) < 0:
            yield (
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; "
                "a value >= 0 is recommended"
            )


def _claim(claim: Obj) -> None:
    """A claim template is a whole claim, status included."""
    claim["kind"] = claim.get("kind") or "PersistentVolumeClaim"
    claim["apiVersion"] = claim.get("apiVersion") or "v1"
    claim.setdefault("metadata", {})
    volume_defaults.claim_spec(claim.setdefault("spec", {}))
    status = claim.setdefault("status", {})
    status["phase"] = status.get("phase") or "Pending"


def _drop_gated(obj: Obj) -> None:
    rolling = objects.spec(obj)["updateStrategy"].get("rollingUpdate")
    if rolling is not None:
        rolling.pop("maxUnavailable", None)


def _fixed(spec: Obj) -> Obj:
    return {name: value for name, value in spec.items() if name not in _CHANGEABLE and value not in (None, [])}


def _spec(spec: Obj, *, new: bool = False, template: bool = True) -> Iterator[Cause]:
    """ValidateStatefulSetSpec. `new`: also what may not change later; `template`: whether its pods are looked at."""
    policy = spec["podManagementPolicy"]
    if policy not in POLICIES:
        yield fields.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _strategy(spec["updateStrategy"])
    for moment in ("whenDeleted", "whenScaled"):
        value = spec["persistentVolumeClaimRetentionPolicy"][moment]
        if value not in RETENTION:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{moment}"
            yield fields.not_supported(path, value, RETENTION, in_order=True)
    if new:
        for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            yield from claims.validate(objects.spec(claim), f"spec.volumeClaimTemplates[{index}].spec")
    yield from workload.not_negative("spec.replicas", spec.get("replicas"))
    yield from workload.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from workload.not_negative("spec.ordinals.start", objects.dig(spec, "ordinals", "start"))
    service = spec.get("serviceName") or ""
    if new and service:
        yield from (fields.invalid("spec.serviceName", service, problem) for problem in formats.dns1123_label(service))
    yield from workload.selector("spec.selector", spec.get("selector"), "statefulset")
    yield from _template(spec, pods=template)


def _strategy(strategy: Obj) -> Iterator[Cause]:
    type_, rolling, path = strategy["type"], strategy.get("rollingUpdate"), "spec.updateStrategy"
    if type_ == "OnDelete":
        if rolling is not None:
            why = "only allowed for updateStrategy 'RollingUpdate'"
            yield fields.invalid(f"{path}.rollingUpdate", _internal(rolling), why)
    elif type_ == "RollingUpdate":
        yield from workload.not_negative(f"{path}.rollingUpdate.partition", (rolling or {}).get("partition"))
    else:
        shown = {"Type": type_, "RollingUpdate": None if rolling is None else _internal(rolling)}
        yield fields.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _internal(rolling: Obj) -> Obj:
    """As Go prints it."""
    return {"Partition": rolling.get("partition", 0), "MaxUnavailable": None}


def _template(spec: Obj, *, pods: bool) -> Iterator[Cause]:
    path, found = "spec.template", spec.get("template") or {}
    try:
        matches = selectors.from_label_selector(spec.get("selector"))
    except BadRequest:
        yield fields.invalid("spec.selector", spec.get("selector"), "")
    else:
        yield from workload.selected(path, found, matches)
        if pods:
            yield from validation.template(path, _as_made(spec, found))
        # once more, as upstream does
        yield from metadata.labels(f"{path}.labels", objects.labels(found))
        yield from metadata.annotation_map(f"{path}.annotations", objects.annotations(found))
    yield from workload.restarting(path, found, "StatefulSet")


def _as_made(spec: Obj, template: Obj) -> Obj:
    """The template as its pods are made from it: the controller names them and gives them their claims."""
    pod = {name: value for name, value in objects.spec(template).items() if name not in ("hostname", "subdomain")}
    names = list(dict.fromkeys(objects.name(claim) for claim in spec.get("volumeClaimTemplates") or ()))
    if names:
        own = [volume for volume in pod.get("volumes") or () if volume.get("name") not in names]
        pod["volumes"] = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names] + own
    return {**template, "spec": pod}
