"""What a CustomResourceDefinition may say: group, names, versions, columns, subresources, conversion.

Models apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go for v1; schemas are openapi_schema's.
What was wrong before an update is not let be: no definition here is older than these rules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.custom import formats, openapi_schema
from pocketkube.resources.custom.conversion import REVIEW_VERSIONS
from pocketkube.resources.custom.paths import BadFieldPath, follow
from pocketkube.resources.custom.schemas import Schema, walk
from pocketkube.resources.formats import dns1035_label, dns1123_subdomain
from pocketkube.resources.metadata import immutable
from pocketkube.resources.webhooks import client_config

APPROVED: Final = "api-approved.kubernetes.io"
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_MOST_SELECTABLE: Final = 8
_FAULTLESS: Final[set[tuple[bytes, bool]]] = set()
"""Digests of schemas that were found right, with or without a status beside them: to look through one takes a
hundredth of a second, and each cluster that is forked from one process defines the same ones."""
_MOST_KEPT: Final = 1000
_PULL: Final = "see https://github.com/kubernetes/enhancements/pull/1111"


def validate(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """Field errors of a definition, metadata apart; `old` on an update."""
    spec = objects.spec(obj)
    yield from _spec(spec)
    yield from _bundle(spec, old)
    if old is not None:
        before = objects.spec(old)
        if objects.condition_status(old, "Established") == "True":
            yield from immutable("spec.scope", spec.get("scope"), before.get("scope"))
            yield from immutable("spec.names.kind", _name(spec, "kind"), _name(before, "kind"))
        yield from immutable("spec.group", spec.get("group"), before.get("group"))
        yield from immutable("spec.names.plural", _name(spec, "plural"), _name(before, "plural"))
    status = objects.status(obj)
    yield from names(status.get("acceptedNames") or {}, "status.acceptedNames")
    yield from _stored_versions(list(status.get("storedVersions") or ()), spec.get("versions") or [])
    yield from _approval(obj, old)
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield fields.invalid("spec.preserveUnknownFields", True, text)


def unrecognised_formats(definition: Obj) -> list[str]:
    """The formats in a definition's schemas that nothing checks."""
    return [
        inside["format"]
        for version in objects.spec(definition).get("versions") or ()
        for inside in walk((version.get("schema") or {}).get("openAPIV3Schema"))
        if inside.get("format") and not formats.recognised(inside)
    ]


def _name(spec: Obj, which: str) -> str:
    return str(objects.dig(spec, "names", which) or "")


