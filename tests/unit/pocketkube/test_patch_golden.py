"""The recorded patches of mechanics-05-patches, applied to the objects a real server answered before each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocketkube import errors, patch, schema

GOLDEN = Path(__file__).parents[2] / "golden" / "api" / "mechanics-05-patches.yaml"
DEPLOYMENT = ("apps/v1", "Deployment")
CONTAINER_DEFAULTS = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
}


def _steps() -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load(GOLDEN.read_text().replace("<time>", "'2026-01-01T00:00:00Z'"))[
        "steps"
    ]
    return steps


def _patched(current: dict[str, Any], content_type: str, body: bytes) -> tuple[dict[str, Any], list[str]]:
    """What the API server does between reading the patch and defaulting."""
    type_ = schema.for_kind(*DEPLOYMENT)
    kind = content_type.removeprefix("application/").removesuffix("+json")
    if kind == "json-patch":
        return schema.decode(patch.json_patch(current, patch.parse_json_patch(body)), type_)
    if kind == "merge-patch":
        return schema.decode(patch.merge_patch(current, patch.parse_map_patch(body)), type_)
    merged = patch.strategic_merge(current, patch.parse_map_patch(body, strategic=True), type_)
    return schema.decode_patched(merged, type_)


def _defaulted(obj: dict[str, Any]) -> dict[str, Any]:
    """The defaults this scenario meets."""
    for container in obj["spec"]["template"]["spec"]["containers"]:
        for name, value in CONTAINER_DEFAULTS.items():
            container.setdefault(name, value)
        for port in container.get("ports", ()):
            port.setdefault("protocol", "TCP")
    strategy = obj["spec"]["strategy"]
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {"maxUnavailable": "25%", "maxSurge": "25%"})
    return obj


def _shown(obj: dict[str, Any]) -> dict[str, Any]:
    """The part of the object the scenario records after each patch."""
    spec, pod = obj["spec"], obj["spec"]["template"]["spec"]
    return {
        "labels": obj["metadata"].get("labels"),
        "replicas": spec["replicas"],
        "strategy": spec["strategy"],
        "pod": {name: pod[name] for name in ("volumes", "containers", "tolerations") if name in pod},
    }


def _recorded(body: dict[str, Any]) -> dict[str, Any]:
    pod = body["spec"]["template"]["spec"]
    return {
        "labels": body["metadata"]["labels"],
        "replicas": body["spec"]["replicas"],
        "strategy": body["spec"]["strategy"],
        "pod": pod,
    }


def _history() -> list[Any]:
    """Each patch step with the object it met: the recorded ones are cut, so successes are replayed one on another."""
    create, *steps = _steps()
    current, problems = schema.decode(create["response"]["body"], schema.for_kind(*DEPLOYMENT))
    assert not problems
    cases = []
    for step in steps:
        if step["id"] in ("unsupported-patch-type", "empty-patch"):
            continue
        cases.append(pytest.param(step, current, id=step["id"]))
        if step["response"]["code"] == 200:
            current = _defaulted(_patched(current, step["contentType"], step["body"].encode())[0])
    return cases


def _refused_by_validation(step: dict[str, Any]) -> bool:
    """Refusals that come after patching, from validating or converting the outcome."""
    message = step["response"]["body"]["message"]
    return message.startswith('Deployment.apps "web" is invalid') or "unknown conversion" in message


@pytest.mark.parametrize(("step", "current"), _history())
def test_recorded_patch(step: dict[str, Any], current: dict[str, Any]) -> None:
    before = repr(current)
    response = step["response"]
    body = step["body"].encode()
    if response["code"] == 200:
        outcome, problems = _patched(current, step["contentType"], body)
        assert _shown(_defaulted(outcome)) == _recorded(response["body"])
        warnings = [f"299 - {json.dumps(problem)}" for problem in problems]
        assert warnings == response.get("warnings", [])
    elif _refused_by_validation(step):
        outcome, _ = _patched(current, step["contentType"], body)
        assert outcome != current
    elif "cannot unmarshal string into Go struct field" in response["body"]["message"]:
        with pytest.raises(schema.DecodeError) as refused:
            _patched(current, step["contentType"], body)
        assert response["body"]["message"].endswith(f": {refused.value}")
    else:
        with pytest.raises(errors.StatusError) as refusal:
            _patched(current, step["contentType"], body)
        assert errors.to_status(refusal.value) == response["body"]
    assert repr(current) == before, "the original was changed"
