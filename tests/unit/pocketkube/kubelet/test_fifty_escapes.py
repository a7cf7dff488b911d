"""Ways out of a volume, one by one: whatever a container, another container of the volume or a racing host puts there,
nothing outside the folder is read, written, changed in its attributes, or linked."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.pocketkube.kubelet.world import IMAGE

from pocketkube.kubelet import subpath
from pocketkube.kubelet.environment import ConfigError
from pocketkube.kubelet.filesystem import DeviceTree, FileSystem, HostTree, root_of
from pocketkube.kubelet.filesystem.folders import usage
from pocketkube.kubelet.filesystem.host import ATTRIBUTE
from pocketkube.kubelet.volumes.ownership import Giving
from pocketkube.objects import Obj
from pocketkube.removal import remove

SECRET = b"host secret"
ROUNDS = 150
"""Of a race."""


class World:
    """A volume `folder` mounted at /data; beside it, `outside` with a secret no container may ever learn."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        (self.outside / "sub").mkdir(parents=True)
        self.secret = self.outside / "secret"
        self.secret.write_bytes(SECRET)
        self.folder = folder / "volume"
        self.folder.mkdir()
        self.tree = HostTree.of(self.folder)
        self.fs = root_of(IMAGE)
        self.fs.mount("/data", self.tree)
        self.before = self.picture()

    def picture(self) -> object:
        """All there is outside, attributes and counts of links included."""
        found = []
        for path in sorted([self.outside, *self.outside.rglob("*")]):
            stat = path.lstat()
            attributes = os.listxattr(path) if hasattr(os, "listxattr") else []
            content = path.read_bytes() if path.is_file() else b""
            found.append((path, stat.st_mode, stat.st_nlink, stat.st_size, stat.st_mtime_ns, attributes, content))
        return found

    def plant(self, name: str, target: object) -> str:
        """A link the host put into the volume; its path in the container."""
        os.symlink(str(target), self.folder / name)
        return f"/data/{name}"


Escape = Callable[[World], Any]
ESCAPES: dict[str, Escape] = {}


def escape(attempt: Escape) -> Escape:
    ESCAPES[attempt.__name__.strip("_").replace("_", "-")] = attempt
    return attempt


def everything(world: World, path: str) -> list[object]:
    """All that can be done with a path; what came of it."""
    fs, seen = world.fs, []
    uses: list[Callable[[], object]] = [
        lambda: fs.read_bytes(path),
        lambda: fs.read_bytes(f"{path}/secret"),
        lambda: fs.listdir(path),
        lambda: fs.write_bytes(path, b"overwritten"),
        lambda: fs.write_bytes(f"{path}/new", b"made"),
        lambda: fs.write_bytes(f"{path}/secret", b"overwritten"),
        lambda: fs.append_bytes(f"{path}/secret", b"more"),
        lambda: fs.truncate(f"{path}/secret", 0),
        lambda: fs.chmod(path, 0o777),
        lambda: fs.chmod(f"{path}/secret", 0o777),
        lambda: fs.chown(path, 7, 7),
        lambda: fs.utime(f"{path}/secret", (1, 1)),
        lambda: fs.mkdir(f"{path}/made"),
        lambda: fs.mkdir(f"{path}/very/deep", parents=True),
        lambda: fs.symlink("x", f"{path}/link"),
        lambda: fs.link(f"{path}/secret", "/data/stolen"),
        lambda: fs.rename(f"{path}/secret", "/data/stolen"),
        lambda: fs.rename("/data", f"{path}/moved"),
        lambda: fs.rmdir(f"{path}/sub"),
        lambda: fs.unlink(f"{path}/secret"),
        lambda: fs.stat(f"{path}/secret").size,
    ]
    for use in uses:
        with contextlib.suppress(OSError):
            seen.append(use())
    with contextlib.suppress(OSError):
        seen.append(fs.read_bytes("/data/stolen"))
    return seen


