"""`repeat` steps: requests the recorder sent many times without recording each.

Two forms exist: earlier steps once more per index, with the pod's name and address changed, and deletion of a range of
pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.golden.inputs import Call
from tests.golden.scenario import Step

_WITH = "pod name p-%03d, pod IP 10.200.(i/250).(i%250+1)"
_DELETE = re.compile(r"pods p-(\d+) \.\. p-(\d+) with gracePeriodSeconds 0")


def repeated(repeat: Mapping[str, Any], steps: Mapping[str, Step]) -> Iterator[tuple[Call, int]]:
    """The requests of a `repeat` and the HTTP status each must get. ValueError for a form not known."""
    if "delete" in repeat:
        found = _DELETE.fullmatch(repeat["delete"])
        pods = next((step["path"] for step in steps.values() if _makes_first_pod(step)), None)
        if not found or pods is None:
            raise ValueError(f"repeat of unknown form: {repeat}")
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        for index in range(int(found[1]), int(found[2]) + 1):
            yield Call("DELETE", f"{pods}/p-{index:03d}", "application/json", options), 200
        return
    if repeat.get("with") != _WITH:
        raise ValueError(f"repeat of unknown form: {repeat}")
    for index in range(repeat["from"], repeat["to"] + 1):
        for name in repeat["steps"]:
            step = steps[name]
            change = _for(index)
            body = _mapped(step["body"], change)
            yield Call(step["method"], change(step["path"]), step["contentType"], body), step["response"]["code"]


def _makes_first_pod(step: Step) -> bool:
    body = step.get("body")
    return step.get("method") == "POST" and isinstance(body, dict) and body["metadata"].get("name") == "p-000"


def _for(index: int) -> Any:
    name, address = f"p-{index:03d}", f"10.200.{index // 250}.{index % 250 + 1}"

    def change(text: str) -> str:
        return text.replace("p-000", name).replace("10.200.0.1", address)

    return change


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return {key: _mapped(item, change) for key, item in value.items()} if isinstance(value, dict) else value
