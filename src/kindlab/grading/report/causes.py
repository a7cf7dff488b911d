"""Texts of one cause made equal, so that a class's causes can be counted: what differs from one cluster to the next is
taken out, names of Pods, addresses, times and counts of attempts; ports, labels and names of Services stay."""

from __future__ import annotations

import re

_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"
"""The letters of names that Kubernetes makes (k8s.io/apimachinery, util/rand)."""

_RULES = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (rf"\b([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-{_RANDOM}{{6,10}}-{_RANDOM}{{5}}\b", r"\1-…"),  # Pods of a Deployment
        (rf"\b([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-(?=[a-z]*\d)(?!http2\b){_RANDOM}{{5}}\b", r"\1-…"),  # of a DaemonSet
        (r"\bpvc-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "pvc-…"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "…"),
        (r"(?<![\w.:])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])", "(address)"),
        (r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![\w:])", "(address)"),
        (r"\b\d+(?:\.\d+)? ?(?:ms|s|milliseconds|seconds|minutes)\b", "some time"),
        (r"\b\d+ of (?:its )?\d+\b", "some of"),
        (r"\b\d+ (requests|connections|attempts)\b", r"\1"),
    )
)


def cause(text: str, slug: str = "") -> str:
    """The text without what is of one cluster only, in one line. `slug`: of the lab, whose namespaces have a prefix
    where many share a cluster."""
    if slug:
        text = re.sub(rf"(?<![\w-])[a-z0-9][a-z0-9-]*-(?={re.escape(slug)}\b)", "", text)
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
