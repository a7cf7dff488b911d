"""AppArmor and seccomp profiles in annotations, as they were said before there were fields for them.

Models ValidateAppArmorPodAnnotations, validateAppArmorAnnotationsAndFieldsMatchOnCreate and
validateSeccompAnnotationsAndFields (pkg/apis/core/validation), applyAppArmorVersionSkew (pkg/registry/core/pod) and
their part of pkg/api/pod/warnings.go. AppArmor's annotations become fields, those of seccomp do nothing; both must say
what the fields do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec import visiting

APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
_WORDS: Final = {
    "RuntimeDefault": ("runtime/default", "docker/default"),
    "Unconfined": ("unconfined",),
}
_LOCAL: Final = "localhost/"
_APPARMOR_INSTEAD: Final = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_SECCOMP_INSTEAD: Final = 'non-functional in v1.27+; use the "seccompProfile" field instead'


def validate(path: str, obj: Obj) -> Iterator[Cause]:
    """Field errors of AppArmor's annotations by themselves; `path` is that of the annotations."""
    names = {container.get("name", "") for _, container in visiting.containers("", objects.spec(obj))}
    for key, value in objects.annotations(obj).items():
        if not key.startswith(APPARMOR):
            continue
        name = key.removeprefix(APPARMOR)
        if name not in names:
            yield fields.invalid(f"{path}[{key}]", name, "container not found")
        if value not in ("", "runtime/default", "unconfined") and not value.startswith(_LOCAL):
            yield fields.invalid(f"{path}[{key}]", value, f"invalid AppArmor profile name: {fields.show(value)}")


def validate_new(path: str, obj: Obj, *, is_pod: bool) -> Iterator[Cause]:
    """Field errors of annotations that say something else than the fields; `path` is that of the spec."""
    spec, annotations = objects.spec(obj), objects.annotations(obj)
    of_pod = spec.get("securityContext") or {}
    if (told := annotations.get(SECCOMP_OF_POD)) is not None:
        yield from _agree(f"{path}.securityContext.seccompProfile", told, of_pod.get("seccompProfile"), "seccomp")
    for at, container in visiting.containers(path, spec):
        own = container.get("securityContext") or {}
        if (told := annotations.get(SECCOMP + container.get("name", ""))) is not None:
            yield from _agree(f"{at}.securityContext.seccompProfile", told, own.get("seccompProfile"), "seccomp")
    if _is_for_windows(spec):
        return
    for at, container in visiting.containers(path, spec):
        told = annotations.get(APPARMOR + container.get("name", ""))
        if told is None:
            continue
        profile = (container.get("securityContext") or {}).get("appArmorProfile")
        if profile is None and is_pod:
            profile = profile_of(told)  # see `adopt`
        profile = profile or of_pod.get("appArmorProfile")
        yield from _agree(f"{at}.securityContext.appArmorProfile", told, profile, "apparmor")


def _agree(path: str, told: str, profile: Obj | None, what: str) -> Iterator[Cause]:
    type_ = (profile or {}).get("type")
    other_type = fields.forbidden(f"{path}.type", f"{what} type in annotation and field must match")
    if type_ in _WORDS:
        words = _WORDS[type_] if what == "seccomp" else _WORDS[type_][:1]
        if told not in words:
            yield other_type
    elif type_ == "Localhost" and profile is not None:
        if not told.startswith(_LOCAL):
            yield other_type
        elif told.removeprefix(_LOCAL) != profile.get("localhostProfile"):
            where = f"{path}.localhostProfile"
            yield fields.forbidden(where, f"{what} profile in annotation and field must match")


def validate_update(path: str, new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of AppArmor's annotations that come, go or change."""
    after, before = objects.annotations(new), objects.annotations(old)
    for key, value in before.items():
        if key.startswith(APPARMOR) and after.get(key) != value:
            yield fields.forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations")
    for key in after:
        if key.startswith(APPARMOR) and key not in before:
            yield fields.forbidden(f"{path}[{key}]", "may not add AppArmor annotations")


def profile_of(annotation: str) -> Obj | None:
    """The field that says what an annotation of AppArmor's does; None where there is none."""
    for type_, (word, *_) in _WORDS.items():
        if annotation == word:
            return {"type": type_}
    local = annotation.removeprefix(_LOCAL)
    return {"type": "Localhost", "localhostProfile": local} if local and local != annotation else None


def adopt(obj: Obj) -> None:
    """Give a pod's containers the profiles that annotations say, unless they or their pod have them already."""
    spec, annotations = objects.spec(obj), objects.annotations(obj)
    if not any(key.startswith(APPARMOR) for key in annotations) or _is_for_windows(spec):
        return
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    for _, container in visiting.containers("", spec):
        own = container.get("securityContext") or {}
        profile = profile_of(annotations.get(APPARMOR + container.get("name", ""), ""))
        if own.get("appArmorProfile") is None and profile is not None and profile != of_pod:
            container["securityContext"] = {**own, "appArmorProfile": profile}


def warnings(path: str, obj: Obj) -> Iterator[str]:
    """About annotations that no field accompanies; `path` is what comes before "metadata"."""
    spec, annotations = objects.spec(obj), objects.annotations(obj)
    of_pod = spec.get("securityContext") or {}
    if SECCOMP_OF_POD in annotations and of_pod.get("seccompProfile") is None:
        yield f"{path}metadata.annotations[{SECCOMP_OF_POD}]: {_SECCOMP_INSTEAD}"
    for _, container in visiting.containers("", spec):
        name, own = container.get("name", ""), container.get("securityContext") or {}
        if SECCOMP + name in annotations and own.get("seccompProfile") is None:
            yield f"{path}metadata.annotations[{SECCOMP}{name}]: {_SECCOMP_INSTEAD}"
        told = annotations.get(APPARMOR + name)
        if told is None or own.get("appArmorProfile") is not None:
            continue
        profile = profile_of(told)
        if profile is None or profile != of_pod.get("appArmorProfile"):
            yield f"{path}metadata.annotations[{APPARMOR}{name}]: {_APPARMOR_INSTEAD}"


def _is_for_windows(spec: Obj) -> bool:
    return bool(objects.dig(spec, "os", "name") == "windows")
