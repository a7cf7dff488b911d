"""What may change in a pod once it exists: very little.

Models ValidatePodUpdate, ValidatePodStatusUpdate and ValidatePodEphemeralContainersUpdate (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal, metadata
from pocketkube.resources.pod_spec import annotated_profiles, containers, gated, scheduling, validation
from pocketkube.resources.pod_spec.validation import MIRROR

_MAX_INT32: Final = 2**31 - 1
_MUTABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_SYSTEM: Final = ("PodScheduled", "Ready", "Initialized")


def validate(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed pod."""
    yield from validation.pod(new)
    yield from _annotations("metadata.annotations", new, old)
    after, before = objects.spec(new), objects.spec(old)
    for kind in ("containers", "initContainers"):
        if len(after.get(kind) or ()) != len(before.get(kind) or ()):
            yield fields.forbidden(f"spec.{kind}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(after.get(kind) or ()):
            if not container.get("image"):
                yield fields.required(f"spec.{kind}[{index}].image")
            yield from containers.trimmed(f"spec.{kind}[{index}]", container)
    deadline = list(_deadline(after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")))
    yield from deadline
    if deadline and after.get("activeDeadlineSeconds") is not None:
        return
    yield from scheduling.only_added("spec.tolerations", new, old)
    known = {gate.get("name") for gate in before.get("schedulingGates") or ()}
    for index, gate in enumerate(after.get("schedulingGates") or ()):
        if gate.get("name") not in known:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'"
            yield fields.forbidden(f"spec.schedulingGates[{index}].name", why)
    munged = _munged(after, before)
    if before.get("schedulingGates"):
        yield from gated.narrowed(after, before)
        munged = gated.munged(munged, before)
    if munged != before:
        difference = internal.pod_spec_diff(before, munged)
        yield fields.forbidden("spec", f"pod updates may not change fields other than {_MUTABLE}\n{difference}")


def _annotations(path: str, new: Obj, old: Obj) -> Iterator[Cause]:
    yield from annotated_profiles.validate_update(path, new, old)
    after, before = (objects.annotations(obj).get(MIRROR) for obj in (new, old))
    if before is None and after is not None:
        yield fields.forbidden(f"{path}[{MIRROR}]", "may not add mirror pod annotation")
    elif after != before:
        yield fields.forbidden(f"{path}[{MIRROR}]", "may not remove or update mirror pod annotation")


def _deadline(after: int | None, before: int | None) -> Iterator[Cause]:
    path = "spec.activeDeadlineSeconds"
    if after is None:
        if before is not None:
            yield fields.invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= after <= _MAX_INT32:
        yield fields.invalid(path, after, formats.range_text(0, _MAX_INT32))
    elif before is not None and before < after:
        yield fields.invalid(path, after, "must be less than or equal to previous value")


def _munged(after: Obj, before: Obj) -> Obj:
    """The new spec with the old values where changes are allowed."""
    result = dict(after)
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _restore(result, before, name)
    for kind in ("containers", "initContainers"):
        if kind in after:
            pairs = zip(after[kind] or (), before.get(kind) or (), strict=True)
            result[kind] = [_with_image(container, old) for container, old in pairs]
    grace = "terminationGracePeriodSeconds"
    if before.get(grace, 0) < 0 and after.get(grace) == 1:
        result[grace] = before[grace]
    return result


def _restore(result: Obj, before: Obj, name: str) -> None:
    result.pop(name, None)
    if name in before:
        result[name] = before[name]


def _with_image(container: Obj, old: Obj) -> Obj:
    return {**container, "image": old.get("image", "")}


def validate_status(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed status."""
    after, before = objects.status(new), objects.status(old)
    for index, condition in enumerate(after.get("conditions") or ()):
        type_ = condition.get("type", "")
        for problem in formats.qualified_name(type_) if type_ not in _SYSTEM else ():
            yield fields.invalid(f"status.conditions[{index}].Type", type_, problem)
    nominated = after.get("nominatedNodeName", "")
    if nominated and nominated != before.get("nominatedNodeName", ""):
        for problem in formats.dns1123_subdomain(nominated):
            yield fields.invalid("status.nominatedNodeName", nominated, problem)
        if objects.spec(old).get("nodeName"):
            why = "may not be set on pods that are already bound to a node"
            yield fields.forbidden("status.nominatedNodeName", why)
    yield from metadata.immutable("status.qosClass", after.get("qosClass", ""), before.get("qosClass", ""))
    for name in ("containerStatuses", "initContainerStatuses"):
        yield from _transitions(f"status.{name}", after.get(name) or [], before.get(name) or [], old)


def _transitions(path: str, after: list[Obj], before: list[Obj], old: Obj) -> Iterator[Cause]:
    """A container that has ended for good does not start again."""
    policy = objects.spec(old).get("restartPolicy")
    if policy == "Always":
        return
    own = {c.get("name"): c.get("restartPolicy") for c in objects.spec(old).get("initContainers") or ()}
    for index, status in enumerate(before):
        ended: Any = objects.dig(status, "state", "terminated")
        if ended is None or own.get(status["name"]) == "Always":
            continue
        if policy == "OnFailure" and ended.get("exitCode"):
            continue
        for later in after:
            if later["name"] == status["name"] and objects.dig(later, "state", "terminated") is None:
                yield fields.forbidden(f"{path}[{index}].state", "may not be transitioned to non-terminated state")


def validate_ephemeral(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of the ephemeralcontainers subresource: containers may only be added."""
    if MIRROR in objects.annotations(old):
        yield fields.forbidden("", "static pods do not support ephemeral containers")
        return
    path, after = "spec.ephemeralContainers", objects.spec(new).get("ephemeralContainers") or []
    yield from validation.pod(new)
    yield from _annotations("metadata.annotations", new, old)
    by_name = {container.get("name"): container for container in after}
    for container in objects.spec(old).get("ephemeralContainers") or ():
        name = container.get("name", "")
        if name not in by_name:
            why = f'existing ephemeral containers "{name}" may not be removed\n'
            yield fields.forbidden(path, why)
        elif by_name[name] != container:
            difference = internal.diff("EphemeralContainer", container, by_name[name])
            yield fields.forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n{difference}')
