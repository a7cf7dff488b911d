"""Reading scenario files.

A scenario is a list of steps; each step is kept as the mapping written in the file. `kind_of` names which of the seven
shapes it has. Nothing is interpreted here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

Step = dict[str, Any]
Kind = Literal["rest", "kubectl", "watch", "wait", "pause", "repeat", "note"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKERS: tuple[Kind, ...] = ("wait", "pause", "repeat", "note")
_NODE = re.compile(r"(?<![\w.-])node-1(?![\w.-])")
_CLUSTER_COLLECTION = re.compile(r"^/(?:api/v1|apis/[^/]+/[^/]+)/(?!namespaces/)[a-z]+$|^/api/v1/namespaces$")


@dataclass(frozen=True)
class Scenario:
    """One file: `name` is the file's stem (what passing.txt lists), `namespace` the fresh one it runs in or None."""

    name: str
    about: str
    namespace: str | None
    steps: tuple[Step, ...]

    @property
    def counted(self) -> int:
        """How many steps can match: those with an id."""
        return sum("id" in step for step in self.steps)

    @property
    def needs_kubectl(self) -> bool:
        return any(step.get("kind") == "kubectl" for step in self.steps)

    def cluster_scoped(self) -> list[str]:
        """Paths of the cluster-scoped `golden-*` objects the steps make, in order of creation."""
        found = []
        for step in self.steps:
            if step.get("method") == "POST" and _CLUSTER_COLLECTION.match(step["path"]):
                body = step.get("body")
                name = body.get("metadata", {}).get("name", "") if isinstance(body, dict) else ""
                if str(name).startswith("golden-"):
                    found.append(f"{step['path']}/{name}")
            for made in re.findall(r"^namespace/(golden-\S+) created$", step.get("stdout") or "", re.M):
                found.append(f"/api/v1/namespaces/{made}")
        return list(dict.fromkeys(found))

    def on_nodes(self, names: list[str], worker: str) -> Scenario:
        """The scenario for a cluster without a node called node-1.

        In what is sent, node-1 becomes `worker`; in what is expected, any of `names` (`<node:a|b>`).
        """
        token = f"<node:{'|'.join(names)}>"
        steps = []
        for step in self.steps:
            sent = {k: _rename(v, worker) for k, v in step.items() if k not in EXPECTED}
            expected = {k: _rename(v, token) for k, v in step.items() if k in EXPECTED}
            steps.append({key: (sent | expected)[key] for key in step})
        return replace(self, steps=tuple(steps))


EXPECTED = frozenset({"response", "stdout", "stderr", "background"})


def _rename(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return _NODE.sub(lambda _: name, value)
    if isinstance(value, list):
        return [_rename(item, name) for item in value]
    if isinstance(value, dict):
        return {_rename(key, name): _rename(item, name) for key, item in value.items()}
    return value


def load(path: Path) -> Scenario:
    """The scenario in `path`. Raises ValueError when it is not one."""
    data = yaml.load(path.read_text(), Loader=_LOADER)
    if not isinstance(data, dict) or not isinstance(data.get("steps"), list):
        raise ValueError(f"{path}: not a scenario file (no list of steps)")
    return Scenario(path.stem, data.get("about", ""), data.get("namespace"), tuple(data["steps"]))


def kind_of(step: Step) -> Kind:
    """Which shape a step has. Raises ValueError for none of them."""
    if step.get("kind") in ("kubectl", "watch"):
        return "kubectl" if step["kind"] == "kubectl" else "watch"
    for marker in _MARKERS:
        if marker in step:
            return marker
    if "method" in step:
        return "rest"
    raise ValueError(f"step of unknown shape: {sorted(step)}")


def title(step: Step) -> str:
    """What the step does, in one line."""
    if "method" in step:
        return f"{step['method']} {step['path']}"
    if "args" in step:
        return "kubectl " + " ".join(step["args"])
    if "wait" in step:
        until = step["wait"]["until"]
        return f"wait {step['wait']['path']} until {until if isinstance(until, str) else ' and '.join(until)}"
    return f"watch {step['path']}" if "path" in step else json.dumps(step.get("repeat"))


def seconds(text: str) -> float:
    """A duration such as `60s`, `1m30s` or `500ms` in seconds."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"not a duration: {text!r}")
    return sum(float(number) * units[unit] for number, unit in parts)
