"""Request bodies: JSON and YAML text to plain data, with the texts Go has for what is malformed.

Models the parsing half of apimachinery's json serializer: sigs.k8s.io/json (repeated names), sigs.k8s.io/yaml
(YAML 1.1 as go-yaml v2 resolves it: `yes` is true, `1:30` and dates are text; repeated keys) and SimpleMetaFactory
(version and kind).

Left out: go-yaml's texts for the rarer syntax errors; YAML streams of more than one document (the first counts, as
upstream).
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import Any

import orjson

from pocketkube.schema import bounds
from pocketkube.schema.gojson import syntax_error, word


class ParseError(ValueError):
    """The text is malformed; the message is Go's."""


class Duplicates(dict[str, Any]):
    """An object whose text named a key more than once: the last value counts, `pairs` has them all, in order."""

    pairs: list[tuple[str, Any]]


def loads_json(body: bytes, *, strict: bool = False) -> Any:
    """The JSON value of a body. Raises ParseError (`unexpected end of JSON input`).

    With `strict`, objects with repeated names come as `Duplicates`, so that `decode` can complain about them.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _loads_lenient(body, strict)
    if bounds.may_be_deep(body):
        try:
            bounds.check_depth(value)
        except bounds.TooLarge as error:
            raise ParseError(str(error)) from None
    # What prints as it was read has no repeated names; most clients send such compact JSON.
    if not strict or orjson.dumps(value) == body.strip():
        return value
    found: list[Duplicates] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        duplicates = Duplicates(result)
        duplicates.pairs = pairs
        found.append(duplicates)
        return duplicates

    noted = json.loads(body, object_pairs_hook=note)
    return noted if found else value


def _loads_lenient(body: bytes, strict: bool) -> Any:
    """Go reads some texts orjson does not: invalid UTF-8 and lone surrogates (replaced by U+FFFD), huge numbers."""
    if problem := syntax_error(body):
        raise ParseError(problem)
    value = _replace_surrogates(json.loads(body.decode("utf-8", "replace")))
    return loads_json(orjson.dumps(value), strict=strict)


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(name): _replace_surrogates(item) for name, item in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = _float(value)
    if isinstance(value, float) and math.isinf(value):
        raise ParseError("json: cannot unmarshal number into Go value of type float64")
    return value


def _float(number: int) -> float:
    """What Go reads a whole number as that is none of its integers."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def loads_yaml(body: bytes) -> tuple[Any, list[str]]:
    """The value of a YAML body as its JSON conversion would read, and the repeated keys:
    `line 8: key "port" already set in map`. Raises ParseError (`yaml: line 2: mapping values are not allowed in
    this context`).
    """
    import yaml

    try:
        bounds.check_yaml(body)
    except bounds.TooLarge as error:
        raise ParseError(f"yaml: {error}") from None
    except yaml.YAMLError:
        pass  # said below
    loader = _yaml_loader()(body)
    try:
        value = loader.get_single_data() if not _has_more_documents(body) else loader.get_data()
    except yaml.YAMLError as error:
        raise ParseError(_yaml_text(error)) from None
    finally:
        loader.dispose()
    return value, loader.duplicates


def _has_more_documents(body: bytes) -> bool:
    return re.search(rb"^---", body, re.MULTILINE) is not None


