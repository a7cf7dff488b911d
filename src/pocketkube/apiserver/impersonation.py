"""Acting as somebody else: the Impersonate headers, and who may send them.

Models filters/impersonation. Constrained impersonation comes first: the right to be that user (the verbs
`impersonate:user-info`, `impersonate:serviceaccount`, `impersonate:arbitrary-node`) together with the right to do what
is asked while being it (`impersonate-on:user-info:list`); else the verb `impersonate`, with which one may do what that
user may. A refusal names the first right that was missing. Left out: impersonate:associated-node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote

from pocketkube import fields
from pocketkube.apiserver import authorization
from pocketkube.apiserver.authentication import (
    ANONYMOUS,
    AUTHENTICATED,
    MASTERS,
    UNAUTHENTICATED,
    User,
    account_of,
    service_account,
)
from pocketkube.apiserver.policy import Policy, aggregate
from pocketkube.errors import BadRequest, Forbidden
from pocketkube.rbac import Attributes
from pocketkube.resources import metadata

_EXTRA: Final = "impersonate-extra-"
_NODE: Final = "system:node:"
_GROUP: Final = "authentication.k8s.io"


def impersonated(policy: Policy, user: User, headers: Any, wanted: Attributes) -> User:
    """The user to go on as: the one the headers name, if there are any. Raises Forbidden and BadRequest."""
    name = headers.get("Impersonate-User", "")
    groups, uid = tuple(headers.getall("Impersonate-Group", ())), headers.get("Impersonate-Uid", "")
    extra: dict[str, list[str]] = {}
    for key, value in headers.items():
        if key.lower().startswith(_EXTRA):
            extra.setdefault(unquote(key.lower()[len(_EXTRA) :]), []).append(value)
    if not name:
        if groups or uid or extra:
            raise BadRequest(f"requested {_go(uid, groups, extra)} without impersonating a user name")
        return user
    asked = User(name, groups, uid, extra)
    if MASTERS in user.groups:
        return _completed(asked)
    return _allowed(policy, user, asked, wanted)


def _allowed(policy: Policy, user: User, asked: User, wanted: Attributes) -> User:
    mode = _mode(asked)
    first: Forbidden | None = None
    for verb in (f"impersonate:{mode}", "impersonate") if mode else ("impersonate",):
        try:
            if verb != "impersonate":
                on = replace(wanted, verb=f"impersonate-on:{mode}:{wanted.verb}")
                authorization.check(policy, user, on)
            for needed in _needed(verb, asked):
                why = _never(needed) if verb != "impersonate" else ""
                if why:
                    raise authorization.refusal(user, needed, why)
                authorization.check(policy, user, needed)
        except Forbidden as error:
            first = first or error
        else:
            node = verb != "impersonate" and mode == "arbitrary-node"
            return _completed(replace(asked, groups=("system:nodes",)) if node else asked)
    assert first is not None
    raise first


def _mode(asked: User) -> str:
    """How this user may be impersonated, apart from by `impersonate`: nodes and service accounts by name alone."""
    only_name = not (asked.groups or asked.uid or asked.extra)
    if asked.name.startswith(_NODE):
        return "arbitrary-node" if only_name else ""
    if account_of(asked.name) is not None:
        return "serviceaccount" if only_name else ""
    return "user-info"


def _needed(verb: str, asked: User) -> Iterator[Attributes]:
    """What one must be allowed to impersonate, one by one."""
    group = "" if verb == "impersonate" else _GROUP
    account = account_of(asked.name)
    if account is not None:
        yield Attributes(verb, group, "serviceaccounts", namespace=account[0], name=account[1])
    elif group and asked.name.startswith(_NODE):
        yield Attributes(verb, group, "nodes", name=asked.name[len(_NODE) :])
    else:
        yield Attributes(verb, group, "users", name=asked.name)
    if asked.uid:
        yield Attributes(verb, _GROUP, "uids", name=asked.uid)
    for one in asked.groups:
        yield Attributes(verb, group, "groups", name=one)
    for key, values in asked.extra.items():
        for value in values:
            yield Attributes(verb, _GROUP, "userextras", key, name=value)


def _never(needed: Attributes) -> str:
    """Why something is not to be impersonated by constrained rights, whoever has them."""
    if needed.resource == "groups" and needed.name in ("", MASTERS):
        return f"impersonating the {needed.name or 'empty string'} group is not allowed"
    if needed.resource != "userextras":
        return ""
    if not needed.subresource:
        return "impersonating the empty string key in extra is not allowed"
    wrong = [str(cause) for cause in metadata.domain_prefixed_path("extra.key", needed.subresource)]
    if wrong:
        return f"impersonating an invalid key in extra is not allowed: {aggregate(wrong)}"
    return "" if needed.name else "impersonating the empty string value in extra is not allowed"


def _go(uid: str, groups: tuple[str, ...], extra: dict[str, list[str]]) -> str:
    """A user without a name as Go's %#v shows it."""

    def strings(values: Iterable[str]) -> str:
        listed = ", ".join(fields.show(value) for value in values)
        return f"[]string{{{listed}}}" if listed else "[]string(nil)"

    pairs = ", ".join(f"{fields.show(key)}:{strings(values)}" for key, values in sorted(extra.items()))
    shown = f"map[string][]string{{{pairs}}}" if pairs else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{fields.show(uid)}, Groups:{strings(groups)}, Extra:{shown}}}'


def _completed(asked: User) -> User:
    """With the groups that come by themselves."""
    account = account_of(asked.name)
    if account is not None and not asked.groups:
        return replace(service_account(*account), uid=asked.uid, extra=asked.extra)
    groups = asked.groups
    if asked.name == ANONYMOUS.name:
        every = UNAUTHENTICATED
    elif UNAUTHENTICATED in groups:
        return asked
    else:
        every = AUTHENTICATED
    return asked if every in groups else replace(asked, groups=(*groups, every))
