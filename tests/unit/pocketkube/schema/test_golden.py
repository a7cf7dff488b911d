"""Recorded bodies and answers: what is refused and how, and that a real server's objects pass through unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocketkube import schema

GOLDEN = Path(__file__).parents[3] / "golden" / "api"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MICRO = ("renewTime", "acquireTime", "eventTime", "lastObservedTime")
_AMOUNTS = ("cpu", "memory", "ephemeral-storage", "pods", "storage", "averageValue", "hugepages-2Mi", "hugepages-1Gi")


@cache
def _steps(file: Path) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.load(file.read_text(), Loader=_LOADER)["steps"]
    return steps


def _concrete(value: Any, name: str = "") -> Any:
    """Placeholders replaced by values of their kind."""
    if isinstance(value, dict):
        return {key: _concrete(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_concrete(item, name) for item in value]
    if value == "<time>":
        return "2026-01-01T00:00:00.000000Z" if name in _MICRO else "2026-01-01T00:00:00Z"
    if isinstance(value, str) and re.fullmatch(r"<(nodePort(\.\d)?|port|n)>", value):
        return 30001
    if value == "<duration>":
        return "15s"
    return "1" if isinstance(value, str) and re.fullmatch(r"<.*>", value) and name in _AMOUNTS else value


def _objects(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for step in _steps(file):
        response = step.get("response")
        body = response.get("body") if isinstance(response, dict) else None
        if isinstance(body, dict) and {"kind", "apiVersion", "metadata"} <= body.keys():
            kind = body["kind"]
            cut = re.search(r"<\d+ more, \d+ in all>", json.dumps(body))
            if kind not in ("Status", "Table") and not kind.endswith("List") and not cut:
                yield step["id"], _concrete(body)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.yaml")), ids=lambda file: file.stem)
def test_answers_of_a_real_server_pass_unchanged(file: Path) -> None:
    for step, body in _objects(file):
        try:
            type_ = schema.for_kind(body["apiVersion"], body["kind"])
        except schema.UnknownKind:
            assert body["apiVersion"].startswith("snapshot.storage.k8s.io/"), step
            type_ = schema.UNSTRUCTURED
        decoded, problems = schema.decode(body, type_)
        assert (decoded, problems) == (body, []), step


def _bodies() -> list[Any]:
    steps = _steps(GOLDEN / "mechanics-07-bodies.yaml")
    return [
        pytest.param(step, id=step["id"])
        for step in steps
        if step["method"] == "POST"
        and step["path"].endswith("/services")
        and "golden-bodies-01" in step["path"]
        and step.get("contentType") in ("application/json", "application/yaml")
    ]


def _accepted(step: dict[str, Any]) -> list[str]:
    """Reads a Service as the API server does; raises ValueError with the message of its 400, returns warnings."""
    body = step["body"] if isinstance(step["body"], str) else json.dumps(step["body"])
    data = _concrete(body).encode()
    directive = step.get("query", {}).get("fieldValidation", "Warn")
    strict = directive != "Ignore"
    problems: list[str] = []
    is_json = step["contentType"] == "application/json"
    try:
        if is_json:
            value = schema.loads_json(data, strict=strict)
        else:
            value, problems = schema.loads_yaml(data)
    except schema.ParseError as error:
        raise ValueError(schema.unrecognized(data, "Service", str(error), json_syntax=is_json)) from None
    try:
        schema.group_version_kind(value)
    except schema.ParseError as error:
        raise ValueError(schema.unrecognized(data, "Service", str(error))) from None
    prefix = 'Service in version "v1" cannot be handled as a Service: '
    yaml_problems = ["yaml: unmarshal errors:\n" + "\n".join(f"  {text}" for text in problems)] if problems else []
    try:
        _, unknown = schema.decode(value, schema.for_kind("v1", "Service"))
    except schema.DecodeError as error:
        raise ValueError(f"{prefix}{error}") from None
    if directive == "Strict" and (yaml_problems or unknown):
        raise ValueError(prefix + schema.strict_text(yaml_problems + unknown))
    return problems + unknown if strict else []


@pytest.mark.parametrize("step", _bodies())
def test_recorded_body(step: dict[str, Any]) -> None:
    response = step["response"]
    message = response["body"].get("message", "")
    if re.search(r"cannot be handled as a Service: (strict decoding|json:)|is unrecognized", message):
        with pytest.raises(ValueError, match=r"Service") as refused:
            _accepted(step)
        assert str(refused.value) == message
    else:
        warnings = [f"299 - {json.dumps(text)}" for text in _accepted(step)]
        assert warnings == response.get("warnings", [])


def _refused_by_decoding() -> list[Any]:
    pattern = re.compile(r'(\w+) in version "(\w+)" cannot be handled as a \w+: (.*)')
    found = []
    for file in sorted(GOLDEN.glob("*.yaml")):
        if "cannot be handled as a" not in file.read_text():  # reading YAML takes its time
            continue
        for step in _steps(file):
            response = step.get("response", {})
            answer = response.get("body") if isinstance(response, dict) else None
            match = pattern.match(answer.get("message", "")) if isinstance(answer, dict) else None
            if match and isinstance(step.get("body"), dict) and re.match("json:|quantities|illegal|parsing", match[3]):
                found.append(pytest.param(step["body"], match[1], match[3], id=f"{file.stem}-{step['id']}"))
    return found


@pytest.mark.parametrize(("body", "kind", "message"), _refused_by_decoding())
def test_recorded_refusal(body: dict[str, Any], kind: str, message: str) -> None:
    with pytest.raises(schema.DecodeError) as refused:
        schema.decode(body, schema.for_kind(body["apiVersion"], kind))
    assert str(refused.value) == message
