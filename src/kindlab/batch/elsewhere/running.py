"""The farm: what `kindlab grade` has done on this machine otherwise, done by the Pods of an Indexed Job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from kindlab import paths
from kindlab.api import Api, ApiError, Obj
from kindlab.batch.elsewhere import indexes, objects, parcels, place, pods
from kindlab.batch.elsewhere.hearing import heard
from kindlab.batch.elsewhere.order import Answer, Order
from kindlab.batch.graded import Graded
from kindlab.batch.submission import Submission
from kindlab.errors import Problem
from kindlab.farm import Finished

log = logging.getLogger(__name__)

Grading = Generator[Finished[Submission, Graded]]
PATIENCE = {"image": 20.0, "start": 20.0, "none": 45.0, "silent": 180.0, "place": 300.0}
"""Seconds for which no Pod at all may begin: its image or its start is refused, none is made (silent: and nobody says
why), none is placed."""
HOPELESS = 5
"""When the Pods of the first so many submissions hand nothing back, those of the others will not either."""
LOOK = 2.0
"""Seconds between two looks at the clock, where nothing is said."""
PRIVATE = 0o600


@dataclass(frozen=True)
class Where:
    """`namespace`: one that is there, "" for one of the run's own; `seconds`: for each submission; `evidence`: the
    folder where bundles are put; `course`: the digest of the lab here, which the image must have, too."""

    image: str
    course: str
    evidence: Path
    parallelism: int = 10
    namespace: str = ""
    seconds: float = 300.0


def grown(api: Api, where: Where) -> Callable[..., Grading]:
    """A farm (farm.run) whose work is done by Pods of the cluster of `api`; `work` only says what is to be done (it is
    given `grade`). Raises Problem where the cluster cannot do it; closing the generator removes all that was made."""

    def run(work: Callable[..., Any], submissions: Iterable[Submission]) -> Grading:
        items = dict(enumerate(submissions))
        if not items:
            return
        place.refuse_no_rights(api, where.namespace)
        name = place.new_name()
        longest = objects.seconds(len(items), where.parallelism, where.seconds)
        with place.made(api, where.namespace, name, longest + objects.KEPT) as namespace:
            job = _Job(api, where, name, namespace, items)
            try:
                yield from job.begin(work)
            except ApiError as error:
                raise _not_made(namespace, error) from error
            yield from job.collect()

    return run


@dataclass
class _Job:
    api: Api
    where: Where
    name: str
    namespace: str
    waiting: dict[int, Submission]
    """By index, those of which nothing has come back."""
    began: float = field(default_factory=monotonic)
    begun: bool = False
    """Some Pod of it has run."""
    lost: int | None = 0
    """Submissions of which nothing was handed back; None since something was."""
    seen: list[Obj] = field(default_factory=list)
    """Its Pods."""
    words: dict[int, str] = field(default_factory=dict)
    """How the Pods of an index ended, the last of them."""
    evidence: dict[str, str] = field(default_factory=dict)
    """Submission -> the file that its evidence is to be."""
    since: dict[str, float] = field(default_factory=dict)
    """When some Pod was first heard of in a trouble (pods.Trouble.what)."""

    # -- handing over

    def begin(self, work: Callable[..., Any]) -> Iterator[Finished[Submission, Graded]]:
        """Make all that is needed, and let it run. What cannot be handed over is finished."""
        where, labels = self.where, place.labels(self.name)
        longest = objects.seconds(len(self.waiting), where.parallelism, where.seconds)
        marks = {"labels": labels, "annotations": {place.SECONDS: str(longest + objects.KEPT)}}
        made = objects.job(self.name, marks, where.image, len(self.waiting), where.parallelism, where.seconds)
        uid = self.api.create(made, self.namespace)["metadata"]["uid"]
        meta = objects.owned_by(self.name, uid, labels)
        for one in objects.access(self.name, self.namespace, meta):
            self.api.create(one, self.namespace)
        for index, submission in list(self.waiting.items()):
            try:
                data = self._order(work, submission)
                parcels.sent(self.api, self.namespace, objects.order_name(self.name, index), data, meta)
            except OSError as error:
                del self.waiting[index]
                yield Finished(submission, None, f"it could not be handed over: {error}")
        self.api.patch("Job", self.name, self.namespace, {"spec": {"suspend": False}})
        self.began = monotonic()

    def _order(self, work: Callable[..., Any], submission: Submission) -> bytes:
        order: Order = work(None, submission, grade=Order.of)
        self.evidence[submission.id] = order.evidence
        return replace(order, seconds=self.where.seconds).packed()

    # -- collecting

    def collect(self) -> Iterator[Finished[Submission, Graded]]:
        with heard(self.api, self.namespace, self.name) as hearing:
            while self.waiting:
                said = hearing.next(LOOK)
                if said is None:
                    self._refuse_to_wait()
                elif said[0] == "Pod":
                    self._look(said[1])
                elif not said[1]:
                    raise _gone(self.name)
                else:
                    yield from self._come(said[1][0])

    def _look(self, found: list[Obj]) -> None:
        self.seen = found
        for pod in found:
            self.begun = self.begun or pods.begun(pod)
            if ended := pods.ended(pod):
                self.words[pods.index(pod)] = ended
        self._refuse_to_wait()

    def _come(self, job: Obj) -> Iterator[Finished[Submission, Graded]]:
        """What has come back, as the Job's status says, and what will not any more."""
        status = job.get("status") or {}
        ended = [c for c in status.get("conditions") or () if c["type"] in indexes.ENDED and c["status"] == "True"]
        done = indexes.read(status.get("completedIndexes", "")) | indexes.read(status.get("failedIndexes", ""))
        for index in sorted(self.waiting if ended else done & self.waiting.keys()):
            submission = self.waiting.pop(index)
            data = parcels.received(self.api, self.namespace, objects.answer_name(self.name, index))
            if data is not None:
                self.lost = None
                yield self._answered(submission, data)
                continue
            lost = self._lost(index, submission, ended)
            if self.lost is not None:
                self.lost += 1
                if self.lost >= HOPELESS:
                    raise _hopeless(self.where.image, lost.problem)
            yield lost

    def _answered(self, submission: Submission, data: bytes) -> Finished[Submission, Graded]:
        try:
            answer = Answer.unpacked(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Finished(submission, None, f"its Pod's answer cannot be read ({type(error).__name__}: {error})")
        graded = answer.graded
        if graded is not None:
            if graded.versions.get("lab") != self.where.course:
                raise _another_course(self.where.image)
            if graded.id != submission.id or graded.evidence not in ("", self.evidence[submission.id]):
                return Finished(submission, None, "its Pod's answer is about another submission")
            if graded.evidence:
                paths.write_atomically(self.where.evidence / graded.evidence, answer.evidence, mode=PRIVATE)
        return Finished(submission, graded, answer.problem, answer.seconds, answer.cpu, answer.overran)

    def _lost(self, index: int, submission: Submission, ended: list[Obj]) -> Finished[Submission, Graded]:
        why = self.words.get(index) or next((trouble.words for trouble in self._troubles(index)), "")
        if ended and not why:
            why = f"the Job ended: {ended[0].get('reason', '')} {ended[0].get('message', '')}".strip()
        problem = f"no Pod handed back a result ({why or 'its Pods were lost'})"
        return Finished(submission, None, problem, round(monotonic() - self.began, 2))

    # -- when nothing begins

    def _troubles(self, index: int | None = None) -> Iterator[pods.Trouble]:
        for pod in self.seen:
            if index in (None, pods.index(pod)) and (trouble := pods.trouble(pod)):
                yield trouble

    def _refuse_to_wait(self) -> None:
        """Raises Problem where no Pod has begun, and none will as it looks."""
        if self.begun:
            return
        for trouble in self._troubles():
            if monotonic() - self.since.setdefault(trouble.what, monotonic()) > PATIENCE[trouble.what]:
                raise _no_start(trouble, self.where.image)
        waited = monotonic() - self.began
        if not self.seen and waited > PATIENCE["none"] and ((words := self._events()) or waited > PATIENCE["silent"]):
            raise Problem(
                "The cluster makes no Pod for the grading Job.",
                words or "It does not say why.",
                "Ask whoever runs the cluster: a quota, a policy or Pod Security may forbid them. docs/grading.md says "
                "what each Pod asks for.",
            )

    def _events(self) -> str:
        """The Job controller's own words."""
        fields = f"involvedObject.name={self.name},type=Warning"
        try:
            found = self.api.list("Event", self.namespace, fields=fields)
        except ApiError as error:
            return f"Its events could not be read: {error.message}"
        return " ".join(dict.fromkeys(str(event.get("message", "")) for event in found[-3:]))


def _no_start(trouble: pods.Trouble, image: str) -> Problem:
    if trouble.what == "place":
        return Problem(
            "No node takes the Pods of the grading Job.",
            trouble.words,
            "Each asks for half a CPU and 512 MiB of memory. Free some, or add nodes; then run it again.",
        )
    if trouble.what == "start":
        return Problem(
            f"The image {image} does not start.",
            trouble.words,
            "It must be the grader's: docs/grading.md, A class beyond one machine, says how it is built.",
        )
    return Problem(
        f"The image {image} cannot be pulled.",
        trouble.words,
        "Build and push it (docs/grading.md, A class beyond one machine), and see that the nodes may pull it.",
    )


def _hopeless(image: str, problem: str) -> Problem:
    return Problem(
        f"Of the first {HOPELESS} submissions no Pod handed back a result.",
        f"{problem[:1].upper()}{problem[1:]}.",
        f"Is {image} the grader's image, and of this version? docs/grading.md, A class beyond one machine.",
    )


def _another_course(image: str) -> Problem:
    return Problem(
        f"The image {image} holds another version of this lab.",
        "Its verdicts would not be those of the course here.",
        "Build and push the image anew from this checkout, or check out what it was built from.",
    )


def _not_made(namespace: str, error: ApiError) -> Problem:
    return Problem(
        f"What the grading Job needs could not be made in namespace {namespace}.",
        error.message,
        "It takes a Secret or more for each submission, and as many again for the results. Where a quota forbids that, "
        "ask whoever runs the cluster for a namespace with room.",
    )


def _gone(name: str) -> Problem:
    return Problem(
        f"The Job {name} is not there any more.",
        "Somebody has deleted it, or its namespace.",
        "Run it again with --resume.",
    )
