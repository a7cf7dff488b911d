"""The texts of `kubectl describe` for roles and bindings, and rules as `kubectl auth can-i --list` shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from kindlab.api import Obj
from kindlab.kubectl.describing_fields import labels, notes

HEAD = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")


def role(obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield from labels(obj)
    yield from notes(obj)
    yield "PolicyRule:"
    yield "  " + "\t".join(HEAD)
    yield "  " + "\t".join("-" * len(title) for title in HEAD)
    yield from ("  " + "\t".join(row) for row in rows(obj.get("rules") or ()))


def binding(obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield from labels(obj)
    yield from notes(obj)
    yield "Role:"
    yield f"  Kind:\t{obj['roleRef']['kind']}"
    yield f"  Name:\t{obj['roleRef']['name']}"
    yield "Subjects:"
    yield "  Kind\tName\tNamespace"
    yield "  ----\t----\t---------"
    for subject in obj.get("subjects") or ():
        yield f"  {subject['kind']}\t{subject['name']}\t{subject.get('namespace', '')}"


def rows(rules: Iterable[Obj]) -> list[list[str]]:
    """A row for each resource or URL, with its verbs; in kubectl's order, which is that of the rules' texts."""
    found: dict[tuple[str, str, str], list[str]] = {}
    urls = []
    for rule in rules:
        names = rule.get("resourceNames") or [""]
        for group, resource, verb, name in product(
            rule.get("apiGroups") or (), rule.get("resources") or (), rule["verbs"], names
        ):
            verbs = found.setdefault((group, resource, name), [])
            if verb not in verbs:
                verbs.append(verb)
        urls += [(url, verb) for url, verb in product(rule.get("nonResourceURLs") or (), rule["verbs"])]
    lines = [
        (
            f"[{' '.join(verbs)}],[{group}],[{resource}],[{name}],[]",
            [_where(group, resource), "[]", f"[{name}]", _of(verbs)],
        )
        for (group, resource, name), verbs in found.items()
    ]
    lines += [(f"[{verb}],[],[],[],[{url}]", ["", f"[{url}]", "[]", f"[{verb}]"]) for url, verb in urls]
    return [row for _, row in sorted(lines, key=lambda line: line[0])]


def _of(verbs: list[str]) -> str:
    return f"[{' '.join(verbs)}]"


def _where(group: str, resource: str) -> str:
    """`deployments.apps/scale`."""
    plural, slash, below = resource.partition("/")
    return plural + (f".{group}" if group else "") + slash + below
