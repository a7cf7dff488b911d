"""The registry asks plugins in their order: before validation they may change an object, after it refuse it."""

from typing import Any, ClassVar

import pytest

from pocketkube.admission.base import Plugin
from pocketkube.clock import Clock
from pocketkube.errors import Forbidden, Invalid
from pocketkube.registry import Registry
from pocketkube.store import Store


class Asked(Plugin):
    seen: ClassVar[list[tuple[Any, ...]]] = []

    def admit(self, kind, new, old, subresource=""):
        self.seen.append(("admit", kind.kind, old is None, subresource))
        new["metadata"].setdefault("labels", {})["admitted"] = "yes"

    def validate(self, kind, new, old, subresource="", *, dry_run):
        self.seen.append(("validate", kind.kind, old is None, subresource, dry_run))
        if new["metadata"]["name"] == "refused":
            raise Forbidden.of(kind.qualified, "refused", "no")


@pytest.fixture
def registry(tmp_path):
    store = Store(tmp_path / "db")
    registry = Registry(store, Clock(), {"service_cidr": "10.96.0.0/16", "dns_ip": "10.96.0.10"})
    registry.chain.plugins = [Asked(registry)]
    Asked.seen = []
    yield registry
    store.close()


def named(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}}


def test_a_plugin_changes_what_is_written(registry):
    made = registry.create("namespaces", named("a"))
    assert made["metadata"]["labels"]["admitted"] == "yes"
    assert Asked.seen == [("admit", "Namespace", True, ""), ("validate", "Namespace", True, "", False)]


def test_a_plugin_refuses_and_nothing_is_written(registry):
    with pytest.raises(Forbidden):
        registry.create("namespaces", named("refused"))
    assert registry.find("namespaces", "", "refused") is None


def test_what_is_invalid_is_not_asked_about(registry):
    with pytest.raises(Invalid):
        registry.create("namespaces", named("Not-A-Name"))
    assert [what for what, *_ in Asked.seen] == ["admit"]


def test_a_status_is_nobodys_business(registry):
    registry.create("namespaces", named("a"))
    Asked.seen = []
    registry.patch("namespaces", "", "a", lambda found: found["status"].update(phase="Active"), subresource="status")
    assert Asked.seen == []
    registry.patch("namespaces", "", "a", lambda found: found["metadata"].update(annotations={"a": "b"}), dry_run=True)
    assert Asked.seen == [("admit", "Namespace", False, ""), ("validate", "Namespace", False, "", True)]
