"""What a million writes to one object leave behind: memory and log of a process with nothing in it but a store."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter

from bench.cases import Figure
from pocketkube.store import Store

WRITES, EARLY = 1_000_000, 100_000


def million_writes() -> Iterator[Figure]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        (early_memory, early_log), (memory, log), seconds = pool.submit(
            _write, Path(os.environ["KINDLAB_HOME"])
        ).result()
    yield Figure(f"one object, {EARLY:,} writes: memory", early_memory, "MB", "")
    yield Figure(f"one object, {WRITES:,} writes: memory", memory, "MB", f"<= {early_memory * 1.1:.1f} (+ 10 %)")
    yield Figure(f"one object, {EARLY:,} writes: log", early_log, "MB", "")
    yield Figure(f"one object, {WRITES:,} writes: log", log, "MB", f"<= {early_log * 1.1:.1f} (+ 10 %)")
    yield Figure("one object, a write to the store", seconds / WRITES * 1e6, "us", "", 1)


CASES: list[Callable[[], Iterator[Figure]]] = [million_writes]


def _write(folder: Path) -> tuple[tuple[float, float], tuple[float, float], float]:
    """(memory, log) in MB after the first writes, and after all; seconds."""
    store = Store(folder / "state.db")
    meta = {"namespace": "bench", "name": "counter", "labels": {"app": "bench"}}
    stored = store.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}})
    early = (0.0, 0.0)
    began = perf_counter()
    for number in range(1, WRITES + 1):
        changed = {**stored, "metadata": {**stored["metadata"]}, "data": {"n": str(number)}}
        stored = store.update("configmaps", changed, stored["metadata"]["resourceVersion"])
        if number == EARLY:
            early = (_memory(), _log(folder))
    return early, (_memory(), _log(folder)), perf_counter() - began


def _memory() -> float:
    """Resident memory in MB, as Linux counts it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _log(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("state.db*")) / 1_000_000
