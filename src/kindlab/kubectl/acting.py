"""Acting as somebody else: kubectl's --as and --as-group, which any verb takes that asks by plain requests."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from kindlab.api import Api
from kindlab.kubectl.session import GET_KUBECTL, Refused

ALONE = ("exec", "port-forward", "proxy")
"""Verbs that keep connections of their own."""


def acting(api: Api, verb: str, user: str, groups: Sequence[str]) -> Api:
    """The API as that user sees it, if the server lets us. Raises Refused."""
    if not user:
        why = "requesting uid, groups or user-extra without impersonating a user is not allowed"
        raise Refused(f"error: {why}")
    if verb in ALONE or len(groups) > 1:
        what = f"{verb} --as" if verb in ALONE else "more than one --as-group"
        raise Refused(f"error: kindlab's stand-in for kubectl cannot do {what}. {GET_KUBECTL}")
    from kubernetes.client import ApiClient

    found = copy.copy(api)
    found.client = ApiClient(api.client.configuration, "Impersonate-User", user)
    for group in groups:
        found.client.set_default_header("Impersonate-Group", group)
    return found