def _spec(spec: Obj) -> Iterator[Cause]:
    group = spec.get("group") or ""
    if not group:
        yield fields.required("spec.group")
    elif problems := dns1123_subdomain(group):
        yield fields.invalid("spec.group", group, ",".join(problems))
    elif "." not in group:
        yield fields.invalid("spec.group", group, "should be a domain with at least one dot")
    yield from _one_of("spec.scope", spec.get("scope") or "", ("Cluster", "Namespaced"))
    versions: list[Obj] = spec.get("versions") or []
    for index, version in enumerate(versions):
        if (version.get("schema") or {}).get("openAPIV3Schema") is None:
            yield fields.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    faultless: list[tuple[Schema, bool]] = []
    for index, version in enumerate(versions):
        at, name = f"spec.versions[{index}]", version.get("name") or ""
        if problems := dns1035_label(name):
            yield fields.invalid(f"{at}.name", name, ",".join(problems))
        yield from _version(version, at, faultless)
    if len({version.get("name") for version in versions}) != len(versions):
        yield fields.invalid("spec.versions", versions, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield fields.invalid(
            "spec.versions", versions or None, "must have exactly one version marked as storage version"
        )
    for which in ("plural", "singular", "kind", "listKind"):
        if not _name(spec, which):
            yield fields.required(f"spec.names.{which}")
    yield from names(spec.get("names") or {}, "spec.names")
    yield from _conversion(spec.get("conversion") or {})


def _one_of(at: str, value: str, accepted: Iterable[str]) -> Iterator[Cause]:
    if not value:
        yield fields.required(at)
    elif value not in accepted:
        yield fields.not_supported(at, value, accepted, in_order=True)


def names(held: Obj, at: str) -> Iterator[Cause]:
    """Field errors of names, asked for or accepted; empty ones are fine."""
    for which in ("plural", "singular"):
        if held.get(which) and (problems := dns1035_label(held[which])):
            yield fields.invalid(f"{at}.{which}", held[which], ",".join(problems))
    for which in ("kind", "listKind"):
        if held.get(which) and (problems := dns1035_label(held[which].lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(problems)
            yield fields.invalid(f"{at}.{which}", held[which], text)
    for index, name in enumerate(held.get("shortNames") or ()):
        if problems := dns1035_label(name):
            yield fields.invalid(f"{at}.shortNames[{index}]", name, ",".join(problems))
    if held.get("kind") and held["kind"] == held.get("listKind"):
        yield fields.invalid(f"{at}.listKind", held["listKind"], "kind and listKind may not be the same")
    for index, name in enumerate(held.get("categories") or ()):
        if problems := dns1035_label(name):
            yield fields.invalid(f"{at}.categories[{index}]", name, ",".join(problems))


def _version(version: Obj, at: str, faultless: list[tuple[Schema, bool]]) -> Iterator[Cause]:
    """`faultless`: the schemas of earlier versions that are right; a version with the same one is not judged again,
    since its rules would have to be."""
    for text in _deprecation(version):
        yield fields.invalid(f"{at}.deprecationWarning", version["deprecationWarning"], text)
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    subresources = version.get("subresources") or {}
    has_status = subresources.get("status") is not None
    if schema is not None and (schema, has_status) not in faultless:
        digest = hashlib.sha256(orjson.dumps(schema)).digest(), has_status
        wrong: list[Cause] = []
        if digest not in _FAULTLESS:
            wrong = list(openapi_schema.validate(schema, f"{at}.schema.openAPIV3Schema", has_status))
        yield from wrong
        if not wrong:
            faultless.append((schema, has_status))
            if len(_FAULTLESS) >= _MOST_KEPT:
                _FAULTLESS.clear()
            _FAULTLESS.add(digest)
    yield from _scale(subresources.get("scale"), f"{at}.subresources.scale")
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _column(column, f"{at}.additionalPrinterColumns[{index}]")
    yield from _selectable(version.get("selectableFields") or [], schema or {}, f"{at}.selectableFields")


def _deprecation(version: Obj) -> Iterator[str]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        yield "can only be set for deprecated versions"
        return
    if len(text.encode()) > 256:
        yield "must be <= 256 characters long"
    if not text:
        yield "must not be an empty string"
    for position, letter in enumerate(text):
        if not letter.isprintable():
            where = len(text[:position].encode())
            yield f"must only contain printable UTF-8 characters; non-printable character found at index {where}"
            break


def _simple_path(at: str, path: str) -> Iterator[Cause]:
    if not path.startswith("."):
        yield fields.invalid(at, path, "must be a simple json path starting with .")


def _scale(scale: Obj | None, at: str) -> Iterator[Cause]:
    if scale is None:
        return
    for name, side in (("specReplicasPath", "spec"), ("statusReplicasPath", "status")):
        path = scale.get(name) or ""
        if not path:
            yield fields.required(f"{at}.{name}")
        elif problems := list(_simple_path(f"{at}.{name}", path)):
            yield from problems
        elif not path.startswith(f".{side}."):
            yield fields.invalid(f"{at}.{name}", path, f"should be a json path under .{side}")
    if path := scale.get("labelSelectorPath") or "":
        if problems := list(_simple_path(f"{at}.labelSelectorPath", path)):
            yield from problems
        elif not path.startswith((".spec.", ".status.")):
            text = "should be a json path under either .spec or .status"
            yield fields.invalid(f"{at}.labelSelectorPath", path, text)


def _column(column: Obj, at: str) -> Iterator[Cause]:
    kind, form, path = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    if not column.get("name"):
        yield fields.required(f"{at}.name")
    if not kind:
        yield fields.required(f"{at}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
    elif kind not in _COLUMN_TYPES:
        yield fields.invalid(f"{at}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
    if form and form not in _COLUMN_FORMATS:
        yield fields.invalid(f"{at}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not path:
        yield fields.required(f"{at}.JSONPath")
    else:
        yield from _simple_path(f"{at}.JSONPath", path)


def _selectable(found: list[Obj], schema: Schema, at: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, one in enumerate(found):
        path, where = one.get("jsonPath") or "", f"{at}[{index}].jsonPath"
        if not path:
            yield fields.required(where)
            continue
        try:
            named, inside = follow(path, schema, brackets=False)
        except BadFieldPath as error:
            yield fields.invalid(where, path, f"is an invalid path: {error}")
            continue
        if named.partition(".")[0] == "metadata":
            yield fields.invalid(where, path, "must not point to fields in metadata")
        if inside.get("type") not in ("string", "boolean", "integer"):
            text = "must point to a field of type string, boolean or integer. "
            yield fields.invalid(where, path, text + "Enum string fields and strings with formats are allowed.")
        if named in seen:
            yield fields.duplicate(where, path)
        seen.add(named)
    if len(seen) > _MOST_SELECTABLE:
        yield fields.too_many(at, len(seen), _MOST_SELECTABLE)


def _conversion(conversion: Obj) -> Iterator[Cause]:
    strategy, at = conversion.get("strategy") or "", "spec.conversion"
    yield from _one_of(f"{at}.strategy", strategy, ("None", "Webhook"))
    webhook = conversion.get("webhook") or {}
    if strategy == "Webhook":
        if webhook.get("clientConfig") is None:
            yield fields.required(f"{at}.webhookClientConfig", "required when strategy is set to Webhook")
        else:
            yield from client_config.validate(webhook["clientConfig"], f"{at}.webhookClientConfig")
        yield from _review_versions(webhook.get("conversionReviewVersions") or [], f"{at}.conversionReviewVersions")
    elif conversion.get("webhook") is not None:
        if conversion["webhook"].get("clientConfig") is not None:
            yield fields.forbidden(f"{at}.webhookClientConfig", "should not be set when strategy is not set to Webhook")
        if conversion["webhook"].get("conversionReviewVersions"):
            text = "should not be set when strategy is not set to Webhook"
            yield fields.forbidden(f"{at}.conversionReviewVersions", text)


def _review_versions(versions: list[str], at: str) -> Iterator[Cause]:
    if not versions:
        yield fields.required(at)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield fields.invalid(f"{at}[{index}]", version, "duplicate version")
            continue
        for problem in dns1035_label(version):
            yield fields.invalid(f"{at}[{index}]", version, problem)
    if not set(versions) & set(REVIEW_VERSIONS):
        yield fields.invalid(at, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")


def _bundle(spec: Obj, old: Obj | None) -> Iterator[Cause]:
    """A bundle that cannot be used is let be where there was one, and until the definition is established."""
    given = objects.dig(spec, "conversion", "webhook", "clientConfig", "caBundle") or ""
    if not given or not (problem := client_config.bundle_problem(given)):
        return
    before = objects.dig(old, "spec", "conversion", "webhook", "clientConfig", "caBundle") or ""
    if old is not None and (
        objects.condition_status(old, "Established") != "True" or client_config.bundle_problem(before)
    ):
        return
    yield fields.invalid("spec.conversion.webhookClientConfig.caBundle", given, problem)


def _stored_versions(stored: list[str], versions: list[Obj]) -> Iterator[Cause]:
    at = "status.storedVersions"
    if not stored:
        yield fields.invalid(at, None, "must have at least one stored version")  # Go prints a nil slice so
        return
    there = [version.get("name") for version in versions]
    for version in versions:
        if version.get("storage") and version.get("name") not in stored:
            yield fields.invalid(at, stored, f"must have the storage version {version.get('name')}")
    for index, name in enumerate(stored):
        if name not in there:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} "
                f"and removes {name} from status.storedVersions"
            )
            yield fields.invalid(f"{at}[{index}]", name, text)


# -- groups of the Kubernetes community ask for an annotation


def approval(definition: Obj) -> tuple[str, str]:
    """(state, why): Invalid, Approved, Bypassed or Missing; "" for groups that need none."""
    group = str(objects.spec(definition).get("group") or "")
    if not any(group == domain or group.endswith(f".{domain}") for domain in ("k8s.io", "kubernetes.io")):
        return "", ""
    given = objects.annotations(definition).get(APPROVED, "")
    head = f'protected groups must have approval annotation "{APPROVED}"'
    if not given:
        return "Missing", f"{head}, {_PULL}"
    if given.startswith("unapproved"):
        return "Bypassed", f"not approved: {fields.show(given)}"
    parts = urlsplit(given)
    if parts.scheme and parts.netloc:
        return "Approved", f"approved in {given}"
    return "Invalid", f'{head} with either a URL or a reason starting with "unapproved", {_PULL}'


def _approval(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    state, why = approval(obj)
    if not state or (old is not None and approval(old)[0] == state):
        return
    at = f"metadata.annotations[{APPROVED}]"
    given: Any = objects.annotations(obj).get(APPROVED, "")
    if state == "Missing":
        yield fields.required(at, why)
    elif state == "Invalid":
        yield fields.invalid(at, given, why)
