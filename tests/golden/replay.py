"""Replaying one scenario against a cluster.

The steps run in order in a fresh namespace. A read (or a command that changed nothing when recorded) whose answer
differs is repeated for a second. A step that cannot be sent, a wait that times out, and a step skipped after a note are
reported as what they are and never count as matched.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tests.golden import inputs
from tests.golden.alternatives import readings
from tests.golden.compare import Worlds, best, compare, compare_body
from tests.golden.conditions import find, holds
from tests.golden.connection import Answer, Connection
from tests.golden.kubectl import RECORDED, Kubectl, Ran, Session, explained, older_failure, older_texts, without_extras
from tests.golden.placeholders import Diff, Unbound
from tests.golden.repeat import repeated
from tests.golden.scenario import Scenario, Step, kind_of, seconds, title
from tests.golden.settling import changes_nothing, may_still_move
from tests.golden.surroundings import FIRST_POLL, LAST_POLL, NO_ANSWER, fresh, poll, send
from tests.golden.text import compare_text
from tests.golden.values import CannotSend, Values
from tests.golden.watching import Watching

Outcome = Literal["matched", "differs", "not run", "skipped"]
_SETTLES = 1.0
"""Seconds a read that differs is repeated: the recorder's polls were far apart, so what it read next had settled."""
_ACT_WITHIN = 60.0
"""Seconds for the effect of a note's act."""
_LEARNS = re.compile(r"the (?:proxy|resolver|kubelet) learns of ")


@dataclass(frozen=True)
class StepResult:
    """What became of one step. `counts` is False for waits and repeats: they have no id and no place in the total."""

    id: str
    what: str
    outcome: Outcome
    diffs: tuple[Diff, ...] = ()
    note: str = ""
    counts: bool = True


@dataclass
class FileResult:
    """What became of one scenario."""

    name: str
    total: int
    steps: list[StepResult] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def matched(self) -> int:
        return sum(step.counts and step.outcome == "matched" for step in self.steps)

    @property
    def failures(self) -> list[StepResult]:
        return [step for step in self.steps if step.outcome != "matched"]

    @property
    def passed(self) -> bool:
        return not self.failures and self.matched == self.total


@dataclass(frozen=True)
class Options:
    """`max_wait` caps the recorded time limits of waits (s); `until` stops after the step of that id.

    `learns_within` caps pauses made for the proxy, the resolver or the kubelet to hear of a change (s), for a cluster
    whose parts do so sooner than the recorded one's. Pauses that show that nothing happens are kept.
    """

    max_wait: float | None = None
    until: str | None = None
    learns_within: float | None = None
    forgive_kubectl_version: bool = False
    on_note: Callable[[str], None] = lambda _: None


