"""What a pod says of who it runs as and what confines it: AppArmor, SELinux, /proc, and pods for Windows."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import storage_kinds

from pocketkube.objects import Obj
from pocketkube.registry import Registry

CONTEXT = "spec.securityContext"
ALL = "If pod contains any hostProcess containers then all containers"
OF_CONTAINER = "spec.containers[0].securityContext"


def pod(context: Obj | None = None, *, annotations: Obj | None = None, **spec: Any) -> Obj:
    """`context`: its container's."""
    container = {"name": "main", "image": "busybox:1.36", "securityContext": context}
    meta = {"name": "p", "namespace": "test", "annotations": annotations or {}}
    return {"metadata": meta, "spec": {"containers": [container], **spec}}


def refused(held: Registry, made: Obj) -> list[tuple[str, str]]:
    """(field, message) of each error."""
    return [
        (where, why) for where, _, why in (one.partition(": ") for one in storage_kinds.refused(held, "pods", made))
    ]


@pytest.mark.parametrize(
    ("profile", "where", "why"),
    [
        ({}, "type", "Required value: type is required when appArmorProfile is set"),
        (
            {"type": "Strict"},
            "type",
            'Unsupported value: "Strict": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
        ),
        ({"type": "Localhost"}, "localhostProfile", "Required value: must be set when AppArmor type is Localhost"),
        (
            {"type": "Localhost", "localhostProfile": ""},
            "localhostProfile",
            "Required value: must be set when AppArmor type is Localhost",
        ),
        (
            {"type": "Localhost", "localhostProfile": " web"},
            "localhostProfile",
            'Invalid value: " web": must not be padded with whitespace',
        ),
        (
            {"type": "Localhost", "localhostProfile": "x" * 4096},
            "localhostProfile",
            "Too long: may not be more than 4095 bytes",
        ),
        (
            {"type": "Unconfined", "localhostProfile": "web"},
            "localhostProfile",
            'Invalid value: "web": can only be set when AppArmor type is Localhost',
        ),
    ],
)
def test_wrong_apparmor_profiles(held: Registry, profile: Obj, where: str, why: str) -> None:
    made = pod(securityContext={"appArmorProfile": profile})
    assert refused(held, made) == [(f"{CONTEXT}.appArmorProfile.{where}", why)]
    made = pod({"appArmorProfile": profile})
    assert refused(held, made) == [(f"{OF_CONTAINER}.appArmorProfile.{where}", why)]


def test_selinux_and_proc(held: Registry) -> None:
    wrong = 'Unsupported value: "Never": supported values: "MountOption", "Recursive"'
    made = pod(securityContext={"seLinuxChangePolicy": "Never"})
    assert refused(held, made) == [(f"{CONTEXT}.seLinuxChangePolicy", wrong)]
    wrong = 'Unsupported value: "Bare": supported values: "Default", "Unmasked"'
    assert refused(held, pod({"procMount": "Bare"})) == [(f"{OF_CONTAINER}.procMount", wrong)]
    wrong = 'Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'
    assert refused(held, pod({"procMount": "Unmasked"})) == [(f"{OF_CONTAINER}.procMount", wrong)]
    held.create("pods", pod({"procMount": "Unmasked"}, hostUsers=False))


def test_the_system_a_pod_is_for(held: Registry) -> None:
    assert refused(held, pod(os={"name": ""})) == [("spec.os.name", "Required value")]
    wrong = 'Unsupported value: "plan9": supported values: "linux", "windows"'
    assert refused(held, pod(os={"name": "plan9"})) == [("spec.os", wrong)]
    held.create("pods", pod(os={"name": "windows"}))


def test_a_pod_for_linux_has_no_windows_options(held: Registry) -> None:
    options = {"windowsOptions": {"runAsUserName": "me"}}
    why = "Forbidden: windows options cannot be set for a linux pod"
    assert refused(held, pod(options, os={"name": "linux"}, securityContext=options)) == [
        (f"{CONTEXT}.windowsOptions", why),
        (f"{OF_CONTAINER}.windowsOptions", why),
    ]


def test_a_pod_for_windows_has_nothing_of_linux(held: Registry) -> None:
    why = "Forbidden: cannot be set for a windows pod"
    made = pod(
        {"capabilities": {"add": ["NET_ADMIN"]}, "runAsUser": 1},
        os={"name": "windows"},
        hostPID=True,
        hostIPC=False,
        shareProcessNamespace=False,
        securityContext={"fsGroup": 1, "sysctls": [], "runAsUser": 1},
    )
    assert refused(held, made) == [
        ("spec.hostPID", why),
        (f"{CONTEXT}.fsGroup", why),
        ("spec.shareProcessNamespace", why),
        (f"{CONTEXT}.runAsUser", why),
        (f"{OF_CONTAINER}.capabilities", why),
        (f"{OF_CONTAINER}.runAsUser", why),
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", " cannot be an empty string"),
        ("a\tb", " cannot contain control characters"),
        ("a\\b\\c", " cannot contain more than one backslash"),
        ("a?\\me", "'s Domain doesn't match the NetBios nor the DNS format"),
        ("domain\\", "'s User cannot be empty"),
        ("u" * 105, "'s User length must not be longer than 104 characters"),
        (". .", "'s User cannot contain only periods or spaces"),
        ("me@here", "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"),
    ],
)
def test_wrong_names_of_windows_users(held: Registry, name: str, why: str) -> None:
    ((where, said),) = refused(held, pod({"windowsOptions": {"runAsUserName": name}}))
    assert where == f"{OF_CONTAINER}.windowsOptions.runAsUserName"
    assert said.endswith(f": runAsUserName{why}")


def test_right_names_of_windows_users(held: Registry) -> None:
    for name in ("ContainerUser", "NT AUTHORITY\\NETWORK SERVICE", "corp.example.com\\me"):
        made = pod({"windowsOptions": {"runAsUserName": name}})
        made["metadata"]["name"] = f"p-{len(name)}"
        held.create("pods", made)


def test_credentials_of_windows(held: Registry) -> None:
    at = f"{OF_CONTAINER}.windowsOptions"
    ((where, _),) = refused(held, pod({"windowsOptions": {"gmsaCredentialSpecName": "No Name"}}))
    assert where == f"{at}.gmsaCredentialSpecName"
    wrong = 'Invalid value: "": gmsaCredentialSpec cannot be an empty string'
    assert refused(held, pod({"windowsOptions": {"gmsaCredentialSpec": ""}})) == [(f"{at}.gmsaCredentialSpec", wrong)]
    ((_, said),) = refused(held, pod({"windowsOptions": {"gmsaCredentialSpec": "x" * 65537}}))
    assert said.endswith("gmsaCredentialSpec size must be under 64 KiB")


def test_programs_of_the_windows_host(held: Registry) -> None:
    options = {"windowsOptions": {"hostProcess": True}}
    held.create("pods", pod(hostNetwork=True, securityContext=options))
    why = "Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"
    assert refused(held, pod(options)) == [("spec.hostNetwork", why)]
    other = {"windowsOptions": {"hostProcess": False}}
    assert refused(held, pod(other, hostNetwork=True, securityContext=options)) == [
        (
            f"{OF_CONTAINER}.windowsOptions.hostProcess",
            "Invalid value: false: pod hostProcess value must be identical if both are specified, was true",
        )
    ]
    made = pod(options, hostNetwork=True)
    made["spec"]["containers"].append({"name": "second", "image": "busybox:1.36"})
    ((where, why),) = refused(held, made)
    assert (where, why.split(": ", 2)[2]) == ("spec", f"{ALL} must be HostProcess containers")