def by_path(name: str, path: Callable[[World], str]) -> None:
    ESCAPES[f"path-{name}"] = lambda world: everything(world, path(world))


def by_link(name: str, target: Callable[[World], object]) -> None:
    ESCAPES[f"link-{name}"] = lambda world: everything(world, world.plant("l", target(world)))


by_path("dots", lambda w: "/data/../outside")
by_path("many-dots", lambda w: "/data" + "/.." * 40 + str(w.outside))
by_path("dots-through-a-file", lambda w: "/etc/motd/../../outside")
by_path("relative", lambda w: "../outside")
by_path("absolute", lambda w: str(w.outside))
by_path("double-slashes", lambda w: f"//data//..//{w.outside}")
by_path("below-the-mount", lambda w: f"/data/{w.outside}")
by_path("proc-self-root", lambda w: f"/proc/self/root{w.outside}")
by_path("proc-1-root-dots", lambda w: f"/proc/1/root/../../..{w.outside}")
by_path("proc-self-cwd", lambda w: "/proc/self/cwd/../outside")
by_path("proc-self-fd", lambda w: "/proc/self/fd/3/../outside")
by_path("proc-self-fd-of-a-folder", lambda w: "/proc/self/fd/5")
by_path("proc-self-exe", lambda w: "/proc/self/exe/../../outside")
by_path("dev-fd", lambda w: "/dev/fd/9/secret")
by_path("sys", lambda w: "/sys/../../../outside")
by_path("newline", lambda w: "/data/a\n/../../outside")
by_path("nul", lambda w: f"/data/a\0/../..{w.outside}")
by_path("nul-first", lambda w: f"\0{w.outside}")
by_path("very-long", lambda w: "/data/" + "../" * 1300 + str(w.outside).lstrip("/"))
by_path("too-long", lambda w: "/data" + "/." * 3000 + str(w.outside))
by_path("many-names", lambda w: "/data" + "/n" * 300 + "/.." * 40 + str(w.outside))
by_path("long-name", lambda w: "/data/" + "n" * 300 + "/../../outside")
by_path("backslashes", lambda w: "/data\\..\\outside")
by_path("percent-encoded", lambda w: "/data/%2e%2e/outside")
by_path("overlong-utf8", lambda w: "/data/\udcc0\udcae\udcc0\udcae/outside")
by_path("full-width-dots", lambda w: "/data/\uff0e\uff0e/outside")
by_path("tilde", lambda w: "~/../outside")

by_link("absolute", lambda w: w.outside)
by_link("absolute-file", lambda w: w.secret)
by_link("relative", lambda w: "../outside")
by_link("relative-file", lambda w: "../outside/secret")
by_link("many-dots", lambda w: "../" * 60 + str(w.outside).lstrip("/"))
by_link("current-dots", lambda w: "./.././../outside/.")
by_link("trailing-slash", lambda w: f"{w.outside}/")
by_link("root", lambda w: "/")
by_link("parent", lambda w: "..")
by_link("through-the-mount", lambda w: "/data/../outside")
by_link("proc-root", lambda w: f"/proc/1/root{w.outside}")
by_link("proc-cwd", lambda w: f"/proc/self/cwd/..{w.outside}")
by_link("proc-fd", lambda w: "/proc/self/fd/4")
by_link("of-the-host-process", lambda w: f"/proc/{os.getpid()}/root{w.outside}")
by_link("fd-of-the-host-process", lambda w: f"/proc/{os.getpid()}/fd/1")
by_link("newline", lambda w: f"\n{w.outside}")


@escape
def a_chain_of_links(world: World) -> object:
    for number in range(30):
        world.plant(f"l{number}", world.outside if not number else f"l{number - 1}")
    return everything(world, "/data/l29")


