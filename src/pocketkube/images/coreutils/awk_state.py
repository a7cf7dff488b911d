"""What a running awk program remembers: its variables and arrays, the record and its fields, its files."""

from __future__ import annotations

import random
from typing import Any

from pocketkube.images.coreutils.awk_streams import Source, Streams
from pocketkube.images.coreutils.awk_syntax import Program
from pocketkube.images.coreutils.awk_tokens import unescape
from pocketkube.images.coreutils.awk_values import UNSET, AwkFailure, Input, Value, integer, number, text
from pocketkube.images.coreutils.options import hold, reason
from pocketkube.images.coreutils.regex import extended, unsuitable
from pocketkube.kubelet.process import Process
from pocketkube.regex import BadPattern, Pattern, posix

_FIELDS = 1_000_000
Array = dict[str, Value]


class State:
    """Of one program."""

    def __init__(self, process: Process, program: Program) -> None:
        self.process = process
        self.program = program
        self.streams = Streams(process)
        self.globals: dict[str, Any] = {
            "FS": " ", "OFS": " ", "RS": "\n", "ORS": "\n", "NR": 0.0, "FNR": 0.0, "SUBSEP": "\x1c", "RSTART": 0.0,
            "RLENGTH": -1.0, "CONVFMT": "%.6g", "OFMT": "%.6g", "FILENAME": "",
            "ENVIRON": {name: Input(value) for name, value in process.env.items()},
        }  # fmt: skip
        self.frames: list[dict[str, Any]] = []
        self.record = ""
        self.fields: list[Value] | None = []
        self.stale = False
        """$0 has to be made anew from the fields."""
        self.random, self.seed = random.Random(0), 0.0
        self.source: Source | None = None
        self.operand = 1
        self.any_file = False
        self.active: set[int] = set()
        self.status = 0
        self.steps = self.held = 0

    async def breathe(self) -> None:
        self.steps += 1
        if not self.steps % 16:
            await self.process.turn()

    # Records and fields

    async def next_record(self) -> str | None:
        """The next one of the operands' files, counted."""
        await self.breathe()
        while True:
            if self.source is None and not await self.next_file():
                return None
            assert self.source is not None
            record = await self.source.record(text(self.globals["RS"]))
            if record is not None:
                self.globals["NR"] = number(self.globals["NR"]) + 1
                self.globals["FNR"] = number(self.globals["FNR"]) + 1
                return record
            await self.source.close()
            self.source = None

    async def next_file(self) -> bool:
        arguments = self.globals["ARGV"]
        while self.operand < integer(number(self.globals["ARGC"])):
            name = text(arguments.get(str(self.operand), ""))
            self.operand += 1
            variable, equals, value = name.partition("=")
            if equals and variable.isidentifier():
                await self.set_variable(variable, Input(unescape(value)))
            elif name:
                return self.open(name)
        return not self.any_file and self.open("-")

    def open(self, name: str) -> bool:
        self.any_file = True
        try:
            self.source = self.streams.file(name)
        except OSError as error:
            raise AwkFailure(f"{name}: {reason(error)}") from None
        self.globals["FILENAME"] = "" if name == "-" else name
        self.globals["FNR"] = 0.0
        return True

    def set_record(self, record: str) -> None:
        self.record, self.fields, self.stale = record, None, False

    def whole_record(self) -> str:
        if self.stale:
            separator, form = text(self.globals["OFS"]), text(self.globals["CONVFMT"])
            self.record = separator.join(text(field, form) for field in self.split_fields())
            self.stale = False
        return self.record

    def split_fields(self) -> list[Value]:
        if self.fields is None:
            separator = text(self.globals["FS"])
            if not text(self.globals["RS"]) and separator != " ":
                separator = "\n|" + (separator if len(separator) > 1 else f"[{separator}]")
            self.fields = self.split(self.record, separator)
        return self.fields

    def split(self, string: str, separator: str) -> list[Value]:
        if separator == " ":
            return [Input(part) for part in string.split()]
        if not string:
            return []
        if not separator:
            return [Input(character) for character in string]
        if len(separator) == 1 and separator != "\\":
            return [Input(part) for part in string.split(separator)]
        out: list[Value] = []
        last = 0
        for found in self.pattern(separator).finditer(string):
            if found.end() > found.start():
                out.append(Input(string[last : found.start()]))
                last = found.end()
        return [*out, Input(string[last:])]

    def set_field(self, at: int, value: Value) -> None:
        if at == 0:
            self.set_record(text(value))
            return
        fields = self.split_fields()
        if not 0 < at < _FIELDS:
            raise AwkFailure(f"cmd. line:1: Access to field {at} is not possible")
        fields += [UNSET] * (at - len(fields))
        fields[at - 1] = value
        self.stale = True

    def pattern(self, source: str) -> Pattern:
        try:
            return posix(extended(source))
        except BadPattern as bad:
            raise AwkFailure(f"{source}: {unsuitable(bad)}") from None

    # Variables

    def scope(self, name: str) -> dict[str, Any]:
        return self.frames[-1] if self.frames and name in self.frames[-1] else self.globals

    def array(self, name: str) -> Array:
        scope = self.scope(name)
        found = scope.get(name)
        if found is None:
            found = scope[name] = {}
        if not isinstance(found, dict):
            raise AwkFailure("cmd. line:1: Not an array")
        return found

    async def set_variable(self, name: str, value: Value) -> None:
        scope = self.scope(name)
        if isinstance(scope.get(name), dict):
            raise AwkFailure("cmd. line:1: Not a scalar")
        if name == "NF" and scope is self.globals:
            wanted = integer(number(value))
            fields = self.split_fields()
            if not 0 <= wanted < _FIELDS:
                raise AwkFailure(f"cmd. line:1: NF cannot be {wanted}")
            self.fields = fields[:wanted] + [UNSET] * (wanted - len(fields))
            self.stale = True
            return
        scope[name] = value

    async def set_element(self, array: Array, key: str, value: Value) -> None:
        if key not in array:
            size = 100 + len(key) + (len(value) if isinstance(value, str) else 0)
            self.held += size
            await hold(self.process, size, self.held)
        array[key] = value
