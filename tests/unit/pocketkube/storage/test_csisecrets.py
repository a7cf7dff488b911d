"""Which Secrets a class asks for, and what is wrong about how."""

from __future__ import annotations

import pytest

from pocketkube.storage.csisecrets import InvalidParameters, driver_parameters, fstype, reference

PREFIX = "csi.storage.k8s.io/"
CLAIM = {"metadata": {"name": "data", "namespace": "shop", "annotations": {"team": "red", "bad": "No"}}}
WRONG = "failed to get name and namespace template from params: "


def pair(call: str, name: str, namespace: str) -> dict[str, str]:
    return {f"{PREFIX}{call}secret-name": name, f"{PREFIX}{call}secret-namespace": namespace}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, None),
        (pair("node-stage-", "s", "n"), {"name": "s", "namespace": "n"}),
        (pair("", "s", "n"), {"name": "s", "namespace": "n"}),
        ({**pair("", "s", "n"), **pair("node-stage-", "t", "m")}, {"name": "t", "namespace": "m"}),
        (
            pair("node-stage-", "${pvc.name}-${pvc.annotations['team']}", "${pvc.namespace}"),
            {"name": "data-red", "namespace": "shop"},
        ),
        (pair("node-stage-", "$pv", "n"), 'error resolving value "$pv": invalid tokens: ["pv"]'),
        (pair("node-stage-", "s", "${pvc.name}"), 'error resolving value "${pvc.name}": invalid tokens: ["pvc.name"]'),
        (pair("node-stage-", "S", "n"), '"S" is not a valid secret name'),
        (
            pair("node-stage-", "${pvc.annotations['bad']}", "n"),
            '"${pvc.annotations[\'bad\']}" resolved to "No" which is not a valid secret name',
        ),
        (pair("node-stage-", "s", "a.b"), '"a.b" is not a valid namespace name'),
        (
            {f"{PREFIX}node-stage-secret-name": "s"},
            f"{WRONG}either name and namespace for NodeStage secrets specified, Both must be specified",
        ),
        (
            pair("node-stage-", "s", ""),
            f"{WRONG}NodeStage secrets specified in parameters but value of either namespace or name is empty",
        ),
        (
            {**pair("node-stage-", "s", "n"), "csiNodeStageSecretName": "t"},
            f'{WRONG}NodeStage secrets specified in parameters with both "csi" and "{PREFIX}" keys',
        ),
        (
            {f"{PREFIX}secret-name": "s"},
            "failed to get default name and namespace template from params: either name and namespace for Default "
            "secrets specified, Both must be specified",
        ),
    ],
)
def test_references(parameters: dict[str, str], expected: object) -> None:
    if isinstance(expected, str):
        with pytest.raises(InvalidParameters) as raised:
            reference("node-stage", parameters, "pvc-1", CLAIM)
        assert str(raised.value) == expected
    else:
        assert reference("node-stage", parameters, "pvc-1", CLAIM) == expected


def test_the_driver_does_not_see_what_is_for_others() -> None:
    parameters = {**pair("provisioner-", "s", "n"), PREFIX + "fstype": "xfs", "colour": "red", "csiLegacy": "x"}
    assert driver_parameters(parameters) == {"colour": "red", "csiLegacy": "x"}
    assert fstype(parameters) == fstype({"FsType": "xfs"}) == "xfs"
    with pytest.raises(InvalidParameters, match='with both "fstype" and'):
        fstype({"fstype": "ext4", PREFIX + "fstype": "xfs"})