@escape
def a_link_to_a_link_in_another_folder(world: World) -> object:
    world.fs.mkdir("/data/a/b", parents=True)
    world.fs.symlink("../../..", "/data/a/b/up")
    world.fs.symlink("a/b/up/outside", "/data/out")
    return everything(world, "/data/out")


@escape
def a_link_made_by_the_container(world: World) -> object:
    world.fs.symlink(str(world.outside), "/data/l")
    return everything(world, "/data/l")


@escape
def a_link_made_after_the_file_was_opened(world: World) -> object:
    world.fs.mkdir("/data/d")
    world.fs.write_bytes("/data/d/secret", b"mine")
    file = world.fs.open("/data/d/secret", "r+")
    shutil.rmtree(world.folder / "d")
    world.plant("d", world.outside)
    file.content.write_at(0, b"written to what was opened")
    file.truncate(3)
    return [file.content.read_at(0, 99), *everything(world, "/data/d")]


@escape
def a_hard_link_of_a_link(world: World) -> object:
    path = world.plant("l", world.secret)
    with contextlib.suppress(OSError):
        world.fs.link(path, "/data/hard")
    return everything(world, "/data/hard")


@escape
def a_hard_link_across_mounts(world: World) -> object:
    other = world.outside.parent / "other"
    other.mkdir()
    world.fs.mount("/other", HostTree.of(other))
    world.fs.write_bytes("/data/f", b"mine")
    for way in (world.fs.link, world.fs.rename):
        with pytest.raises(OSError, match="Invalid cross-device link"):
            way("/data/f", "/other/f")
    return list(other.iterdir())


@escape
def a_move_of_a_folder_above_itself(world: World) -> object:
    world.fs.mkdir("/data/a/b", parents=True)
    for path in ("/data/a/b/c", "/data/../data/a/b/c"):
        with pytest.raises(OSError, match="Invalid argument"):
            world.fs.rename("/data/a", path)
    return everything(world, "/data/a/../../outside")


@escape
def a_file_mounted_alone(world: World) -> object:
    world.fs.write_bytes("/data/f", b"mine")
    world.fs.mount("/etc/f", world.tree, ("f",))
    os.unlink(world.folder / "f")
    world.plant("f", world.secret)
    return everything(world, "/etc/f")


@escape
def a_folder_mounted_alone(world: World) -> object:
    world.fs.mkdir("/data/d")
    world.fs.mount("/d", world.tree, ("d",))
    os.rmdir(world.folder / "d")
    world.plant("d", world.outside)
    return [*everything(world, "/d"), *everything(world, "/d/../outside")]


@escape
def a_fifo_in_place_of_a_file(world: World) -> object:
    os.mkfifo(world.folder / "f")
    return everything(world, "/data/f")


@escape
def a_name_with_a_slash(world: World) -> object:
    seen: list[object] = []
    for name in ("../outside/secret", "..", ".", "/etc/passwd", ""):
        for call in (
            lambda name=name: world.tree.open((name,), None),
            lambda name=name: world.fs.symlink("x", f"/data/{name}"),
            lambda name=name: world.fs.rename("/data/x", f"/data/{name}"),
        ):
            if name and "/" in name and call.__code__.co_names[0] == "tree":
                continue  # the walk above never gives a tree such a name
            with contextlib.suppress(OSError):
                seen.append(call())
    return []


def _volume(world: World, read_only: bool = False) -> Any:
    return SimpleNamespace(tree=world.tree, root=(), read_only=read_only)


def _sub_paths(world: World, *paths: str) -> object:
    seen = []
    for path in paths:
        with contextlib.suppress(ConfigError):
            node = subpath.find(_volume(world), path, "v", "c")
            fs = FileSystem(world.tree, node=node)
            with contextlib.suppress(OSError):
                seen.append(fs.read_bytes("/secret"))
            with contextlib.suppress(OSError):
                fs.write_bytes("/new", b"")
            with contextlib.suppress(OSError):
                seen.append(fs.read_bytes("/"))
    return seen


