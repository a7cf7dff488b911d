"""What of a submission reaches the cluster. A submission is data, and nobody has looked at it: each object is compared
with what the lab lets a student hand in, what is not allowed is left out and said in words, and the rest is graded.

The rules are functions over one object, a module for each thing they are about. Pods, also those that are only a
template in something else, are held to the baseline profile of the Pod Security Standards
(https://kubernetes.io/docs/concepts/security/pod-security-standards/), here as well as on clusters that enforce it
themselves: not all do, and a student shall read the same on each.

Images are not looked at. The embedded cluster runs the few that it knows and pulls nothing; elsewhere an image runs
within what its Pod may do, which is what the rules are for, and a list of allowed images would refuse right answers.
`images` names them, for the instructor's notes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from kindlab.api import Obj
from kindlab.batch.fence import access, kinds, metadata, network, pods, sizes, storage
from kindlab.batch.fence.objects import Said, containers, label, pod_templates
from kindlab.batch.fence.shape import plain
from kindlab.batch.submission import Refused
from kindlab.checks import programs
from kindlab.labs import Lab

log = logging.getLogger(__name__)
Rule = Callable[[Lab, Obj], Iterator[Said]]
RULES: tuple[Rule, ...] = (
    *kinds.RULES,
    *metadata.RULES,
    *pods.RULES,
    *network.RULES,
    *storage.RULES,
    *access.RULES,
    *sizes.RULES,
)
SHARED: tuple[Rule, ...] = (*access.SHARED, *storage.SHARED)
"""On a cluster that is not thrown away afterwards."""


def checked(
    lab: Lab, objects_by_file: Mapping[str, Sequence[Obj]], *, shared: bool = False
) -> tuple[dict[str, list[Obj]], list[Refused]]:
    """(what is allowed, by file and in order, without what only the cluster writes; what is refused). `shared`: the
    cluster is not the submission's alone."""
    rules = RULES + (SHARED if shared else ())
    allowed: dict[str, list[Obj]] = {}
    refused: list[Refused] = []
    budget = sizes.Budget()
    for file, objects in objects_by_file.items():
        kept = allowed.setdefault(file, [])
        for raw in objects:
            said = sizes.shape(raw)
            obj = raw if said else metadata.tidied(plain(raw))
            said = said or _first(lab, obj, rules, budget)
            if said:  # the first thing that stands in the way: one to mend at a time
                refused.append(Refused(label(obj), said.why, said.then, file))
            else:
                kept.append(obj)
    return allowed, refused


def _first(lab: Lab, obj: Obj, rules: Iterable[Rule], budget: sizes.Budget) -> Said | None:
    """What stands in the way. A rule that stumbles over a shape that nobody has thought of lets nothing pass."""
    try:
        return next((one for rule in rules for one in rule(lab, obj)), None) or budget.over(obj)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        log.info("a rule stumbled over %s: %r", label(obj), error)
        return Said(
            "Its fields are not as the API has them: something that should be a text is a list or an object, or the "
            "other way round.",
            "Compare it with the lab's own files.",
        )


def images(objects: Iterable[Obj]) -> list[str]:
    """The images that the objects name, each once, sorted."""
    found = [c.get("image") for obj in objects for _, _, spec in pod_templates(obj) for c in containers(spec)]
    return sorted({image for image in found if isinstance(image, str) and image})


def covered(objects: Iterable[Obj]) -> list[str]:
    """What volumes are mounted over among the programs of a container, each once, sorted: checks that run commands
    there fail."""
    of_pods = (spec for obj in objects for _, _, spec in pod_templates(obj))
    return sorted({path for spec in of_pods for c in containers(spec) for path in programs.covered(c)})
