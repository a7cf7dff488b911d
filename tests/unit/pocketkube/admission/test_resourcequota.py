"""ResourceQuota: what is charged, when, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube.errors import AlreadyExists, Forbidden
from pocketkube.objects import Obj
from pocketkube.registry import Registry


@pytest.fixture
def registry() -> Registry:
    held = direct.registry()
    direct.namespace(held, "test")
    return held


def quota(registry: Registry, name: str = "q", used: dict[str, str] | None = None, **spec: Any) -> None:
    """A quota as its controller leaves it."""
    registry.create("resourcequotas", {"metadata": {"name": name, "namespace": "test"}, "spec": spec})
    status = {"hard": spec["hard"], "used": dict.fromkeys(spec["hard"], "0") if used is None else used}
    registry.patch("resourcequotas", "test", name, lambda obj: obj.update(status=status), subresource="status")


def used(registry: Registry, name: str = "q") -> dict[str, str]:
    found: dict[str, str] = registry.get("resourcequotas", "test", name)["status"]["used"]
    return found


def config(registry: Registry, name: str = "c", **options: Any) -> Obj:
    return registry.create("configmaps", {"metadata": {"name": name, "namespace": "test"}}, **options)


def pod(registry: Registry, name: str = "p", **spec: Any) -> Obj:
    body = {"containers": [{"name": "c", "image": "i"}], **spec}
    return registry.create("pods", {"metadata": {"name": name, "namespace": "test"}, "spec": body})


def service(registry: Registry, **spec: Any) -> Obj:
    body = {"ports": [{"port": 80}], **spec}
    return registry.create("services", {"metadata": {"name": "s", "namespace": "test"}, "spec": body})


def test_what_is_made_is_charged_until_it_is_too_much(registry: Registry) -> None:
    quota(registry, hard={"configmaps": "2", "count/configmaps": "1"})
    config(registry)
    assert used(registry) == {"configmaps": "1", "count/configmaps": "1"}
    with pytest.raises(Forbidden) as caught:
        config(registry, "d")
    assert caught.value.message == (
        'configmaps "d" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=1, '
        "limited: count/configmaps=1"
    )
    assert used(registry) == {"configmaps": "1", "count/configmaps": "1"}


def test_every_quota_is_charged_or_none(registry: Registry) -> None:
    quota(registry, "a", hard={"configmaps": "5"})
    quota(registry, "b", hard={"configmaps": "0"})
    with pytest.raises(Forbidden, match="exceeded quota: b"):
        config(registry)
    assert used(registry, "a") == {"configmaps": "0"}


def test_a_dry_run_is_judged_and_not_charged(registry: Registry) -> None:
    quota(registry, hard={"configmaps": "1"})
    config(registry, dry_run=True)
    assert used(registry) == {"configmaps": "0"}
    config(registry)
    with pytest.raises(Forbidden):
        config(registry, "d", dry_run=True)


def test_what_is_there_already_is_not_charged(registry: Registry) -> None:
    quota(registry, hard={"configmaps": "5"})
    config(registry)
    with pytest.raises(AlreadyExists):
        config(registry)
    assert used(registry) == {"configmaps": "1"}


def test_the_charge_is_told_before_what_it_is_for(registry: Registry) -> None:
    quota(registry, hard={"configmaps": "5"})
    told: list[str] = []
    for resource in ("configmaps", "resourcequotas"):
        registry.subscribe(resource, lambda event: told.append(event.resource))
    config(registry)
    assert told == ["resourcequotas", "configmaps"]


def test_a_quota_that_is_not_counted_yet_lets_nothing_by(registry: Registry) -> None:
    quota(registry, hard={"pods": "1", "cpu": "1", "services": "1"}, used={"services": "0"})
    said = {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1m"}}}]}
    with pytest.raises(Forbidden, match="status unknown for quota: q, resources: cpu,pods"):
        pod(registry, **said)
    config(registry)  # it is not about these


def test_a_quota_without_a_status_is_not_asked(registry: Registry) -> None:
    registry.create(
        "resourcequotas", {"metadata": {"name": "q", "namespace": "test"}, "spec": {"hard": {"configmaps": "0"}}}
    )
    config(registry)


def test_containers_must_say_what_is_counted(registry: Registry) -> None:
    quota(registry, hard={"limits.cpu": "1", "requests.memory": "1Gi", "ephemeral-storage": "1Gi"})
    containers = [{"name": "b", "image": "i"}, {"name": "a", "image": "i", "resources": {"limits": {"cpu": "1m"}}}]
    with pytest.raises(Forbidden) as caught:
        pod(registry, containers=containers)
    assert caught.value.message == (
        'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: b; requests.memory for: a,b'
    )


def test_an_update_is_charged_for_what_is_more(registry: Registry) -> None:
    quota(registry, hard={"services": "5", "services.nodeports": "1"})
    service(registry)
    registry.patch("services", "test", "s", lambda obj: obj["spec"].update(type="NodePort"))
    assert used(registry) == {"services": "1", "services.nodeports": "1"}

    def another(obj: Obj) -> None:
        obj["spec"]["ports"] = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]

    with pytest.raises(Forbidden, match=r"requested: services.nodeports=1, used: services.nodeports=1, limited"):
        registry.patch("services", "test", "s", another)


def test_an_update_that_uses_less_is_not_refused_by_a_quota_that_shrank(registry: Registry) -> None:
    quota(registry, hard={"services.nodeports": "1"})
    service(registry, type="NodePort")
    status = {"hard": {"services.nodeports": "0"}, "used": {"services.nodeports": "1"}}
    registry.patch("resourcequotas", "test", "q", lambda obj: obj.update(status=status), subresource="status")
    registry.patch("services", "test", "s", lambda obj: obj["metadata"].update(labels={"a": "b"}))
    registry.patch("services", "test", "s", lambda obj: obj["spec"].update(type="ClusterIP"))
    assert used(registry) == {"services.nodeports": "1"}  # the controller counts again


def test_a_pod_that_comes_into_scope_is_charged_whole(registry: Registry) -> None:
    quota(registry, hard={"pods": "1"}, scopes=["Terminating"])
    pod(registry)
    assert used(registry) == {"pods": "0"}
    registry.patch("pods", "test", "p", lambda obj: obj["spec"].update(activeDeadlineSeconds=60))
    assert used(registry) == {"pods": "1"}
    pod(registry, "other")
    with pytest.raises(Forbidden, match="exceeded quota: q"):
        registry.patch("pods", "test", "other", lambda obj: obj["spec"].update(activeDeadlineSeconds=60))


def test_names_that_are_made_up_are_told(registry: Registry) -> None:
    quota(registry, hard={"configmaps": "0"})
    with pytest.raises(Forbidden, match=r'configmaps "made-up-\w{5}" is forbidden'):
        registry.create("configmaps", {"metadata": {"generateName": "made-up-", "namespace": "test"}})


def test_other_namespaces_are_not_concerned(registry: Registry) -> None:
    direct.namespace(registry, "other")
    quota(registry, hard={"configmaps": "0"})
    registry.create("configmaps", {"metadata": {"name": "c", "namespace": "other"}})


def test_a_resize_is_charged(registry: Registry) -> None:
    quota(registry, hard={"requests.cpu": "1"})
    asked = {"requests": {"cpu": "500m"}}
    pod(registry, containers=[{"name": "c", "image": "i", "resources": asked}])

    def give(cpu: str) -> None:
        def change(copy: Obj) -> None:
            copy["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}

        registry.patch("pods", "test", "p", change, subresource="resize")

    give("1")
    assert used(registry) == {"requests.cpu": "1"}
    with pytest.raises(Forbidden, match=r"exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=1"):
        give("2")
