"""CustomResourceDefinitions and what they define, as any Kubernetes serves them: the facts behind upstream's
[sig-api-machinery] CustomResource* conformance tests, through the API only."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.live import LiveLab

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
SIZE: Obj = {"type": "integer", "minimum": 1, "maximum": 10}


def schema(spec: Obj, *, required: tuple[str, ...] = (), **more: Any) -> Obj:
    """A root schema whose spec has these properties."""
    inside: Obj = {"type": "object", "properties": spec, **({"required": list(required)} if required else {})}
    return {"type": "object", "properties": {"spec": {**inside, **more}, "status": {"type": "object", **_OPEN}}}


_OPEN = {"x-kubernetes-preserve-unknown-fields": True}


def version(root: Obj, name: str = "v1", *, storage: bool = True, **more: Any) -> Obj:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": root}, **more}


class Kind:
    """One definition of a group of its own, and requests for what it defines in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.group = f"t{uuid.uuid4().hex[:8]}.example.com"
        self.name = f"widgets.{self.group}"

    def definition(self, *versions: Obj, scope: str = "Namespaced", **names: Any) -> Obj:
        named = {"plural": "widgets", "singular": "widget", "kind": "Widget", **names}
        spec = {"group": self.group, "scope": scope, "names": named, "versions": list(versions)}
        meta = {"name": f"{named['plural']}.{self.group}"}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": meta,
            "spec": spec,
        }

    def install(self, *versions: Obj, **more: Any) -> Obj:
        self.api.request("POST", DEFINITIONS, self.definition(*versions, **more))
        return self.until("Established")

    def until(self, condition: str, status: str = "True") -> Obj:
        """The definition once a condition has that status."""
        for held in self.api.follow("CustomResourceDefinition", fields=f"metadata.name={self.name}", timeout=30):
            for one in held.values():
                found = {c["type"]: c for c in one["status"].get("conditions") or ()}
                if found.get(condition, {}).get("status") == status:
                    return one
        raise AssertionError(f"{self.name} never had {condition} {status}")

    def remove(self) -> None:
        for held in self.api.request("GET", DEFINITIONS)["items"]:
            if held["spec"]["group"] == self.group:
                self.api.request("DELETE", f"{DEFINITIONS}/{held['metadata']['name']}")

    def path(self, name: str = "", version: str = "v1", plural: str = "widgets") -> str:
        where = f"/apis/{self.group}/{version}/namespaces/{self.namespace}/{plural}"
        return f"{where}/{name}" if name else where

    def object(self, name: str, spec: Any, version: str = "v1", **more: Any) -> Obj:
        head = {"apiVersion": f"{self.group}/{version}", "kind": "Widget", "metadata": {"name": name}}
        return {**head, "spec": spec, **more}

    def create(self, name: str, spec: Any, version: str = "v1", *, query: Obj | None = None, **more: Any) -> Obj:
        body = self.object(name, spec, version, **more)
        return self.served(lambda: self.api.request("POST", self.path(version=version), body, query=query))

    def served(self, ask: Callable[[], Any]) -> Any:
        """An answer, once the kind is served: Established comes a moment before every server knows."""
        for _ in range(50):
            try:
                return ask()
            except ApiError as error:
                if error.code != 404 or "could not find" not in error.message:
                    raise
                threading.Event().wait(0.1)
        return ask()

    def patch(self, name: str, change: Any, *, how: str = MERGE_PATCH, below: str = "") -> Obj:
        return self.api.request("PATCH", self.path(name) + below, change, content_type=how)  # type: ignore[no-any-return]

    def refusal(self, name: str, spec: Any, **more: Any) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self.create(name, spec, **more)
        return refused.value


