"""What the schemas say of kinds and fields, for `kubectl explain`.

The texts are those of Kubernetes' own documentation, as the package lightkube-models carries them in the docstrings of
its models, which are wrapped at 78 columns. Its files are read, never imported: they need the rest of lightkube. Left
out there, and so here: what the values of enums mean, and types without fields, such as Time.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

from pocketkube.objects import Obj

_WIDTH: Final = 78
_CLASS: Final = re.compile(r'^class (\w+)\(DictMixin\):\n    r?"""(.*?)"""', re.DOTALL | re.MULTILINE)
_PARAMETERS: Final = "\n\n      **parameters**\n\n"
_FIELD: Final = re.compile(r"^      \* \*\*(\S+)\*\* ``[^`]*`` - ", re.MULTILINE)
_INDENT: Final = re.compile(r"^ {6,8}")

Texts = dict[str, tuple[str, dict[str, str]]]
"""By the name of a model: what it is, and what its fields are."""


def attach(schemas: dict[str, Obj]) -> None:
    """Give component schemas and their properties descriptions, where they have none."""
    modules: dict[str, Texts] = {}
    for name, schema in schemas.items():
        *path, model = name.split(".")
        module = "_".join(path[-2:])
        if module not in modules:
            modules[module] = _read(module)
        kind, fields = modules[module].get(model, ("", {}))
        if kind:
            schema.setdefault("description", kind)
        for field, inner in schema.get("properties", {}).items():
            if text := fields.get(field):
                inner.setdefault("description", text)


def _read(module: str) -> Texts:
    """Not kept: each document of OpenAPI is built once."""
    try:
        source = (resources.files("lightkube.models") / f"{module}.py").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {name: _texts(docstring) for name, docstring in _CLASS.findall(source)}


def _texts(docstring: str) -> tuple[str, dict[str, str]]:
    kind, _, parameters = docstring.partition(_PARAMETERS)
    parts = _FIELD.split(parameters)
    # underscores are there for Python's sake only: `continue_`, `x_kubernetes_map_type`
    names = [name.rstrip("_").replace("_", "-") for name in parts[1::2]]
    return _unwrapped(kind), dict(zip(names, map(_unwrapped, parts[2::2]), strict=True))


def _unwrapped(text: str) -> str:
    """The text as it was before it was wrapped: a line ends a paragraph if the next word had found room on it.

    Of what is between paragraphs nothing is known any more; mostly it was an empty line, but for lists in lists.
    """
    lines = [_INDENT.sub("", line) for line in text.rstrip().split("\n")]
    result, last = lines[0], lines[0]
    for line in lines[1:]:
        word = line.split(" ", 1)[0]
        if word and word != "*" and len(last) + 1 + len(word) > _WIDTH:
            result += f" {line}"
        elif line:
            result += f"\n{line}" if line.startswith(" ") else f"\n\n{line}"
        last = line
    return result
