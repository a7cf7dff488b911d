"""Node selector terms, which nodes a pod's or a volume's node affinity means, and a class's topology terms.

Models component-helpers/scheduling/corev1/nodeaffinity and MatchTopologySelectorTerms of corev1/helpers, for terms that
validation let pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def topology_allows(terms: Sequence[Term], labels: Mapping[str, str]) -> bool:
    """Whether allowedTopologies allow a node with these labels: no terms allow every node, an empty one none."""
    return not terms or any(
        expressions and all(labels.get(each["key"]) in each["values"] for each in expressions)
        for expressions in (term.get("matchLabelExpressions") or () for term in terms)
    )


def _all_match(expressions: Iterable[Mapping[str, Any]], values: Mapping[str, str]) -> bool:
    return all(
        Requirement(e["key"], _OPERATORS[e["operator"]], tuple(e.get("values") or ())).matches(values)
        for e in expressions
    )