@pytest.fixture
def kind(live: LiveLab) -> Iterator[Kind]:
    made = Kind(live.api, live.namespace)
    yield made
    made.remove()


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, within 30 seconds."""
    for _ in range(300):
        if found := look():
            return found
        threading.Event().wait(0.1)
    return look()


# -- definitions


def test_a_definition_is_named_and_established(kind: Kind) -> None:
    made = kind.install(version(schema({"size": SIZE})))
    conditions = {c["type"]: (c["status"], c["reason"]) for c in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": ("True", "NoConflicts"), "Established": ("True", "InitialNamesAccepted")}
    assert made["status"]["acceptedNames"] == {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
    }
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda s: s.update(group="nodots"), "spec.group", "should be a domain with at least one dot"),
        (lambda s: s["versions"][0].update(storage=False), "spec.versions", "exactly one version marked as storage"),
        (lambda s: s["versions"][0].update(schema=None), "spec.versions[0].schema.openAPIV3Schema", "Required value"),
        (
            lambda s: s["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].update(x={}),
            "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[x].type",
            "Required value: must not be empty for specified object fields",
        ),
        (
            lambda s: _spec_of(s)["size"].update(default=11),
            "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[size].default",
            "should be less than or equal to 10",
        ),
        (
            lambda s: _spec_of(s).update(o={"type": "object", "properties": {}, "default": {"unknown": 1}}),
            "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[o].default",
            "must not have unknown fields",
        ),
        (lambda s: s["names"].update(kind="Wid get"), "spec.names.kind", "may have mixed case"),
    ],
)
def test_a_definition_that_is_wrong_says_where(
    kind: Kind, change: Callable[[Obj], None], field: str, message: str
) -> None:
    definition = kind.definition(version(schema({"size": dict(SIZE)})))
    change(definition["spec"])
    with pytest.raises(ApiError) as refused:
        kind.api.request("POST", DEFINITIONS, definition)
    causes = refused.value.details["causes"]
    assert refused.value.code == 422
    assert any(cause["field"] == field and message in cause["message"] for cause in causes), causes


def _spec_of(spec: Obj) -> Obj:
    return spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]  # type: ignore[no-any-return]


def test_the_name_of_a_definition_is_plural_and_group(kind: Kind) -> None:
    definition = kind.definition(version(schema({})))
    definition["metadata"]["name"] = "other.example.com"
    with pytest.raises(ApiError, match=r'must be spec.names.plural\+"."\+spec.group'):
        kind.api.request("POST", DEFINITIONS, definition)


def test_scope_and_kind_of_an_established_definition_stay(kind: Kind) -> None:
    made = kind.install(version(schema({})))
    made["spec"]["scope"] = "Cluster"
    with pytest.raises(ApiError, match=r'spec.scope: Invalid value: "Cluster": field is immutable'):
        kind.api.request("PUT", f"{DEFINITIONS}/{kind.name}", made)


def test_names_that_are_taken_are_not_accepted(kind: Kind) -> None:
    kind.install(version(schema({})))
    kind.api.request("POST", DEFINITIONS, kind.definition(version(schema({})), plural="others", singular="other"))
    kind.name = f"others.{kind.group}"
    refused = kind.until("NamesAccepted", "False")
    conditions = {c["type"]: c for c in refused["status"]["conditions"]}
    assert conditions["NamesAccepted"]["reason"] == "ListKindConflict"
    assert conditions["NamesAccepted"]["message"] == '"WidgetList" is already in use'
    assert conditions["Established"]["reason"] == "NotAccepted"
    kind.api.request("DELETE", f"{DEFINITIONS}/widgets.{kind.group}")
    kind.until("Established")  # the names have become free


def test_deleting_a_definition_deletes_its_objects_first(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})))
    kind.create("held", {"size": 1}, query=None)
    kind.patch("held", {"metadata": {"finalizers": ["example.com/hold"]}})
    kind.api.request("DELETE", f"{DEFINITIONS}/{kind.name}")
    going = kind.until("Terminating")
    assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    eventually(lambda: "deletionTimestamp" in kind.api.request("GET", kind.path("held"))["metadata"])
    refused = kind.refusal("late", {"size": 1})
    assert refused.code in (403, 405)
    kind.patch("held", {"metadata": {"finalizers": None}})
    kind.api.wait_gone("CustomResourceDefinition", kind.name, None, uid=going["metadata"]["uid"])
    with pytest.raises(ApiError) as gone:
        eventually(lambda: kind.api.request("GET", kind.path()) and None)
    assert gone.value.code == 404


# -- objects


def test_objects_are_created_listed_watched_changed_and_deleted(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})))
    first = kind.create("a", {"size": 1})
    assert first["metadata"]["generation"] == 1
    listed = kind.api.request("GET", kind.path())
    assert (listed["kind"], [o["kind"] for o in listed["items"]]) == ("WidgetList", ["Widget"])
    kind.patch("a", {"spec": {"size": 2}})
    query = {"watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": "1"}
    kind.api.request("DELETE", kind.path("a"))
    answer = kind.api.request("GET", kind.path(), query=query, stream=True)
    events = [json.loads(line) for line in answer.data.splitlines()]
    assert [(e["type"], e["object"]["spec"]["size"]) for e in events] == [("MODIFIED", 2), ("DELETED", 2)]


@pytest.mark.parametrize(
    ("property_", "value", "message"),
    [
        (SIZE, "3", 'Invalid value: "string": spec.x in body must be of type integer: "string"'),
        (SIZE, 11, "Invalid value: 11: spec.x in body should be less than or equal to 10"),
        (SIZE, 0, "Invalid value: 0: spec.x in body should be greater than or equal to 1"),
        (
            {"type": "string", "enum": ["b", "a"]},
            "c",
            'Unsupported value: "c": supported values: "b", "a"',
        ),
        (
            {"type": "string", "pattern": "^[a-z]+$"},
            "A",
            "Invalid value: \"A\": spec.x in body should match '^[a-z]+$'",
        ),
        ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        (
            {"type": "string", "minLength": 2},
            "a",
            'Invalid value: "a": spec.x in body should be at least 2 chars long',
        ),
        (
            {"type": "string", "format": "ipv4"},
            "no",
            'Invalid value: "no": spec.x in body must be of type ipv4: "no"',
        ),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 1},
            ["a", "b"],
            "Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            [],
            "Invalid value: 0: spec.x in body should have at least 1 items",
        ),
        ({"type": "array", "items": {"type": "string"}}, [1], 'spec.x[0] in body must be of type string: "integer"'),
    ],
)
def test_values_are_judged_by_the_schema(kind: Kind, property_: Obj, value: Any, message: str) -> None:
    kind.install(version(schema({"x": property_})))
    refused = kind.refusal("a", {"x": value})
    assert refused.code == 422
    assert message in refused.message


def test_what_is_required(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE}, required=("size",))))
    refused = kind.refusal("a", {})
    assert refused.message == f'Widget.{kind.group} "a" is invalid: spec.size: Required value'
    assert refused.details["causes"] == [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.size"}
    ]


def test_one_of_several_schemas(kind: Kind) -> None:
    text: Obj = {"type": "string"}
    choice = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    kind.install(version(schema({"a": text, "b": text}, **choice)))
    refused = kind.refusal("a", {})
    assert '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid' in (
        refused.message
    )
    refused = kind.refusal("a", {"a": "1", "b": "2"})
    assert "Found 2 valid alternatives" in refused.message
    kind.create("a", {"b": "2"})


def test_integers_or_strings(kind: Kind) -> None:
    kind.install(version(schema({"port": {"x-kubernetes-int-or-string": True}})))
    kind.create("a", {"port": "http"})
    kind.create("b", {"port": 80})
    assert "must be of type integer,string" in kind.refusal("c", {"port": True}).message


def test_unknown_fields_are_dropped_and_told(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})))
    assert kind.create("a", {"size": 1, "extra": 1})["spec"] == {"size": 1}
    refused = kind.refusal("b", {"size": 1, "extra": 1, "more": {"x": 1}}, query={"fieldValidation": "Strict"})
    assert refused.code == 400
    assert 'strict decoding error: unknown field "spec.extra", unknown field "spec.more"' in refused.message


def test_fields_that_are_kept_although_unknown(kind: Kind) -> None:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    kind.install(version(schema({"any": {**anything, "properties": {"n": {"type": "integer"}}}})))
    made = kind.create("a", {"any": {"x": {"y": [1]}, "n": 1}}, query={"fieldValidation": "Strict"})
    assert made["spec"] == {"any": {"x": {"y": [1]}, "n": 1}}
    assert "spec.any.n" in kind.refusal("b", {"any": {"n": "1"}}).message


def test_defaults_on_write_and_on_read(kind: Kind) -> None:
    """Upstream: custom resource defaulting for requests and from storage works."""
    kind.install(version(schema({"a": {"type": "string"}, "b": {"type": "string"}})))
    kind.create("old", {})
    where = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    kind.api.request(
        "PATCH",
        f"{DEFINITIONS}/{kind.name}",
        [{"op": "add", "path": f"{where}/a/default", "value": "A"}],
        content_type=JSON_PATCH,
    )
    assert eventually(lambda: kind.api.request("GET", kind.path("old"))["spec"].get("a")) == "A"
    assert kind.create("new", {})["spec"] == {"a": "A"}
    kind.api.request(
        "PATCH",
        f"{DEFINITIONS}/{kind.name}",
        [
            {"op": "remove", "path": f"{where}/a/default"},
            {"op": "add", "path": f"{where}/b/default", "value": "B"},
        ],
        content_type=JSON_PATCH,
    )
    assert eventually(lambda: kind.api.request("GET", kind.path("new"))["spec"].get("b")) == "B"
    assert kind.api.request("GET", kind.path("new"))["spec"] == {"a": "A", "b": "B"}
    assert kind.api.request("GET", kind.path("old"))["spec"] == {"b": "B"}


def test_null_is_absent_unless_nullable(kind: Kind) -> None:
    text: Obj = {"type": "string"}
    properties = {"plain": text, "nullable": {**text, "nullable": True}, "default": {**text, "default": "d"}}
    kind.install(version(schema(properties)))
    made = kind.create("a", dict.fromkeys(properties))
    assert made["spec"] == {"nullable": None, "default": "d"}


def test_lists_that_are_sets_and_maps(kind: Kind) -> None:
    item = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    tags = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
    ports = {
        "type": "array",
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }
    kind.install(version(schema({"tags": tags, "ports": ports})))
    assert 'spec.tags[1]: Duplicate value: "a"' in kind.refusal("a", {"tags": ["a", "a"]}).message
    refused = kind.refusal("a", {"ports": [{"name": "x"}, {"name": "x"}]})
    assert 'spec.ports[1]: Duplicate value: {"name":"x"}' in refused.message


def test_what_was_wrong_before_may_stay(kind: Kind) -> None:
    """Ratcheting: an update is not refused for what it does not change."""
    kind.install(version(schema({"a": {"type": "string"}, "b": {"type": "string"}})))
    kind.create("old", {"a": "much too long", "b": "x"})
    where = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties"
    limits = [{"op": "add", "path": f"{where}/{name}/maxLength", "value": 3} for name in ("a", "b")]
    kind.api.request("PATCH", f"{DEFINITIONS}/{kind.name}", limits, content_type=JSON_PATCH)
    eventually(lambda: _refused(kind))
    assert kind.patch("old", {"spec": {"b": "y"}})["spec"]["b"] == "y"
    with pytest.raises(ApiError, match=r"spec.a: Too long"):
        kind.patch("old", {"spec": {"a": "another too long"}})


def _refused(kind: Kind) -> bool:
    try:
        kind.create("new", {"a": "much too long"}, query={"dryRun": "All"})
    except ApiError:
        return True
    return False


# -- rules


def test_rules(kind: Kind) -> None:
    rules = [
        {"rule": "self.low <= self.high", "message": "low is above high"},
        {"rule": "self.name == oldSelf.name", "messageExpression": "'name was ' + oldSelf.name", "fieldPath": ".name"},
    ]
    properties = {"low": {"type": "integer"}, "high": {"type": "integer"}, "name": {"type": "string"}}
    kind.install(version(schema(properties, **{"x-kubernetes-validations": rules})))
    refused = kind.refusal("a", {"low": 2, "high": 1, "name": "n"})
    assert refused.message == f'Widget.{kind.group} "a" is invalid: spec: Invalid value: low is above high'
    kind.create("a", {"low": 1, "high": 1, "name": "n"})
    with pytest.raises(ApiError, match=r"spec.name: Invalid value: (.*: )?name was n"):
        kind.patch("a", {"spec": {"name": "m"}})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("self.z == 100", "undefined field 'z'"),
        ("self = 42", "Syntax error"),
        ("self.x", "cel expression must evaluate to a bool"),
        ("self.x == 'a'", "found no matching overload for '_==_'"),
    ],
)
def test_rules_that_cannot_work_are_refused(kind: Kind, rule: str, message: str) -> None:
    root = schema({"x": {"type": "integer"}})
    root["properties"]["spec"]["properties"]["x"]["maximum"] = 5
    root["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": rule}]
    with pytest.raises(ApiError) as refused:
        kind.api.request("POST", DEFINITIONS, kind.definition(version(root)))
    assert message in refused.value.message
    assert refused.value.details["causes"][0]["field"].endswith("x-kubernetes-validations[0].rule")


# -- versions and subresources


def test_versions_of_one_object(kind: Kind) -> None:
    old = version(schema({"size": SIZE}), "v1alpha1", storage=False, deprecated=True)
    kind.install(version(schema({"size": SIZE, "color": {"type": "string"}})), old)
    kind.create("a", {"size": 1, "color": "red"})
    seen = kind.api.request("GET", kind.path("a", "v1alpha1"))
    assert (seen["apiVersion"], seen["spec"]) == (f"{kind.group}/v1alpha1", {"size": 1})
    kind.create("b", {"size": 2}, "v1alpha1")
    assert kind.api.request("GET", kind.path("b"))["apiVersion"] == f"{kind.group}/v1"
    response = kind.api.request("GET", kind.path("a", "v1alpha1"), stream=True)
    warning = f"{kind.group}/v1alpha1 Widget is deprecated; use {kind.group}/v1 Widget"
    assert warning in response.headers["Warning"]


def test_the_status_subresource(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE}), subresources={"status": {}}))
    made = kind.create("a", {"size": 1}, status={"phase": "Set"})
    assert "status" not in made
    changed = kind.patch("a", {"status": {"phase": "Ready"}, "spec": {"size": 5}}, below="/status")
    assert (changed["status"], changed["spec"]) == ({"phase": "Ready"}, {"size": 1})
    assert changed["metadata"]["generation"] == 1
    changed = kind.patch("a", {"status": {"phase": "Gone"}, "spec": {"size": 5}})
    assert (changed["status"], changed["spec"]) == ({"phase": "Ready"}, {"size": 5})
    assert changed["metadata"]["generation"] == 2


def test_without_a_status_subresource_status_is_a_field(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})))
    made = kind.create("a", {"size": 1}, status={"phase": "Set"})
    assert made["status"] == {"phase": "Set"}
    assert kind.patch("a", {"status": {"phase": "Other"}})["metadata"]["generation"] == 2
    with pytest.raises(ApiError) as refused:
        kind.api.request("GET", kind.path("a") + "/status")
    assert refused.value.code == 404


def test_the_scale_subresource(kind: Kind) -> None:
    paths = {
        "specReplicasPath": ".spec.size",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    kind.install(version(schema({"size": SIZE}), subresources={"status": {}, "scale": paths}))
    kind.create("a", {"size": 1})
    kind.patch("a", {"status": {"replicas": 1, "selector": "app=a"}}, below="/status")
    scale = kind.api.request("GET", kind.path("a") + "/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 1, "selector": "app=a"},
    )
    scale["spec"]["replicas"] = 3
    kind.api.request("PUT", kind.path("a") + "/scale", scale)
    assert kind.api.request("GET", kind.path("a"))["spec"]["size"] == 3


def test_strategic_merge_patches_are_refused(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})))
    kind.create("a", {"size": 1})
    with pytest.raises(ApiError) as refused:
        kind.patch("a", {"spec": {"size": 2}}, how="application/strategic-merge-patch+json")
    assert refused.value.code == 415
    changed = kind.patch("a", [{"op": "replace", "path": "/spec/size", "value": 3}], how=JSON_PATCH)
    assert changed["spec"]["size"] == 3


def test_columns(kind: Kind) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "how large"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status', "priority": 1},
    ]
    kind.install(version(schema({"size": SIZE}), additionalPrinterColumns=columns))
    kind.create("a", {"size": 4}, status={"conditions": [{"type": "X"}, {"type": "Ready", "status": "True"}]})
    kind.create("b", {})
    table = kind.api.request("GET", kind.path(), accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Ready", "string", 1),
    ]
    assert [row["cells"] for row in table["rows"]] == [["a", 4, "True"], ["b", None, None]]


def test_fields_to_select_by(kind: Kind) -> None:
    """Upstream: MUST list and watch custom resources matching the field selector."""
    selectable = [{"jsonPath": ".spec.color"}]
    kind.install(version(schema({"color": {"type": "string"}}), selectableFields=selectable))
    for name, color in (("a", "red"), ("b", "blue")):
        kind.create(name, {"color": color})
    found = kind.api.request("GET", kind.path(), query={"fieldSelector": "spec.color=blue"})
    assert [o["metadata"]["name"] for o in found["items"]] == ["b"]
    with pytest.raises(ApiError, match=r"field label not supported: spec\.size"):
        kind.api.request("GET", kind.path(), query={"fieldSelector": "spec.size=1"})


# -- what clients read about a kind


def test_discovery_shows_a_kind_as_long_as_it_is_there(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE}), subresources={"status": {}}), shortNames=["wd"], categories=["all"])
    listed = kind.served(lambda: kind.api.request("GET", f"/apis/{kind.group}/v1"))
    found = {r["name"]: r for r in listed["resources"]}
    assert found.keys() == {"widgets", "widgets/status"}
    assert (found["widgets"]["shortNames"], found["widgets"]["categories"]) == (["wd"], ["all"])
    groups = [g["name"] for g in kind.api.request("GET", "/apis")["groups"]]
    assert kind.group in groups
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    items = kind.api.request("GET", "/apis", accept=aggregated)["items"]
    assert kind.group in [item["metadata"]["name"] for item in items]
    kind.remove()
    assert eventually(lambda: kind.group not in [g["name"] for g in kind.api.request("GET", "/apis")["groups"]])


def test_openapi_shows_a_kind_as_long_as_it_is_there(kind: Kind) -> None:
    root = schema({"size": {**SIZE, "description": "how large it is"}})
    kind.install(version(root))
    path = f"apis/{kind.group}/v1"
    link = eventually(lambda: kind.api.request("GET", "/openapi/v3")["paths"].get(path))
    document = kind.api.request("GET", f"/openapi/v3/{path}")
    name = ".".join([*reversed(kind.group.split(".")), "v1", "Widget"])
    model = document["components"]["schemas"][name]
    assert model["properties"]["spec"]["properties"]["size"]["description"] == "how large it is"
    assert model["x-kubernetes-group-version-kind"] == [{"group": kind.group, "version": "v1", "kind": "Widget"}]
    assert f"/apis/{kind.group}/v1/namespaces/{{namespace}}/widgets/{{name}}" in document["paths"]
    assert eventually(lambda: kind.api.request("GET", "/openapi/v2")["definitions"].get(name))
    root["properties"]["spec"]["properties"]["color"] = {"type": "string"}
    made = kind.api.request("GET", f"{DEFINITIONS}/{kind.name}")
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = root
    kind.api.request("PUT", f"{DEFINITIONS}/{kind.name}", made)
    assert eventually(lambda: kind.api.request("GET", "/openapi/v3")["paths"].get(path) != link)
    kind.remove()
    assert eventually(lambda: path not in kind.api.request("GET", "/openapi/v3")["paths"])


def test_a_version_that_is_no_longer_served(kind: Kind) -> None:
    old = version(schema({"size": SIZE}), "v1beta1", storage=False)
    kind.install(version(schema({"size": SIZE, "color": {"type": "string"}})), old)
    kind.served(lambda: kind.api.request("GET", kind.path(version="v1beta1")))
    made = kind.api.request("GET", f"{DEFINITIONS}/{kind.name}")
    made["spec"]["versions"][1]["served"] = False
    kind.api.request("PUT", f"{DEFINITIONS}/{kind.name}", made)
    path = f"apis/{kind.group}/v1beta1"
    assert eventually(lambda: path not in kind.api.request("GET", "/openapi/v3")["paths"])
    with pytest.raises(ApiError) as gone:
        kind.api.request("GET", kind.path(version="v1beta1"))
    assert gone.value.code == 404


# -- what loops over kinds


def test_custom_objects_go_with_their_owner_and_their_namespace(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})))
    owner = kind.create("owner", {"size": 1})
    reference = {"apiVersion": owner["apiVersion"], "kind": "Widget", "name": "owner", "uid": owner["metadata"]["uid"]}
    kind.api.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "owned", "ownerReferences": [reference]},
        },
        kind.namespace,
    )
    kind.api.request("DELETE", kind.path("owner"))
    assert eventually(lambda: kind.api.get("ConfigMap", "owned", kind.namespace) is None)
    other = f"{kind.namespace[:50]}-other"
    kind.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    path = kind.path().replace(f"/{kind.namespace}/", f"/{other}/")
    kind.api.request("POST", path, kind.object("a", {"size": 1}))
    kind.api.request("DELETE", f"/api/v1/namespaces/{other}")
    assert eventually(lambda: kind.api.get("Namespace", other) is None)
    assert kind.api.request("GET", f"/apis/{kind.group}/v1/widgets")["items"] == []


def test_a_cluster_scoped_kind(kind: Kind) -> None:
    kind.install(version(schema({"size": SIZE})), scope="Cluster")
    path = f"/apis/{kind.group}/v1/widgets"
    kind.served(lambda: kind.api.request("POST", path, kind.object("a", {"size": 1})))
    assert "namespace" not in kind.api.request("GET", f"{path}/a")["metadata"]
    with pytest.raises(ApiError) as refused:
        kind.api.request("GET", kind.path())
    assert refused.value.code == 404
