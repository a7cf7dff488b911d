"""kind and kubectl: which ones this machine has, which are used, and ours: pinned in cluster-config/tools.toml.

Ours lie in a folder of the course (paths.tools()) and are used when they are there, for somebody has put them there on
purpose; else the machine's own, when it is new enough. Nothing is installed unasked, and nothing ever with sudo.
`find` takes ours only with the pinned checksum (kubectl's costs it some tenths of a second): a file that was damaged or
exchanged, or left behind by an older course, is as good as none.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kindlab import downloads, paths
from kindlab.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.clusters.base import Step

VERSION_TIMEOUT = 15.0
"""Seconds a program gets to say its version; the first start of one may be held up by a virus scanner."""
ASK = {"kubectl": ("version", "--client", "-o", "json")}
"""How to ask for the version, where it is not `version`. kubectl's plain text has changed with the years."""
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Pin:
    """What cluster-config/tools.toml says of a tool. `sha256` is by platform; `at_least` and `at_most` are
    (major, minor), and `at_most` is empty where newer ones always do."""

    name: str
    version: str
    url: str
    purpose: str
    at_least: tuple[int, ...]
    at_most: tuple[int, ...]
    sha256: dict[str, str]

    def source(self) -> downloads.Source | None:
        """The file for this machine; None where its checksum is not known."""
        system, machine = this_platform()
        exe = ".exe" if system == "windows" else ""
        digest = self.sha256.get(f"{system}-{machine}")
        url = self.url.format(version=self.version, os=system, arch=machine, platform=f"{system}-{machine}", exe=exe)
        return downloads.Source(url, digest) if digest else None


@dataclass(frozen=True)
class Tool:
    """A program to run. `version` is what it says of itself, as v1.36.4; `ours` when kindlab has installed it."""

    name: str
    path: Path
    version: str
    ours: bool


@dataclass(frozen=True)
class Look:
    """How it stands with a tool. `fault` says in two words why the one that was found is not to be used; `notes` are
    sentences about what was found."""

    pin: Pin
    found: Tool | None
    fault: str = ""
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> Tool | None:
        return None if self.fault else self.found


def pins() -> dict[str, Pin]:
    """By name. Raises Problem when the file cannot be read."""
    file = paths.course() / "cluster-config" / "tools.toml"
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
        return {
            name: Pin(
                name,
                found["version"],
                found["url"],
                found["purpose"],
                _minor(found["at_least"]),
                _minor(found.get("at_most", "")),
                found["sha256"],
            )
            for name, found in told.items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise Problem(
            "kindlab does not know which tools belong to this course.",
            f"{file} cannot be used: {error}.",
            "Take that file from the course anew: git checkout cluster-config/tools.toml",
        ) from error


def this_platform() -> tuple[str, str]:
    """(system, machine) in Go's words: ("linux", "amd64"). WSL is linux; a Python under Rosetta is amd64 and gets
    programs that are, which run there, too."""
    machine = platform.machine().lower()
    return platform.system().lower(), MACHINES.get(machine, machine)


def find(name: str) -> Tool | None:
    """The tool to use: ours when it is installed, else the machine's own when its version is right.

    None, too, where no course says which version is right: the way out then is `kindlab tools`, which says so.
    """
    try:
        pins()
    except Problem:
        return None
    return look(name).used


def at_hand(name: str) -> str | None:
    """The path of a tool, whatever its version and checksum: ours if it is there, else the machine's own.

    For kubectl at a learner's every command, which would else be started twice: one that is too old still does nearly
    everything, and more than no kubectl. `kindlab tools` says what is wrong with it.
    """
    with suppress(UsageProblem):  # no course here
        ours = _ours(name)
        if os.access(ours, os.X_OK):
            return str(ours)
    return shutil.which(name)


def look(name: str) -> Look:
    """Look at ours and the machine's own. Raises UsageProblem for a name that is none, Problem."""
    known = pins()
    if name not in known:
        raise UsageProblem(f"There is no tool {name!r}.", f"The tools are: {', '.join(known)}.")
    pin, notes = known[name], []
    ours, source = _ours(name), pin.source()
    if ours.is_file():
        if source is not None and _is(ours, source):
            return Look(pin, Tool(name, ours, pin.version, ours=True))
        notes.append(f"{ours} is not the file that the course pins (damaged, or of another version), and is not used.")
    system = _elsewhere(name)
    if system is None:
        return Look(pin, None, notes=tuple(notes))
    own = Tool(name, Path(system), version_of(name, Path(system)), ours=False)
    fault = _fault(pin, own.version)
    if fault:
        notes.append(f"{system} is not the right one ({fault}): the course takes {name} {_range(pin)}.")
    return Look(pin, own, fault, tuple(notes))


def install(name: str, step: Step, *, offline: bool = False) -> Tool:
    """Put the pinned one into paths.tools(), or leave it when it is there. Raises Problem."""
    pin = look(name).pin
    source, target = pin.source(), _ours(name)
    if source is None:
        where = "-".join(this_platform())
        raise Problem(
            f"{name} cannot be installed by kindlab on this machine ({where}).",
            f"cluster-config/tools.toml has no checksum for {where}, and nothing is installed without one.",
            f"Install {name} {_range(pin)} with your system's package manager; kindlab finds it on the PATH. "
            f'Or add {where} = "..." to [{name}.sha256] there, with the checksum that its makers publish.',
        )
    if not (target.is_file() and _is(target, source)):
        fetched = downloads.fetch(source, step=step, offline=offline)
        step(f"installing {name} {pin.version}")
        _put(fetched, target)
    _check_runs(name, target)
    return Tool(name, target, pin.version, ours=True)


def version_of(name: str, path: Path) -> str:
    """What a program says is its version, as v1.36.4 or v0.34.0-alpha; empty when it says none, or nothing in time."""
    try:
        return _ask(name, path)
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _ask(name: str, path: Path) -> str:
    command = [str(path), *ASK.get(name, ("version",))]
    answer = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=VERSION_TIMEOUT, check=False
    )  # bytes: what is no text must not raise
    found = re.search(r"v\d+\.\d+[^\s\",]*", answer.stdout.decode(errors="replace"))
    return found[0] if found and answer.returncode == 0 else ""


