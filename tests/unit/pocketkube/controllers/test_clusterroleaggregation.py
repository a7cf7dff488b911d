from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World, running

from pocketkube.objects import Obj

LABEL = "acme.io/into-all"


def rule(resource: str) -> Obj:
    return {"verbs": ["get"], "apiGroups": [""], "resources": [resource]}


def part(name: str, *resources: str, label: str = LABEL) -> Obj:
    return {"metadata": {"name": name, "labels": {label: "yes"}}, "rules": [rule(one) for one in resources]}


def whole(name: str, *labels: str) -> Obj:
    selectors = [{"matchLabels": {label: "yes"}} for label in labels]
    return {"metadata": {"name": name}, "aggregationRule": {"clusterRoleSelectors": selectors}}


async def test_a_role_of_others_has_their_rules_once_in_the_order_of_names() -> None:
    world = World()
    world.create("clusterroles", part("b", "pods", "nodes"))
    world.create("clusterroles", part("a", "secrets", "pods"))
    world.create("clusterroles", part("other", "events", label="acme.io/else"))
    world.create("clusterroles", whole("all", LABEL))

    def resources(name: str = "all") -> list[str]:
        return [one["resources"][0] for one in world.get("clusterroles", name).get("rules") or ()]

    async with running(world, ["clusterrole-aggregation-controller"]):
        await world.until(lambda: resources() == ["secrets", "pods", "nodes"])
        world.create("clusterroles", part("c", "services"))
        await world.until(lambda: resources() == ["secrets", "pods", "nodes", "services"])
        world.delete("clusterroles", "a")
        await world.until(lambda: resources() == ["pods", "nodes", "services"])
        # one that is aggregated itself, and what somebody writes into the rules
        world.create("clusterroles", {**whole("more", LABEL, "acme.io/else")})
        await world.until(lambda: resources("more") == ["pods", "nodes", "services", "events"])
        world.client.patch("clusterroles", ("", "more"), lambda copy: copy.update(rules=[rule("secrets")]))
        await world.until(lambda: resources("more") == ["pods", "nodes", "services", "events"])


async def test_a_role_is_no_part_of_itself() -> None:
    world = World()
    both = whole("all", LABEL)
    both["metadata"]["labels"] = {LABEL: "yes"}
    world.create("clusterroles", {**both, "rules": [rule("secrets")]})
    world.create("clusterroles", part("a", "pods"))
    async with running(world, ["clusterrole-aggregation-controller"]):
        await world.until(lambda: world.get("clusterroles", "all")["rules"] == [rule("pods")])
