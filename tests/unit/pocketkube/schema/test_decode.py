"""decode: what is kept, filled in, rewritten and refused."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import schema
from pocketkube.schema.compiled import Doubt
from pocketkube.schema.reader import Reader

SERVICE, POD, SECRET = (("v1", kind) for kind in ("Service", "Pod", "Secret"))
DEPLOYMENT = ("apps/v1", "Deployment")


def _decode(kind: tuple[str, str], obj: Any) -> tuple[dict[str, Any], list[str]]:
    before = copy.deepcopy(obj)
    result = schema.decode(obj, schema.for_kind(*kind))
    assert obj == before, "the input was changed"
    return result


def test_structs_are_always_there() -> None:
    assert _decode(SERVICE, {"kind": "Service"})[0] == {
        "kind": "Service",
        "metadata": {},
        "spec": {},
        "status": {"loadBalancer": {}},
    }
    assert _decode(("discovery.k8s.io/v1", "EndpointSlice"), {"endpoints": [], "addressType": "IPv4"})[0] == {
        "metadata": {},
        "endpoints": None,
        "addressType": "IPv4",
        "ports": None,
    }


def test_empty_values_vanish_where_go_omits_them() -> None:
    spec = {"ports": [], "selector": {}, "type": "", "publishNotReadyAddresses": False, "ipFamilyPolicy": None}
    assert _decode(SERVICE, {"metadata": {"labels": {}, "generation": 0}, "spec": spec})[0] == {
        "metadata": {},
        "spec": {},
        "status": {"loadBalancer": {}},
    }
    kept = _decode(DEPLOYMENT, {"spec": {"replicas": 0, "minReadySeconds": 0}})[0]["spec"]
    assert kept["replicas"] == 0  # a pointer
    assert "minReadySeconds" not in kept
    volumes = _decode(POD, {"spec": {"volumes": [{"name": "a", "emptyDir": {}}], "containers": []}})[0]["spec"]
    assert volumes == {"volumes": [{"name": "a", "emptyDir": {}}], "containers": None}


def test_null_elements_are_zero_values() -> None:
    obj = {"metadata": {"labels": {"a": None}, "finalizers": [None]}, "spec": {"ports": [None]}}
    decoded, _ = _decode(SERVICE, obj)
    assert decoded["metadata"] == {"labels": {"a": ""}, "finalizers": [""]}
    assert decoded["spec"]["ports"] == [{"port": 0, "targetPort": 0}]


def test_texts_with_a_canonical_form_are_rewritten() -> None:
    limits = {"cpu": "1000m", "memory": " 1024Mi ", "a/b": 0.5}
    container = {"name": "c", "resources": {"limits": limits}}
    obj = {"metadata": {"deletionTimestamp": "2026-01-01T02:00:00.5+02:00"}, "spec": {"containers": [container]}}
    decoded, _ = _decode(POD, obj)
    assert decoded["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "1Gi", "a/b": "500m"}
    assert decoded["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert _decode(SECRET, {"data": {"a": "aGV\nsbG8="}})[0]["data"] == {"a": "aGVsbG8="}
    lease = _decode(("coordination.k8s.io/v1", "Lease"), {"spec": {"renewTime": "2026-01-01T00:00:00.123456Z"}})
    assert lease[0]["spec"] == {"renewTime": "2026-01-01T00:00:00.123456Z"}


def test_unknown_fields_are_dropped_and_named_with_their_path() -> None:
    container = {"name": "c", "imag": "x", "ports": [{"containerPort": 1}, {"containerport": 2}]}
    obj = {"spec": {"template": {"spec": {"containers": [container]}}, "selectors": {}}, "extra": None}
    decoded, problems = _decode(DEPLOYMENT, obj)
    assert problems == [
        'unknown field "spec.template.spec.containers[0].imag"',
        'unknown field "spec.template.spec.containers[0].ports[1].containerport"',
        'unknown field "spec.selectors"',
        'unknown field "extra"',
    ]
    assert decoded["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 1}, {"containerPort": 0}]
    assert schema.strict_text(problems[2:]) == (
        'strict decoding error: unknown field "spec.selectors", unknown field "extra"'
    )


def test_duplicates_are_named_where_they_stand() -> None:
    spec = b'{"type":"ClusterIP","x":1,"type":"NodePort"}'
    text = b'{"metadata":{"labels":{"a":"1","a":"2"}},"spec":' + spec + b',"kind":"","kind":""}'
    decoded, problems = schema.decode(schema.loads_json(text, strict=True), schema.for_kind(*SERVICE))
    assert problems == [
        'duplicate field "metadata.labels.a"',
        'unknown field "spec.x"',
        'duplicate field "spec.type"',
        'duplicate field "kind"',
    ]
    assert (decoded["metadata"]["labels"], decoded["spec"]["type"]) == ({"a": "2"}, "NodePort")
    assert schema.decode(schema.loads_json(text), schema.for_kind(*SERVICE))[1] == ['unknown field "spec.x"']


FIELD = "json: cannot unmarshal {} into Go struct field {} of type {}"


@pytest.mark.parametrize(
    ("kind", "obj", "message"),
    [
        (SERVICE, {"spec": {"ports": [{"port": 1.5}]}}, ("number 1.5", "ServicePort.spec.ports.port", "int32")),
        (SERVICE, {"spec": {"ports": [{"port": 2**31}]}},
         ("number 2147483648", "ServicePort.spec.ports.port", "int32")),
        (SERVICE, {"spec": {"ports": [{"protocol": 6}]}}, ("number", "ServicePort.spec.ports.protocol", "v1.Protocol")),
        (SERVICE, {"spec": {"ports": [{"targetPort": []}]}}, ("array", "ServicePort.spec.ports.targetPort", "int32")),
        (SERVICE, {"spec": {"ports": [{"targetPort": 1.5}]}},
         ("number 1.5", "ServicePort.spec.ports.targetPort", "int32")),
        (SERVICE, {"spec": []}, ("array", "Service.spec", "v1.ServiceSpec")),
        (SERVICE, {"spec": {"publishNotReadyAddresses": "true"}},
         ("string", "ServiceSpec.spec.publishNotReadyAddresses", "bool")),
        (SERVICE, {"metadata": {"creationTimestamp": 1}},
         ("number", "ObjectMeta.metadata.creationTimestamp", "string")),
        (POD, {"spec": {"containers": [{"args": ["a", 1]}]}}, ("number", "Container.spec.containers.args", "string")),
        (POD, {"spec": {"containers": [{"resources": {"limits": "x"}}]}},
         ("string", "ResourceRequirements.spec.containers.resources.limits", "v1.ResourceList")),
        (POD, {"spec": {"containers": [{"livenessProbe": {"httpGet": 1}}]}},
         ("number", "Probe.spec.containers.livenessProbe.ProbeHandler.httpGet", "v1.HTTPGetAction")),
        (SECRET, {"data": {"a": 1}}, ("number", "Secret.data", "[]uint8")),
    ],
)  # fmt: skip
def test_wrong_types(kind: tuple[str, str], obj: Any, message: tuple[str, str, str]) -> None:
    with pytest.raises(schema.DecodeError) as refused:
        _decode(kind, obj)
    assert str(refused.value) == FIELD.format(*message)


def test_the_first_wrong_type_is_told_but_a_refused_quantity_comes_before() -> None:
    ports = {"spec": {"ports": [{"port": "a"}, {"port": True}]}}
    with pytest.raises(schema.DecodeError, match=r"string into Go struct field ServicePort"):
        _decode(SERVICE, ports)
    resources = {"limits": {"cpu": "much"}}
    with pytest.raises(schema.DecodeError, match=r"^quantities must match"):
        _decode(POD, {"spec": {"hostNetwork": "no", "containers": [{"resources": resources}]}})


LAYOUT = "2006-01-02T15:04:05Z07:00"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", f'parsing time "x" as "{LAYOUT}": cannot parse "x" as "2006"'),
        ("", f'parsing time "" as "{LAYOUT}": cannot parse "" as "2006"'),
        ("2026-01-01", f'parsing time "2026-01-01" as "{LAYOUT}": cannot parse "" as "T"'),
        ("2026-13-01T00:00:00Z", 'parsing time "2026-13-01T00:00:00Z": month out of range'),
        ("2026-02-30T00:00:00Z", 'parsing time "2026-02-30T00:00:00Z": day out of range'),
        ("2026-01-01T24:00:00Z", 'parsing time "2026-01-01T24:00:00Z": hour out of range'),
        ("2026-01-01T00:00:00", f'parsing time "2026-01-01T00:00:00" as "{LAYOUT}": cannot parse "" as "Z07:00"'),
        ("2026-01-01T00:00:00Zx", 'parsing time "2026-01-01T00:00:00Zx": extra text: "x"'),
    ],
)
def test_times(text: str, message: str) -> None:
    with pytest.raises(schema.DecodeError) as refused:
        _decode(POD, {"metadata": {"creationTimestamp": text}})
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("not base64!", 3),
        ("a", 0),
        ("ab", 0),
        ("abc", 0),
        ("abcd=", 4),
        ("ab=c", 2),
        ("ab==x", 4),
        ("abcde", 4),
        ("ab=", 3),
    ],
)
def test_base64(text: str, offset: int) -> None:
    with pytest.raises(schema.DecodeError, match=f"^illegal base64 data at input byte {offset}$"):
        _decode(SECRET, {"data": {"a": text}})


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"spec": {"replicas": "two"}}, "unrecognized type: int32"),
        ({"spec": {"replicas": 1.5}}, "cannot convert float64 to int32"),
        ({"spec": {"paused": 1}}, "unrecognized type: bool"),
        ({"spec": {"template": {"spec": {"containers": {}}}}}, "cannot restore slice from map"),
        ({"spec": {"template": "x"}}, "cannot restore struct from: string"),
        ({"metadata": {"labels": []}}, "cannot restore map from slice"),
        ({"metadata": {"labels": {"a": 1}}}, "cannot convert int64 to string"),
        ({"metadata": {"name": True}}, "unrecognized type: string"),
    ],
)
def test_patched_objects_are_refused_in_other_words(obj: Any, message: str) -> None:
    with pytest.raises(schema.DecodeError) as refused:
        schema.decode_patched(obj, schema.for_kind(*DEPLOYMENT))
    assert str(refused.value) == message


def test_unknown_fields_of_patched_objects_come_sorted() -> None:
    decoded, problems = schema.decode_patched({"spec": {"z": 1}, "a": 1}, schema.for_kind(*DEPLOYMENT))
    assert problems == ['unknown field "a"', 'unknown field "spec.z"']
    assert decoded["spec"]["template"]["spec"] == {"containers": None}


def test_unstructured_keeps_what_it_does_not_know() -> None:
    obj = {
        "kind": "Crontab",
        "apiVersion": "x/v1",
        "metadata": {"name": "a", "labels": {}, "odd": 1},
        "spec": {"b": None},
    }
    decoded, problems = schema.decode(obj, schema.UNSTRUCTURED)
    assert decoded == {"kind": "Crontab", "apiVersion": "x/v1", "metadata": {"name": "a"}, "spec": {"b": None}}
    assert problems == ['unknown field "metadata.odd"']


def test_merge_keys_come_with_the_fields() -> None:
    spec = schema.for_kind(*POD).fields["spec"].type
    assert (spec.fields["containers"].merge_key, spec.fields["containers"].strategies) == ("name", ("merge",))
    assert spec.fields["volumes"].strategies == ("merge", "retainKeys")
    assert spec.fields["tolerations"].strategies == ()
    assert schema.for_kind(*SERVICE).fields["spec"].type.fields["ports"].merge_key == "port"
    assert spec.fields["containers"].type.name == "[]v1.Container"


def test_unknown_kinds() -> None:
    for version, kind in (("v1", "Nope"), ("example.com/v1", "Pod"), ("apps/v1", "Pod")):
        with pytest.raises(schema.UnknownKind):
            schema.for_kind(version, kind)
    assert schema.for_kind("v1", "DeleteOptions").fields["gracePeriodSeconds"].pointer


_LEAVES = st.none() | st.booleans() | st.integers(-10, 2**33) | st.sampled_from(["", "a", "80", "1Gi", "IPv4"])
_NAMES = st.sampled_from(
    ["metadata", "spec", "status", "ports", "name", "port", "targetPort", "labels", "selector", "odd", "finalizers",
     "type", "clusterIPs", "sessionAffinityConfig", "clientIP", "loadBalancer", "kind"]
)  # fmt: skip
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4))


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_the_quick_way_agrees_with_the_careful_one(obj: dict[str, Any]) -> None:
    type_ = schema.for_kind(*SERVICE)
    try:
        quick = type_.decoder(obj)
    except Doubt:
        return
    reader = Reader()
    assert reader.read(type_, obj) == quick
    assert reader.problems == []


@given(st.dictionaries(_NAMES, _VALUES, max_size=4))
def test_decoding_again_changes_nothing(obj: dict[str, Any]) -> None:
    try:
        once, _ = _decode(SERVICE, obj)
    except schema.DecodeError:
        return
    assert _decode(SERVICE, once) == (once, [])
    json.dumps(once)


def test_importing_loads_no_schema_and_no_yaml() -> None:
    code = (
        "import sys, pocketkube.patch, pocketkube.protobuf, pocketkube.selectors, pocketkube.ipam;"
        "from pocketkube.schema import types;"
        "assert types.field_table.cache_info().currsize == 0 and types.openapi.cache_info().currsize == 0;"
        "assert not {'yaml', 'jsonpatch', 'importlib.resources'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