@escape
def a_sub_path_of_dots(world: World) -> object:
    return _sub_paths(world, "../outside", "a/../../outside", "..", "./../outside")


@escape
def a_sub_path_through_links(world: World) -> object:
    world.plant("abs", world.outside)
    world.plant("rel", "../outside")
    world.plant("chain", "rel")
    return _sub_paths(world, "abs", "abs/sub", "rel", "rel/secret", "chain", "chain/made/deep")


@escape
def a_sub_path_through_a_link_that_goes_up_and_down(world: World) -> object:
    world.fs.mkdir("/data/d")
    world.plant("l", "d/../../outside")
    return _sub_paths(world, "l", "l/sub", "l/..", "d/../l")


@escape
def a_sub_path_swapped_after_it_was_found(world: World) -> object:
    node = subpath.find(_volume(world), "d", "v", "c")
    os.rmdir(world.folder / "d")
    world.plant("d", world.outside)
    world.fs.mount("/sub", world.tree, node)
    return everything(world, "/sub")


@escape
def a_restored_snapshot_with_links(world: World) -> object:
    world.plant("abs", world.outside)
    world.plant("rel", "../outside")
    copied = world.folder.parent / "restored"
    shutil.copytree(world.folder, copied, symlinks=True)
    world.fs.mount("/restored", HostTree.of(copied))
    return [*everything(world, "/restored/abs"), *everything(world, "/restored/rel")]


@escape
def attributes_that_lie(world: World) -> object:
    path = world.folder / "f"
    path.write_bytes(b"mine")
    for value in (b"../outside 0 0", b"", b"7777777 0 0", b"755 -1 -1", b"\0\0\0", b"755 0 0 0", b"x" * 2000):
        with contextlib.suppress(AttributeError, OSError):
            os.setxattr(path, ATTRIBUTE, value)
        assert world.fs.stat("/data/f").mode <= 0o7777
    return everything(world, "/data/f")


@escape
def attributes_set_through_a_link(world: World) -> object:
    path = world.plant("l", world.secret)
    world.tree.change(("l",), mode=0o777, uid=9, gid=9, atime=1, mtime=1)
    return everything(world, path)


@escape
def a_device_swapped_for_a_link(world: World) -> object:
    (world.folder / "disk").write_bytes(bytes(64))
    device = DeviceTree(world.tree, ("disk",))
    world.fs.mount("/dev/sdb", device)
    os.unlink(world.folder / "disk")
    world.plant("disk", world.secret)
    return everything(world, "/dev/sdb")


def given(tree: HostTree, pod: Obj) -> None:
    """The whole volume is the pod's fsGroup's."""
    giving = Giving(tree, tree.root, pod)
    while not giving.go_on():
        pass


@escape
def group_ownership_through_links(world: World) -> object:
    world.plant("abs", world.outside)
    world.plant("file", world.secret)
    given(world.tree, {"spec": {"securityContext": {"fsGroup": 2000}}})
    return []


@escape
def removal_through_links(world: World) -> object:
    world.plant("abs", world.outside)
    world.fs.mkdir("/data/d")
    os.symlink(world.outside, world.folder / "d" / "deep")
    remove(world.folder)
    assert not world.folder.exists()
    return []


@escape
def removal_of_a_folder_that_is_a_link(world: World) -> object:
    world.plant("abs", world.outside)
    remove(world.folder / "abs")
    return []


@escape
def measuring_through_links(world: World) -> object:
    (world.outside.parent / "big").mkdir()
    (world.outside.parent / "big/f").write_bytes(bytes(1_000_000))
    world.plant("big", world.outside.parent / "big")
    assert usage(world.tree) < 100_000
    return []


@escape
def a_node_disk_whose_folders_are_links(world: World) -> object:
    world.plant("srv", world.outside)
    disk = FileSystem(world.tree)
    seen: list[object] = []
    for path in ("/srv", "/srv/secret", "/../outside", "/", "/srv/../../outside"):
        with contextlib.suppress(OSError):
            world.fs.mount("/host", world.tree, disk.node(path))
            seen += everything(world, "/host")
            seen += everything(world, "/host/srv")
    return seen


