"""Expressions of admission: what does not compile, what they are given, and match conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.admission import expressions
from pocketkube.admission.expressions import Inputs, Unmatched, compile_conditions, conditions_hold
from pocketkube.admission.matching import CREATE, Attributes, Match, kind_of, resource_of
from pocketkube.rbac import Attributes as Asked
from pocketkube.registry import Registry
from pocketkube.resources.admission_spec.expressions import BOOL, OBJECT, PATCHES, STRING, Compiler, Names
from pocketkube.resources.admission_spec.literals import Mismatch, unwrapped
from pocketkube.resources.custom import cost

USER = {"username": "ada", "groups": ["devs"]}


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "test")
    return found


def inputs(held: Registry, obj: Any, **given: Any) -> Inputs:
    kind = held.resources["deployments"]
    request = Attributes(CREATE, kind, kind_of(kind), namespace="test", name="web", object=obj, user=USER)
    space = held.find("namespaces", "", "test")
    return Inputs(request, Match(kind, resource_of(kind), kind_of(kind)), space, **given)


def test_what_does_not_compile_is_said_as_upstream() -> None:
    compiler = Compiler(params=False)
    for text, problem in (
        ("object.spec.replicas", "must evaluate to bool but got dyn"),
        ("1", "must evaluate to bool but got int"),
        (
            "params.x == 1",
            "compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n"
            " | params.x == 1\n | ^",
        ),
        (
            "request.nam == 'x'",
            "compilation failed: ERROR: <input>:1:8: undefined field 'nam'\n | request.nam == 'x'\n | .......^",
        ),
        (
            "true &&\n variables.x",
            "compilation failed: ERROR: <input>:2:2: undeclared reference to 'variables' (in container '')\n"
            " |  variables.x\n | .^",
        ),
    ):
        assert compiler.compile(text, BOOL).problem == problem
    assert compiler.compile("1", STRING, "null_type").problem == (
        "must evaluate to one of [string null_type] but got int"
    )
    without = compiler.compile("authorizer != null", BOOL, names=Names())
    assert "undeclared reference to 'authorizer'" in without.problem


def test_variables_have_the_types_of_their_expressions() -> None:
    compiler = Compiler(params=False, variables=True)
    compiler.variable("replicas", "object.spec.replicas")
    compiler.variable("odd", "variables.replicas % 2 == 1")
    assert compiler.compile("variables.odd", BOOL).problem == ""
    assert compiler.compile("variables.replicas", BOOL).problem == "must evaluate to bool but got dyn"
    assert "undefined field 'even'" in compiler.compile("variables.even", BOOL).problem


def test_literals_of_objects_are_told_apart_from_maps(held: Registry) -> None:
    compiler = Compiler(params=False, variables=True, patches=True)
    made = compiler.compile("Object{spec: Object.spec{?replicas: object.?more, paused: true}}", OBJECT)
    assert made.problem == ""
    assert unwrapped(inputs(held, {}).evaluate(made)[1]) == {"spec": {"paused": True}}
    assert compiler.compile("{'spec': 1}", OBJECT).problem == "must evaluate to Object but got map(string, int)"
    patch = compiler.compile("[JSONPatch{op: 'add', path: '/' + jsonpatch.escapeKey('a/b')}]", PATCHES)
    assert unwrapped(inputs(held, {}).evaluate(patch)[1], None) == [{"op": "add", "path": "/a~1b"}]
    assert "must evaluate to list(JSONPatch)" in compiler.compile("Object{}", PATCHES).problem
    wrong = compiler.compile("Object{spec: Object.metadata{}}", OBJECT)
    with pytest.raises(Mismatch, match=r'unexpected type name "Object\.metadata", expected "Object\.spec"'):
        unwrapped(inputs(held, {}).evaluate(wrong)[1])


def test_a_mistake_inside_a_literal_is_shown_where_it_was_written() -> None:
    compiler = Compiler(params=False, patches=True)
    text = "Object{spec: Object.spec{replicas: nope}}"
    assert compiler.compile(text, OBJECT).problem.endswith(f"\n | {text}\n | {'.' * text.index('nope')}^")


def evaluate(given: Inputs, text: str) -> Any:
    return given.evaluate(Compiler(params=True, variables=bool(given.variables)).compile(text))


def test_what_expressions_are_given(held: Registry) -> None:
    given = inputs(held, {"spec": {"replicas": 3}}, params={"data": {"most": "2"}})
    for text in (
        "object.spec.replicas == 3 && oldObject == null",
        "request.operation == 'CREATE' && request.userInfo.username == 'ada' && !has(request.subResource)",
        "request.resource.resource == 'deployments' && request.kind.kind == 'Deployment'",
        "namespaceObject.metadata.name == 'test' && request.namespace == 'test'",
        "params.data.most == '2'",
    ):
        assert evaluate(given, text) == (True, True), text


def test_what_fails_says_with_which_expression(held: Registry) -> None:
    assert evaluate(inputs(held, {}), "object.spec.replicas > 1") == (
        False,
        "expression 'object.spec.replicas > 1' resulted in error: no such key: spec",
    )


def test_a_variable_that_fails_counts_where_it_is_read(held: Registry) -> None:
    compiler = Compiler(params=False, variables=True)
    variables = {
        "spec": compiler.variable("spec", "object.spec"),
        "replicas": compiler.variable("replicas", "variables.spec.replicas"),
    }
    given = inputs(held, {"spec": {}}, variables=variables)
    unread = compiler.compile("true || variables.replicas > 1", BOOL)
    assert given.evaluate(unread) == (True, True)
    text = "variables.replicas > 1"
    why = 'composited variable "replicas" fails to evaluate: no such key: replicas'
    assert given.evaluate(compiler.compile(text, BOOL)) == (False, f"expression '{text}' resulted in error: {why}")


def test_the_authorizer_is_asked_for_the_user_or_an_account(held: Registry) -> None:
    asked = []

    def authorize(user: Mapping[str, Any], wanted: Asked) -> tuple[bool, str]:
        asked.append((user["username"], wanted))
        return wanted.verb == "get", "said so"

    given = inputs(held, {}, authorize=authorize)
    check = "authorizer.group('apps').resource('deployments').namespace('test').check('get').allowed()"
    assert evaluate(given, check) == (True, True)
    assert evaluate(given, "authorizer.serviceAccount('a', 'b').path('/x').check('put').allowed()") == (True, False)
    assert evaluate(given, "authorizer.requestResource.check('get').reason()") == (True, "said so")
    assert asked == [
        ("ada", Asked("get", "apps", "deployments", namespace="test")),
        ("system:serviceaccount:a:b", Asked("put", path="/x")),
        ("ada", Asked("get", "apps", "deployments", "", "test", "web")),
    ]


def test_match_conditions_must_all_be_true(held: Registry) -> None:
    given = inputs(held, {"spec": {}})

    def hold(*texts: str, policy: str = "Fail") -> bool:
        return conditions_hold(compile_conditions([{"expression": text} for text in texts]), given, policy)

    assert hold()
    assert hold("true", "has(object.spec)")
    assert not hold("true", "has(object.status)")
    assert not hold("object.nope.x == 1", "false")
    assert not hold("object.nope.x == 1", policy="Ignore")
    with pytest.raises(Unmatched, match=r"expression 'object.nope.x == 1' resulted in error: no such key: nope"):
        hold("true", "object.nope.x == 1")


def test_what_takes_too_much_is_ended(held: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "PER_OBJECT", 10)
    conditions = compile_conditions([{"expression": "object.x == 1"}])
    with pytest.raises(Unmatched, match=expressions.NO_BUDGET):
        conditions_hold(conditions, inputs(held, {"x": 1}))
