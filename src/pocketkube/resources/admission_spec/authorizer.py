"""`authorizer` in expressions: `authorizer.group('apps').resource('deployments').check('get').allowed()`.

Models apiserver/pkg/cel/library/authz.go. What the library cannot express as a type of its own is a map, as in
custom/cel_functions.py. Selectors (fieldSelector, labelSelector) are left out: rules of roles know none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pocketkube.rbac import Attributes

Authorize = Callable[[Mapping[str, Any], Attributes], tuple[bool, str]]
"""Whether a user (a UserInfo) may do something, and why."""

_USER, _PATH, _CHECK, _DECISION = "__user", "__path", "__check", "__decision"
_asked: ContextVar[Authorize] = ContextVar("authorize")
"""Functions of expressions are known before anybody asks: whom they ask is said for each evaluation."""


@contextmanager
def asking(authorize: Authorize) -> Iterator[None]:
    token = _asked.set(authorize)
    try:
        yield
    finally:
        _asked.reset(token)


def of(user: Mapping[str, Any], request: Attributes) -> dict[str, Any]:
    """The value of `authorizer` for the one who asks; `request` is what `authorizer.requestResource` is."""
    who = {"username": str(user.get("username", "")), "groups": [str(one) for one in user.get("groups") or ()]}
    asked = {name: getattr(request, name) for name in ("group", "resource", "subresource", "namespace", "name")}
    return {_USER: who, "requestResource": {_USER: who, _CHECK: asked}}


def functions() -> list[Any]:
    """As the library's declarations."""
    from cel_expr_python import cel

    kinds = cel.Type
    held = kinds.Map(kinds.STRING, kinds.DYN)
    narrowing = ("group", "resource", "subresource", "namespace", "name")
    declared = (
        ("path", 1, kinds.DYN, lambda held, path: {_USER: held[_USER], _PATH: str(path)}),
        ("serviceAccount", 2, kinds.DYN, _account),
        *((name, 1, kinds.DYN, _narrowed(name)) for name in narrowing),
        ("check", 1, kinds.DYN, _check),
        ("allowed", 0, kinds.BOOL, lambda held: bool(held[_DECISION])),
        ("reason", 0, kinds.STRING, lambda held: str(held["reason"])),
        ("errored", 0, kinds.BOOL, lambda held: False),
        ("error", 0, kinds.STRING, lambda held: ""),
    )
    return [
        cel.FunctionDecl(name, [cel.Overload(f"k8s_authz_{name}", result, [held, *[kinds.STRING] * texts], True, impl)])
        for name, texts, result, impl in declared
    ]


def _narrowed(key: str) -> Callable[[Any, Any], Any]:
    def narrow(held: Any, value: Any) -> Any:
        return {_USER: held[_USER], _CHECK: {**held.get(_CHECK, {}), key: str(value)}}

    return narrow


def _account(held: Any, namespace: Any, name: Any) -> Any:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return {_USER: {"username": f"system:serviceaccount:{namespace}:{name}", "groups": groups}}


def _check(held: Any, verb: Any) -> Any:
    if _PATH in held:
        wanted = Attributes(str(verb), path=str(held[_PATH]))
    else:
        wanted = Attributes(str(verb), **{str(key): str(value) for key, value in held[_CHECK].items()})
    who = held[_USER]
    user = {"username": str(who["username"]), "groups": [str(one) for one in who["groups"]]}
    allowed, reason = _asked.get()(user, wanted)
    return {_DECISION: allowed, "reason": reason}
