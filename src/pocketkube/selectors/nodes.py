"""Node selector terms: which nodes a pod's or a volume's node affinity means.

Models component-helpers/scheduling/corev1/nodeaffinity for terms that validation let pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pocketkube.selectors.labels import EXISTS, GREATER, IN, LESS, NOT_EXISTS, NOT_IN, Requirement

_OPERATORS: Final = {
    "In": IN,
    "NotIn": NOT_IN,
    "Exists": EXISTS,
    "DoesNotExist": NOT_EXISTS,
    "Gt": GREATER,
    "Lt": LESS,
}
Term = Mapping[str, Any]


def term_matches(term: Term, labels: Mapping[str, str], name: str | None = None) -> bool:
    """Whether a node selector term matches a node: all of its expressions; a term without any matches no node.

    `name`: the node's, for matchFields; without it they do not count, which is how upstream asks for volumes.
    """
    expressions, on_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not on_fields:
        return False
    return _all_match(expressions, labels) and (name is None or _all_match(on_fields, {"metadata.name": name}))


def _all_match(expressions: Iterable[Mapping[str, Any]], values: Mapping[str, str]) -> bool:
    return all(
        Requirement(e["key"], _OPERATORS[e["operator"]], tuple(e.get("values") or ())).matches(values)
        for e in expressions
    )
