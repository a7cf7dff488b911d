"""Label and field selectors.

A selector is a small immutable object: call it with an object's labels (or fields) to ask whether it matches, `str()`
it for the canonical text (requirements in key order, values sorted). `labels` and `fields` hold the two kinds,
`parsing` the grammar of label selectors, `names` what a label may look like, `nodes` the terms of node affinity.

Left out: which fields a kind can be selected by; that is the kind's own declaration.
"""

from pocketkube.selectors.fields import EVERY_FIELD, FieldRequirement, FieldSelector, parse_fields
from pocketkube.selectors.labels import (
    EVERYTHING,
    NOTHING,
    LabelSelector,
    Requirement,
    from_label_selector,
    from_set,
)
from pocketkube.selectors.names import label_key_errors, label_value_errors
from pocketkube.selectors.nodes import term_matches, topology_allows
from pocketkube.selectors.parsing import parse_labels

__all__ = [
    "EVERYTHING",
    "EVERY_FIELD",
    "NOTHING",
    "FieldRequirement",
    "FieldSelector",
    "LabelSelector",
    "Requirement",
    "from_label_selector",
    "from_set",
    "label_key_errors",
    "label_value_errors",
    "parse_fields",
    "parse_labels",
    "term_matches",
    "topology_allows",
]
