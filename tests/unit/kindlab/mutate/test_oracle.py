"""What a lab asks for, by what its own answers do, and what graders make of mutants."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from kindlab import labs, steps
from kindlab.api import Api, Obj
from kindlab.errors import Problem
from kindlab.mutate import accepted, mutants, oracle, trial
from kindlab.mutate.cast import Cast
from kindlab.mutate.facts import followed
from kindlab.mutate.mutants import Mutant
from kindlab.mutate.oracle import Print
from kindlab.mutate.scene import Answer, Scene
from kindlab.mutate.trial import Graded, Trial
from kindlab.mutate.verdict import Outcome, Tried, Verdict, judged, lines
from kindlab.states import State

YES, MORE = True, False
LOST = [("http://web", "web", "nobody")]
FAILS = [("test_web", "an answer", "silence")]


def asked(solution: Print, *alternatives: Print, start: Print | None = None, again: Print | None = None) -> set[str]:
    return set(oracle.asked(solution, again or solution, alternatives, start or {}))


def test_what_all_right_answers_do_is_asked_for() -> None:
    assert asked({"a": ("1", YES)}, {"a": ("1", YES)}) == {"a"}


def test_what_they_do_differently_or_not_at_all_is_not() -> None:
    assert asked({"a": ("1", YES), "b": ("1", YES)}, {"a": ("2", YES)}) == set()


def test_what_worked_at_the_start_must_go_on_working() -> None:
    assert asked({"a": ("1", YES)}, {"a": ("1", YES)}, start={"a": ("1", YES)}) == {"a"}


def test_but_a_number_is_asked_for_only_where_it_must_change() -> None:
    same: Print = {"pods": ("2", MORE)}
    assert asked(same, same, start=same) == set()
    assert asked(same, same, start={"pods": ("1", MORE)}) == {"pods"}
    assert asked(same, same, start={}) == {"pods"}


def test_what_differs_from_time_to_time_is_nothing_to_go_by() -> None:
    assert asked({"a": ("1", YES)}, {"a": ("1", YES)}, again={"a": ("2", YES)}) == set()


def test_what_is_lost_says_what_is_there_instead() -> None:
    wanted = {"a": "1", "b": "1", "c": "1"}
    seen: Print = {"a": ("1", YES), "b": ("2", YES), "more": ("9", YES)}
    assert oracle.lost(wanted, seen) == [("b", "1", "2"), ("c", "1", oracle.GONE)]


def mutant(name: str = "port:web.yaml:Service/web:spec.ports[0].port=81") -> Mutant:
    return Mutant("02-services", name, "port", "web.yaml", "Service/web", "spec.ports[0].port", "80", "81", "text")


@pytest.mark.parametrize(
    ("lost", "failed", "ungraded", "why", "verdict"),
    [
        (LOST, FAILS, "", "", Verdict.CAUGHT),
        (LOST, [], "", "", Verdict.MISSED),
        ([], [], "", "", Verdict.PASSED),
        ([], FAILS, "", "", Verdict.WRONGLY_FAILED),
        (LOST, [], "test_x: broke", "", Verdict.NOT_GRADED),
        (LOST, FAILS, "test_x: broke", "", Verdict.CAUGHT),
        (LOST, [], "", "nobody asks", Verdict.ACCEPTED),
        ([], FAILS, "", "the text says so", Verdict.ACCEPTED),
        (LOST, FAILS, "", "nobody asks", Verdict.CAUGHT),
    ],
)
def test_verdicts(lost: Any, failed: Any, ungraded: str, why: str, verdict: Verdict) -> None:
    assert judged(mutant(), lost, failed, ungraded, why).verdict is verdict


def outcome(*verdicts: Verdict, stale: list[str] | None = None) -> Outcome:
    return Outcome("02-services", [Tried(mutant(), one) for one in verdicts], stale or [])


def test_a_grader_is_good_from_nineteen_of_twenty() -> None:
    assert outcome(*[Verdict.CAUGHT] * 19, Verdict.MISSED).ok
    assert not outcome(*[Verdict.CAUGHT] * 18, Verdict.MISSED).ok
    assert outcome(Verdict.PASSED, Verdict.REFUSED, Verdict.ACCEPTED).ok  # nothing harmful: nothing missed


@pytest.mark.parametrize("bad", [Verdict.WRONGLY_FAILED, Verdict.NOT_GRADED])
def test_and_fails_no_harmless_one(bad: Verdict) -> None:
    assert not outcome(*[Verdict.CAUGHT] * 99, bad).ok


def test_a_stale_entry_is_to_be_mended() -> None:
    assert not outcome(Verdict.CAUGHT, stale=["'x' means no mutant"]).ok


def test_what_is_printed_says_the_difference_in_words() -> None:
    missed = Tried(mutant(), Verdict.MISSED, (("http://web", "answered by web", "silence"),))
    text = "\n".join(lines(Outcome("02-services", [missed])))
    assert "harmful, missed: web.yaml: Service/web spec.ports[0].port: 80 -> 81" in text
    assert "http://web: should be answered by web; is silence" in text
    assert "1 mutants: 1 harmful, missed; 0.0% caught" in text
    assert Outcome("02-services", [missed]).to_json()["share_caught"] == 0


# -- mutants.toml


def lab_with(folder: Path, text: str) -> labs.Lab:
    from dataclasses import replace

    (folder / accepted.FILE).write_text(text)
    return replace(labs.find("02"), folder=folder)


def test_brackets_in_ids_stand_for_themselves(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, '[[accept]]\nmutant = "port:web.yaml:*ports[0].port=*"\nwhy = "nobody asks"\n')
    (entry,) = accepted.of(lab)
    assert entry.holds(mutant())
    assert not entry.holds(mutant("port:web.yaml:Service/web:spec.ports[1].port=81"))
    assert accepted.reason([entry], mutant()) == "nobody asks"
    assert accepted.stale([entry], [mutant()]) == []
    assert "means no mutant" in accepted.stale([entry], [])[0]


@pytest.mark.parametrize(
    "text", ["[[accept]]\nmutant = 'x'\n", "[[accept]]\nmutant = 'x'\nwhy = ' '\n", "acept = []\n", "accept = 3\n", "["]
)
def test_an_entry_without_a_reason_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Problem, match=r"mutants.toml is not usable"):
        accepted.of(lab_with(tmp_path, text))


# -- a mutant on a cluster


class Cluster:
    """Fingerprints and gradings as they come, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, prints: list[Print], graded: list[Graded]) -> None:
        self.prints, self.graded = prints, graded
        monkeypatch.setattr(trial, "_seen", lambda *_: self.prints.pop(0))
        monkeypatch.setattr(trial, "_graded", lambda *_: self.graded.pop(0))

    def run(self) -> trial.Known:
        real = mutants.of(labs.find("02"))[0]
        return trial.run(cast(Api, None), Trial(real, {"a": "1", "b": "1"}))


