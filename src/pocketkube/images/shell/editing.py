"""Line editing as BusyBox ash has it: keys in, what the screen needs out. Pure: no terminal, no tasks.

Models arrows, Home, End, Delete, words (Alt-B, Alt-F, Alt-D, Ctrl-arrows), Ctrl-A B D E F H K L N P T U W Y, history
with up and down, search back with Ctrl-R, and completion with Tab. Lines longer than the screen is wide wrap. Left
out: the vi mode.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable

LONGEST = 4096
"""Characters of a line; the rest is refused with a bell, as in BusyBox (there after 1,024)."""
_SEQUENCE = re.compile(r"\x1b(?:[\[O]\d*(?:;\d*)*[A-Za-z~]|[^\[O])")
_BELL = "\a"
_KEYS = {
    "\x1b[A": "up", "\x1bOA": "up", "\x10": "up", "\x1b[B": "down", "\x1bOB": "down", "\x0e": "down",
    "\x1b[C": "right", "\x1bOC": "right", "\x06": "right", "\x1b[D": "left", "\x1bOD": "left", "\x02": "left",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home", "\x1b[7~": "home", "\x01": "home",
    "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end", "\x1b[8~": "end", "\x05": "end",
    "\x1b[3~": "delete", "\x7f": "erase", "\x08": "erase", "\x15": "kill", "\x0b": "cut", "\x17": "word",
    "\x1b\x7f": "word", "\x1bd": "cut_word", "\x1bb": "word_left", "\x1b[1;5D": "word_left", "\x1b[1;3D": "word_left",
    "\x1bf": "word_right", "\x1b[1;5C": "word_right", "\x1b[1;3C": "word_right", "\x0c": "clear", "\x14": "swap",
    "\x19": "paste", "\t": "complete", "\x12": "search",
}  # fmt: skip

Complete = Callable[[str], tuple[int, list[str]]]
"""The text before the cursor -> where the word in it starts, and what it may become."""


class Interrupted(Exception):
    """Ctrl-C."""


class Editor:
    """One line at a prompt. `feed` takes keys and gives what to write; the line is `done` after Enter, or `ended` by
    Ctrl-D on an empty one. Raises Interrupted."""

    def __init__(self, prompt: str, width: int, history: list[str], complete: Complete | None = None) -> None:
        self.text = ""
        self.cursor = 0
        self.done = False
        self.ended = False
        self._prompt = prompt[-LONGEST:]
        self._shown_prompt = self._prompt.rsplit("\n", 1)[-1]
        self._width = _columns(width)
        self._history = [*history, ""]
        self._at = len(history)
        self._complete = complete
        self._tabs = 0
        self._cut = ""
        self._pending = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._search: str | None = None
        self._out: list[str] = []

    def start(self) -> str:
        return self._prompt

    def resize(self, width: int) -> None:
        self._width = _columns(width)

    def feed(self, keys: bytes) -> str:
        """What to write for these keys. Those after Enter are not looked at: feed byte by byte to keep them."""
        self._out = []
        self._pending += self._decoder.decode(keys)
        while self._pending and not (self.done or self.ended):
            key = self._next()
            if key is None:
                break
            self._key(key)
        return "".join(self._out)

    def _next(self) -> str | None:
        if not self._pending.startswith("\x1b"):
            key, self._pending = self._pending[0], self._pending[1:]
            return key
        found = _SEQUENCE.match(self._pending)
        if found is None:
            if len(self._pending) > 16:
                self._pending = ""
            return None
        self._pending = self._pending[found.end() :]
        return found.group()

    def _key(self, key: str) -> None:
        tabs, self._tabs = self._tabs, 0
        action = _KEYS.get(key, "")
        if self._search is not None and self._searching(key, action):
            return
        if key in ("\r", "\n"):
            self._to(len(self.text))
            self._out.append("\n")
            self.done = True
        elif key == "\x03":
            self._to(len(self.text))
            raise Interrupted
        elif key == "\x04":
            if self.text:
                self._on_delete()
            else:
                self.ended = True
        elif action == "complete":
            self._tabs = tabs + 1
            self._on_complete()
        elif action:
            getattr(self, f"_on_{action}")()
        elif key >= " " and key[0] != "\x1b":
            self._insert(key)

    # Changing the line

    def _insert(self, text: str) -> None:
        if len(self.text) + len(text) > LONGEST:
            self._out.append(_BELL)
            return
        self._become(self.text[: self.cursor] + text + self.text[self.cursor :], self.cursor + len(text))

    def _remove(self, start: int, end: int, *, keep: bool = False) -> None:
        if start == end:
            return
        if keep:
            self._cut = self.text[start:end]
        self._become(self.text[:start] + self.text[end:], start)

    def _on_erase(self) -> None:
        self._remove(max(self.cursor - 1, 0), self.cursor)

    def _on_delete(self) -> None:
        self._remove(self.cursor, min(self.cursor + 1, len(self.text)))

    def _on_kill(self) -> None:
        self._remove(0, self.cursor, keep=True)

    def _on_cut(self) -> None:
        self._remove(self.cursor, len(self.text), keep=True)

    def _on_word(self) -> None:
        self._remove(len(re.sub(r"\S*\s*\Z", "", self.text[: self.cursor])), self.cursor, keep=True)

    def _on_cut_word(self) -> None:
        self._remove(self.cursor, self._word_end())

    def _on_paste(self) -> None:
        self._insert(self._cut)

    def _on_swap(self) -> None:
        if not self.cursor or len(self.text) < 2:
            return
        at = min(self.cursor, len(self.text) - 1)
        swapped = self.text[: at - 1] + self.text[at] + self.text[at - 1] + self.text[at + 1 :]
        self._become(swapped, at + 1)

    def _on_left(self) -> None:
        self._to(max(self.cursor - 1, 0))

    def _on_right(self) -> None:
        self._to(min(self.cursor + 1, len(self.text)))

    def _on_home(self) -> None:
        self._to(0)

    def _on_end(self) -> None:
        self._to(len(self.text))

    def _on_word_left(self) -> None:
        self._to(len(re.sub(r"\w*\W*\Z", "", self.text[: self.cursor])))

    def _on_word_right(self) -> None:
        self._to(self._word_end())

    def _word_end(self) -> int:
        found = re.compile(r"\W*\w*").match(self.text, self.cursor)
        return found.end() if found else len(self.text)

    def _on_clear(self) -> None:
        self._out.append("\x1b[H\x1b[J" + self._shown_prompt)
        self._redraw()

    # History

    def _on_up(self) -> None:
        self._recall(self._at - 1)

    def _on_down(self) -> None:
        self._recall(self._at + 1)

    def _recall(self, at: int) -> None:
        if not 0 <= at < len(self._history):
            self._out.append(_BELL)
            return
        self._history[self._at] = self.text
        self._at = at
        self._become(self._history[at], len(self._history[at]))

    def _on_search(self) -> None:
        self._search = ""
        self._found()

    def _searching(self, key: str, action: str) -> bool:
        """A key while searching; whether it was for the search."""
        assert self._search is not None
        if action == "search":
            self._found(self._at - 1)
        elif action == "erase":
            self._search = self._search[:-1]
            self._found()
        elif len(key) == 1 and key >= " ":
            self._search += key
            self._found()
        else:
            self._search = None
            self._over(self._shown_prompt)
            return False
        return True

    def _found(self, start: int | None = None) -> None:
        assert self._search is not None
        newest = len(self._history) - 1 if start is None else start
        for at in range(newest, -1, -1):
            if self._search and self._search in self._history[at]:
                self._at, self.text = at, self._history[at]
                self.cursor = self.text.index(self._search)
                break
        else:
            if self._search:
                self._out.append(_BELL)
        self._over(f"(reverse-i-search)'{self._search}': ")

    def _over(self, prompt: str) -> None:
        """Write the whole line anew, behind another prompt."""
        rows = self._cell(self.cursor)[0]
        self._shown_prompt = prompt
        self._out.append("\r" + (f"\x1b[{rows}A" if rows else "") + "\x1b[J" + prompt)
        self._redraw()

    # Completion

    def _on_complete(self) -> None:
        if self._complete is None:
            return
        before = self.text[: self.cursor]
        start, found = self._complete(before)
        if not found:
            self._out.append(_BELL)
            return
        common = _common(found)
        if len(common) > len(before) - start or (len(found) == 1 and common != before[start:]):
            self._tabs = 0
            self._become(before[:start] + common + self.text[self.cursor :], start + len(common))
        elif len(found) > 1 and self._tabs >= 2:
            self._list([name.rstrip("/").rsplit("/", 1)[-1] + "/" * name.endswith("/") for name in found])
        elif len(found) > 1:
            self._out.append(_BELL)

    def _list(self, names: list[str]) -> None:
        at = self.cursor
        self._to(len(self.text))
        column = max(map(_width, names)) + 2
        columns = max(self._width // column, 1)
        rows = -(-len(names) // columns)
        self._out.append("\n")
        for row in range(rows):
            self._out.append("".join(name + " " * (column - _width(name)) for name in names[row::rows]).rstrip() + "\n")
        self._out.append(self._shown_prompt)
        self.cursor = at
        self._redraw()

    # The screen

    def _cell(self, position: int, text: str | None = None) -> tuple[int, int]:
        """Row and column of a position, counted from the prompt's row."""
        prompt = re.sub(r"\x1b\[[\d;]*[A-Za-z]|[\x01\x02]", "", self._shown_prompt)
        cells = _width(prompt)
        text = self.text if text is None else text
        if text.isascii():  # a thousand times as fast for a line of thousands, and each key asks several times
            return divmod(cells + min(position, len(text)), self._width)
        for character in text[:position]:
            wide = _width(character)
            if wide == 2 and cells % self._width == self._width - 1:
                cells += 1
            cells += wide
        return divmod(cells, self._width)

    def _to(self, position: int) -> None:
        row, column = self._cell(self.cursor)
        self.cursor = position
        self._move((row, column), self._cell(position))

    def _move(self, old: tuple[int, int], new: tuple[int, int]) -> None:
        rows, columns = new[0] - old[0], new[1] - old[1]
        if rows:
            self._out.append(f"\x1b[{abs(rows)}{'B' if rows > 0 else 'A'}")
        if columns < 0:
            self._out.append("\b" * -columns if columns >= -4 else f"\x1b[{-columns}D")
        elif columns:
            self._out.append(f"\x1b[{columns}C")

    def _become(self, text: str, cursor: int) -> None:
        """Change the line, writing no more than what differs."""
        same = 0
        for old, new in zip(self.text, text, strict=False):
            if old != new:
                break
            same += 1
        shorter = not text.startswith(self.text)
        self._to(same)
        self.text = text
        self._write(same, clear=shorter and same < max(len(text), len(self.text) + 1))
        self._move(self._cell(len(text)), self._cell(cursor))
        self.cursor = cursor

    def _redraw(self) -> None:
        self._write(0)
        self._move(self._cell(len(self.text)), self._cell(self.cursor))

    def _write(self, start: int, *, clear: bool = False) -> None:
        """The line from a position to its end; the cursor is at its end after that."""
        self._out.append(self.text[start:])
        if start < len(self.text) and self._cell(len(self.text))[1] == 0:
            self._out.append(" \b")  # a terminal goes to the next row only with the next character
        if clear:
            self._out.append("\x1b[J")


def _common(names: list[str]) -> str:
    first, last = min(names), max(names)
    for at, character in enumerate(first):
        if last[at : at + 1] != character:
            return first[:at]
    return first


def _columns(width: int) -> int:
    """The columns of a terminal; one that does not tell (0, as of a program's pty) is taken to have 80, as by ash."""
    return width if 1 < width < 30_000 else 80


def _width(text: str) -> int:
    """Columns on a screen."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
