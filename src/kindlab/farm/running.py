"""The loop of a farm: one thread that begins pieces of work, hears of them, and ends them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

from kindlab.api import Api
from kindlab.clusters import nursery
from kindlab.clusters.nursery import Nursery
from kindlab.errors import Problem
from kindlab.farm import child
from kindlab.farm.limits import MB, Limits

T = TypeVar("T")
R = TypeVar("R")

LANES = 4
"""Pieces of work under way for each job."""
LOOK = 0.5
"""Seconds between two looks at time and memory."""
LONGEST = 70
"""Bytes of a temporary folder's name that leave room for what multiprocessing puts behind it, 32."""
PRELOAD = ["kindlab.farm.warm"]


@dataclass(frozen=True)
class Finished(Generic[T, R]):
    """A piece of work that is done: its result, or `problem`, a sentence that says why there is none. `seconds` since
    its cluster began; `cpu` seconds of its process and, where clusters are forked, of its cluster."""

    item: T
    result: R | None
    problem: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    overran: bool = False
    """What ran in its cluster took more CPU, memory or disk than a piece of work may: it would do so again. There may
    be a result nonetheless, of one that was done by then or has only noticed that its cluster was gone."""


def run(
    work: Callable[[Api, T], R],
    items: Iterable[T],
    *,
    jobs: int,
    limits: Limits | None = None,
    ordered: bool = False,
) -> Generator[Finished[T, R]]:
    """Do `work` (a function of a module, or a partial of one) on every item, each as it is done or in the order of the
    items (`ordered`). Items are taken when there is room for them. Closing the generator stops everything.

    `jobs`: how many clusters start at the same time, which is all CPU; LANES times as many are under way, for three
    quarters of a grading and more are waiting: for Pods to get ready, for endpoints to go. Verdicts stay the same on a
    machine that has too much to do: checks wait for states, and where they count seconds (a request, a probe) they
    allow many times what it takes.
    A cluster and who grades it slow down together, and the limit of CPU is of what was used, not of what was waited
    for. Where a machine is far too slow for its own number of processors, fewer jobs are the remedy.
    """
    scratch = Path(tempfile.mkdtemp(prefix="kindlab-farm-"))
    try:
        with contextlib.closing(_Farm(work, scratch, max(1, jobs), limits or Limits())) as farm:
            yield from _in_order(farm, iter(items)) if ordered else (done for _, done in farm.run(iter(items)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _in_order(farm: _Farm, items: Iterator[T]) -> Iterator[Finished[T, R]]:
    held: dict[int, Finished[T, R]] = {}
    turn = 0
    # a slow first one must not make all others pile up here
    for index, done in farm.run(items, lambda: len(held) < 4 * farm.lanes):
        held[index] = done
        while turn in held:
            yield held.pop(turn)
            turn += 1


@dataclass
class _Lane:
    index: int
    item: Any
    home: Path
    began: float
    process: BaseProcess | None = None
    answers: Connection | None = None
    ready: bool = False
    problem: str = ""
    overran: bool = False
    result: Any = None
    cpu: float = 0.0
    worked: bool = False
    """Its process has ended, or will never begin."""
    cluster_gone: bool = False
    stopping: bool = False

    @property
    def over(self) -> bool:
        return self.worked and self.cluster_gone


class _Farm:
    def __init__(self, work: Callable[[Any, Any], Any], scratch: Path, jobs: int, limits: Limits) -> None:
        self.lanes = jobs * LANES
        self._work, self._scratch, self._jobs, self._limits = work, scratch, jobs, limits
        self._under_way: dict[str, _Lane] = {}
        self._context = _context()
        self._warm = False
        self._nursery = Nursery(scratch / "nursery.log") if nursery.possible() else None

    def close(self) -> None:
        for lane in self._under_way.values():
            self._end_process(lane)
        if self._nursery:
            self._nursery.close()
        else:
            for lane in self._under_way.values():
                _take_down(lane.home)

    def run(
        self, items: Iterator[Any], may_begin: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[int, Finished[Any, Any]]]:
        """Each item's number and what became of it, as it is done."""
        begun, more = 0, True
        while more or self._under_way:
            while more and self._has_room() and may_begin():
                try:
                    item = next(items)
                except StopIteration:
                    more = False
                    break
                self._begin(begun, item)
                begun += 1
            if self._under_way:
                self._hear()
            for name in [name for name, lane in self._under_way.items() if lane.over]:
                lane = self._under_way.pop(name)
                shutil.rmtree(lane.home, ignore_errors=True)
                seconds = round(monotonic() - lane.began, 2)
                cpu = round(lane.cpu, 2)
                yield lane.index, Finished(lane.item, lane.result, lane.problem, seconds, cpu, lane.overran)

    def _has_room(self) -> bool:
        starting = sum(not (lane.ready or lane.worked) for lane in self._under_way.values())
        return starting < self._jobs and len(self._under_way) < self.lanes

    # -- one piece of work

    def _begin(self, index: int, item: Any) -> None:
        home = self._scratch / str(index)
        home.mkdir(mode=0o700)
        lane = self._under_way[str(index)] = _Lane(index, item, home, monotonic())
        if self._nursery:
            self._nursery.start(str(index), home, self._limits.of_cluster())
        else:
            lane.ready, lane.cluster_gone = True, True
            self._begin_work(lane)

    def _begin_work(self, lane: _Lane) -> None:
        if not self._warm and self._context.get_start_method() == "forkserver":
            _refuse_cold(self._context)
        self._warm = True
        reading, writing = self._context.Pipe(duplex=False)
        arguments = (writing, dict(os.environ), lane.home, self._nursery is not None, self._limits)
        process = self._context.Process(target=child.main, args=(*arguments, self._work, lane.item), daemon=True)
        try:
            with _ctrl_c_later():
                process.start()
                lane.process, lane.answers = process, reading
        except (EOFError, OSError) as error:
            reading.close()
            self._finish(lane, f"its process could not be started ({type(error).__name__}: {error})")
        finally:
            writing.close()

    def _end_process(self, lane: _Lane) -> None:
        """Make sure that its process has ended."""
        lane.worked = True
        if lane.process is not None and lane.process.pid is not None:
            child.kill(lane.process.pid)
            lane.process.join()
            lane.process.close()
        if lane.answers is not None:
            lane.answers.close()
        lane.process = lane.answers = None

    def _finish(self, lane: _Lane, problem: str = "") -> None:
        """Its work is done, or will not be: end what is left of it."""
        lane.problem = lane.problem or problem
        self._end_process(lane)
        if lane.problem:
            lane.result = None
        if self._nursery is None:
            if problem:
                _take_down(lane.home)
        elif not lane.stopping:
            lane.stopping = True
            self._nursery.stop(str(lane.index))

    # -- hearing

    def _hear(self) -> None:
        """Wait for something to happen, and act on it."""
        heard: list[Any] = [lane.answers for lane in self._under_way.values() if lane.answers]
        by_answers: dict[Any, _Lane] = {lane.answers: lane for lane in self._under_way.values() if lane.answers}
        if self._nursery:
            heard.append(self._nursery.fileno())
        for one in wait(heard, LOOK):
            if lane := by_answers.get(one):
                self._hear_work(lane)
            elif self._nursery:
                for message in self._said():
                    self._hear_cluster(message)
        self._look()

    def _said(self) -> list[dict[str, Any]]:
        assert self._nursery is not None
        try:
            return list(self._nursery.said())
        except EOFError:
            raise Problem(
                "The process that starts the clusters has ended.",
                _last_line(self._scratch / "nursery.log") or "It said nothing.",
                "Run the command again; what was done is not lost where it can be resumed.",
            ) from None

    def _hear_work(self, lane: _Lane) -> None:
        if lane.answers is None:
            return
        try:
            lane.result, problem, cpu = pickle.loads(lane.answers.recv_bytes())
            lane.cpu += cpu
        except (EOFError, OSError):
            problem = self._why_ended(lane)
        self._finish(lane, problem)

    def _why_ended(self, lane: _Lane) -> str:
        assert lane.process is not None
        lane.process.join(LOOK)
        code = lane.process.exitcode
        if code is not None and code == -getattr(signal, "SIGXCPU", 0):
            return self._limits.exceeded("cpu", "it")
        how = f"signal {-code}" if code and code < 0 else f"exit code {code}"
        return f"its process ended before it was done ({how})"

    def _hear_cluster(self, message: dict[str, Any]) -> None:
        lane = self._under_way.get(message["id"])
        if lane is None:
            return
        if "ready" in message:
            lane.ready = True
            if not lane.worked:
                self._begin_work(lane)
        elif "error" in message:
            error = message["error"]
            self._finish(lane, f"its cluster did not start: {error['what']} {error['why']}")
        elif ended := message.get("ended"):
            lane.cpu += ended["cpu"]
            over = self._limits.overrun(ended["over"]) if ended["over"] else ""
            lane.overran = bool(over)
            if lane.stopping:  # whoever worked on it may have noticed first that it was gone
                lane.problem = lane.problem or over
            else:
                self._finish(lane, over or f"its cluster ended by itself ({_last_line(self._log(lane))})")
        elif "removed" in message:
            lane.cluster_gone = True

    def _log(self, lane: _Lane) -> Path:
        return nursery.folder(lane.home) / "cluster.log"

    def _look(self) -> None:
        """End what takes too long or holds too much."""
        for lane in list(self._under_way.values()):
            if lane.worked:
                continue
            if monotonic() - lane.began > self._limits.wall:
                self._finish(lane, self._limits.exceeded("wall", "it"))
            elif lane.process and lane.process.pid and _resident(lane.process.pid) > self._limits.memory * MB:
                self._finish(lane, self._limits.exceeded("memory", "it"))


def _context() -> Any:
    """How processes are made: forked from a warm one, or started afresh where that cannot be."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with _short_names():
        forkserver.ensure_running()
    return context


@contextlib.contextmanager
def _short_names() -> Iterator[None]:
    """The warm process listens at a socket in the temporary folder, and the name of a socket has 107 bytes at most."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST:
        tempfile.tempdir = "/tmp"
    try:
        yield
    finally:
        tempfile.tempdir = before


def _refuse_cold(context: Any) -> None:
    """Where the process that the work is forked from is broken, so would be all work. Raises Problem."""
    reading, writing = context.Pipe(duplex=False)
    with contextlib.closing(reading):
        try:
            process = context.Process(target=child.say_how_warm, args=(writing,), daemon=True)
            with contextlib.closing(writing), _ctrl_c_later():
                process.start()
            problem = reading.recv_bytes().decode()
            process.join()
        except (EOFError, OSError) as error:
            problem = f"It ended ({type(error).__name__}: {error})."
    if problem:
        raise Problem(
            "The process that all work is forked from does not start.",
            problem,
            "That is no fault of what was to be graded. Mend the installation (make start does), then run it again.",
        )


@contextlib.contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """A process that is being started must be known before Ctrl-C ends us."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 where /proc does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _take_down(home: Path) -> None:
    """End the cluster that a piece of work has started itself."""
    from kindlab.clusters.pocket import Pocket

    before = os.environ.get("KINDLAB_HOME")
    os.environ["KINDLAB_HOME"] = str(home)
    try:
        Pocket(nursery.NAME).down(lambda text: None)
    finally:
        if before is None:
            del os.environ["KINDLAB_HOME"]
        else:
            os.environ["KINDLAB_HOME"] = before


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