@cache
def _yaml_loader() -> Any:
    """A PyYAML loader with go-yaml v2's idea of what a plain scalar is; made on first use, as YAML bodies are rare."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute

        def __init__(self, stream: bytes) -> None:
            super().__init__(stream)
            self.duplicates: list[str] = []

        def get_data(self) -> Any:
            return super().get_data() if self.check_data() else None

    def mapping(loader: Any, node: Any) -> Any:
        loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            name = _key_text(key)
            if name in result:
                line = value_node.start_mark.line + 1
                loader.duplicates.append(f"line {line}: key {json.dumps(name)} already set in map")
            result[name] = loader.construct_object(value_node, deep=True)
        return result

    def scalar_int(loader: Any, node: Any) -> Any:
        return _go_int(node.value)

    def scalar_float(loader: Any, node: Any) -> Any:
        text = node.value.replace("_", "").lower()
        number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            raise ParseError(f"json: unsupported value: {node.value}")
        # Go prints whole floats without a point, so that `replicas: 3.0` reads as an int.
        return int(number) if number.is_integer() and abs(number) < 1e21 else number

    def text(loader: Any, node: Any) -> Any:
        return loader.construct_scalar(node)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("tag:yaml.org,2002:int", scalar_int)
    Loader.add_constructor("tag:yaml.org,2002:float", scalar_float)
    for tag in ("timestamp", "binary", "merge"):
        Loader.add_constructor(f"tag:yaml.org,2002:{tag}", text)
    number = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    for tag, pattern, first in (
        (
            "bool",
            r"(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)",
            "yYtTnNfFoO",
        ),
        ("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)", "-+0123456789"),
        ("float", rf"{number}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+0123456789."),
        ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
        ("merge", r"<<", "<"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), list(first))
    Loader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() in ("y", "yes", "true", "on"))
    return Loader


def _go_int(text: str) -> Any:
    plain = text.replace("_", "")
    sign = -1 if plain.startswith("-") else 1
    digits = plain.lstrip("+-")
    base = 10
    for prefix, prefix_base in (("0b", 2), ("0o", 8), ("0x", 16), ("0", 8)):
        if digits.lower().startswith(prefix) and len(digits) > len(prefix):
            digits, base = digits[len(prefix) :], prefix_base
            break
    number = sign * int(digits, base)
    if -(2**63) <= number < 2**64:
        return number
    return text if math.isinf(found := _float(number)) else found  # what is no number at all is a text


def _key_text(key: Any) -> str:
    """A YAML key as the JSON conversion names it."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return repr(key)
    if key is None:
        return "null"
    raise ParseError(f"unsupported map key of type: {'slice' if isinstance(key, list) else 'map'}")


def _yaml_text(error: Any) -> str:
    """libyaml's complaint as go-yaml v2 writes it: no line for the first, one more where the scanner refused."""
    problem, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    line = 0
    if problem is not None and problem.line:
        line = problem.line + (type(error).__name__ == "ScannerError")
    elif context is not None:
        line = context.line
    text = str(getattr(error, "problem", None) or error)
    if "tab character" in text:  # newer libyaml than go-yaml v2 was made from
        text = "found character that cannot start any token"
    return f"yaml: {f'line {line}: ' if line else ''}{text}"


def group_version_kind(value: Any) -> tuple[str, str]:
    """apiVersion and kind of a parsed body, empty where absent. Raises ParseError when they cannot be read."""
    prefix = "couldn't get version/kind; json parse error: json: cannot unmarshal"
    if value is None:
        return "", ""
    if not isinstance(value, dict):
        struct = (
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
        raise ParseError(f"{prefix} {word(value)} into Go value of type {struct}")
    for name in value:
        if name in ("apiVersion", "kind") and not isinstance(value[name], str | None):
            raise ParseError(f"{prefix} {word(value[name])} into Go struct field .{name} of type string")
    api_version = value.get("apiVersion") or ""
    if api_version.count("/") > 1:
        raise ParseError(f"unexpected GroupVersion string: {api_version}")
    return api_version, value.get("kind") or ""


def unrecognized(body: bytes, kind: str, problem: str, *, json_syntax: bool = False) -> str:
    """The 400 text for a body that is no object at all; `json_syntax` for what `loads_json` refused."""
    if json_syntax:
        problem = f"couldn't get version/kind; json parse error: {problem}"
    return f"the object provided is unrecognized (must be of type {kind}): {problem} ({_excerpt(body)})"


def _excerpt(body: bytes) -> str:
    if not body:
        return "<empty>"
    readable = body.startswith(b"{")
    shown = body[:30]
    text = shown.decode("utf-8", "replace") if readable else shown.hex()
    return text if len(body) <= 30 else f"{text} ..."