def _fault(pin: Pin, version: str) -> str:
    """A version before its release (v0.32.0-alpha) counts as that version."""
    if not version:
        return "says no version"
    if _minor(version) < pin.at_least:
        return "too old"
    return "too new" if pin.at_most and _minor(version) > pin.at_most else ""


def _range(pin: Pin) -> str:
    least, most = (".".join(map(str, minor)) for minor in (pin.at_least, pin.at_most))
    return f"{least} to {most}" if most else f"{least} or newer"


def _minor(version: str) -> tuple[int, ...]:
    """(1, 36) of v1.36.4-eks-1 or 1.36; () of nothing. Raises ValueError."""
    if not version:
        return ()
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version!r} is no version")
    return int(found[1]), int(found[2])


def _ours(name: str) -> Path:
    return paths.tools() / (name + (".exe" if this_platform()[0] == "windows" else ""))


def _elsewhere(name: str) -> str | None:
    """The machine's own; our folder may be on the PATH, too, and is passed over."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(
        name, path=os.pathsep.join(f for f in folders if f and Path(f).resolve() != paths.tools().resolve())
    )


def _is(path: Path, source: downloads.Source) -> bool:
    try:
        return os.access(path, os.X_OK) and downloads.sha256_of(path) == source.sha256
    except OSError:
        return False


def _put(fetched: Path, target: Path) -> None:
    """Copy it there under another name, then give it its own: whoever runs it meanwhile has the old one or the new."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fetched, temporary)
        temporary.chmod(0o755)
        temporary.replace(target)
    except OSError as error:
        raise Problem(
            f"{target} could not be written.",
            f"{error.strerror or error}.",
            "See that this folder is yours to write, that the disk is not full, and that the program is not running "
            "(Windows keeps it from being replaced then); or set KINDLAB_TOOLS to another folder.",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _check_runs(name: str, path: Path) -> None:
    try:
        _ask(name, path)
    except OSError as error:
        raise Problem(
            f"{path} was installed, but this machine does not run it.",
            f"{error.strerror or error}.",
            "If programs may not be run from that disk (noexec), set KINDLAB_TOOLS to a folder where they may.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Problem(
            f"{path} was installed, but does not answer.",
            f"It has not said its version within {VERSION_TIMEOUT:.0f} seconds.",
            "A virus scanner may be holding it up. Try again: kindlab tools",
        ) from error
