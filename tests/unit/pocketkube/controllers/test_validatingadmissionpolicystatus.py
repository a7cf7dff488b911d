"""What a policy's status says of its expressions."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.controllers.world import World

from pocketkube import objects
from pocketkube.objects import Obj

POLICIES = "validatingadmissionpolicies"


def policy(world: World, *expressions: str, resource: str = "deployments", group: str = "apps", **spec: Any) -> None:
    rule = {"operations": ["*"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}
    validations = [{"expression": text} for text in expressions]
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": validations, **spec}
    world.client.create(POLICIES, {"metadata": {"name": "p"}, "spec": spec})


async def status(world: World, generation: int = 1) -> Obj:
    def seen() -> bool:
        found = world.client.get(POLICIES, "", "p")
        return bool(objects.status(found).get("observedGeneration") == generation)

    await world.until(seen)
    found: Obj = world.client.get(POLICIES, "", "p")["status"]
    return found


async def test_nothing_is_said_of_what_is_right(world: World) -> None:
    policy(
        world,
        "object.spec.replicas > 1 && object.metadata.creationTimestamp != null",
        "object.spec.template.spec.containers.all(c, c.image.contains('/') && c.resources.limits['cpu'] != '1')",
        "object.spec.strategy.rollingUpdate.maxSurge == 1 || object.metadata.labels['a'] == 'b'",
        "authorizer.group('').resource('pods').check('get').allowed() && variables.odd",
        variables=[{"name": "odd", "expression": "object.spec.replicas % 2 == 1"}],
    )
    assert await status(world) == {"observedGeneration": 1, "typeChecking": {}}


async def test_fields_and_types_that_never_fit_are_told(world: World) -> None:
    validations = [
        {"expression": "object.spec.replicas > '1'", "messageExpression": "'got ' + object.spec.replicas"},
        {"expression": "oldObject.spec.nope == 1 && params.dataa == null"},
        {"expression": "variables.replicas == 'a'"},
    ]
    policy(
        world,
        validations=validations,
        variables=[{"name": "replicas", "expression": "object.spec.replicas"}],
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )
    found = (await status(world))["typeChecking"]["expressionWarnings"]
    assert [one["fieldRef"] for one in found] == [
        "spec.validations[0].expression",
        "spec.validations[0].messageExpression",
        "spec.validations[1].expression",
        "spec.validations[2].expression",
    ]
    assert found[0]["warning"] == (
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to "
        "'(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n"
    )
    assert "found no matching overload for '_+_' applied to '(string, int)'" in found[1]["warning"]
    assert "undefined field 'nope'" in found[2]["warning"]
    assert "found no matching overload for '_==_' applied to '(int, string)'" in found[3]["warning"]


async def test_a_new_generation_is_looked_at_anew_and_conditions_stay(world: World) -> None:
    policy(world, "object.spec.nope == 1")
    assert (await status(world))["typeChecking"]["expressionWarnings"]
    held = objects.copy(world.client.get(POLICIES, "", "p"))
    condition = {"type": "A", "status": "True", "reason": "B", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    held["status"]["conditions"] = [condition]
    held = objects.copy(world.client.update_status(POLICIES, held))
    held["spec"]["validations"] = [{"expression": "object.spec.replicas == 1"}]
    world.client.update(POLICIES, held)
    found = await status(world, 2)
    assert (found["typeChecking"], found["conditions"]) == ({}, [condition])


async def test_custom_kinds_are_checked_by_their_schemas(world: World) -> None:
    fields = {"spec": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": fields}},
    }
    names = {"plural": "crontabs", "kind": "CronTab", "singular": "crontab"}
    spec = {"group": "stable.example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    definition = {"metadata": {"name": "crontabs.stable.example.com"}, "spec": spec}
    world.client.create("customresourcedefinitions", definition)
    await world.until(lambda: "crontabs.stable.example.com" in world.registry.resources)
    policy(
        world,
        "object.spec.replicas > 1 && object.metadata.name != ''",
        "object.spec.replicas > '1'",
        "object.spec.maxRetries < 10",
        resource="crontabs",
        group="stable.example.com",
    )
    found = (await status(world))["typeChecking"]["expressionWarnings"]
    assert [one["fieldRef"] for one in found] == ["spec.validations[1].expression", "spec.validations[2].expression"]
    assert found[1]["warning"].startswith("stable.example.com/v1, Kind=CronTab: ERROR: <input>:1:12: undefined field")


async def test_kinds_that_no_rule_names_one_by_one_are_not_checked(world: World) -> None:
    policy(world, "object.spec.nope == 1", resource="*")
    assert (await status(world))["typeChecking"] == {}
