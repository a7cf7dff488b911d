"""The hostpath driver: what it keeps, what it answers, and that it is whole after any end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.storage.crashes import ACTS, CONTENT

from pocketkube.storage import copying
from pocketkube.storage.driver import MAX_VOLUME_SIZE, HostPathDriver, RpcError

GIBI = 1 << 30


@pytest.fixture
def driver(tmp_path: Path) -> HostPathDriver:
    return HostPathDriver(tmp_path / "storage")


def files(folder: Path) -> dict[str, str]:
    return {str(at.relative_to(folder)): at.read_text() for at in folder.rglob("*") if at.is_file()}


# -- volumes


async def test_a_volume_is_an_empty_folder_that_is_there_for_the_next_process(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", GIBI, parameters={"colour": "red"})
    assert len(made.id) == 36
    assert driver.node_publish(made.id).stat().st_mode & 0o777 == 0o755
    assert files(driver.node_publish(made.id)) == {}
    (driver.node_publish(made.id) / "f").write_text("kept")
    again = HostPathDriver(driver.folder)
    again.recover()
    assert again.find_volume(made.id) == made
    assert files(again.node_publish(made.id)) == {"f": "kept"}
    again.delete_volume(made.id)
    again.delete_volume(made.id)
    assert again.find_volume(made.id) is None
    assert list(driver.folder.glob("*/*")) == []


async def test_a_call_can_be_repeated_and_another_under_the_same_name_is_refused(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", GIBI)
    assert await driver.create_volume("pvc-1", GIBI) == made
    assert await driver.create_volume("pvc-1", GIBI // 2) == made
    with pytest.raises(RpcError, match="with the same name: pvc-1 but with different size already exist") as raised:
        await driver.create_volume("pvc-1", GIBI + 1)
    assert raised.value.code == "AlreadyExists"
    with pytest.raises(RpcError, match="existing volume source volume id not matching"):
        await driver.create_volume("pvc-1", GIBI, volume="other")
    assert len(list((driver.folder / "volumes").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"capacity": MAX_VOLUME_SIZE + 1},
            "rpc error: code = OutOfRange desc = Requested capacity 1099511627777 exceeds maximum allowed "
            "1099511627776",
        ),
        ({"capacity": -1}, "rpc error: code = InvalidArgument desc = cannot have negative capacity"),
        ({"name": ""}, "rpc error: code = InvalidArgument desc = Name missing in request"),
        (
            {"parameters": {"kind": "fast"}},
            'rpc error: code = InvalidArgument desc = capacity tracking disabled, specifying kind "fast" is invalid',
        ),
        (
            {"mutable": {"type": "x", "colour": "red"}},
            "rpc error: code = InvalidArgument desc = invalid parameters: [colour]",
        ),
        (
            {"snapshot": "../../x"},
            "rpc error: code = NotFound desc = snapshot id ../../x does not exist in the snapshots list",
        ),
        ({"volume": "x"}, "rpc error: code = NotFound desc = volume id x does not exist in the volumes list"),
    ],
)
async def test_what_cannot_be_made_is_refused_in_the_drivers_words_and_leaves_nothing(
    driver: HostPathDriver, arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(RpcError) as raised:
        await driver.create_volume(**{"name": "pvc-1", "capacity": GIBI, **arguments})
    assert str(raised.value) == text
    assert list(driver.folder.glob("*/*")) == []


async def test_a_block_volume_is_a_sparse_file_of_its_size_and_grows(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", 4 * GIBI, block=True)
    blocks = driver.node_publish(made.id)
    with blocks.open("r+b") as file:
        file.write(b"data")
    copy = await driver.create_volume("pvc-2", 5 * GIBI, block=True, volume=made.id)
    assert driver.node_publish(copy.id).stat().st_size == 5 * GIBI
    assert driver.node_publish(copy.id).stat().st_blocks * 512 < 1 << 20
    with driver.node_publish(copy.id).open("rb") as file:
        assert file.read(4) == b"data"
    assert driver.expand(made.id, 6 * GIBI) == 6 * GIBI
    assert blocks.stat().st_size == 6 * GIBI
    with blocks.open("rb") as file:
        assert file.read(4) == b"data"


async def test_expansion_never_shrinks_and_is_kept(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", GIBI)
    assert driver.expand(made.id, GIBI // 2) == GIBI
    assert driver.expand(made.id, 2 * GIBI) == 2 * GIBI
    assert HostPathDriver(driver.folder).find_volume(made.id) == replace(made, capacity=2 * GIBI)
    with pytest.raises(RpcError, match="code = OutOfRange desc = Requested capacity 2199023255552 exceeds"):
        driver.expand(made.id, 2 << 40)
    with pytest.raises(RpcError, match="code = NotFound desc = volume id x does not exist in the volumes list"):
        driver.expand("x", GIBI)


async def test_of_the_parameters_of_a_volume_only_type_can_be_modified(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", GIBI, mutable={"type": "slow"})
    driver.modify(made.id, {"type": "fast"})
    for parameters, text in (({}, "Mutable parameters cannot be empty"), ({"colour": "x"}, "invalid parameters")):
        with pytest.raises(RpcError, match=text) as raised:
            driver.modify(made.id, parameters)
        assert raised.value.code == "InvalidArgument"
    with pytest.raises(RpcError, match="NotFound"):
        driver.modify("x", {"type": "fast"})


# -- snapshots, clones


async def test_a_snapshot_is_the_volume_as_it_was_and_outlives_it(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", GIBI)
    data = driver.node_publish(made.id)
    (data / "f").write_text("before")
    snapshot = await driver.create_snapshot("snap-1", made.id)
    assert (snapshot.size, snapshot.ready, snapshot.volume) == (GIBI, True, made.id)
    assert await driver.create_snapshot("snap-1", made.id) == snapshot
    (data / "f").write_text("after")
    driver.delete_volume(made.id)
    again = HostPathDriver(driver.folder)
    assert again.find_snapshot(snapshot.id) == snapshot
    restored = await again.create_volume("pvc-2", 2 * GIBI, snapshot=snapshot.id)
    assert files(again.node_publish(restored.id)) == {"f": "before"}
    (again.node_publish(restored.id) / "f").write_text("changed")
    once_more = await again.create_volume("pvc-3", GIBI, snapshot=snapshot.id)
    assert files(again.node_publish(once_more.id)) == {"f": "before"}
    again.delete_snapshot(snapshot.id)
    again.delete_snapshot(snapshot.id)
    assert again.find_snapshot(snapshot.id) is None
    assert files(again.node_publish(once_more.id)) == {"f": "before"}


async def test_a_snapshots_name_belongs_to_its_volume(driver: HostPathDriver) -> None:
    one, other = [await driver.create_volume(name, GIBI) for name in ("pvc-1", "pvc-2")]
    await driver.create_snapshot("snap", one.id)
    with pytest.raises(RpcError, match="snapshot with the same name: snap but with different SourceVolumeId") as raised:
        await driver.create_snapshot("snap", other.id)
    assert raised.value.code == "AlreadyExists"
    with pytest.raises(RpcError, match="code = NotFound desc = volume id x does not exist in the volumes list"):
        await driver.create_snapshot("snap-2", "x")


async def test_what_is_made_of_something_is_at_least_as_large_and_of_the_same_mode(driver: HostPathDriver) -> None:
    made = await driver.create_volume("pvc-1", GIBI)
    snapshot = await driver.create_snapshot("snap", made.id)
    for arguments, text in (
        ({"volume": made.id}, f"volume {made.id} size {GIBI} is greater than requested volume size 5"),
        ({"snapshot": snapshot.id}, f"snapshot {snapshot.id} size {GIBI} is greater than requested volume size 5"),
    ):
        with pytest.raises(RpcError, match=text):
            await driver.create_volume("pvc-2", 5, **arguments)
    with pytest.raises(RpcError, match="mode is not compatible with requested mode"):
        await driver.create_volume("pvc-2", GIBI, block=True, volume=made.id)
    with pytest.raises(RpcError, match="failed pre-populate data from snapshot"):
        await driver.create_volume("pvc-2", GIBI, block=True, snapshot=snapshot.id)
    assert len(list((driver.folder / "volumes").iterdir())) == 1


async def test_while_something_is_copied_it_cannot_go_and_its_copy_has_one_maker(
    driver: HostPathDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "SMALL_NAMES", -1)
    made = await driver.create_volume("pvc-1", GIBI)
    (driver.node_publish(made.id) / "f").write_bytes(os.urandom(16 << 20))
    copy = asyncio.create_task(driver.create_volume("pvc-2", GIBI, volume=made.id))
    await asyncio.sleep(0)
    with pytest.raises(RpcError, match=f"Aborted desc = {made.id} is being copied"):
        driver.delete_volume(made.id)
    with pytest.raises(RpcError, match="Aborted desc = An operation with the given name pvc-2 is already in progress"):
        await driver.create_volume("pvc-2", GIBI)
    await copy
    driver.delete_volume(made.id)


async def test_a_copy_that_is_called_off_leaves_nothing(
    driver: HostPathDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "SMALL_NAMES", -1)
    made = await driver.create_volume("pvc-1", GIBI)
    for i in range(4):
        (driver.node_publish(made.id) / str(i)).write_bytes(os.urandom(16 << 20))
    copy = asyncio.create_task(driver.create_snapshot("snap", made.id))
    await asyncio.sleep(0)
    copy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copy
    assert list((driver.folder / "snapshots").iterdir()) == []
    monkeypatch.undo()
    assert (await driver.create_snapshot("snap", made.id)).ready


# -- the node's side


async def test_inline_volumes_come_and_go_and_names_lead_nowhere(driver: HostPathDriver) -> None:
    data = driver.node_publish_ephemeral("csi-0123", {})
    (data / "f").write_text("x")
    assert driver.node_publish_ephemeral("csi-0123", {}) == data
    assert HostPathDriver(driver.folder).node_publish_ephemeral("csi-0123", {}) == data
    driver.node_unpublish_ephemeral("csi-0123")
    driver.node_unpublish_ephemeral("csi-0123")
    assert not data.exists()
    for name in ("../x", ".", "", "a/b", ".new-x"):
        with pytest.raises(RpcError, match="InvalidArgument"):
            driver.node_publish_ephemeral(name, {})
    with pytest.raises(RpcError, match="specifying kind"):
        driver.node_publish_ephemeral("csi-1", {"kind": "fast"})
    made = await driver.create_volume("pvc-1", GIBI)
    driver.node_unpublish_ephemeral(made.id)
    assert driver.find_volume(made.id) == made
    for handle in ("../../etc", "x"):
        with pytest.raises(RpcError, match="NotFound"):
            driver.node_publish(handle)


async def test_what_cannot_be_read_is_left_alone(driver: HostPathDriver, caplog: pytest.LogCaptureFixture) -> None:
    made = await driver.create_volume("pvc-1", GIBI)
    (driver.node_publish(made.id) / "f").write_text("dear")
    (driver.folder / "volumes" / made.id / "record.json").write_text("{")
    again = HostPathDriver(driver.folder)
    again.recover()
    assert again.find_volume(made.id) is None
    assert "is left alone" in caplog.text
    assert (driver.node_publish(made.id) / "f").read_text() == "dear"


# -- ends at every step


def steps(tmp_path: Path, act: str, how: str) -> list[dict[str, Any]]:
    program = Path(__file__).with_name("crashes.py")
    ended = subprocess.run(
        [sys.executable, str(program), str(tmp_path), act, how], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


WAS = {"source": CONTENT, "kept": CONTENT, "capacity": 1000}
BECOMES = {
    "create": {**WAS, "new": {}},
    "expand": {**WAS, "capacity": 2000},
    "delete": {"kept": CONTENT},
    "delete_snapshot": {"source": CONTENT, "capacity": 1000},
}


@pytest.mark.parametrize("act", ACTS)
def test_killed_at_any_step_it_is_done_or_not_begun(tmp_path: Path, act: str) -> None:
    becomes = BECOMES.get(act, {**WAS, "new": CONTENT})
    seen = steps(tmp_path, act, "kill")
    assert len(seen) > 2
    assert seen[-1]["code"] == 0
    assert seen[-1]["answer"] == "done"
    outcomes = []
    for step in seen:
        assert step["before"]["found"] == step["after"]["found"], f"recovering changed it: {step}"
        assert step["after"]["rest"] == [], f"something is left: {step}"
        outcomes.append(step["after"]["found"])
    assert outcomes[-1] == becomes
    done = outcomes.index(becomes)
    assert all(outcome == WAS for outcome in outcomes[:done])
    assert all(outcome == becomes for outcome in outcomes[done:])


@pytest.mark.parametrize("act", ACTS)
def test_a_disk_that_is_full_at_any_step_is_said_and_nothing_is_left(tmp_path: Path, act: str) -> None:
    becomes = BECOMES.get(act, {**WAS, "new": CONTENT})
    for step in steps(tmp_path, act, "full"):
        if step["answer"] == "done":  # or what is deleted could not be removed from the disk yet
            assert step["before"]["found"] == becomes
        else:
            assert step["answer"].startswith("rpc error: code = ResourceExhausted desc = failed to ")
            assert step["before"]["found"] == WAS
            assert step["before"]["rest"] == [], f"something is left: {step}"
        assert step["after"]["rest"] == []
