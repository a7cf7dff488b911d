"""Profiles of AppArmor and seccomp that annotations tell: what becomes of them, and what they may not contradict."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import storage_kinds

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions
from pocketkube.resources.pod_spec.annotated_profiles import APPARMOR, SECCOMP, SECCOMP_OF_POD

MAIN = f"{APPARMOR}main"
AT = f"metadata.annotations[{MAIN}]"
FIELD = "spec.containers[0].securityContext.appArmorProfile"
DEPRECATED = 'deprecated since v1.30; use the "appArmorProfile" field instead'
USELESS = 'non-functional in v1.27+; use the "seccompProfile" field instead'
MATCH = "type in annotation and field must match"


def pod(annotations: Obj, own: Obj | None = None, whole: Obj | None = None, **spec: Any) -> Obj:
    """`own`, `whole`: the security contexts of the container and of the pod."""
    container = {"name": "main", "image": "busybox:1.36", "securityContext": own}
    meta = {"name": "p", "namespace": "test", "annotations": annotations}
    return {"metadata": meta, "spec": {"containers": [container], "securityContext": whole, **spec}}


def job(annotations: Obj, whole: Obj | None = None) -> Obj:
    made = pod(annotations, whole=whole, restartPolicy="Never")
    template = {"metadata": {"annotations": annotations}, "spec": made["spec"]}
    return {"metadata": {"name": "j", "namespace": "test"}, "spec": {"template": template}}


def profile(type_: str, local: str | None = None) -> Obj:
    return {"type": type_, **({"localhostProfile": local} if local is not None else {})}


def apparmor(type_: str, local: str | None = None) -> Obj:
    return {"appArmorProfile": profile(type_, local)}


def seccomp(type_: str, local: str | None = None) -> Obj:
    return {"seccompProfile": profile(type_, local)}


@pytest.mark.parametrize(
    ("annotation", "becomes"),
    [
        ("runtime/default", profile("RuntimeDefault")),
        ("unconfined", profile("Unconfined")),
        ("localhost/web", profile("Localhost", "web")),
        ("localhost/", None),
        ("", None),
    ],
)
def test_what_is_annotated_becomes_a_field(held: Registry, annotation: str, becomes: Obj | None) -> None:
    assert storage_kinds.warned(held, "pods", pod({MAIN: annotation})) == [f"{AT}: {DEPRECATED}"]
    stored = held.get("pods", "test", "p")["spec"]["containers"][0]
    assert (stored.get("securityContext") or {}).get("appArmorProfile") == becomes


def test_what_the_field_says_already_stays_as_it_is(held: Registry) -> None:
    whole = apparmor("RuntimeDefault")
    assert storage_kinds.warned(held, "pods", pod({MAIN: "runtime/default"}, whole=whole)) == []
    assert "appArmorProfile" not in (held.get("pods", "test", "p")["spec"]["containers"][0]["securityContext"] or {})
    held.delete("pods", "test", "p")
    assert storage_kinds.warned(held, "pods", pod({MAIN: "unconfined"}, apparmor("Unconfined"), whole)) == []


def test_a_container_may_differ_from_its_pod(held: Registry) -> None:
    whole = apparmor("RuntimeDefault")
    assert storage_kinds.warned(held, "pods", pod({MAIN: "unconfined"}, whole=whole)) == [f"{AT}: {DEPRECATED}"]
    stored = held.get("pods", "test", "p")["spec"]["containers"][0]
    assert stored["securityContext"] == apparmor("Unconfined")


def test_a_template_is_warned_about_and_not_changed(held: Registry) -> None:
    before = "spec.template."
    assert storage_kinds.warned(held, "jobs", job({MAIN: "unconfined"})) == [f"{before}{AT}: {DEPRECATED}"]
    stored = held.get("jobs", "test", "j")["spec"]["template"]["spec"]["containers"][0]
    assert "appArmorProfile" not in (stored.get("securityContext") or {})
    held.delete("jobs", "test", "j")
    refused = storage_kinds.refused(held, "jobs", job({MAIN: "unconfined"}, apparmor("RuntimeDefault")))
    assert refused == [f"{before}{FIELD}.type: Forbidden: apparmor {MATCH}"]


@pytest.mark.parametrize(
    ("annotation", "own", "where", "why"),
    [
        ("runtime/default", apparmor("Unconfined"), "type", MATCH),
        ("docker/default", apparmor("RuntimeDefault"), "type", MATCH),
        ("unconfined", apparmor("Localhost", "web"), "type", MATCH),
        (
            "localhost/db",
            apparmor("Localhost", "web"),
            "localhostProfile",
            "profile in annotation and field must match",
        ),
    ],
)
def test_both_must_say_the_same(held: Registry, annotation: str, own: Obj, where: str, why: str) -> None:
    refused = storage_kinds.refused(held, "pods", pod({MAIN: annotation}, own))
    assert f"{FIELD}.{where}: Forbidden: apparmor {why}" in refused


def test_what_is_no_profile_or_of_no_container(held: Registry) -> None:
    assert storage_kinds.refused(held, "pods", pod({f"{APPARMOR}other": "runtime/default", MAIN: "none"})) == [
        f'metadata.annotations[{APPARMOR}other]: Invalid value: "other": container not found',
        f'{AT}: Invalid value: "none": invalid AppArmor profile name: "none"',
    ]


def test_nothing_of_it_is_about_windows(held: Registry) -> None:
    held.create("pods", pod({MAIN: "unconfined"}, os={"name": "windows"}))
    assert "appArmorProfile" not in (held.get("pods", "test", "p")["spec"]["containers"][0]["securityContext"] or {})


def annotate(held: Registry, key: str, value: str | None) -> None:
    def change(copy: Obj) -> None:
        annotations = copy["metadata"].setdefault("annotations", {})
        annotations.pop(key, None)
        if value is not None:
            annotations[key] = value

    held.patch("pods", "test", "p", change)


@pytest.mark.parametrize(
    ("given", "value", "why"),
    [
        ({}, "unconfined", "may not add AppArmor annotations"),
        ({MAIN: "unconfined"}, "runtime/default", "may not remove or update AppArmor annotations"),
        ({MAIN: "unconfined"}, None, "may not remove or update AppArmor annotations"),
    ],
)
def test_annotations_of_a_pod_that_is_there_stay(held: Registry, given: Obj, value: str | None, why: str) -> None:
    held.create("pods", pod(given))
    with pytest.raises(Invalid) as caught:
        annotate(held, MAIN, value)
    assert f"{AT}: Forbidden: {why}" in caught.value.message


def test_a_mirror_stays_one(held: Registry) -> None:
    mirror = "kubernetes.io/config.mirror"
    at = f"metadata.annotations[{mirror}]"
    held.create("pods", pod({}, nodeName="node"))
    with pytest.raises(Invalid) as caught:
        annotate(held, mirror, "a")
    assert f"{at}: Forbidden: may not add mirror pod annotation" in caught.value.message
    held.delete("pods", "test", "p", DeleteOptions(grace_period_seconds=0))
    held.create("pods", pod({mirror: "a"}, nodeName="node"))
    with pytest.raises(Invalid) as caught:
        annotate(held, mirror, "b")
    assert f"{at}: Forbidden: may not remove or update mirror pod annotation" in caught.value.message
    with pytest.raises(Invalid, match="static pods cannot be resized"):
        held.patch("pods", "test", "p", lambda copy: None, subresource="resize")
    with pytest.raises(Invalid, match="static pods do not support ephemeral containers"):
        held.patch("pods", "test", "p", lambda copy: None, subresource="ephemeralcontainers")


def test_seccomp_by_annotation_does_nothing(held: Registry) -> None:
    annotations = {SECCOMP_OF_POD: "unconfined", f"{SECCOMP}main": "unconfined"}
    told = [f"metadata.annotations[{key}]: {USELESS}" for key in annotations]
    assert storage_kinds.warned(held, "pods", pod(annotations)) == told
    stored = held.get("pods", "test", "p")["spec"]
    assert "seccompProfile" not in (stored["containers"][0]["securityContext"] or {})
    held.delete("pods", "test", "p")
    both = seccomp("Unconfined")
    assert storage_kinds.warned(held, "pods", pod(annotations, both, both)) == []


def test_seccomp_too_must_say_the_same(held: Registry) -> None:
    annotations = {SECCOMP_OF_POD: "unconfined", f"{SECCOMP}main": "localhost/a"}
    made = pod(annotations, seccomp("Localhost", "b"), seccomp("RuntimeDefault"))
    assert storage_kinds.refused(held, "pods", made) == [
        f"spec.securityContext.seccompProfile.type: Forbidden: seccomp {MATCH}",
        "spec.containers[0].securityContext.seccompProfile.localhostProfile: "
        "Forbidden: seccomp profile in annotation and field must match",
    ]
    held.create("pods", pod({SECCOMP_OF_POD: "docker/default"}, whole=seccomp("RuntimeDefault")))
