"""protobuf.py: what kubectl and client-go send, decoded to the JSON they would have sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube import protobuf_encoder as pb

from pocketkube import protobuf, schema


def test_deployment_as_kubectl_create_sends_it() -> None:
    container = pb.message(pb.chunk(1, "web"), pb.chunk(2, "nginx:1.27"), pb.chunk(5, ""), pb.chunk(8, b""))
    container += pb.chunk(6, pb.message(pb.chunk(1, ""), pb.integer(2, 0), pb.integer(3, 80), pb.chunk(4, "")))
    pod_spec = pb.message(pb.chunk(2, container), pb.integer(4, 30), pb.integer(11, 0))
    template = pb.message(
        pb.chunk(1, pb.message(pb.chunk(1, ""), pb.chunk(8, b""), pb.string_map(11, [("app", "web")]))),
        pb.chunk(2, pod_spec),
    )
    selector = pb.string_map(1, [("app", "web")])
    spec = pb.message(pb.integer(1, 0), pb.chunk(2, selector), pb.chunk(3, template), pb.chunk(4, pb.chunk(1, "")))
    meta = pb.message(pb.chunk(1, "web"), pb.integer(7, 0), pb.chunk(8, b""), pb.string_map(11, [("app", "web")]))
    status = pb.message(pb.integer(1, 0), pb.integer(2, 0))
    obj = protobuf.decode_object(
        pb.body("apps/v1", "Deployment", pb.message(pb.chunk(1, meta), pb.chunk(2, spec), pb.chunk(3, status)))
    )
    assert obj == {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 0,  # a pointer to zero stays
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {"name": "web", "image": "nginx:1.27", "resources": {}, "ports": [{"containerPort": 80}]}
                    ],
                    "terminationGracePeriodSeconds": 30,
                },
            },
            "strategy": {},
        },
        "status": {},
    }
    decoded, problems = schema.decode(obj, schema.for_kind("apps/v1", "Deployment"))
    assert problems == []
    assert decoded == obj


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (pb.message(pb.integer(1, 0), pb.integer(2, 8080), pb.chunk(3, "")), 8080),
        (pb.message(pb.integer(1, 1), pb.integer(2, 0), pb.chunk(3, "http")), "http"),
        (pb.message(pb.integer(1, 0), pb.integer(2, -1), pb.chunk(3, "")), -1),
    ],
)
def test_int_or_string(wire: bytes, expected: int | str) -> None:
    port = pb.message(pb.chunk(1, "web"), pb.chunk(2, "TCP"), pb.integer(3, 80), pb.chunk(4, wire))
    obj = protobuf.decode_object(pb.body("v1", "Service", pb.chunk(2, pb.chunk(1, port))))
    assert obj["spec"]["ports"] == [{"name": "web", "protocol": "TCP", "port": 80, "targetPort": expected}]


def test_quantities_and_embedded_structs() -> None:
    limit = pb.message(pb.chunk(1, "cpu"), pb.chunk(2, pb.chunk(1, "500m")))
    resources = pb.chunk(1, limit)
    volume = pb.message(pb.chunk(1, "data"), pb.chunk(2, pb.chunk(2, b"")))  # name, VolumeSource{emptyDir: {}}
    env_from = pb.message(pb.chunk(1, pb.chunk(1, "config")), pb.chunk(2, "key"))  # LocalObjectReference is embedded
    env = pb.message(pb.chunk(1, "A"), pb.chunk(2, ""), pb.chunk(3, pb.chunk(3, env_from)))
    container = pb.message(pb.chunk(1, "c"), pb.chunk(7, env), pb.chunk(8, resources))
    obj = protobuf.decode_object(
        pb.body("v1", "Pod", pb.chunk(2, pb.message(pb.chunk(1, volume), pb.chunk(2, container))))
    )
    assert obj["spec"] == {
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "key"}}}],
                "resources": {"limits": {"cpu": "500m"}},
            }
        ],
    }


def test_secret_bytes_become_base64() -> None:
    entry = pb.message(pb.chunk(1, "k"), pb.chunk(2, b"\x00\xff"))
    empty = pb.chunk(1, "none")
    obj = protobuf.decode_object(
        pb.body("v1", "Secret", pb.message(pb.chunk(2, entry), pb.chunk(2, empty), pb.chunk(3, "Opaque")))
    )
    assert obj["data"] == {"k": "AP8=", "none": ""}
    assert obj["type"] == "Opaque"


def test_times() -> None:
    spec = pb.message(pb.chunk(1, "me"), pb.integer(2, 40), pb.chunk(4, pb.timestamp(1_700_000_000, 123_456_789)))
    meta = pb.message(pb.chunk(8, pb.timestamp(1_700_000_000, 5)), pb.chunk(9, pb.timestamp(-1)))
    lease = protobuf.decode_object(
        pb.body("coordination.k8s.io/v1", "Lease", pb.message(pb.chunk(1, meta), pb.chunk(2, spec)))
    )
    assert lease["metadata"] == {
        "creationTimestamp": "2023-11-14T22:13:20Z",
        "deletionTimestamp": "1969-12-31T23:59:59Z",
    }
    assert lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 40,
        "renewTime": "2023-11-14T22:13:20.123456Z",
    }


def test_raw_json_fields() -> None:
    managed = pb.message(pb.chunk(1, "kubectl"), pb.chunk(7, pb.chunk(1, '{"f:data":{}}')))
    obj = protobuf.decode_object(pb.body("v1", "ConfigMap", pb.chunk(1, pb.chunk(17, managed))))
    assert obj["metadata"]["managedFields"] == [{"manager": "kubectl", "fieldsV1": {"f:data": {}}}]


def test_delete_options_of_any_version() -> None:
    raw = pb.message(
        pb.integer(1, 0), pb.chunk(2, pb.chunk(1, "some-uid")), pb.chunk(4, "Background"), pb.chunk(5, "All")
    )
    for version in ("v1", "apps/v1"):
        assert protobuf.decode_object(pb.body(version, "DeleteOptions", raw)) == {
            "kind": "DeleteOptions",
            "apiVersion": version,
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": "some-uid"},
            "propagationPolicy": "Background",
            "dryRun": ["All"],
        }


def test_self_subject_access_review() -> None:
    attributes = pb.message(pb.chunk(1, "default"), pb.chunk(2, "list"), pb.chunk(3, ""), pb.chunk(5, "pods"))
    obj = protobuf.decode_object(
        pb.body("authorization.k8s.io/v1", "SelfSubjectAccessReview", pb.chunk(2, pb.chunk(1, attributes)))
    )
    assert obj["spec"] == {"resourceAttributes": {"namespace": "default", "verb": "list", "resource": "pods"}}


def test_named_lists_inside_maps_are_messages() -> None:
    extra = pb.message(pb.chunk(1, "scopes"), pb.chunk(2, pb.message(pb.chunk(1, "a"), pb.chunk(1, "b"))))
    obj = protobuf.decode_object(
        pb.body("authorization.k8s.io/v1", "SubjectAccessReview", pb.chunk(2, pb.chunk(5, extra)))
    )
    assert obj["spec"]["extra"] == {"scopes": ["a", "b"]}


def test_fields_of_a_newer_client_are_skipped() -> None:
    raw = pb.message(
        pb.integer(900, 1), pb.chunk(901, "x"), pb.varint(902 << 3 | 5) + b"1234", pb.varint(903 << 3 | 1) + b"12345678"
    )
    assert protobuf.decode_object(pb.body("v1", "ConfigMap", raw)) == {"kind": "ConfigMap", "apiVersion": "v1"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"kind":"Pod"}',
        pb.body("v1", "Pod", b"\x0a\xff"),
        pb.body("v1", "Pod", b"\x0b"),
        pb.body("v1", "Pod", b"\x0a"),
        pb.body("v1", "Pod", pb.integer(1, 5)),
        pb.body("v1", "Pod", b"\x80" * 11),
    ],
    ids=["empty", "json", "cut short", "group", "no length", "wrong wire type", "endless varint"],
)
def test_malformed(body: bytes) -> None:
    with pytest.raises(protobuf.MalformedProtobuf):
        protobuf.decode_object(body)


def test_unknown_kind() -> None:
    with pytest.raises(schema.UnknownKind, match="Nonsense"):
        protobuf.decode_object(pb.body("v1", "Nonsense", b""))


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    name=_TEXT.filter(bool),
    labels=st.dictionaries(_TEXT, _TEXT, min_size=1, max_size=4),
    grace=st.none() | st.integers(-(2**63), 2**63 - 1),
    finalizers=st.lists(_TEXT, max_size=4),
    data=st.dictionaries(_TEXT, _TEXT, max_size=4),
    immutable=st.none() | st.booleans(),
)
def test_round_trip(
    name: str,
    labels: dict[str, str],
    grace: int | None,
    finalizers: list[str],
    data: dict[str, str],
    immutable: bool | None,
) -> None:
    meta = pb.message(
        pb.chunk(1, name), pb.string_map(11, labels.items()), *(pb.chunk(14, text) for text in finalizers)
    )
    expected: dict[str, Any] = {"name": name, "labels": labels}
    if finalizers:
        expected["finalizers"] = finalizers
    if grace is not None:
        meta += pb.integer(10, grace)
        expected["deletionGracePeriodSeconds"] = grace
    raw = pb.message(pb.chunk(1, meta), pb.string_map(2, data.items()))
    if immutable is not None:
        raw += pb.integer(4, immutable)
    obj = protobuf.decode_object(pb.body("v1", "ConfigMap", raw))
    assert obj == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": expected,
        **({"data": data} if data else {}),
        **({} if immutable is None else {"immutable": immutable}),
    }
    json.dumps(obj)


@given(st.binary(max_size=64))
def test_garbage_never_breaks_the_decoder(garbage: bytes) -> None:
    try:
        obj = protobuf.decode_object(pb.body("v1", "Pod", garbage))
    except protobuf.MalformedProtobuf:
        return
    assert obj["kind"] == "Pod"
