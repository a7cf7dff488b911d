"""The oracle: whether a mutant still does what the lab asks, by what it does. It knows neither tasks nor graders.

Asked for is what is the same in the solution and in every alternative, and either differs from the start or would, when
it changes, break what worked (fact.py: strong). What alternatives do differently is their authors' choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from kindlab import states
from kindlab.api import Api
from kindlab.labs import Lab
from kindlab.mutate import cast, facts
from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import Scene

Print = dict[str, tuple[str, bool]]
"""A fingerprint: key of a fact -> (value, strong)."""
GONE = "nothing of the kind"


def dimensions() -> list[str]:
    """The modules of facts/, in the order in which they look."""
    found = [f"{facts.__name__}.{module.name}" for module in iter_modules(facts.__path__)]
    return sorted(found, key=lambda name: (import_module(name).ORDER, name))


def fingerprint(api: Api, lab: Lab) -> Print:
    """What can be found out about what is in the lab's namespaces now; Pods are replaced by it. Raises CouldNotGrade,
    ApiError."""
    scene = Scene(api, cast.of(lab))
    scene.settle()
    return dict((fact.key, (fact.value, fact.strong)) for fact in _looked(scene))


def _looked(scene: Scene) -> Iterator[Fact]:
    for name in dimensions():
        yield from import_module(name).LOOK(scene)


def asked(solution: Print, again: Print, alternatives: Iterable[Print], start: Print) -> dict[str, str]:
    """What the lab asks for: key -> value. `again`: the solution's fingerprint taken a second time, on another
    cluster: what differs from time to time is nothing to go by."""
    rest = list(alternatives)
    found = {}
    for key, (value, strong) in solution.items():
        if any(other.get(key, (GONE, strong))[0] != value for other in (again, *rest)):
            continue
        if strong or start.get(key, (GONE, strong))[0] != value:
            found[key] = value
    return found


def lost(wanted: Mapping[str, str], seen: Print) -> list[tuple[str, str, str]]:
    """(what, as it should be, as it is) of everything that is asked for and not so."""
    return [
        (key, value, seen.get(key, (GONE, True))[0])
        for key, value in wanted.items()
        if seen.get(key, (GONE, True))[0] != value
    ]


def brought_about(api: Api, state: states.State) -> Print:
    """The fingerprint of an answer, brought about first. Raises Problem, CouldNotGrade, ApiError."""
    from kindlab import labs

    states.bring_about(state, api)
    return fingerprint(api, labs.find(state.lab))