class Replay:
    """One run of one scenario. `folder` is an empty directory for kubectl; `kubectl` is None where there is none."""

    def __init__(
        self,
        scenario: Scenario,
        kubeconfig: Path,
        kubectl: Kubectl | None,
        folder: Path,
        options: Options | None = None,
    ) -> None:
        self._scenario, self._options = scenario, options or Options()
        self._api = Connection(kubeconfig)
        self._kubectl = kubectl
        self._session = Session(kubectl, kubeconfig, folder) if kubectl else None
        self._values = Values(scenario, self._api)
        self._watches: dict[str, Watching] = {}
        self._unopened: dict[str, str] = {}
        self._listed: dict[str, str] = {}  # id of a watch -> resourceVersion of the list it started from
        self._by_id = {step["id"]: step for step in scenario.steps if "id" in step}

    def run(self) -> FileResult:
        """Run every step. Raises RuntimeError when the namespace cannot be made, OSError when nothing answers."""
        started = time.monotonic()
        result = FileResult(self._scenario.name, self._scenario.counted)
        with contextlib.closing(self._api), fresh(self._scenario, self._api):
            try:
                for step in self._results():
                    result.steps.append(step)
                    if self._options.until is not None and step.id == self._options.until:
                        break
            finally:
                for watch in self._watches.values():
                    watch.finish()
        result.seconds = time.monotonic() - started
        return result

    # --- the steps ---------------------------------------------------------------------------------------------------

    def _results(self) -> Iterator[StepResult]:
        opening = self._opening()
        skipping = ""
        for index, step in enumerate(self._scenario.steps):
            kind = kind_of(step)
            for watch in opening.get(index, []) if kind == "note" or not skipping else ():
                try:
                    self._open_watch(watch)
                except (CannotSend, Unbound, *NO_ANSWER) as error:
                    self._unopened[watch["id"]] = f"{type(error).__name__}: {error}"  # the watch step reports it
            if kind == "note":
                skipping = self._note(step["note"])
                continue
            if skipping:
                if "id" in step:
                    yield StepResult(step["id"], title(step), "skipped", note=f"after the note {skipping!r}")
                continue
            result = self._one(kind, step)
            if result:
                yield result

    def _one(self, kind: str, step: Step) -> StepResult | None:
        if kind == "pause":
            time.sleep(self._pause(step))
            return None
        run = {
            "rest": self._rest,
            "kubectl": self._run_kubectl,
            "watch": self._watch,
            "wait": self._wait,
            "repeat": self._repeat,
        }[kind]
        counts = "id" in step
        name = step.get("id", kind)
        try:
            result = run(step)
        except (CannotSend, Unbound) as error:
            why = f"no value is known for {error}" if isinstance(error, Unbound) else str(error)
            result = StepResult(name, title(step), "not run", note=why)
        except NO_ANSWER as error:
            result = StepResult(name, title(step), "differs", note=f"no answer: {type(error).__name__}: {error}")
        except subprocess.TimeoutExpired:
            result = StepResult(name, title(step), "differs", note="kubectl did not end within two minutes")
        return replace(result, counts=counts)

    def _pause(self, step: Step) -> float:
        """Seconds."""
        recorded, cap = seconds(step["pause"]), self._options.learns_within
        return recorded if cap is None or not _LEARNS.match(step.get("why", "")) else min(recorded, cap)

    def _settle(self, step: Step, worlds: Worlds, note: str = "") -> StepResult:
        """Go on with the worlds that explain the answer best."""
        kept = best(worlds)
        diffs = kept[0].diffs
        self._values.worlds = [world.next_answer() for world in kept]
        return StepResult(step["id"], title(step), "differs" if diffs else "matched", diffs, note)

    def _rest(self, step: Step) -> StepResult:
        made = inputs.BODIES.get((self._scenario.name, step["id"]))
        body = made() if made else step.get("body")
        sent = self._values.filled(
            step, {"path": step["path"], "query": step.get("query"), "headers": step.get("headers")}
        )
        headers = dict(sent["headers"] or {})
        payload = None
        if body is not None:
            filled = self._values.filled(step, body)
            payload = inputs.expand(filled if isinstance(filled, str) else json.dumps(filled))
            headers["Content-Type"] = step.get("contentType", "application/json")
        if step.get("accept"):
            headers["Accept"] = step["accept"]
        deadline, pause = time.monotonic() + min(_SETTLES, self._options.max_wait or _SETTLES), FIRST_POLL
        while True:
            answer = self._api.request(
                step["method"],
                sent["path"],
                query=sent["query"],
                headers=headers,
                body=payload,
                anonymous=bool(step.get("anonymous")),
            )
            worlds, why = self._compare_answer(step, answer)
            moves = may_still_move(step, sent["query"], answer) and all(world.diffs for world in worlds)
            if not moves or time.monotonic() >= deadline:
                self._values.note_answer(step["id"], answer.body)
                return self._settle(step, worlds, f"known difference: {why}" if why else "")
            time.sleep(pause)
            pause = min(pause * 1.5, LAST_POLL)

    def _compare_answer(self, step: Step, answer: Answer) -> tuple[Worlds, str]:
        """The worlds after an answer, and why one that is not the recorded one is right ("" otherwise)."""
        found: list[Worlds] = []
        for golden, why in readings(self._scenario.name, step):
            found.append(best(self._compared_answer(golden, answer)))
            if not found[-1][0].diffs:
                return found[-1], why
        return found[0], ""

    def _compared_answer(self, step: Step, answer: Answer) -> Worlds:
        golden = step["response"]
        worlds = []
        for world in self._values.worlds:
            if answer.code != golden["code"]:
                world = world.differs("code", golden["code"], answer.code)
            if answer.warnings != (golden.get("warnings") or []):
                world = world.differs("warnings", golden.get("warnings") or [], answer.warnings)
            if "body" not in golden:
                worlds.append(world)
            elif isinstance(golden["body"], str) and isinstance(answer.body, str):
                args = ["-o", "yaml"] if "yaml" in step.get("accept", "") else []
                worlds += compare_text(golden["body"], answer.body, world, "body", args)
            else:
                worlds += compare_body(golden["body"], answer.body, world, step["path"])
        return worlds

    # --- kubectl -----------------------------------------------------------------------------------------------------

    def _run_kubectl(self, step: Step) -> StepResult:
        if self._kubectl is None or self._session is None:
            raise CannotSend("there is no kubectl on this machine")
        sent = self._values.filled(step, {"args": step["args"], "stdin": step.get("stdin"), "files": step.get("files")})
        instead = inputs.ARGUMENTS.get((self._scenario.name, step["id"]), {})
        sent["args"] = [instead.get(argument, argument) for argument in sent["args"]]
        self._session.write(sent["files"] or {})
        if awaited := inputs.AWAITED.get((self._scenario.name, step["id"])):
            self._has_effect(awaited)
        deadline = time.monotonic() + min(_SETTLES, self._options.max_wait or _SETTLES)
        while True:
            worlds, reasons, code = self._ran_once(step, sent)
            moves = changes_nothing(step) and code == step["exit"] and all(world.diffs for world in worlds)
            if not moves or time.monotonic() >= deadline:
                return self._judged(step["args"], self._settle(step, worlds), reasons)
            time.sleep(LAST_POLL)

    def _ran_once(self, step: Step, sent: Any) -> tuple[Worlds, list[str], int]:
        """The worlds after running a command, why differences in it are forgiven, and its exit code."""
        assert self._session is not None
        assert self._kubectl is not None
        beside = [other["cmd"] for other in step.get("background") or []]
        streams: list[tuple[str, dict[str, Any], Ran]] = []
        if beside:
            greetings = max(1, step["stdout"].count("Forwarding from "))
            ran, others = self._session.run_beside(sent["args"], beside, step["exit"], greetings)
            for golden, other in zip(step["background"], others, strict=True):
                streams.append((f"$ {golden['cmd']}: ", golden, other))
        else:
            ran = self._session.run(sent["args"], sent["stdin"])
        streams.insert(0, ("", step, ran))
        args, before = step["args"], self._values.worlds
        found: list[tuple[Worlds, list[str]]] = []
        for golden, why in readings(self._scenario.name, step):
            streams[0] = "", golden, ran
            worlds, reasons = self._compared(before, streams, args), [why] if why else []
            if worlds[0].diffs and self._options.forgive_kubectl_version and not self._kubectl.is_recorded:
                streams[0], older = self._as_printed_by_an_older(golden, ran)
                worlds, reasons = self._compared(before, streams, args) if older else worlds, reasons + older
            if not worlds[0].diffs:
                return worlds, reasons, ran.exit
            found.append((worlds, reasons))
        return *found[0], ran.exit

    def _as_printed_by_an_older(self, step: Step, ran: Ran) -> tuple[tuple[str, dict[str, Any], Ran], list[str]]:
        assert self._kubectl is not None
        if failure := older_failure(self._kubectl, step["args"]):
            failed = {**step, "stdout": "", "stderr": failure.stderr, "exit": 1}
            return ("", failed, ran), [failure.reason]
        stdout, first = older_texts(self._kubectl, step["args"], step["stdout"])
        stderr, second = older_texts(self._kubectl, step["args"], step["stderr"])
        out, third = without_extras(self._kubectl, step["args"], step["stdout"], ran.stdout)
        err, fourth = without_extras(self._kubectl, step["args"], step["stderr"], ran.stderr)
        changed = "", {**step, "stdout": stdout, "stderr": stderr}, replace(ran, stdout=out, stderr=err)
        return changed, list(dict.fromkeys(first + second + third + fourth))

    def _compared(self, worlds: Worlds, streams: list[tuple[str, dict[str, Any], Ran]], args: list[str]) -> Worlds:
        for prefix, golden, seen in streams:
            worlds = [
                w if seen.exit == golden["exit"] else w.differs(f"{prefix}exit", golden["exit"], seen.exit)
                for w in worlds
            ]
            for name, text in (("stdout", seen.stdout), ("stderr", seen.stderr)):
                worlds = best(
                    after for w in worlds for after in compare_text(golden[name], text, w, prefix + name, args)
                )
        return worlds

    def _judged(self, args: list[str], result: StepResult, reasons: list[str]) -> StepResult:
        """Say so when the kubectl at hand is not the recorded one; forgive known differences when asked to.

        `reasons` are those for which the recorded text was changed before the comparison.
        """
        assert self._kubectl is not None
        if result.outcome == "matched":
            return replace(result, note=f"known difference: {'; '.join(reasons)}") if reasons else result
        if self._kubectl.is_recorded:
            return result
        note = f"kubectl is {self._kubectl.version}, the recording's {RECORDED}: part of this may be kubectl's own"
        if self._options.forgive_kubectl_version and (known := explained(args, result.diffs)):
            return replace(result, outcome="matched", diffs=(), note=f"known difference: {'; '.join(reasons + known)}")
        return replace(result, note=note)

    # --- watches, waits, repeats, notes ------------------------------------------------------------------------------

    def _opening(self) -> dict[int, list[Step]]:
        """Which watches open before which step: before the first of those that run meanwhile; where none do, before
        the act that it shows the effect of."""
        at = {step["id"]: index for index, step in enumerate(self._scenario.steps) if "id" in step}
        opening: dict[int, list[Step]] = {}
        act = None
        for index, step in enumerate(self._scenario.steps):
            if step.get("note") in inputs.ACTS:
                act = index
            if kind_of(step) == "watch":
                alone = index if act is None else act
                first = min([at[name] for name in step["during"] if name in at], default=alone)
                opening.setdefault(first, []).append(step)
        return opening

    def _open_watch(self, step: Step) -> None:
        query = dict(step["query"])
        if query.get("resourceVersion") == "<rv>":
            query["resourceVersion"] = self._listed[step["id"]] = self._rv_to_watch(step)
        sent = self._values.filled(step, {"path": step["path"], "query": query})
        headers = {"Accept": step["accept"]} if step.get("accept") else None
        stream = self._api.stream(sent["path"], query=sent["query"], headers=headers)
        limit = float(query.get("timeoutSeconds", "60")) + 10.0
        right = [golden["response"]["events"] for golden, _ in readings(self._scenario.name, step)]
        self._watches[step["id"]] = Watching(stream, min(right, key=len), limit)

    def _rv_to_watch(self, step: Step) -> str:
        earlier = inputs.RV_OF_EARLIER_WATCH.get((self._scenario.name, step["id"]))
        if earlier:
            if earlier not in self._listed:
                raise CannotSend(f"the watch {earlier} it refers to did not run")
            return self._listed[earlier]
        answer = self._api.request("GET", self._values.filled(step, step["path"]))
        rv = find(answer.body, ".metadata.resourceVersion")
        if not rv:
            raise CannotSend(f"the list to watch from has no resourceVersion (code {answer.code})")
        return str(rv)

    def _watch(self, step: Step) -> StepResult:
        watching = self._watches.pop(step["id"], None)
        if watching is None:
            raise CannotSend(f"the watch could not be opened: {self._unopened.get(step['id'])}")
        events = watching.finish()
        found: list[tuple[Worlds, str]] = []
        for golden, why in readings(self._scenario.name, step):
            worlds = []
            for world in self._values.worlds:
                if watching.code != golden["response"]["code"]:
                    world = world.differs("code", golden["response"]["code"], watching.code)
                worlds += compare(golden["response"]["events"], events, world, ".events")
            found.append((worlds, f"known difference: {why}" if why else ""))
        worlds, note = next((one for one in found if any(not world.diffs for world in one[0])), found[0])
        return self._settle(step, worlds, note)

    def _wait(self, step: Step) -> StepResult:
        wait = step["wait"]
        until = wait["until"] if isinstance(wait["until"], list) else [wait["until"]]
        sent = self._values.filled(wait, {"path": wait["path"], "query": wait.get("query"), "until": until})
        limit = seconds(wait["timeout"])
        if self._options.max_wait is not None:
            limit = min(limit, self._options.max_wait)
        met, answer = poll(self._api, sent["path"], sent["until"], limit, sent["query"])
        if met:
            return StepResult("wait", title(step), "matched")
        unmet = [text for text in sent["until"] if not holds(text, answer.code, answer.body)]
        diff = Diff(sent["path"], f"within {limit:g} s: {', '.join(unmet)}", answer.body)
        return StepResult("wait", title(step), "differs", (diff,))

    def _repeat(self, step: Step) -> StepResult:
        calls = list(repeated(step["repeat"], self._by_id))
        if not calls:
            raise CannotSend("nothing to repeat")
        wrong = []
        for call, code in calls:
            answer = send(self._api, call.method, call.path, call.body, call.content_type)
            if answer.code != code:
                wrong.append(Diff(f"{call.method} {call.path} code", code, (answer.code, answer.body)))
        return StepResult("repeat", title(step), "differs" if wrong else "matched", tuple(wrong[:1]))

    def _note(self, text: str) -> str:
        """Do what a note tells when the API can; otherwise the text, after which steps are skipped."""
        self._options.on_note(text)
        act = inputs.ACTS.get(text)
        if act is None:
            return text
        call = act.call
        if call is None:
            return "" if self._in_every_pod(act.command) else text
        path = call.path.format(namespace=self._scenario.namespace)
        answer = send(self._api, call.method, path, call.body, call.content_type)
        done = answer.code < 400
        return "" if done and (not act.until or self._has_effect(act)) else text

    def _has_effect(self, act: inputs.Act) -> bool:
        """Wait until what the act is for is there, but not for long."""
        path = act.path.format(namespace=self._scenario.namespace)
        query = dict([act.query.split("=", 1)]) if act.query else None
        done, _ = poll(self._api, path, list(act.until), _ACT_WITHIN, query)
        return done

    def _in_every_pod(self, command: tuple[str, ...]) -> bool:
        """Run a command in each pod of the namespace; whether that could be done."""
        namespace = self._scenario.namespace
        listed = self._api.request("GET", f"/api/v1/namespaces/{namespace}/pods").body
        names = [pod["metadata"]["name"] for pod in listed.get("items", ())]
        if self._session is None:
            return False
        ran = [self._session.run(["exec", name, "-n", namespace, "--", *command], None) for name in names]
        return bool(ran) and all(one.exit == 0 for one in ran)
