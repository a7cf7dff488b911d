"""Answers tell of which flow a request is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.rbac_objects import ACCOUNT
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, World

from pocketkube import objects
from pocketkube.apiserver.flows import HEADERS
from pocketkube.resources.flow_spec import configuration
from pocketkube.resources.flow_spec.configuration import FLOWSCHEMAS, LEVELS

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/test/leases"
MANAGER, NODE = "system:kube-controller-manager", "system:node:a"
SYSTEM = "system:serviceaccount:kube-system:dns"


@pytest.fixture
def flows(world: World) -> World:
    for _, resource, wanted in configuration.wanted():
        world.registry.create(resource, wanted)
    return world


async def names(world: World, method: str, path: str, **headers: str) -> tuple[str, ...]:
    """The names of the schema and the level that an answer tells."""
    answer = await world.call(method, path, **headers)
    uids = {objects.uid(obj): objects.name(obj) for at in (FLOWSCHEMAS, LEVELS) for obj in world.registry.objects(at)}
    return tuple(uids[answer.headers[header]] for header in HEADERS if header in answer.headers)


@pytest.mark.parametrize(
    ("path", "user", "groups", "wanted"),
    [
        (CONFIGMAPS, "", "", ("exempt", "exempt")),
        ("/healthz", "jane", "system:authenticated", ("probes", "exempt")),
        ("/healthz/ping", "jane", "system:authenticated", ("probes", "exempt")),
        ("/version", "jane", "system:authenticated", ("global-default", "global-default")),
        (CONFIGMAPS, "jane", "", ("global-default", "global-default")),
        (f"{LEASES}/a", MANAGER, "", ("system-leader-election", "leader-election")),
        (LEASES, MANAGER, "", ("kube-controller-manager", "workload-high")),
        (f"{LEASES}/a", SYSTEM, "", ("system-leader-election", "leader-election")),
        (CONFIGMAPS, SYSTEM, "", ("kube-system-service-accounts", "workload-high")),
        (CONFIGMAPS, ACCOUNT, "", ("service-accounts", "workload-low")),
        (NODES, NODE, "system:nodes", ("system-node-high", "node-high")),
        (CONFIGMAPS, NODE, "system:nodes", ("system-nodes", "system")),
    ],
)
async def test_of_which_flow_a_request_is(
    flows: World, path: str, user: str, groups: str, wanted: tuple[str, ...]
) -> None:
    how: dict[str, Any] = {"Impersonate_User": user} if user else {}
    if groups:
        how["Impersonate_Group"] = groups
    assert await names(flows, "GET", path, **how) == wanted


async def test_changes_count_at_once_and_what_lasts_is_of_none(flows: World) -> None:
    spec = {
        "priorityLevelConfiguration": {"name": "mine"},
        "matchingPrecedence": 10,
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "*"}}],
                "resourceRules": [
                    {"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"], "namespaces": ["test"]}
                ],
            }
        ],
    }
    flows.registry.create(FLOWSCHEMAS, {"metadata": {"name": "mine"}, "spec": spec})
    how = {"Impersonate_User": "jane"}
    assert await names(flows, "GET", CONFIGMAPS, **how) == ("global-default", "global-default")
    level = {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}
    flows.registry.create(LEVELS, {"metadata": {"name": "mine"}, "spec": level})
    assert await names(flows, "GET", CONFIGMAPS, **how) == ("mine", "mine")
    assert await names(flows, "GET", "/api/v1/configmaps", **how) == ("global-default", "global-default")
    assert await names(flows, "GET", f"{CONFIGMAPS}?watch=1&timeoutSeconds=1") == ("exempt", "exempt")
    assert await names(flows, "GET", "/api/v1/namespaces/test/pods/a/log") == ()


async def test_without_any_nothing_is_told(world: World) -> None:
    assert await names(world, "GET", CONFIGMAPS) == ()