def seen(**facts: str) -> Print:
    return {key: (value, True) for key, value in facts.items()}


def test_what_is_lost_by_chance_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, [seen(a="2", b="2"), seen(a="1", b="2")], [Graded(())])
    known = cluster.run()
    assert known.seen is not None
    assert [key for key, _, _ in oracle.lost({"a": "1", "b": "1"}, known.seen)] == ["b"]


def test_a_check_that_fails_by_chance_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [Graded((("test_a", "", ""), ("test_b", "", ""))), Graded((("test_b", "", ""),))]
    known = Cluster(monkeypatch, [seen(a="1", b="1")], twice).run()
    assert known.graded == Graded((("test_b", "", ""),))


def test_where_both_agree_nothing_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(monkeypatch, [seen(a="1", b="2")], [Graded((("test_b", "", ""),))])
    cluster.run()
    assert not cluster.prints
    assert not cluster.graded


def test_what_the_api_refuses_is_no_mutant(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Print:
        raise Problem(f"service/web {trial.REFUSED}.", "spec.ports: Required value", "Correct the file.")

    cluster = Cluster(monkeypatch, [], [])
    monkeypatch.setattr(trial, "_seen", refuse)
    assert "Required value" in cluster.run().refused


def test_what_breaks_for_another_reason_is_not_taken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> Print:
        raise Problem("The cluster does not answer.", "", "")

    cluster = Cluster(monkeypatch, [], [])
    monkeypatch.setattr(trial, "_seen", breaks)
    with pytest.raises(Problem, match="does not answer"):
        cluster.run()


def test_a_wait_for_what_never_comes_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[tuple[str, ...]] = []

    def bring_about(state: State, api: Api) -> None:
        orders.append(state.order)
        if "wait Job/move" in state.order:
            raise steps.Late("wait Job/move", 60, "There is none.")
        if "scale Deployment/web 0" in state.order:
            raise steps.Late("scale Deployment/web 0", 60, "There is 1 Pod.")

    monkeypatch.setattr(trial.states, "bring_about", bring_about)
    state = State("14", "x", (), frozenset(), order=("apply a.yaml", "wait Job/move", "apply b.yaml"))
    trial._bring_about(state, cast(Api, None))
    assert orders == [state.order, ("apply a.yaml", "apply b.yaml")]
    with pytest.raises(Problem, match="scale Deployment/web 0"):
        trial._bring_about(replace(state, order=("scale Deployment/web 0",)), cast(Api, None))


# -- a scene


class Namespace:
    """An API with a Deployment's Pod, a bare Pod and a Service."""

    def list(self, kind: str, space: str = "", **_: Any) -> list[Obj]:
        return {
            "ReplicaSet.apps": [{"metadata": {"name": "web-5d", "ownerReferences": [{"name": "web"}]}}],
            "Pod": [
                pod("web-5d-x7", "10.244.1.5", owner="web-5d"),
                pod("hello", "10.244.1.50"),
                pod("kindlab-probe", "10.244.1.6"),
            ],
            "Node": [],
            "Service": [{"metadata": {"name": "web", "namespace": "lab"}, "spec": {"clusterIP": "10.96.0.9"}}],
        }[kind]


def pod(name: str, address: str, owner: str = "") -> Obj:
    meta: Obj = {"name": name, "namespace": "lab", "uid": name}
    if owner:
        meta["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "controller": True}]
    return {"metadata": meta, "spec": {}, "status": {"podIPs": [{"ip": address}]}}


def test_pods_are_known_by_their_workloads() -> None:
    scene = Scene(cast(Api, Namespace()), Cast({"": "lab"}))
    assert set(scene.parties()) == {"web", "hello"}  # and not who asks for the grader


def test_texts_have_no_names_and_addresses_that_change() -> None:
    scene = Scene(cast(Api, Namespace()), Cast({"": "lab"}))
    said = "web-5d-x7 at 10.244.1.5:8080, hello at 10.244.1.50 behind 10.96.0.9, NOW: 2026-11-22 09:35:04.67 +0000 UTC"
    assert scene.plain(said) == (
        "<web> at <address of web>:8080, <hello> at <address of hello> behind <Service web>, NOW: <a time>"
    )


class Asking:
    """A scene after its Pods have been replaced: one Service that still finds somebody, one with an old address."""

    def __init__(self) -> None:
        self.cast, self.workers, self.apart = Cast({"": "lab"}), ["one"], "two"
        self.pods = [pod("web-5d-y8", "10.244.1.7", owner="web-5d")]
        self.services = [
            {"metadata": {"name": name, "namespace": "lab"}, "spec": {"ports": [{"port": 80}]}}
            for name in ("web", "fixed")
        ]

    @contextlib.contextmanager
    def strangers(self, guests: dict[str, Any]) -> Iterator[dict[str, Obj]]:
        yield {name: pod("kindlab-stranger-0", "10.244.1.8") for name in guests}

    def ask(self, asker: Obj, questions: dict[str, Any]) -> dict[str, list[Answer]]:
        return {at: [Answer(0, 200, "web-5d-y8")] if at.startswith("web:") else [Answer(28, 0, "")] for at in questions}

    def party(self, found: Obj) -> str:
        return "web"

    def plain(self, text: str) -> str:
        return text.replace("web-5d-y8", "<web>")


def test_a_service_with_an_old_address_is_known_when_its_pods_are_new() -> None:
    found = {fact.key: fact.value for fact in followed.look(cast(Scene, Asking()))}
    assert found == {
        "with new Pods, http://web:80 is answered by": "<web>",
        "with new Pods, http://web:80/ is answered by": "<web>",
        "with new Pods, http://fixed:80 is answered by": "silence",
        "with new Pods, http://fixed:80/ is answered by": "silence",
    }
