"""The programs of an image, in clusters that keep them: no container finds a way to put others in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from pocketkube.images import catalogue
from pocketkube.images.base import Image
from pocketkube.kubelet.filesystem import FileSystem, root_of

IMAGES = catalogue()
AGNHOST = "agnhost"
FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")


def kept(name: str) -> FileSystem:
    return root_of(image_of(name), keep_programs=True)


def image_of(name: str) -> type[Image]:
    return next(found for reference, found in IMAGES.items() if f"/{name}:" in f"/{reference}")


def programs(fs: FileSystem) -> dict[str, bytes]:
    """Every program in the four folders -> its bytes, links followed."""
    found = {}
    for folder in FOLDERS:
        for name in fs.listdir(folder) if fs.exists(folder) else ():
            with contextlib.suppress(OSError):
                found[f"{folder}/{name}"] = fs.read_bytes(f"{folder}/{name}")
    return found


def written(fs: FileSystem) -> None:
    fs.write_bytes("/bin/sh", b"#!")


def removed(fs: FileSystem) -> None:
    fs.unlink("/bin/sh")


def moved_away(fs: FileSystem) -> None:
    fs.rename("/bin/sh", "/tmp/sh")


def moved_over(fs: FileSystem) -> None:
    fs.write_bytes("/tmp/x", b"#!")
    fs.rename("/tmp/x", "/bin/sh")


def added(fs: FileSystem) -> None:
    fs.write_bytes("/usr/bin/new", b"#!")


def linked(fs: FileSystem) -> None:
    fs.symlink("/tmp/x", "/bin/new")


def not_to_be_run(fs: FileSystem) -> None:
    fs.chmod("/bin/sh", 0o644)


def the_folder_moved(fs: FileSystem) -> None:
    fs.rename("/bin", "/other")


def the_folder_removed(fs: FileSystem) -> None:
    fs.rmdir("/sbin")


def the_link_to_the_folder(fs: FileSystem) -> None:
    fs.unlink("/bin")
    fs.mkdir("/bin")
    fs.write_bytes("/bin/sh", b"#!")


def through_proc(fs: FileSystem) -> None:
    fs.write_bytes("/proc/self/root/bin/sh", b"#!")


def by_a_link_from_elsewhere(fs: FileSystem) -> None:
    fs.symlink("/bin/sh", "/tmp/l")
    fs.write_bytes("/tmp/l", b"#!")


def what_lies_above_made_anew(fs: FileSystem) -> None:
    fs.rename("/usr", "/elsewhere")
    fs.mkdir("/usr")
    fs.mkdir("/usr/bin")
    fs.write_bytes("/usr/bin/stat", b"#!/bin/sh\n")


CHANGES: tuple[Callable[[FileSystem], None], ...] = (
    *(written, removed, moved_away, moved_over, added, linked, not_to_be_run, the_folder_moved, the_folder_removed),
    *(the_link_to_the_folder, through_proc, by_a_link_from_elsewhere, what_lies_above_made_anew),
)


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("image", [AGNHOST, "busybox", "nginx", "ubuntu"])
def test_programs_stay_as_they_are_in_the_image(image: str, how: Callable[[FileSystem], None]) -> None:
    fs = kept(image)
    before = programs(fs)
    assert "/bin/sh" in before
    with contextlib.suppress(OSError):
        how(fs)
    assert programs(fs) == before


def test_what_is_refused_is_refused_as_on_a_read_only_mount() -> None:
    fs = kept(AGNHOST)
    for change in (written, removed, added):
        with pytest.raises(OSError, match="Read-only file system"):
            change(fs)
    fs.write_bytes("/tmp/x", b"kept")
    fs.write_bytes("/etc/x", b"kept")
    assert fs.read_bytes("/etc/x") == b"kept"


def test_other_clusters_leave_that_to_the_container() -> None:
    image = image_of(AGNHOST)
    fs, other = root_of(image), root_of(image)
    fs.unlink("/bin/sh")
    assert not fs.exists("/bin/sh")
    assert other.exists("/bin/sh")
