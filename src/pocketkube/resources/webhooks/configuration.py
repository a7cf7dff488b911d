"""What ValidatingWebhookConfigurations and MutatingWebhookConfigurations have in common, which is nearly everything.

Models pkg/registry/admissionregistration/{validating,mutating}webhookconfiguration, Validate*WebhookConfiguration,
SetDefaults_*Webhook and the printers. What was wrong before an update is not let be: no configuration here is older
than these rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.admission_spec.registration import FAILURE_POLICIES, MATCH_POLICIES, Registration
from pocketkube.resources.base import Column
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.webhooks import client_config, conditions, rules

REVIEW_VERSIONS: Final = ("v1", "v1beta1")
"""Of AdmissionReview, as this server speaks them."""
_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun")
_LONGEST: Final = 30
_ABOUT: Final = "Webhooks indicates the number of webhooks registered in this configuration"
_UNREACHED: Final = (
    "this cluster calls webhooks inside its own network only: a host's name in a URL is not found, "
    "use a service, or an address of the cluster"
)


class WebhookConfiguration(Registration):
    columns = described("*", NAME, Column("Webhooks", type="integer", description=_ABOUT), AGE)
    reinvocation: ClassVar[tuple[str, ...]] = ()
    """What reinvocationPolicy may be; the first is the default."""

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), len(obj.get("webhooks") or ()), age(self.world.clock, obj)]

    def generation_basis(self, obj: Obj) -> Any:
        return obj.get("webhooks") or []

    def default(self, obj: Obj) -> None:
        for hook in obj.get("webhooks") or ():
            hook.setdefault("failurePolicy", "Fail")
            hook.setdefault("matchPolicy", "Equivalent")
            hook.setdefault("namespaceSelector", {})
            hook.setdefault("objectSelector", {})
            hook.setdefault("timeoutSeconds", 10)
            if self.reinvocation:
                hook.setdefault("reinvocationPolicy", self.reinvocation[0])
            client_config.default(hook.setdefault("clientConfig", {}))
            for rule in hook.get("rules") or ():
                rules.default(rule)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        seen: set[str] = set()
        for index, hook in enumerate(obj.get("webhooks") or ()):
            at, name = f"webhooks[{index}]", hook.get("name") or ""
            yield from self._hook(hook, at)
            yield from _review_versions(hook.get("admissionReviewVersions") or [], f"{at}.admissionReviewVersions")
            if name and name in seen:
                yield fields.duplicate(f"{at}.name", name)
            seen.add(name)

    def _hook(self, hook: Obj, at: str) -> Iterator[Cause]:
        yield from _full_name(hook.get("name") or "", f"{at}.name")
        for index, rule in enumerate(hook.get("rules") or ()):
            yield from rules.validate(rule, f"{at}.rules[{index}]")
        yield from _one_of(hook, "failurePolicy", FAILURE_POLICIES, at)
        yield from _one_of(hook, "matchPolicy", MATCH_POLICIES, at)
        if hook.get("sideEffects") is None:
            yield fields.required(f"{at}.sideEffects", f"must specify one of {', '.join(_SIDE_EFFECTS)}")
        yield from _one_of(hook, "sideEffects", _SIDE_EFFECTS, at)
        seconds = hook.get("timeoutSeconds")
        if seconds is not None and not 1 <= seconds <= _LONGEST:
            text = f"the timeout value must be between 1 and {_LONGEST} seconds"
            yield fields.invalid(f"{at}.timeoutSeconds", seconds, text)
        for field in "namespaceSelector", "objectSelector":
            yield from metadata.label_selector(f"{at}.{field}", hook.get(field))
        if self.reinvocation:
            yield from _one_of(hook, "reinvocationPolicy", self.reinvocation, at)
        yield from client_config.validate(hook.get("clientConfig") or {}, f"{at}.clientConfig")
        yield from conditions.validate(hook.get("matchConditions") or [], f"{at}.matchConditions")

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        yield from super().warnings(new, old)
        for index, hook in enumerate(new.get("webhooks") or ()):
            if client_config.names_a_host(hook.get("clientConfig") or {}):
                yield f"webhooks[{index}].clientConfig.url: {_UNREACHED}"


def _one_of(hook: Obj, field: str, accepted: tuple[str, ...], at: str) -> Iterator[Cause]:
    value = hook.get(field)
    if value is not None and value not in accepted:
        yield fields.not_supported(f"{at}.{field}", value, accepted)


def _full_name(name: str, at: str) -> Iterator[Cause]:
    if not name:
        yield fields.required(at)
    elif problems := formats.dns1123_subdomain(name):
        yield fields.invalid(at, name, ",".join(problems))
    elif name.count(".") < 2:
        yield fields.invalid(at, name, "should be a domain with at least three segments separated by dots")


def _review_versions(versions: list[str], at: str) -> Iterator[Cause]:
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        yield fields.required(at, f"must specify one of {known}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield fields.invalid(f"{at}[{index}]", version, "duplicate version")
            continue
        for problem in formats.dns1035_label(version):
            yield fields.invalid(f"{at}[{index}]", version, problem)
    if not set(versions) & set(REVIEW_VERSIONS):
        yield fields.invalid(at, versions, f"must include at least one of {known}")
