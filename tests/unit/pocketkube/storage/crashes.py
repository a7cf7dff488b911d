"""Ends a driver at every step it takes on the disk, one after the other, and looks at what the next one finds.

Run as a program: `python crashes.py FOLDER ACT HOW`. ACT is one of ACTS. HOW is `kill`: the process ends there, as by
kill -9; or `full`: that step finds the disk full. Prints one line a step, as JSON: what the act answered, and what
there is before and after `recover`. A process of its own, because it forks and because an audit hook stays for good.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pocketkube.storage import copying
from pocketkube.storage.driver import HostPathDriver, RpcError

CONTENT = {"a": "first", "inner/b": "second"}


async def prepare(driver: HostPathDriver) -> None:
    volume = await driver.create_volume("source", 1000)
    fill(driver.node_publish(volume.id))
    await driver.create_snapshot("kept", volume.id)


def fill(folder: Path) -> None:
    for name, text in CONTENT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def of(driver: HostPathDriver, name: str) -> str:
    """The id of what has that name."""
    found = driver._volumes.named(name) or driver._snapshots.named(name)
    assert found is not None
    return found.id


async def create(driver: HostPathDriver) -> object:
    return await driver.create_volume("new", 1000)


async def clone(driver: HostPathDriver) -> object:
    return await driver.create_volume("new", 1000, volume=of(driver, "source"))


async def clone_in_a_thread(driver: HostPathDriver) -> object:
    copying.SMALL_NAMES = -1  # type: ignore[misc]
    return await driver.create_volume("new", 1000, volume=of(driver, "source"))


async def restore(driver: HostPathDriver) -> object:
    return await driver.create_volume("new", 1000, snapshot=of(driver, "kept"))


async def snapshot(driver: HostPathDriver) -> object:
    return await driver.create_snapshot("new", of(driver, "source"))


async def expand(driver: HostPathDriver) -> object:
    return driver.expand(of(driver, "source"), 2000)


async def delete(driver: HostPathDriver) -> object:
    return driver.delete_volume(of(driver, "source"))


async def delete_snapshot(driver: HostPathDriver) -> object:
    return driver.delete_snapshot(of(driver, "kept"))


Act = Callable[[HostPathDriver], Awaitable[object]]
ACTS: dict[str, Act] = {
    act.__name__: act for act in (create, clone, clone_in_a_thread, restore, snapshot, expand, delete, delete_snapshot)
}
STEPS = {"open", *(f"os.{name}" for name in ("mkdir", "rename", "rmdir", "remove", "link", "symlink", "truncate"))}
STEPS |= {f"os.{name}" for name in ("chmod", "utime", "setxattr", "listdir", "scandir")}


def seen(folder: Path) -> dict[str, Any]:
    """What a driver finds there, without recovering: names -> what they hold; and what it should not find."""
    driver = HostPathDriver(folder)
    found: dict[str, Any] = {}
    for records in (driver._volumes, driver._snapshots):
        for record in records:
            data = records.data(record)
            files = {str(at.relative_to(data)): at.read_text() for at in data.rglob("*") if at.is_file()}
            found[record.name] = files
            if record.name == "source":
                found["capacity"] = record.capacity
    rest = [str(at.relative_to(folder)) for at in folder.glob("*/.*")] + [
        str(at.relative_to(folder)) for at in folder.glob("*/*/*") if at.name not in ("record.json", "data")
    ]
    return {"found": found, "rest": rest}


def child(folder: Path, act: Act, how: str, last: int, answer: int) -> None:
    """Does the act, up to the step of that number. Never returns; exits with 0 when there were not so many."""
    driver = HostPathDriver(folder)
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if event not in STEPS or not active:
            return
        count += 1
        if count == last:
            if how == "kill":
                os._exit(9)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
        """In two halves, with a step before each."""
        with path.open("w", encoding=encoding) as file:
            for half in (text[: len(text) // 2], text[len(text) // 2 :]):
                hook("os.truncate", ())
                file.write(half)
                file.flush()

    active = False
    sys.addaudithook(hook)
    Path.write_text = write_text  # type: ignore[assignment, method-assign]
    code, text = 0, "done"

    async def run() -> None:
        nonlocal active
        active = True
        try:
            await act(driver)
        finally:
            active = False

    try:
        asyncio.run(run())
    except RpcError as error:
        text = str(error)
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
    if count >= last:
        code = 1
    os.write(answer, text.encode())
    os._exit(code)


def main(base: Path, act: Act, how: str) -> None:
    asyncio.run(prepare(HostPathDriver(base / "start")))
    step = 0
    while True:
        step += 1
        folder = base / f"{step}"
        shutil.copytree(base / "start", folder)
        out, answer = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(folder, act, how, step, answer)
        os.close(answer)
        with open(out, encoding="utf-8") as lines:
            text = lines.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        before = seen(folder)
        HostPathDriver(folder).recover()
        print(json.dumps({"step": step, "code": code, "answer": text, "before": before, "after": seen(folder)}))
        if code == 0:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), ACTS[sys.argv[2]], sys.argv[3])
