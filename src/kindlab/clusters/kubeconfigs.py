"""Putting a cluster's context into the user's own kubeconfig, and taking it out again: only when asked (--merge).

Written as a whole or not at all, under the lock file that kubectl and kind use (FILE.lock), with a copy of what was
there beside it. As with kubectl, comments in the file are lost; they come back with the context's removal.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kindlab import paths
from kindlab.errors import Problem

Config = dict[str, Any]
SECTIONS = ("clusters", "users", "contexts")
PATIENCE = 5.0
BACKUP = ".before-kindlab"


def users_own() -> Path:
    """The file kubectl writes to: the first of KUBECONFIG that is there, else its last, else ~/.kube/config."""
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if named:
        return next((file for file in named if file.exists()), named[-1])
    return Path.home() / ".kube" / "config"


def merged(into: Config, added: Config) -> Config:
    """`added`'s entries in place of those of the same name, or at the end; its current context becomes the current."""
    fresh = {"apiVersion": "v1", "kind": "Config", **into}
    for section in SECTIONS:
        names = {entry["name"] for entry in added.get(section) or ()}
        kept = [entry for entry in into.get(section) or () if entry["name"] not in names]
        fresh[section] = [*kept, *(added.get(section) or ())]
    fresh["current-context"] = added["current-context"]
    return fresh


def without(config: Config, context: str, previous: str) -> Config:
    """Without that context, its cluster and its user (which kind names alike); `previous` becomes current again if it
    is still there and that context is the current one."""
    fresh = dict(config)
    for section in SECTIONS:
        fresh[section] = [entry for entry in config.get(section) or () if entry["name"] != context]
    if fresh.get("current-context") == context:
        known = {entry["name"] for entry in fresh["contexts"]}
        fresh["current-context"] = previous if previous in known else ""
    return fresh


def merge(added: Path) -> tuple[Path, str, str]:
    """Put a cluster's kubeconfig into the user's. Returns (file, the context that was current, what was changed)."""
    entries = read(added)
    file, context = users_own(), str(entries["current-context"])
    with _locked(file):
        before = read(file)
        fresh = merged(before, entries)
        if fresh == before:
            return file, context, f"{file} has the context {context} already, and it is the current one."
        backup = _written(file, fresh)
    was = str(before.get("current-context") or "")
    known = any(entry["name"] == context for entry in before.get("contexts") or ())
    said = f"{file}: context {context} {'put in place of the old one' if known else 'added'} and made the current one"
    aside = [f"it was {was}"] if was and was != context else []
    aside += [f"the file as it was: {backup}"] if backup else []
    return file, was, said + (f" ({'; '.join(aside)})." if aside else ".")


def unmerge(file: Path, context: str, previous: str) -> str:
    """Take it out again. Where nothing else has changed since, the file is what it was to the byte. Returns what was
    changed; "" when there was nothing to take out."""
    if not file.is_file():
        return ""
    with _locked(file):
        before = read(file)
        fresh = without(before, context, previous)
        if fresh == before:
            return ""
        if (kept := _kept(file.resolve(), fresh)) is not None:
            paths.write_atomically(file.resolve(), kept, mode=_mode(file.resolve()))
            _backup(file.resolve()).unlink()
        else:
            _written(file, fresh, aside=False)  # the copy of the user's own, with comments, stays
    return f"{file}: context {context} removed."


def read(file: Path) -> Config:
    """Empty when there is no such file. Raises Problem when it is no kubeconfig."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unusable(file, str(error)) from error
    if not isinstance(found, dict) or any(
        not isinstance(entry, dict) or "name" not in entry for s in SECTIONS for entry in found.get(s) or ()
    ):
        raise _unusable(file, "It is no kubeconfig.")
    return found


def _unusable(file: Path, why: str) -> Problem:
    return Problem(
        f"The kubeconfig {file} cannot be used.",
        why,
        "Put it right or move it away; without --merge kindlab does not touch it.",
    )


def _backup(real: Path) -> Path:
    return real.with_name(real.name + BACKUP)


def _mode(real: Path) -> int:
    return stat.S_IMODE(real.stat().st_mode) & 0o700 or 0o600


def _whole(config: Config) -> Config:
    """With what may be left out."""
    return {"apiVersion": "v1", "kind": "Config", "current-context": "", **{key: [] for key in SECTIONS}, **config}


def _kept(real: Path, config: Config) -> str | None:
    """The text of the copy, comments and all, when it says the same as `config`."""
    try:
        same = _whole(read(_backup(real))) == _whole(config)
        return _backup(real).read_text(encoding="utf-8") if same else None
    except (OSError, Problem):
        return None


def _written(file: Path, config: Config, *, aside: bool = True) -> Path | None:
    """Put the file in place; the copy of what was there, if there was anything. A link stays a link."""
    import yaml

    real = file.resolve()
    mode, backup = 0o600, None
    if real.exists():
        mode = _mode(real)
        if aside:
            backup = _backup(real)
            paths.write_atomically(backup, real.read_text(encoding="utf-8"), mode=0o600)
    paths.write_atomically(real, yaml.safe_dump(config, sort_keys=False), mode=mode)
    return backup


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """kubectl's way (client-go tools/clientcmd/config.go): whoever makes FILE.lock may write."""
    import time

    lock = file.with_name(file.name + ".lock")
    deadline = time.monotonic() + PATIENCE
    try:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
                break
            except FileExistsError:
                if time.monotonic() > deadline:
                    raise Problem(
                        f"The kubeconfig {file} is being changed by another program.",
                        f"{lock} is there, and did not go in {PATIENCE:.0f} s.",
                        f"If no kubectl and no kind runs, it was left over: remove {lock}, then run the command again.",
                    ) from None
                time.sleep(0.05)
    except OSError as error:
        raise _unusable(file, f"{error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
