"""What a step sends: recorded requests with the values of this run filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.golden import inputs
from tests.golden.compare import Worlds
from tests.golden.conditions import find
from tests.golden.connection import Connection
from tests.golden.placeholders import Unbound, World, substitute
from tests.golden.scenario import Scenario, Step


class CannotSend(Exception):
    """A step that cannot be sent as recorded, and why."""


class Values:
    """The values known so far: the open `worlds`, and the answers `subst` points to."""

    def __init__(self, scenario: Scenario, api: Connection) -> None:
        self._scenario = scenario
        self._api = api
        self.worlds: Worlds = [World()]
        self._answers: dict[str, Any] = {}
        self._oldest_rv: str | None = None
        self._service_account_token: str | None = None

    def note_answer(self, name: str, body: Any) -> None:
        """Keep the body of the answer to the step `name`."""
        self._answers[name] = body
        if self._oldest_rv is None and isinstance(body, dict):
            self._oldest_rv = (body.get("metadata") or {}).get("resourceVersion")

    def filled(self, step: Step, value: Any) -> Any:
        """`value` with its placeholders filled in. Worlds in which something else would be sent are dropped."""
        pointers = inputs.POINTED_AT.get((self._scenario.name, step.get("id", "")), {}) | (step.get("subst") or {})
        given = {name: self._pointed_at(source) for name, source in pointers.items()}
        fixed = inputs.made_up(self._scenario.name, step, self._oldest_rv) | given
        if (self._scenario.name, step.get("id")) in inputs.SERVICE_ACCOUNT_TOKEN:
            fixed["<token>"] = self._token()
        text = json.dumps(value)
        if "<nodeIP>" in text:
            fixed["<nodeIP>"] = self._node_address()
        fixed |= self._pod_addresses(text)
        if "<uid>" not in given:
            unknown = inputs.unknown_uid()
            value = _mapped(value, lambda text: unknown if text == "<uid>" else text)
        value = _mapped(value, lambda text: _replaced(text, fixed))
        first = _mapped(value, lambda text: substitute(text, self.worlds[0]))
        self.worlds = [w for w in self.worlds if _agrees(value, first, w)]
        return first

    def _pointed_at(self, source: str) -> str:
        """The value `subst` names: `<step id> <path>`, `<Kind> <name> <path>` of a live object, or the name of the live
        object of a `<Kind> whose <path> is that of claim <name>`: the claim's volume."""
        words = source.split(" ")
        if found := re.fullmatch(r"(\w+) whose (\S+) is that of claim (\S+)", source):
            return self._of_claim(*found.groups())
        if words[0] in self._answers and len(words) > 1:
            value = find(self._answers[words[0]], words[1])
        elif len(words) == 3 and words[0][:1].isupper():
            value = find(self._live(words[0], words[1]), words[2])
        else:
            raise CannotSend(f"subst {source!r} names no step that ran")
        if not isinstance(value, str):
            raise CannotSend(f"subst {source!r} leads to {value!r}")
        return value

    def _of_claim(self, kind: str, path: str, claim: str) -> str:
        volume = find(self._live("PersistentVolumeClaim", claim), ".spec.volumeName")
        for item in self._live(kind)["items"]:
            if volume and find(item, path) == volume:
                return str(item["metadata"]["name"])
        raise CannotSend(f"no {kind} is about claim {claim}")

    def _live(self, kind: str, name: str = "") -> Any:
        """A live object, or the list of all in the scenario's namespace."""
        groups = self._api.request("GET", "/apis").body
        versions = [group["preferredVersion"]["groupVersion"] for group in groups.get("groups", [])]
        for prefix in ["/api/v1", *(f"/apis/{version}" for version in versions)]:
            for resource in self._api.request("GET", prefix).body.get("resources", []):
                if resource["kind"] == kind and "/" not in resource["name"]:
                    scope = f"/namespaces/{self._scenario.namespace}" if resource["namespaced"] else ""
                    return self._api.request("GET", f"{prefix}{scope}/{resource['name']}/{name}".rstrip("/")).body
        raise CannotSend(f"the cluster has no kind {kind}")

    def _pod_addresses(self, text: str) -> dict[str, str]:
        """The addresses in what is sent that no answer shows, of the pods that have them."""
        found = {}
        for (scenario, name), pod in inputs.POD_ADDRESSES.items():
            if scenario == self._scenario.name and name in text:
                address = find(self._live("Pod", pod), ".status.podIP")
                if not address:
                    raise CannotSend(f"pod {pod} has no address")
                found[name] = str(address)
        return found

    def _node_address(self) -> str:
        """The address of the (first) node, which is no placeholder that answers give a value to."""
        address = find(self._api.request("GET", "/api/v1/nodes").body, ".items[0].status.addresses[0].address")
        if not address:
            raise CannotSend("the node has no address")
        return str(address)

    def _token(self) -> str:
        if self._service_account_token is None:
            path = f"/api/v1/namespaces/{self._scenario.namespace}/serviceaccounts/default/token"
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            headers = {"Content-Type": "application/json"}
            answer = self._api.request("POST", path, body=json.dumps(body), headers=headers)
            token = find(answer.body, ".status.token")
            if not token:
                raise CannotSend(f"no token for the default service account: {answer.code}")
            self._service_account_token = str(token)
        return self._service_account_token


def _replaced(text: str, values: Mapping[str, str]) -> str:
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(name, values[name])
    return text


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return {key: _mapped(item, change) for key, item in value.items()} if isinstance(value, dict) else value


def _agrees(value: Any, sent: Any, world: World) -> bool:
    try:
        return bool(_mapped(value, lambda text: substitute(text, world)) == sent)
    except Unbound:
        return False
