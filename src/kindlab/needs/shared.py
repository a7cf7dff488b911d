"""What of a lab belongs to the whole cluster, where learners share one: host names and node ports have no namespace."""

from __future__ import annotations

from kindlab.labs import Lab
from kindlab.needs import named

SHARED = {"ingress": "host names", "gateway": "host names", "node-ports": "node ports"}
"""Word of `needs` -> what it takes that only one can have."""


def said(lab: Lab) -> str:
    """A sentence for learners who share their cluster (who have a prefix); "" for others, and for other labs."""
    if not lab.owner or not (taken := dict.fromkeys(SHARED[word] for word in named(lab) if word in SHARED)):
        return ""
    return (
        f"The {' and '.join(taken)} of lab {lab.number} belong to the whole cluster: while another learner has them, "
        "requests are answered by that learner's Pods, and your checks fail."
    )
