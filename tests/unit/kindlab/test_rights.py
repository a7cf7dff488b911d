"""The words for what a learner may not do, and what becomes of namespaces that are somebody else's."""

from typing import Any, cast

import pytest

from kindlab import labs, workspace
from kindlab.api import ApiError
from kindlab.emptying import RIGHTS
from kindlab.errors import Problem
from kindlab.rights import refused


def forbidden(what: str) -> ApiError:
    return ApiError(403, "Forbidden", f'namespaces "{what}" is forbidden')


class Lodger:
    """An API whose user may do nothing about namespaces; some are there, and those of `mine` may be looked at,
    those that are `usable` only worked in."""

    def __init__(self, mine: dict[str, dict[str, str]], usable: tuple[str, ...] = ()) -> None:
        self.mine = mine
        self.usable = usable
        self.calls: list[str] = []

    def get(self, kind: str, name: str) -> Any:
        if name not in self.mine:
            raise forbidden(name)
        return {"metadata": {"uid": "1", "name": name, "labels": self.mine[name]}}

    def request(self, method: str, path: str, body: Any) -> Any:
        asked = body["spec"]["resourceAttributes"]
        return {"status": {"allowed": asked["namespace"] in self.usable}}

    def create(self, obj: Any) -> Any:
        raise forbidden(obj["metadata"]["name"])

    def delete(self, kind: str, name: str) -> None:
        self.calls.append(f"delete {name}")
        raise forbidden(name)

    def patch(self, kind: str, name: str, namespace: None, change: Any) -> Any:
        raise forbidden(name)

    def follow(self, kind: str, name: str, *, fields: str, timeout: float) -> Any:
        yield {"default": {}}

    def kinds(self) -> list[Any]:
        self.calls.append("look at every kind")
        return []


def test_a_namespace_that_somebody_has_made_is_used() -> None:
    lab = labs.find("02").under("alice")
    workspace.make_namespaces(cast(Any, Lodger({"alice-02-services": {}})), lab)


def test_one_that_is_missing_is_asked_for_by_its_name() -> None:
    lab = labs.find("03").under("alice")
    with pytest.raises(Problem, match="alice-03-service-discovery-depot") as raised:
        workspace.make_namespaces(cast(Any, Lodger({"alice-03-service-discovery": {}})), lab)
    assert "kindlab rights --prefix alice --user YOU --labs 03" in raised.value.then


def test_one_without_the_labels_that_the_lab_needs_is_not_good_enough() -> None:
    lab = labs.find("08").under("alice")
    made: dict[str, dict[str, str]] = {name: {} for name in lab.spaces}
    with pytest.raises(Problem, match="alice-08-network-policy-partner"):
        workspace.make_namespaces(cast(Any, Lodger(made)), lab)
    for neighbour in lab.namespaces:
        made[neighbour.name] = dict(neighbour.labels)
    workspace.make_namespaces(cast(Any, Lodger(made)), lab)


@pytest.mark.parametrize(("labels", "first"), [({}, "delete alice"), (RIGHTS, "look at every kind")])
def test_one_that_may_not_be_deleted_is_emptied(labels: dict[str, str], first: str) -> None:
    api = Lodger({"alice": labels})
    workspace.remove_namespace(cast(Any, api), "alice")
    assert api.calls[0] == first
    assert api.calls[-1] == "look at every kind"


def test_one_that_may_not_even_be_seen_is_left_alone() -> None:
    api = Lodger({})
    workspace.remove_namespace(cast(Any, api), "alice")
    assert api.calls == []


def test_one_that_may_be_used_and_not_be_seen_is_used_and_emptied() -> None:
    lab = labs.find("08").under("alice")
    api = Lodger({}, lab.spaces)
    workspace.make_namespaces(cast(Any, api), lab)
    workspace.remove_namespace(cast(Any, api), lab.namespace)
    assert api.calls[-1] == "look at every kind"


def test_a_refusal_for_want_of_rights_says_who_can_help_and_another_does_not() -> None:
    assert "Whoever runs the cluster can grant more" in refused(forbidden("x")).then
    assert refused(ApiError(422, "Invalid", "no")).then == ""
