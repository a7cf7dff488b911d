"""Kinds of dynamic resource allocation: defaults, what may not be said, what may not change."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources.storage_kinds import refused, row, warned

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.registry import Registry

CLASSES, CLAIMS, TEMPLATES, SLICES = "deviceclasses", "resourceclaims", "resourceclaimtemplates", "resourceslices"
UID = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
DEVICE = {"driver": "gpu.example.com", "pool": "a", "device": "gpu-0"}


def claim(*requests: Obj, **devices: Any) -> Obj:
    asked = list(requests) or [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]
    spec = {"devices": {"requests": asked, **devices}}
    return {"metadata": {"name": "mine", "namespace": "test"}, "spec": spec}


def exactly(**wanted: Any) -> Obj:
    return {"name": "gpu", "exactly": {"deviceClassName": "gpu", **wanted}}


def a_class(**spec: Any) -> Obj:
    return {"metadata": {"name": "gpu"}, "spec": spec}


def a_slice(*devices: Obj, **spec: Any) -> Obj:
    pool = {"name": "a", "resourceSliceCount": 1}
    body = {"driver": "gpu.example.com", "pool": pool, "nodeName": "n", "devices": list(devices), **spec}
    return {"metadata": {"name": "mine"}, "spec": {name: value for name, value in body.items() if value is not None}}


def device(**more: Any) -> Obj:
    return {"name": "gpu-0", **more}


def allocated(held: Registry, **more: Any) -> Obj:
    found = objects.copy(held.create(CLAIMS, claim()))
    results = [{"request": "gpu", **DEVICE}]
    found["status"] = {"allocation": {"devices": {"results": results}}, **more}
    return found


def test_defaults_rows_and_generations(held: Registry) -> None:
    alternatives = {"name": "any", "firstAvailable": [{"name": "a", "deviceClassName": "gpu", "allocationMode": "All"}]}
    found = held.create(CLAIMS, claim(exactly(), alternatives))
    first, second = found["spec"]["devices"]["requests"]
    assert first["exactly"] == {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}
    assert "count" not in second["firstAvailable"][0]
    assert row(held, CLAIMS, found) == ["mine", "pending"]
    template = {"metadata": {"name": "mine", "namespace": "test"}, "spec": {"spec": claim()["spec"]}}
    made = held.create(TEMPLATES, template)
    assert made["spec"]["spec"]["devices"]["requests"][0]["exactly"]["count"] == 1
    assert row(held, TEMPLATES, made) == ["mine"]
    made = objects.copy(held.create(CLASSES, a_class()))
    assert (row(held, CLASSES, made), made["metadata"]["generation"]) == (["gpu"], 1)
    made["spec"]["selectors"] = [{"cel": {"expression": "false"}}]
    assert held.update(CLASSES, made)["metadata"]["generation"] == 2
    taint = {"key": "a", "effect": "NoSchedule"}
    made = held.create(SLICES, a_slice(device(taints=[taint], attributes={"a": {"ints": [1], "int": 1}})))
    assert row(held, SLICES, made) == ["mine", "n", "gpu.example.com", "a"]
    assert made["spec"]["devices"][0]["taints"][0]["timeAdded"]
    assert made["spec"]["devices"][0]["attributes"] == {"a": {"int": 1}}
    kind = held.resources[SLICES]
    assert {"spec.nodeName": "n", "spec.driver": "gpu.example.com"}.items() <= kind.fields(made).items()
    assert kind.returns_deleted


def test_specs_of_claims_and_templates_do_not_change(held: Registry) -> None:
    found = objects.copy(held.create(CLAIMS, claim()))
    found["spec"]["devices"]["requests"][0]["exactly"]["count"] = 2
    (problem,) = refused(held, CLAIMS, found, update=True)
    assert problem.startswith('spec: Invalid value: {"Devices":{"Requests":[{"Name":"gpu","Exactly":{"DeviceClassName"')
    assert problem.endswith(": field is immutable")
    template = {"metadata": {"name": "mine", "namespace": "test"}, "spec": {"spec": claim()["spec"]}}
    found = objects.copy(held.create(TEMPLATES, template))
    found["spec"]["metadata"] = {"labels": {"a": "b"}}
    (problem,) = refused(held, TEMPLATES, found, update=True)
    assert problem.startswith('spec: Invalid value: {"labels":{"a":"b"},"Spec":{"Devices":')


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (claim(*([exactly()] * 33)), "spec.devices.requests: Too many: 33: must have at most 32 items"),
        (claim(exactly(), exactly()), 'spec.devices.requests[1]: Duplicate value: "gpu"'),
        (
            claim({**exactly(), "name": "A"}),
            'spec.devices.requests[0].name: Invalid value: "A": a lowercase RFC 1123 l',
        ),
        (
            claim({"name": "gpu"}),
            "requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
        ),
        (
            claim({**exactly(), "firstAvailable": [{"name": "a", "deviceClassName": "gpu"}]}),
            "requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple",
        ),
        (
            claim({"name": "gpu", "firstAvailable": [{"name": "a", "deviceClassName": "g"}] * 2}),
            'firstAvailable[1]: Duplicate value: "a"',
        ),
        (claim(exactly(deviceClassName="")), "requests[0].exactly.deviceClassName: Required value"),
        (claim(exactly(allocationMode="Some")), 'allocationMode: Unsupported value: "Some": supported values: "All", '),
        (claim(exactly(count=-1)), "exactly.count: Invalid value: -1: must be greater than zero"),
        (
            claim(exactly(allocationMode="All", count=1)),
            "count: Invalid value: 1: must not be specified when allocationMode is 'All'",
        ),
        (claim(exactly(selectors=[{}])), "exactly.selectors[0].cel: Required value"),
        (
            claim(exactly(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}])),
            'tolerations[0].value: Invalid value: "b": must be empty for operator `Exists`',
        ),
        (claim(exactly(tolerations=[{"key": "a"}])), "tolerations[0].operator: Required value"),
        (
            claim(exactly(tolerations=[{"operator": "Exists", "effect": "Never"}])),
            'effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"',
        ),
        (
            claim(exactly(adminAccess=True)),
            "spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the "
            "`resource.kubernetes.io/admin-access: true` label on the containing namespace",
        ),
        (claim(constraints=[{"requests": ["gpu"]}]), "spec.devices.constraints[0]: Required value: exactly one of "),
        (
            claim(constraints=[{"requests": ["tpu"], "matchAttribute": "a.b/c"}]),
            'spec.devices.constraints[0].requests[0]: Invalid value: "tpu": must be the name of a request in the claim',
        ),
        (
            claim(constraints=[{"matchAttribute": "c"}]),
            'matchAttribute: Invalid value: "c": a fully qualified name must be a domain and a name separated by a sl',
        ),
        (
            claim(constraints=[{"distinctAttribute": "a.b/c-d"}]),
            'distinctAttribute: Invalid value: "c-d": a valid C identifier must start with alphabetic character or',
        ),
        (claim(config=[{}]), "spec.devices.config[0].opaque: Required value"),
        (claim(config=[{"opaque": {"driver": "", "parameters": {}}}]), "config[0].opaque.driver: Required value"),
        (claim(config=[{"opaque": {"driver": "a"}}]), "config[0].opaque.parameters: Required value"),
        (
            claim(config=[{"opaque": {"driver": "a", "parameters": [1]}}]),
            'parameters: Invalid value: "<value omitted>": must be a valid JSON object',
        ),
    ],
)
def test_what_no_claim_asks_for(held: Registry, wanted: Obj, problem: str) -> None:
    (found,) = refused(held, CLAIMS, wanted)
    assert problem in found


def test_some_namespaces_may_look_into_devices_of_others(held: Registry) -> None:
    held.patch("namespaces", "", "test", lambda obj: obj["metadata"]["labels"].update({ADMIN: "true"}))
    assert held.create(CLAIMS, claim(exactly(adminAccess=True)))


ADMIN = "resource.kubernetes.io/admin-access"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"selectors": [{"cel": {"expression": "device."}}]}, "spec.selectors[0].cel.expression: Invalid value: "),
        ({"selectors": [{"cel": {"expression": "nothing"}}]}, "compilation failed: "),
        (
            {"selectors": [{"cel": {"expression": "'a'"}}]},
            "must evaluate to bool or the unknown type, not string",
        ),
        (
            {"selectors": [{"cel": {"expression": " " * 10241}}]},
            "expression: Too long: may not be more than 10240 byte",
        ),
        ({"selectors": [{"cel": {"expression": "true"}}] * 33}, "spec.selectors: Too many: 33: must have at most 32 i"),
        ({"config": [{"opaque": {"driver": "a", "parameters": {"a": "b" * 10241}}}]}, "parameters: Too long: may not "),
        (
            {"extendedResourceName": "cpu"},
            'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name',
        ),
    ],
)
def test_what_is_no_class(held: Registry, spec: Obj, problem: str) -> None:
    (found,) = refused(held, CLASSES, a_class(**spec))
    assert problem in found


def test_selectors_choose_by_what_a_device_says_of_itself(held: Registry) -> None:
    text = 'device.driver == "gpu.example.com" && device.attributes["gpu.example.com"].memory > 3'
    assert held.create(
        CLASSES, a_class(selectors=[{"cel": {"expression": text}}], extendedResourceName="example.com/g")
    )


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (a_slice(driver=""), "spec.driver: Required value"),
        (a_slice(pool={"name": "", "resourceSliceCount": 1}), "spec.pool.name: Required value"),
        (a_slice(pool={"name": "a"}), "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero"),
        (
            a_slice(pool={"name": "a", "resourceSliceCount": 1, "generation": -1}),
            "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero",
        ),
        (
            a_slice(nodeName=None),
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDevi",
        ),
        (a_slice(allNodes=True), 'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of '),
        (a_slice(allNodes=False), "spec.allNodes: Invalid value: false: must be either unset or set to true"),
        (
            a_slice(nodeName=None, nodeSelector={"nodeSelectorTerms": [{}, {}]}),
            "nodeSelectorTerms: Invalid value: [{},{}]: must have exactly one node selector term",
        ),
        (
            a_slice(*(device(name=f"d{n}") for n in range(129))),
            "spec.devices: Too many: 129: must have at most 128 items",
        ),
        (a_slice(device(), device()), 'spec.devices[1]: Duplicate value: "gpu-0"'),
        (
            a_slice(device(nodeName="n")),
            "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes",
        ),
        (
            a_slice(device(), nodeName=None, perDeviceNodeSelection=True),
            "spec.devices[0]: Required value: exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required wh",
        ),
        (
            a_slice(device(nodeName="n", allNodes=True), nodeName=None, perDeviceNodeSelection=True),
            'spec.devices[0]: Invalid value: "{`nodeName`, `allNodes`}": exactly one of',
        ),
        (
            a_slice(device(attributes={"a": {}})),
            'attributes[a]: Invalid value: "": exactly one value must be specified',
        ),
        (
            a_slice(device(attributes={"a": {"int": 1, "bool": True}})),
            'attributes[a]: Invalid value: {"IntValue":1,"BoolValue":true,"StringValue":null,',
        ),
        (
            a_slice(device(attributes={"a": {"version": "1.0"}})),
            'attributes[a].version: Invalid value: "1.0": must be a string compatible with semver.org spec 2.0.0',
        ),
        (a_slice(device(attributes={"a": {"string": "b" * 65}})), "string: Too long: may not be more than 64 bytes"),
        (a_slice(device(attributes={"/a": {"int": 1}})), 'attributes: Invalid value: "": the domain must not be empty'),
        (
            a_slice(device(attributes={f"a{n}": {"int": 1} for n in range(33)})),
            "spec.devices[0]: Invalid value: 33: the total number of attributes and capacities must not exceed 32",
        ),
        (a_slice(device(taints=[{"key": "a"}])), "taints[0].effect: Required value"),
        (a_slice(device(consumesCounters=[{"counters": {"a": {"value": "1"}}}])), "counterSet: Required value"),
        (a_slice(device(consumesCounters=[{"counterSet": "a"}])), "consumesCounters[0].counters: Required value"),
        (
            a_slice(device(capacity={"a": {"value": "1", "requestPolicy": {}}})),
            "capacity[a].requestPolicy: Forbidden: allowMultipleAllocations must be true",
        ),
        (
            a_slice(device(bindingConditions=["a"])),
            "bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingCondi",
        ),
        (
            a_slice(device(bindingConditions=["a"], bindingFailureConditions=["a"])),
            "bindingFailureConditions must not overlap with bindingConditions",
        ),
        (a_slice(device(), sharedCounters=[]), 'spec: Invalid value: "": only one of `sharedCounters` or `devices` is'),
        (a_slice(devices=None, sharedCounters=[{"name": "a"}]), "spec.sharedCounters[0].counters: Required value"),
    ],
)
def test_what_is_no_slice(held: Registry, wanted: Obj, problem: str) -> None:
    (found,) = refused(held, SLICES, wanted)
    assert problem in found


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"validValues": ["1"], "validRange": {}}, "exactly one policy can be specified"),
        ({"validValues": ["1"]}, "default: Required value: required when validValues is defined"),
        ({"validRange": {}}, "default: Required value: required when validRange is defined"),
        ({"default": "1", "validRange": {}}, "validRange.min: Required value: required when validRange is defined"),
        ({"default": "2", "validValues": ["2", "1"]}, 'validValues[1]: Invalid value: "1": values must be sorted in'),
        ({"default": "3", "validValues": ["1"]}, 'validValues: Invalid value: "3": default value is not valid'),
        ({"default": "1", "validValues": ["1", "9"]}, "option is larger than capacity value: 8"),
        ({"default": "1", "validRange": {"min": "2"}}, "default is less than min: 2"),
        ({"default": "4", "validRange": {"min": "2", "max": "3"}}, "default is more than max: 3"),
        ({"default": "4", "validRange": {"min": "2", "max": "9"}}, "max is larger than capacity value: 8"),
        (
            {"default": "3", "validRange": {"min": "2", "step": "2"}},
            "value is not a multiple of a given step (2) from (2)",
        ),
        ({"default": "2", "validRange": {"min": "2", "step": "7"}}, "one step 9 is larger than capacity value: 8"),
    ],
)
def test_how_much_one_may_ask_for_of_a_shared_device(held: Registry, policy: Obj, problem: str) -> None:
    offered = device(allowMultipleAllocations=True, capacity={"a": {"value": "8", "requestPolicy": policy}})
    (found,) = refused(held, SLICES, a_slice(offered))
    assert problem in found


def test_slices_keep_their_place_and_drivers_are_lowercase(held: Registry) -> None:
    assert warned(held, SLICES, a_slice(driver="GPU.example.com")) == [
        'spec.driver: driver names should be lowercase; "GPU.example.com" contains uppercase characters'
    ]
    found = objects.copy(held.get(SLICES, "", "mine"))
    found["spec"]["pool"]["name"], found["spec"]["nodeName"] = "b", "m"
    assert refused(held, SLICES, found, update=True) == [
        'spec.pool.name: Invalid value: "b": field is immutable',
        'spec.nodeName: Invalid value: "m": field is immutable',
    ]


def test_an_allocation_is_reserved_told_about_and_taken_back(held: Registry) -> None:
    said = {**DEVICE, "networkData": {"ips": ["10.0.0.1/24"]}, "data": {"a": 1}}
    found = allocated(held, reservedFor=[{"resource": "pods", "name": "a", "uid": UID}], devices=[said])
    found["metadata"]["labels"] = {"a": "b"}
    found = objects.copy(held.update(CLAIMS, found, subresource="status"))
    assert row(held, CLAIMS, found) == ["mine", "allocated,reserved"]
    assert "labels" not in found["metadata"]
    changed = objects.copy(found)
    changed["status"]["allocation"]["devices"]["results"][0]["pool"] = "b"
    problems = refused(held, CLAIMS, changed, update=True, subresource="status")
    assert problems[-1].startswith(
        'status.allocation: Invalid value: {"Devices":{"Results":[{"Request":"gpu","Driver":'
    )
    found["status"] = {"devices": [said]}
    assert held.update(CLAIMS, found, subresource="status")["status"] == {}


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"reservedFor": [{"resource": "pods", "name": "a"}]}, "status.reservedFor[0].uid: Required value"),
        (
            {"allocation": None, "reservedFor": [{"resource": "pods", "name": "a", "uid": UID}]},
            "status.reservedFor: Forbidden: may not be specified when `allocated` is not set",
        ),
        (
            {"devices": [{**DEVICE, "device": "gpu-1"}]},
            'status.devices[0]: Invalid value: {"Driver":{},"Pool":{},"Device":{},"ShareID":{}}: must be an allocated ',
        ),
        (
            {"devices": [{**DEVICE, "networkData": {"ips": ["10.0.0.1"]}}]},
            'ips[0]: Invalid value: "10.0.0.1": must be a ',
        ),
        ({"devices": [{**DEVICE, "networkData": {"ips": ["::0/64"]}}]}, 'must be in canonical form ("::/64")'),
        (
            {"devices": [{**DEVICE, "conditions": [{"type": "A", "status": "True"}]}]},
            "lastTransitionTime: Required val",
        ),
        (
            {"allocation": {"devices": {"results": [{"request": "tpu", **DEVICE}]}}},
            'status.allocation.devices.results[0].request: Invalid value: "tpu": must be the name of a request in the',
        ),
        (
            {"allocation": {"devices": {"results": [{"request": "gpu", **DEVICE, "shareID": "a"}]}}},
            'shareID: Invalid value: "a": error validating uid: invalid UUID length: 1',
        ),
        (
            {"allocation": {"devices": {"results": [{"request": "gpu", **DEVICE, "adminAccess": True}]}}},
            "status.allocation.devices.results[0].adminAccess: Forbidden: admin access to devices requires",
        ),
        (
            {"allocation": {"devices": {"config": [{"opaque": {"driver": "a", "parameters": {}}}]}}},
            "status.allocation.devices.config[0].source: Required value",
        ),
    ],
)
def test_what_is_no_status(held: Registry, status: Obj, problem: str) -> None:
    found = allocated(held, **status)
    assert any(problem in text for text in refused(held, CLAIMS, found, update=True, subresource="status"))
