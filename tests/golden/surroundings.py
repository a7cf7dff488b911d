"""What a scenario runs in: a fresh namespace before, and the cluster as it was after."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.golden import inputs
from tests.golden.conditions import find, holds
from tests.golden.connection import Answer, Connection
from tests.golden.scenario import Scenario

FIRST_POLL, LAST_POLL = 0.01, 0.25
NO_ANSWER = (OSError, http.client.HTTPException)


@contextlib.contextmanager
def fresh(scenario: Scenario, api: Connection) -> Iterator[None]:
    """The scenario's namespace, made anew; afterwards what it made is deleted and what it changed is put back.

    Raises RuntimeError when the namespace cannot be made, OSError when nothing answers.
    """
    kept = {path: api.request("GET", path) for path in inputs.KEPT.get(scenario.name, ())}
    try:
        _prepare(scenario, api)
        yield
    finally:
        _clean_up(scenario, api)
        _let_go(scenario, api)
        _put_back(kept, api)


def send(api: Connection, method: str, path: str, body: Any, content_type: str = "application/json") -> Answer:
    """`body` is a text sent as it is, or an object sent as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return api.request(method, path, body=text, headers={"Content-Type": content_type})


def poll(
    api: Connection, path: str, until: list[str], limit: float, query: Mapping[str, str] | None = None
) -> tuple[bool, Answer]:
    """GET until all conditions hold, for at most `limit` seconds: whether they do, and the last answer."""
    deadline, pause = time.monotonic() + limit, FIRST_POLL
    while True:
        answer = api.request("GET", path, query=query)
        if all(holds(text, answer.code, answer.body) for text in until):
            return True, answer
        if time.monotonic() >= deadline:
            return False, answer
        time.sleep(pause)
        pause = min(pause * 1.5, LAST_POLL)


def _prepare(scenario: Scenario, api: Connection) -> None:
    for path in _clean_up(scenario, api):
        poll(api, path, ["code == 404"], 60.0)
    if not scenario.namespace:
        return
    name = scenario.namespace
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    answer = send(api, "POST", "/api/v1/namespaces", body)
    if answer.code != 201:
        raise RuntimeError(f"namespace {name} was not created: {answer.code} {answer.body}")
    for made in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        path = f"/api/v1/namespaces/{name}/{made}"
        if not poll(api, path, ["code == 200"], 30.0)[0]:
            raise RuntimeError(f"{made} did not appear in namespace {name}")


def _clean_up(scenario: Scenario, api: Connection) -> list[str]:
    """Delete what the scenario makes outside a namespace, and the namespace; the paths that existed."""
    paths = list(reversed(scenario.cluster_scoped()))
    if scenario.namespace:
        paths.insert(0, f"/api/v1/namespaces/{scenario.namespace}")
    try:
        return [path for path in paths if api.request("DELETE", path).code != 404]
    except NO_ANSWER:
        return []  # the cluster is gone; what led here is reported


def _let_go(scenario: Scenario, api: Connection) -> None:
    """Take the finalizers of what is to go and has nobody to let it go, as whoever made it would by hand."""
    if scenario.name not in inputs.ORPHANED:
        return
    path, field, value = inputs.ORPHANED[scenario.name]
    with contextlib.suppress(*NO_ANSWER):
        for item in find(api.request("GET", path).body, ".items") or []:
            if find(item, field) == value:
                held = f"{path}/{item['metadata']['name']}"
                poll(api, held, [".metadata.deletionTimestamp ~ ."], 10.0)
                send(api, "PATCH", held, {"metadata": {"finalizers": None}}, "application/merge-patch+json")


def _put_back(kept: dict[str, Answer], api: Connection) -> None:
    with contextlib.suppress(*NO_ANSWER):
        for path, before in kept.items():
            now = api.request("GET", path).body
            changed = [key for key in ("data", "spec") if find(now, f".{key}") != find(before.body, f".{key}")]
            if before.code == 200 and changed:
                meta = {key: value for key, value in before.body["metadata"].items() if key != "resourceVersion"}
                send(api, "PUT", path, {**before.body, "metadata": meta})
