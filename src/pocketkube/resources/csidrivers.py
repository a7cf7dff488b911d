"""CSIDrivers: what the cluster knows of a driver.

Models pkg/registry/storage/csidriver, ValidateCSIDriver*, SetDefaults_CSIDriver and the printer. Left out, as their
feature is off in v1.36: preventPodSchedulingIfMissing, which is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_DEFAULTS: Final = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}
_GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
_MODES: Final = ("Persistent", "Ephemeral")
_SHORTEST_TOKEN: Final = 600
_LONGEST_TOKEN: Final = 1 << 32
_SHORTEST_PERIOD: Final = 10
_TOKENS_IN_ATTRIBUTES: Final = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "CSIDriver"
    plural = "csidrivers"
    returns_deleted = True
    namespaced = False
    unconditional_update = False
    columns = described(
        "csidrivers",
        NAME,
        Column("AttachRequired", "boolean"),
        Column("PodInfoOnMount", "boolean"),
        Column("StorageCapacity", "boolean"),
        Column("TokenRequests"),
        Column("RequiresRepublish", "boolean"),
        Column("Modes"),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        tokens = spec.get("tokenRequests")
        return [
            objects.name(obj),
            spec.get("attachRequired", True),
            spec.get("podInfoOnMount", False),
            spec.get("storageCapacity", False),
            ",".join(token.get("audience", "") for token in tokens) if tokens else "<unset>",
            spec.get("requiresRepublish", False),
            ",".join(spec.get("volumeLifecycleModes") or ()) or "<none>",
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        for name, value in _DEFAULTS.items():
            spec.setdefault(name, value)
        if not spec.get("volumeLifecycleModes"):
            spec["volumeLifecycleModes"] = ["Persistent"]

    def prepare_create(self, obj: Obj) -> None:
        obj["spec"].pop("preventPodSchedulingIfMissing", None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["spec"].pop("preventPodSchedulingIfMissing", None)
        if new["spec"] != old["spec"]:  # a new driver has no generation: the first change makes it 1
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = obj["spec"]
        if spec["fsGroupPolicy"] not in _GROUP_POLICIES:
            yield fields.not_supported("spec.fsGroupPolicy", spec["fsGroupPolicy"], _GROUP_POLICIES)
        yield from _tokens("spec.tokenRequests", spec.get("tokenRequests") or [])
        for mode in spec["volumeLifecycleModes"]:
            if mode not in _MODES:
                yield fields.not_supported("spec.volumeLifecycleModes", mode, _MODES, in_order=True)
        period = spec.get("nodeAllocatableUpdatePeriodSeconds")
        if period is not None and period < _SHORTEST_PERIOD:
            why = "must be greater than or equal to 10 seconds"
            yield fields.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, why)
        in_secrets = spec.get("serviceAccountTokenInSecrets")
        if in_secrets is not None and not spec.get("tokenRequests"):
            why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
            yield fields.invalid("spec.serviceAccountTokenInSecrets", in_secrets, why)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        before, after = old["spec"], new["spec"]
        yield from metadata.immutable("spec.attachedRequired", after["attachRequired"], before["attachRequired"])
        modes = "volumeLifecycleModes"
        yield from metadata.immutable(f"spec.{modes}", after[modes], before[modes])

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        tokens = new["spec"].get("tokenRequests")
        changed = old is None or tokens != old["spec"].get("tokenRequests")
        if tokens and changed and "serviceAccountTokenInSecrets" not in new["spec"]:
            yield _TOKENS_IN_ATTRIBUTES


def _tokens(at: str, requests: list[Obj]) -> Iterator[Cause]:
    audiences: set[str] = set()
    for index, request in enumerate(requests):
        audience, seconds = request.get("audience", ""), request.get("expirationSeconds")
        if audience in audiences:
            yield fields.duplicate(f"{at}[{index}].audience", audience)
            continue
        audiences.add(audience)
        if seconds is not None and seconds < _SHORTEST_TOKEN:
            why = "may not specify a duration less than 10 minutes"
            yield fields.invalid(f"{at}[{index}].expirationSeconds", seconds, why)
        if seconds is not None and seconds > _LONGEST_TOKEN:
            why = "may not specify a duration larger than 2^32 seconds"
            yield fields.invalid(f"{at}[{index}].expirationSeconds", seconds, why)
