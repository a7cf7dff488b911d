"""No path a container can build reaches a host file outside its mounts, and the errors are Linux' own."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.pocketkube.kubelet.world import IMAGE

from pocketkube.kubelet.filesystem import FileSystem, HostTree, root_of

SECRET = b"host secret"


class World:
    """A container with a volume on the host, and a secret beside that volume."""

    def __init__(self, tmp_path: Path) -> None:
        self.outside = tmp_path / "outside"
        self.outside.mkdir()
        self.secret = self.outside / "secret"
        self.secret.write_bytes(SECRET)
        self.folder = tmp_path / "volume"
        self.folder.mkdir()
        self.tree = HostTree(self.folder)
        self.fs = self.container()

    def container(self) -> FileSystem:
        fs = root_of(IMAGE)
        fs.mount("/data", self.tree)
        return fs

    def untouched(self) -> bool:
        return sorted(os.listdir(self.outside)) == ["secret"] and self.secret.read_bytes() == SECRET


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _links(world: World) -> dict[str, str]:
    """Name of a planted link -> its target: everything that would lead out if the host resolved it."""
    secret, outside = str(world.secret), str(world.outside)
    return {
        "absolute": secret,
        "absolute-folder": outside,
        "relative": "../outside/secret",
        "relative-folder": "../outside",
        "deep": "../" * 30 + secret.lstrip("/"),
        "dots": "./.././../outside/./secret",
        "slashes": f"//{secret}",
        "trailing": f"{outside}/",
        "root": "/",
        "proc-root": f"/proc/1/root{secret}",
        "proc-self-root": f"/proc/self/root{secret}",
        "proc-cwd": f"/proc/self/cwd/{'../' * 30}{secret.lstrip('/')}",
        "proc-fd": "/proc/self/fd/3",
        "proc-fd-parent": "/proc/self/fd/../../../../outside/secret",
        "dev-fd": "/dev/fd/3",
        "chain": "absolute",
        "chain-folder": "relative-folder",
        "volume-dots": "/data/../../outside/secret",
    }


def _reading(path: str) -> list[Callable[[FileSystem], object]]:
    return [
        lambda fs: fs.read_bytes(path),
        lambda fs: fs.read_bytes(f"{path}/secret"),
        lambda fs: fs.open(path),
        lambda fs: fs.listdir(path),
        lambda fs: fs.stat(path),
    ]


@pytest.mark.parametrize("planted_by", ["this container", "another container", "the host"])
def test_links_in_a_volume_never_leave_the_container(world: World, planted_by: str) -> None:
    tried = 0
    other = world.container()
    for name, target in _links(world).items():
        if planted_by == "the host":
            os.symlink(target, world.folder / name)
        else:
            (other if planted_by == "another container" else world.fs).symlink(target, f"/data/{name}")
        for path in (f"/data/{name}", f"/data/{name}/", f"/data/./{name}", f"/data/x/../{name}"):
            for read in _reading(path):
                tried += 1
                found: object = None
                with contextlib.suppress(OSError):
                    found = read(world.fs)
                assert SECRET not in (found if isinstance(found, bytes) else b""), path
                assert "secret" not in (found if isinstance(found, list) else []), path
        for write in (world.fs.write_bytes, world.fs.append_bytes):
            tried += 1
            with contextlib.suppress(OSError):
                write(f"/data/{name}", b"overwritten")
            assert world.untouched(), name
        for change in (
            lambda fs, path: fs.chmod(path, 0),
            lambda fs, path: fs.utime(path, (0, 0)),
            lambda fs, path: fs.truncate(path, 0),
            lambda fs, path: fs.chown(path, 5, 5),
            lambda fs, path: fs.mkdir(f"{path}/made", parents=True),
            lambda fs, path: fs.rename(f"{path}/secret", "/data/stolen"),
            lambda fs, path: fs.link(f"{path}/secret", "/data/stolen"),
            lambda fs, path: fs.link(path, "/data/stolen"),
            lambda fs, path: fs.unlink(f"{path}/secret"),
            lambda fs, path: fs.rmdir(path),
        ):
            tried += 1
            mode = world.secret.stat().st_mode
            with contextlib.suppress(OSError):
                change(world.fs, f"/data/{name}")
            assert world.untouched(), name
            assert world.secret.stat().st_mode == mode
        assert world.secret.stat().st_nlink == 1
        (world.folder / "stolen").unlink(missing_ok=True)
    assert tried > 50


@pytest.mark.parametrize(
    "path",
    [
        "/data/../../outside/secret",
        "/data/../../../../../../../../outside/secret",
        "/../outside/secret",
        "../outside/secret",
        "/data/a/../../../outside/secret",
        "/data//..//..//outside/secret",
        "/proc/1/root/../outside/secret",
        "/proc/self/cwd/../outside/secret",
        "/dev/fd/../../outside/secret",
        "/sys/../../outside/secret",
    ],
)
def test_dots_stop_at_the_root(world: World, path: str) -> None:
    with pytest.raises(OSError, match=r"No such file|Not a directory"):
        world.fs.read_bytes(path)


def test_absolute_host_paths_mean_nothing_inside(world: World) -> None:
    for path in (str(world.secret), str(world.folder), f"/data/{world.secret}"):
        assert not world.fs.exists(path)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/data/a\0b", errno.EINVAL),
        ("", errno.ENOENT),
        ("/data/" + "n" * 256, errno.ENAMETOOLONG),
        ("/data/" + "ä" * 128, errno.ENAMETOOLONG),
        ("/data" + "/x" * 2100, errno.ENAMETOOLONG),
        ("/etc/motd/", errno.ENOTDIR),
        ("/etc/motd/..", errno.ENOTDIR),
        ("/etc/motd/x", errno.ENOTDIR),
        ("/loop", errno.ELOOP),
        ("/data", errno.EISDIR),
    ],
)
def test_bad_paths(world: World, path: str, number: int) -> None:
    world.fs.symlink("/loop", "/loop")
    with pytest.raises(OSError) as failed:  # noqa: PT011
        world.fs.open(path)
    assert failed.value.errno == number
    assert failed.value.filename == path


def test_forty_links_are_the_limit(world: World) -> None:
    world.fs.write_bytes("/l0", b"end")
    for number in range(1, 42):
        world.fs.symlink(f"l{number - 1}", f"/l{number}")
    assert world.fs.read_bytes("/l40") == b"end"
    with pytest.raises(OSError) as failed:  # noqa: PT011
        world.fs.read_bytes("/l41")
    assert failed.value.errno == errno.ELOOP


def test_a_folder_swapped_for_a_link_between_lookup_and_use(world: World) -> None:
    """The host (or a racing container) replaces a directory by a link after the path was resolved."""
    world.fs.mkdir("/data/d")
    world.fs.write_bytes("/data/d/secret", b"harmless")
    original = world.tree.open

    def racing(node: tuple[str, ...], seer: object) -> object:
        os.rename(world.folder / "d", world.folder / "old")
        os.symlink(world.outside, world.folder / "d")
        return original(node, seer)  # type: ignore[arg-type]

    world.tree.open = racing  # type: ignore[method-assign, assignment]
    with pytest.raises(OSError):  # noqa: PT011
        world.fs.read_bytes("/data/d/secret")
    world.tree.open = original  # type: ignore[method-assign]
    with pytest.raises(OSError):  # noqa: PT011
        world.tree.remove(("d",), "secret")
    with pytest.raises(OSError):  # noqa: PT011
        world.tree.create(("d",), "new", "file", 0o644, 0, 0)
    with pytest.raises(OSError):  # noqa: PT011
        world.tree.rename(("d",), "secret", (), "stolen")
    with pytest.raises(OSError):  # noqa: PT011
        world.tree.link(("d", "secret"), (), "stolen")
    assert world.untouched()


def test_a_file_swapped_for_a_link(world: World) -> None:
    os.symlink(world.secret, world.folder / "f")
    with pytest.raises(OSError):  # noqa: PT011
        world.tree.open(("f",), None)  # type: ignore[arg-type]
    world.tree.change(("f",), mode=0o777)
    assert world.untouched()


def test_special_files_are_refused_without_blocking(world: World) -> None:
    os.mkfifo(world.folder / "fifo")
    with pytest.raises(OSError):  # noqa: PT011
        world.fs.read_bytes("/data/fifo")


def test_links_and_moves_across_mounts_are_refused(world: World) -> None:
    world.fs.write_bytes("/data/f", b"")
    for operation in (world.fs.link, world.fs.rename):
        with pytest.raises(OSError) as failed:  # noqa: PT011
            operation("/data/f", "/tmp/f")
        assert failed.value.errno == errno.EXDEV
        assert (failed.value.filename, failed.value.filename2) == ("/data/f", "/tmp/f")


def test_a_mount_point_stays(world: World) -> None:
    for operation in (
        lambda: world.fs.rmdir("/data"),
        lambda: world.fs.rename("/data", "/elsewhere"),
        lambda: world.fs.rename("/tmp", "/data"),
    ):
        with pytest.raises(OSError) as failed:  # noqa: PT011
            operation()
        assert failed.value.errno == errno.EBUSY


def test_containers_of_an_image_do_not_see_each_others_changes(world: World) -> None:
    other = world.container()
    world.fs.write_bytes("/etc/motd", b"mine")
    world.fs.unlink("/bin/env")
    world.fs.chmod("/bin/cat", 0)
    world.fs.rename("/srv", "/moved")
    world.fs.link("/bin/put", "/bin/put2")
    assert other.read_bytes("/etc/motd") == b"hello\n"
    assert other.is_file("/bin/env")
    assert other.stat("/bin/cat").mode == 0o755
    assert other.is_dir("/srv")
    assert other.stat("/bin/put").nlink == 1
