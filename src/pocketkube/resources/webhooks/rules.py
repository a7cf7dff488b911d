"""What webhooks and policies are asked about: operations, groups, versions and resources.

Models validateRuleWithOperations of pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj

OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES: Final = ("*", "Cluster", "Namespaced")


def default(rule: Obj) -> None:
    if rule.get("scope") is None:
        rule["scope"] = "*"


def validate(rule: Obj, at: str) -> Iterator[Cause]:
    operations = rule.get("operations") or []
    if not operations:
        yield fields.required(f"{at}.operations")
    if len(operations) > 1 and "*" in operations:
        yield fields.invalid(f"{at}.operations", operations, "if '*' is present, must not specify other operations")
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            yield fields.not_supported(f"{at}.operations[{index}]", operation, OPERATIONS)
    yield from _wildcards(rule.get("apiGroups") or [], f"{at}.apiGroups", "API groups")
    versions = rule.get("apiVersions") or []
    yield from _wildcards(versions, f"{at}.apiVersions", "API versions")
    for index, version in enumerate(versions):
        if not version:
            yield fields.required(f"{at}.apiVersions[{index}]")
    yield from _resources(rule.get("resources") or [], f"{at}.resources")
    scope = rule.get("scope")
    if scope is not None and scope not in SCOPES:
        yield fields.not_supported(f"{at}.scope", scope, SCOPES)


def _wildcards(names: list[str], at: str, noun: str) -> Iterator[Cause]:
    if not names:
        yield fields.required(at)
    if len(names) > 1 and "*" in names:
        yield fields.invalid(at, names, f"if '*' is present, must not specify other {noun}")


def _resources(names: list[str], at: str) -> Iterator[Cause]:
    if not names:
        yield fields.required(at)
    whole: set[str] = set()
    """Resources named with all their subresources: x/*."""
    everywhere: set[str] = set()
    """Subresources named of all resources: */x."""
    plain = False
    for index, name in enumerate(names):
        if not name:
            yield fields.required(f"{at}[{index}]")
            continue
        resource, slash, subresource = name.partition("/")
        if not slash:
            plain = name != "*"  # of several the last one counts, as upstream
            continue
        if resource in whole:
            text = f"if '{resource}/*' is present, must not specify {name}"
            yield fields.invalid(f"{at}[{index}]", name, text)
        if subresource in everywhere:
            text = f"if '*/{subresource}' is present, must not specify {name}"
            yield fields.invalid(f"{at}[{index}]", name, text)
        if subresource == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(subresource)
    if len(names) > 1 and "*/*" in names:
        yield fields.invalid(at, names, "if '*/*' is present, must not specify other resources")
    if "*" in names and plain:
        text = "if '*' is present, must not specify other resources without subresources"
        yield fields.invalid(at, names, text)