@contextlib.contextmanager
def _swapping(world: World, name: str, real: Callable[[Path], None], target: Path) -> Iterator[None]:
    """Another thread puts now the real thing, now a link to the outside in that place."""
    done = threading.Event()
    link = world.folder / "swap-link"

    def swap() -> None:
        place, spare = world.folder / name, world.folder / f"{name}-real"
        while not done.is_set():
            with contextlib.suppress(OSError):
                os.symlink(target, link)
                os.rename(place, spare)
                os.rename(link, place)
                os.unlink(place)
                os.rename(spare, place)

    real(world.folder / name)
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@escape
def a_folder_swapped_by_another_thread(world: World) -> object:
    seen: list[object] = []
    with _swapping(world, "d", os.mkdir, world.outside):
        for number in range(ROUNDS):
            for use in (
                lambda: seen.append(world.fs.read_bytes("/data/d/secret")),
                lambda number=number: world.fs.write_bytes(f"/data/d/{number}", b"x"),
                lambda: world.fs.chmod("/data/d/secret", 0o777),
                lambda: world.fs.unlink("/data/d/secret"),
                lambda number=number: world.fs.mkdir(f"/data/d/m{number}"),
            ):
                with contextlib.suppress(OSError):
                    use()
    return seen


@escape
def a_file_swapped_by_another_thread(world: World) -> object:
    seen: list[object] = []
    with _swapping(world, "f", lambda path: path.touch(), world.secret):
        for _ in range(ROUNDS):
            for use in (
                lambda: seen.append(world.fs.read_bytes("/data/f")),
                lambda: world.fs.write_bytes("/data/f", b"x"),
                lambda: world.fs.chmod("/data/f", 0o777),
                lambda: world.fs.truncate("/data/f", 0),
                lambda: world.fs.utime("/data/f", (1, 1)),
            ):
                with contextlib.suppress(OSError):
                    use()
    return seen


@escape
def a_sub_path_swapped_by_another_thread(world: World) -> object:
    seen: list[object] = []
    with _swapping(world, "d", os.mkdir, world.outside):
        for _ in range(ROUNDS):
            found = _sub_paths(world, "d", "d/sub", "d/made")
            assert isinstance(found, list)
            seen += found
    return seen


@escape
def group_ownership_while_another_thread_swaps(world: World) -> object:
    pod = {"spec": {"securityContext": {"fsGroup": 2000}}}
    with _swapping(world, "d", os.mkdir, world.outside):
        for _ in range(ROUNDS):
            with contextlib.suppress(OSError):
                given(world.tree, pod)
    return []


@escape
def renames_that_race_with_a_lookup(world: World) -> object:
    """A folder moved up while somebody goes down it: `..` is told by the walk, not by the disk."""
    world.fs.mkdir("/data/a/b/c", parents=True)
    seen: list[object] = []
    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            with contextlib.suppress(OSError):
                os.rename(world.folder / "a/b/c", world.folder / "c")
                os.rename(world.folder / "c", world.folder / "a/b/c")

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(ROUNDS):
            with contextlib.suppress(OSError):
                seen.append(world.fs.read_bytes("/data/a/b/c/../../../../outside/secret"))
            with contextlib.suppress(OSError):
                world.fs.write_bytes("/data/a/b/c/../../../../outside/new", b"")
    finally:
        done.set()
        thread.join()
    return seen


def test_there_are_fifty() -> None:
    assert len(ESCAPES) >= 50


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_outside_is_read_or_written(name: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    seen = ESCAPES[name](world)
    assert SECRET not in repr(seen).encode()
    assert "sub" not in [entry for found in seen if isinstance(found, list) for entry in found]
    assert world.picture() == world.before
