"""What runs in the process of a piece of work."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from kindlab.errors import in_a_line
from kindlab.farm.limits import MB, Limits

log = logging.getLogger(__name__)

HEADROOM = 4
"""The address space may be so many times the memory: threads reserve much of it that they never use."""


def main(
    answers: Connection,
    environ: dict[str, str],
    home: Path,
    warm: bool,
    limits: Limits,
    work: Callable[[Any, Any], Any],
    item: Any,
) -> None:
    """Do the work and send (result, problem, CPU seconds). `warm`: the cluster of `home` runs already."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):
        os.setsid()  # what it starts is ended with it, and Ctrl-C is for who waits for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    # what is left in a temporary folder of its own goes with it; the kubernetes client leaves files when it is killed
    os.environ.update(environ, KINDLAB_HOME=str(home), TMPDIR=str(home))
    tempfile.tempdir = None
    # a process that was forked from a warm one has no log of its own: without one warnings and tracebacks are printed
    logging.basicConfig(level=os.environ.get("KINDLAB_LOG", "critical").upper())
    _limit(limits)
    result, problem = None, ""
    try:
        result = _worked(work, item, warm)
    except MemoryError:
        problem = limits.exceeded("memory", "it")
    except Exception as error:
        log.exception("a piece of work broke")
        problem = f"broke: {type(error).__name__}: {in_a_line(error)}"
    try:
        answer = pickle.dumps((result, problem, _cpu()))
    except Exception as error:
        answer = pickle.dumps((None, f"broke: its result cannot be handed over: {in_a_line(error)}", _cpu()))
    answers.send_bytes(answer)
    answers.close()


def say_how_warm(answers: Connection) -> None:
    """Send why the process this one was forked from is not warm; empty when it is."""
    warm = sys.modules.get("kindlab.farm.warm")
    answers.send_bytes((warm.problem if warm else "It cannot import kindlab.farm.").encode())
    answers.close()


def _worked(work: Callable[[Any, Any], Any], item: Any, warm: bool) -> Any:
    from kindlab.clusters import nursery
    from kindlab.clusters.pocket import Pocket

    cluster = Pocket(nursery.NAME, http_port=0, https_port=0, keep_programs=True)
    if warm:
        return work(cluster.status().api(), item)
    try:
        return work(cluster.up(lambda text: None).api(), item)
    finally:
        cluster.down(lambda text: None)


def _end_with_parent() -> None:
    """A parent that was killed says nothing; its end of a pipe is closed all the same."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    kill(os.getpid())
    os._exit(1)


def kill(pid: int) -> None:
    """End a piece of work's process, which may be over already or may not have made its session yet, and all that it
    has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _limit(limits: Limits) -> None:
    if sys.platform == "win32":  # no such limits: the wall's holds
        return
    import resource

    bounds = ((resource.RLIMIT_CPU, limits.cpu), (resource.RLIMIT_AS, limits.memory * MB * HEADROOM))
    for what, value in (*bounds, (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(what)
        with contextlib.suppress(ValueError, OSError):  # macOS takes some of them only to ignore them
            resource.setrlimit(what, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _cpu() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
