"""What a shell remembers: variables with their attributes, and the ways its control flow leaves a command."""

from __future__ import annotations

from collections.abc import Mapping


class ShellFailure(Exception):
    """An error that ends a shell that is not interactive, with its text."""

    def __init__(self, text: str, status: int = 2) -> None:
        super().__init__(text)
        self.status = status


class ExpansionFailure(Exception):
    """`${x:?text}`, an unset parameter under `set -u`, bad arithmetic: ends a shell that is not interactive."""


class Leave(Exception):
    """`exit`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Return(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class JobInterrupted(Exception):
    """^C ended a job of an interactive shell: its command line ends, too."""


class LoopJump(Exception):
    """`break` and `continue`: how many loops to leave, and whether the last of them goes on."""

    def __init__(self, loops: int, goes_on: bool) -> None:
        super().__init__(loops)
        self.loops = loops
        self.goes_on = goes_on


class Variables(dict[str, str]):
    """Name -> value. Assigning a read-only one raises ShellFailure."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        super().__init__(values or {})
        self.exported: set[str] = set()
        self.readonly: set[str] = set()
        self.export_all = False

    def __setitem__(self, name: str, value: str) -> None:
        if name in self.readonly:
            raise ShellFailure(f"{name}: is read only")
        if self.export_all:
            self.exported.add(name)
        super().__setitem__(name, value)

    def unset(self, name: str) -> None:
        if name in self.readonly:
            raise ShellFailure(f"{name}: is read only", 1)
        self.pop(name, None)
        self.exported.discard(name)

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in self.items() if name in self.exported}

    def copy(self) -> Variables:
        twin = Variables(self)
        twin.exported = set(self.exported)
        twin.readonly = set(self.readonly)
        twin.export_all = self.export_all
        return twin
