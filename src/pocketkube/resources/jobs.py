"""Jobs.

Models pkg/registry/batch/job, pkg/apis/batch (defaults, ValidateJob*) and the printer; the rules are in job_spec.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pocketkube import duration, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import workload
from pocketkube.resources.base import Column, DeleteOptions, Resource
from pocketkube.resources.columns import AGE, NAME, age, containers, described, selector_text, since
from pocketkube.resources.job_spec import defaults, status, updates, validation

_SHOWN = ("Complete", "Failed", "", "Suspended", "FailureTarget", "SuccessCriteriaMet")
"""Conditions a Job is said to be in, the first that is true; the empty one: Terminating."""


class RESOURCE(Resource):
    group = "batch"
    kind = "Job"
    plural = "jobs"
    categories = ("all",)
    has_status = True
    bumps_generation = True
    default_propagation = "Orphan"
    columns = described(
        "jobs",
        NAME,
        Column("Status"),
        Column("Completions"),
        Column("Duration"),
        AGE,
        Column("Containers", priority=1),
        Column("Images", priority=1),
        Column("Selector", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, found = objects.spec(obj), objects.status(obj)
        of = spec.get("completions")
        if of is None:
            parallelism = spec.get("parallelism", 0)
            of = f"1 of {parallelism}" if parallelism > 1 else 1
        start, end = found.get("startTime"), found.get("completionTime")
        took = ""
        if start and end:
            took = duration.human(duration.seconds_between(start, end))
        elif start:
            took = since(self.world.clock, start)
        return [
            objects.name(obj),
            _state(obj),
            f"{found.get('succeeded', 0)}/{of}",
            took,
            age(self.world.clock, obj),
            *containers(objects.dig(spec, "template", "spec", default={})),
            selector_text(spec.get("selector")),
        ]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        return {**super().fields(obj), "status.successful": str(objects.status(obj).get("succeeded", 0))}

    def default(self, obj: Obj) -> None:
        defaults.job(obj)

    def prepare_create(self, obj: Obj) -> None:
        if not obj["spec"]["manualSelector"]:
            defaults.generate_selector(obj)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from validation.job(obj)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from updates.validate(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from status.validate(new, old)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        if old is None:
            yield from workload.name_warned(new)
        elif new["metadata"].get("generation") == old["metadata"].get("generation"):
            return
        yield from validation.warned("spec", objects.spec(new))

    def delete_warnings(self, options: DeleteOptions) -> Iterable[str]:
        if options.propagation_policy is None and options.orphan_dependents is None:
            yield (
                "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove "
                "them or set propagationPolicy=Orphan to suppress this warning"
            )


def _state(obj: Obj) -> str:
    for type_ in _SHOWN:
        if status.is_true(obj, type_) if type_ else objects.is_terminating(obj):
            return type_ or "Terminating"
    return "Running"
