"""Rules for Jobs and job templates.

Models validateJobSpec, ValidateJob, validateGeneratedSelector and ValidateJobTemplateSpec of pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pocketkube import fields, objects, selectors
from pocketkube.errors import BadRequest, Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal, metadata, workload
from pocketkube.resources.job_spec import defaults, policies
from pocketkube.resources.pod_spec import validation, warnings

_INDEXED_LIMIT: Final = 100_000
"""Of parallelism and of failed indexes; above as many completions, less is allowed with a back-off limit per index."""
_HIGH_LIMIT: Final = 10_000
_LONGEST_MANAGER: Final = 63
_NOT_NEGATIVE: Final = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def job(obj: Obj, *, prefixed: bool = True) -> Iterator[Cause]:
    """Field errors of a whole Job. `prefixed`: it must have the labels that have a domain, which old ones lack."""
    spec = objects.spec(obj)
    if not spec.get("manualSelector") and spec.get("selector") is not None:
        yield from _generated(obj, prefixed=prefixed)
    yield from job_spec(spec)
    completions = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and completions > 0:
        host = f"{objects.name(obj)}-{completions - 1}"
        if formats.dns1123_label(host):
            why = f"will not able to create pod with invalid DNS label: {host}"
            yield fields.invalid("metadata.name", objects.name(obj), why)


def _generated(obj: Obj, *, prefixed: bool) -> Iterator[Cause]:
    """Field errors of labels and a selector that are not those the Job would have got."""
    spec = obj["spec"]
    held = objects.labels(spec["template"])
    expected = defaults.generated_labels(obj)
    if not prefixed:
        expected = {name: value for name, value in expected.items() if "/" not in name}
    for name, value in expected.items():
        at = f"spec.template.metadata.labels[{name}]"
        if name not in held:
            yield fields.required(at, f"must be '{value}'")
        if held.get(name, "") != value:
            yield fields.invalid(at, dict(sorted(held.items())) or None, f"must be '{value}'")
    if not _selects(spec["selector"], expected):
        yield fields.invalid("spec.selector", internal.selector(spec["selector"]), "`selector` not auto-generated")


def _selects(selector: Obj | None, labels: dict[str, str]) -> bool:
    try:
        return selectors.from_label_selector(selector)(labels)
    except BadRequest:
        return True  # it is told elsewhere what is wrong with it


def job_spec(spec: Obj) -> Iterator[Cause]:
    """Field errors of a Job's spec."""
    yield from common("spec", spec)
    selector = spec.get("selector")
    if selector is None:
        yield fields.required("spec.selector")
    yield from metadata.label_selector("spec.selector", selector)
    held = objects.labels(spec["template"])
    if not _selects(selector, held):
        shown = dict(sorted(held.items())) or None
        yield fields.invalid("spec.template.metadata.labels", shown, "`selector` does not match template `labels`")


def template(path: str, found: Obj) -> Iterator[Cause]:
    """Field errors of a CronJob's job template."""
    spec = objects.spec(found)
    yield from common(f"{path}.spec", spec)
    if spec.get("selector") is not None:
        shown = internal.selector(spec["selector"])
        yield fields.invalid(f"{path}.spec.selector", shown, "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        at = f"{path}.spec.manualSelector"
        yield fields.not_supported(at, spec["manualSelector"], ("nil", "false"), in_order=True)


def common(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of what Jobs and job templates have in common."""
    for name in _NOT_NEGATIVE:
        yield from workload.not_negative(f"{path}.{name}", spec.get(name))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield fields.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    manager = spec.get("managedBy")
    if manager is not None:
        yield from metadata.domain_prefixed_path(f"{path}.managedBy", manager)
        if len(manager) > _LONGEST_MANAGER:
            yield fields.too_long(f"{path}.managedBy", _LONGEST_MANAGER)
    yield from _mode(path, spec)
    if spec.get("podFailurePolicy") is not None:
        yield from policies.pod_failure(f"{path}.podFailurePolicy", spec)
    if spec.get("successPolicy") is not None:
        if spec.get("completionMode") != "Indexed":
            shown = internal.value_of("SuccessPolicy", spec["successPolicy"])
            yield fields.invalid(f"{path}.successPolicy", shown, "requires indexed completion mode")
        else:
            yield from policies.success(f"{path}.successPolicy", spec)
    replacement = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if replacement is not None and replacement not in allowed:
        yield fields.not_supported(f"{path}.podReplacementPolicy", replacement, allowed)
    found = spec.get("template") or {}
    yield from validation.template(f"{path}.template", found)
    yield from _restart(f"{path}.template.spec.restartPolicy", objects.spec(found).get("restartPolicy", ""), spec)


def _mode(path: str, spec: Obj) -> Iterator[Cause]:
    mode, per_index, most = (spec.get(n) for n in ("completionMode", "backoffLimitPerIndex", "maxFailedIndexes"))
    if mode is not None and mode not in ("NonIndexed", "Indexed"):
        yield fields.not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"), in_order=True)
    if mode == "Indexed":
        yield from _indexed(path, spec)
    if mode in (None, "NonIndexed"):
        for name, value in (("backoffLimitPerIndex", per_index), ("maxFailedIndexes", most)):
            if value is not None:
                yield fields.invalid(f"{path}.{name}", value, "requires indexed completion mode")


def _indexed(path: str, spec: Obj) -> Iterator[Cause]:
    completions, parallelism, failed = (spec.get(n) for n in ("completions", "parallelism", "maxFailedIndexes"))
    most = "must be less than or equal to"
    if completions is None:
        yield fields.required(f"{path}.completions", "when completion mode is Indexed")
    if (parallelism or 0) > _INDEXED_LIMIT:
        why = f"{most} {_INDEXED_LIMIT} when completion mode is Indexed"
        yield fields.invalid(f"{path}.parallelism", parallelism, why)
    if completions is not None and failed is not None and failed > completions:
        yield fields.invalid(f"{path}.maxFailedIndexes", failed, f"{most} completions")
    if (failed or 0) > _INDEXED_LIMIT:
        yield fields.invalid(f"{path}.maxFailedIndexes", failed, f"{most} {_INDEXED_LIMIT}")
    if (completions or 0) <= _INDEXED_LIMIT or spec.get("backoffLimitPerIndex") is None:
        return
    why = f"when completions are above {_INDEXED_LIMIT} and used with backoff limit per index"
    if failed is None:
        at = f"{path}.maxFailedIndexes"
        yield fields.required(at, f"must be specified when completions is above {_INDEXED_LIMIT}")
    if (parallelism or 0) > _HIGH_LIMIT:
        yield fields.invalid(f"{path}.parallelism", parallelism, f"{most} {_HIGH_LIMIT} {why}")
    if (failed or 0) > _HIGH_LIMIT:
        yield fields.invalid(f"{path}.maxFailedIndexes", failed, f"{most} {_HIGH_LIMIT} {why}")


def _restart(path: str, policy: str, spec: Obj) -> Iterator[Cause]:
    if policy in ("", "Always"):
        yield fields.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield fields.not_supported(path, policy, ("OnFailure", "Never"), in_order=True)
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield fields.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def warned(path: str, spec: Obj) -> Iterable[str]:
    """Warnings about a Job's spec, or a job template's."""
    many = (spec.get("completions") or 0) > _INDEXED_LIMIT and (spec.get("parallelism") or 0) > _HIGH_LIMIT
    if spec.get("completionMode") == "Indexed" and many:
        yield (
            f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
            "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
        )
    yield from warnings.of_template(f"{path}.template", spec.get("template") or {})
