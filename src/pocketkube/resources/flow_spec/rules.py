"""The rules of FlowSchemas: whose requests, and which.

Models ValidateFlowSchemaPolicyRulesWithSubjects of pkg/apis/flowcontrol/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

ALL: Final = "*"
VERBS: Final = ("get", "list", "create", "update", "delete", "deletecollection", "patch", "watch", "proxy")
SUBJECTS: Final = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
_LISTS: Final = (
    ("apiGroups", "api group", "api groups"),
    ("resources", "resource", "resources"),
)


def validate(path: str, rule: Obj) -> Iterator[Cause]:
    """Field errors of one of `spec.rules`."""
    for index, subject in enumerate(rule.get("subjects") or ()):
        yield from _subject(f"{path}.subjects[{index}]", subject)
    if not rule.get("subjects"):
        yield fields.required(f"{path}.subjects", "subjects must contain at least one value")
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        yield fields.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, resources in enumerate(rule.get("resourceRules") or ()):
        yield from _resources(f"{path}.resourceRules[{index}]", resources)
    for index, others in enumerate(rule.get("nonResourceRules") or ()):
        yield from _others(f"{path}.nonResourceRules[{index}]", others)


def _subject(path: str, subject: Obj) -> Iterator[Cause]:
    kind = subject.get("kind", "")
    if kind not in SUBJECTS:
        yield fields.not_supported(f"{path}.kind", kind, SUBJECTS)
        return
    wanted = SUBJECTS[kind]
    held = subject.get(wanted)
    if held is None:
        yield fields.required(f"{path}.{wanted}", f"{wanted} is required when subject kind is '{kind}'")
    else:
        yield from _named(f"{path}.{wanted}", kind, held)
    for other, field in (("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")):
        if other != kind and subject.get(field) is not None:
            yield fields.forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{other}'")


def _named(path: str, kind: str, held: Obj) -> Iterator[Cause]:
    name, namespace = held.get("name", ""), held.get("namespace", "")
    if not name:
        yield fields.required(f"{path}.name")
    if kind != "ServiceAccount":
        return
    if name and name != ALL:
        for problem in formats.dns1123_subdomain(name):
            yield fields.invalid(f"{path}.name", name, problem)
    for problem in formats.dns1123_label(namespace) if namespace else ():
        yield fields.invalid(f"{path}.namespace", namespace, problem)
    if not namespace:
        yield fields.required(f"{path}.namespace", "must specify namespace for service account")


def _resources(path: str, rule: Obj) -> Iterator[Cause]:
    yield from _verbs(path, rule)
    for field, one, many in _LISTS:
        held = rule.get(field) or []
        if not held:
            yield fields.required(f"{path}.{field}", f"resource rules must supply at least one {one}")
        yield from _alone(f"{path}.{field}", held, many)
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        why = "resource rules that are not cluster scoped must supply at least one namespace"
        yield fields.required(f"{path}.namespaces", why)
    elif ALL in namespaces:
        yield from _alone(f"{path}.namespaces", namespaces, "namespaces")
    else:
        for index, name in enumerate(namespaces):
            for problem in formats.dns1123_label(name):
                why = f"each member of this list must be '*' or a DNS-1123 label; {problem}"
                yield fields.invalid(f"{path}.namespaces[{index}]", name, why)


def _others(path: str, rule: Obj) -> Iterator[Cause]:
    yield from _verbs(path, rule)
    urls = rule.get("nonResourceURLs") or []
    if not urls:
        yield fields.required(f"{path}.nonResourceURLs", "nonResourceURLs must contain at least one value")
    elif ALL in urls:
        yield from _alone(f"{path}.nonResourceURLs", urls, "non-resource URLs")
    else:
        for index, url in enumerate(urls):
            if problem := _url_problem(url):
                yield fields.invalid(f"{path}.nonResourceURLs[{index}]", url, problem)


def _verbs(path: str, rule: Obj) -> Iterator[Cause]:
    verbs = rule.get("verbs") or []
    if not verbs:
        yield fields.required(f"{path}.verbs", "verbs must contain at least one value")
    elif ALL in verbs:
        yield from _alone(f"{path}.verbs", verbs, "verbs")
    elif not set(verbs) <= set(VERBS):
        yield fields.not_supported(f"{path}.verbs", verbs, VERBS)


def _alone(path: str, held: list[Any], what: str) -> Iterator[Cause]:
    if len(held) > 1 and ALL in held:
        yield fields.invalid(path, held, f"if '*' is present, must not specify other {what}")


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    for text, shown in ((" ", "white-space"), ("//", "double slash")):
        if text in url:
            return f"must not contain {shown}"
    if ALL in url and (url.count(ALL) > 1 or not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
