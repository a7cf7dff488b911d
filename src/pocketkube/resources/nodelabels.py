"""Labels of nodes that should no longer be used, and what to use instead.

Models GetNodeLabelDeprecatedMessage and GetWarningsForNodeSelector* (pkg/api/node/util.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pocketkube.objects import Obj
from pocketkube.selectors import label_value_errors

DEPRECATED: Final = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Label key -> the message about it."""


def selector_warnings(path: str, selector: Obj | None) -> Iterator[str]:
    """Warnings about a LabelSelector of nodes at `path`."""
    if selector is None:
        return
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        key = expression.get("key", "")
        if key in DEPRECATED:
            yield f"{path}.matchExpressions[{index}].key: {key} is {DEPRECATED[key]}"
    for key in selector.get("matchLabels") or ():
        if key in DEPRECATED:
            yield f"{path}.matchLabels.{key}: {DEPRECATED[key]}"


def terms_warnings(path: str, terms: Iterable[Obj]) -> Iterator[str]:
    """Warnings about the terms of a NodeSelector at `path`."""
    for index, term in enumerate(terms):
        yield from term_warnings(f"{path}[{index}]", term)


def term_warnings(path: str, term: Obj, *, values: bool = False) -> Iterator[str]:
    """Warnings about one term; with `values` also about those that no label can have."""
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        at, key = f"{path}.matchExpressions[{index}]", expression.get("key", "")
        if key in DEPRECATED:
            yield f"{at}.key: {key} is {DEPRECATED[key]}"
        for position, value in enumerate(expression.get("values") or () if values else ()):
            for problem in label_value_errors(value):
                yield f"{at}.values[{position}]: {value} is invalid, {problem}"
