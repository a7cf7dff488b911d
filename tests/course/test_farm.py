"""A farm: fresh clusters, one a piece of work; what a piece of work does to itself costs nobody else."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import ROOT

from kindlab import farm
from kindlab.api import Api
from kindlab.clusters import nursery
from kindlab.errors import Problem

FORKS = pytest.mark.skipif(not nursery.possible(), reason="limits of clusters are those of forked ones, on Linux")
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where farms keep what they need for a while."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


# -- pieces of work: functions of a module, for another process must find them


def leaves_a_mark(api: Api, item: str) -> tuple[str, list[str]]:
    """What marks were there, after a moment; and one more is left."""
    if item == "slow":
        time.sleep(1)
    found = [one["metadata"]["name"] for one in api.list("ConfigMap", "default", labels="mark")]
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": item, "labels": {"mark": ""}}}, "default")
    return item, found


def misbehaves(api: Api, item: str) -> str:
    match item:
        case "loops":
            while True:
                pass
        case "eats memory":
            kept = [b"x" * (1 << 20)]
            while True:
                kept.append(bytes(kept[-1]))
                kept[-1] = kept[-1].replace(b"x", b"y", 1)
        case "ends":
            os._exit(7)
        case "breaks":
            raise ValueError("one\ntwo")
        case "returns what cannot be sent":
            return lambda: None  # type: ignore[return-value]
        case "has a cluster that loops":
            api.create(_looping(), "default")
            time.sleep(PATIENCE)
    return item


def _looping() -> dict[str, Any]:
    container = {"name": "c", "image": "busybox:1.36", "command": ["sh", "-c", "while :; do :; done"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loop"}, "spec": {"containers": [container]}}


def stays(api: Api, item: Path) -> None:
    """Says which processes there are, in a file, and does not end."""
    cluster = (Path(os.environ["KINDLAB_HOME"]) / "clusters" / f"pocket-{nursery.NAME}" / "pid").read_text().strip()
    item.with_suffix(".new").write_text(f"{os.getpid()} {cluster}")
    item.with_suffix(".new").rename(item)
    time.sleep(10 * PATIENCE)


def kills_the_nursery(api: Api, item: int) -> None:
    pid = (Path(os.environ["KINDLAB_HOME"]) / "clusters" / f"pocket-{nursery.NAME}" / "pid").read_text().strip()
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    os.kill(int(parent), signal.SIGKILL)
    time.sleep(PATIENCE)


# -- tests


def test_each_piece_of_work_has_a_cluster_of_its_own_and_results_come_in_order(scratch: Path) -> None:
    items = ["slow", "b", "c", "d"]
    done = list(farm.run(leaves_a_mark, items, jobs=2, ordered=True))
    assert [(one.item, one.result, one.problem) for one in done] == [(item, (item, []), "") for item in items]
    assert all(one.cpu > 0 and one.seconds > 0 for one in done)
    assert not list(scratch.glob("kindlab-*"))


def test_nothing_is_left_open_and_items_are_taken_when_there_is_room() -> None:
    def items() -> Any:
        for number in range(4):
            taken.append(number)
            yield f"m{number}"

    taken: list[int] = []
    before = _open()
    with contextlib.closing(farm.run(leaves_a_mark, items(), jobs=1)) as working:
        first = next(working)
        assert first.problem == ""
        assert len(taken) <= 3 + 1
        assert len([first, *working]) == 4
    assert len(_open() - before) <= 2  # the process from which all are forked stays: two pipes lead there


def _open() -> set[str]:
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if _is_open(fd)}


def _is_open(descriptor: str) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").is_symlink()


@FORKS
@pytest.mark.timeout(300)
def test_what_misbehaves_costs_itself_and_is_told(scratch: Path) -> None:
    expected = {
        "fine": "",
        "loops": "it used more than 4 s of CPU",
        "eats memory": "it used more than 400 MB of memory",
        "ends": "its process ended before it was done (exit code 7)",
        "breaks": "broke: ValueError: one two",
        "returns what cannot be sent": "broke: its result cannot be handed over",
        "has a cluster that loops": "its cluster used more than 4 s of CPU",
        "fine again": "",
    }
    limits = farm.Limits(wall=4 * PATIENCE, cpu=4, memory=400)
    done = {one.item: one for one in farm.run(misbehaves, expected, jobs=2, limits=limits)}
    told = {item: done[item].problem for item in expected}
    assert {item: text[: len(expected[item])] if expected[item] else text for item, text in told.items()} == expected
    assert {item for item, one in done.items() if one.result == item} == {"fine", "fine again"}
    assert {item for item, one in done.items() if one.overran} == {"has a cluster that loops"}
    assert not list(scratch.glob("kindlab-*"))


def test_what_takes_too_long_is_ended(tmp_path: Path, scratch: Path) -> None:
    (done,) = farm.run(stays, [tmp_path / "pids"], jobs=1, limits=farm.Limits(wall=1))
    assert done.problem == "it took longer than 1 s"
    assert not list(scratch.glob("kindlab-*"))


@FORKS
def test_closing_ends_everything(tmp_path: Path, scratch: Path) -> None:
    working = farm.run(stays_or_ends, [tmp_path / "first", tmp_path / "last"], jobs=2)
    assert next(working).item == tmp_path / "last"
    pids = _said(tmp_path / "first")
    working.close()
    _until(lambda: not any(map(_lives, pids)))
    assert not list(scratch.glob("kindlab-*"))


def stays_or_ends(api: Api, item: Path) -> None:
    if item.name == "first":
        stays(api, item)
    _said(item.with_name("first"))


@FORKS
def test_a_parent_that_is_killed_takes_everything_along(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom kindlab import farm\nfrom tests.course.test_farm import stays\n"
        "if __name__ == '__main__':\n    list(farm.run(stays, [Path(sys.argv[1])], jobs=1))\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, str(file), str(tmp_path / "pids")], env=env, cwd=ROOT) as process:
        pids = _said(tmp_path / "pids")
        process.kill()
    _until(lambda: not any(map(_lives, pids)))


@FORKS
def test_a_nursery_that_has_gone_is_told(scratch: Path) -> None:
    with pytest.raises(Problem, match="The process that starts the clusters has ended"):
        list(farm.run(kills_the_nursery, [1], jobs=1))
    assert not list(scratch.glob("kindlab-*"))


@FORKS
@pytest.mark.parametrize(
    ("breaks", "why", "begin"),
    [
        ("os._exit(7)", "It ended", "list(running.run(leaves_a_mark, ['a', 'b'], jobs=1))"),
        ("raise RuntimeError('boom')", "RuntimeError: boom", "running._refuse_cold(running._context())"),
    ],
)
def test_a_warm_process_that_breaks_is_told_and_nothing_is_graded(
    tmp_path: Path, breaks: str, why: str, begin: str
) -> None:
    """In a process of its own, for the warm one is kept for all farms of a process."""
    (tmp_path / "testinfra").mkdir()
    (tmp_path / "testinfra" / "__init__.py").write_text(f"import os\n{breaks}\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from kindlab.farm import running\nfrom kindlab.errors import Problem\n"
        "from tests.course.test_farm import leaves_a_mark\n"
        "if __name__ == '__main__':\n"
        f"    try:\n        {begin}\n"
        "    except Problem as problem:\n        print(problem.what, problem.why)\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script)], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "The process that all work is forked from does not start." in done.stdout, done.stderr
    assert why in done.stdout
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("kindlab-*"))


def test_without_fork_each_piece_of_work_starts_its_cluster_itself(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nursery, "possible", lambda: False)
    done = list(farm.run(leaves_a_mark, ["a"], jobs=2))
    assert [(one.result, one.problem) for one in done] == [(("a", []), "")]
    assert not list(scratch.glob("kindlab-*"))


def test_a_temporary_folder_whose_name_leaves_no_room_for_a_sockets(tmp_path: Path) -> None:
    temporary = tmp_path / ("long " * 20)
    temporary.mkdir()
    script = "from kindlab.farm import running; running._refuse_cold(running._context()); print('warm')"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(temporary)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "warm\n", done.stderr


def _said(file: Path) -> list[int]:
    _until(file.exists)
    return [int(pid) for pid in file.read_text().split()]


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
