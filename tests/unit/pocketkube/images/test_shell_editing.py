"""Line editing: whatever keys come, the screen shows the prompt and the line, and the cursor is where the line's is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.images.shell import editing
from pocketkube.images.shell.editing import LONGEST, Editor, Interrupted

WIDTH = 12


class Screen:
    """As much of a terminal as the editor uses: an emulator of its own, so that both must agree."""

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self.rows: dict[int, list[str]] = {}
        self.row = self.column = 0
        self.full = False
        """The last column was written: the next character wraps first."""

    def write(self, text: str) -> None:
        while text:
            found = re.match(r"\x1b\[(\d*)([A-Z])", text)
            if found:
                self.sequence(int(found.group(1) or 1), found.group(2))
                text = text[found.end() :]
                continue
            self.character(text[0])
            text = text[1:]

    def character(self, character: str) -> None:
        if character == "\n":
            self.row, self.column, self.full = self.row + 1, 0, False
        elif character == "\r":
            self.column, self.full = 0, False
        elif character == "\b":
            self.column, self.full = max(self.column - 1, 0), False
        elif character != "\a":
            if self.full:
                self.row, self.column, self.full = self.row + 1, 0, False
            line = self.rows.setdefault(self.row, [])
            line += [" "] * (self.column + 1 - len(line))
            line[self.column] = character
            self.full = self.column == self.width - 1
            self.column += not self.full

    def sequence(self, count: int, name: str) -> None:
        self.full = False
        if name == "A":
            assert self.row >= count
            self.row -= count
        elif name == "B":
            self.row += count
        elif name == "C":
            self.column += count
            assert self.column < self.width
        elif name == "D":
            assert self.column >= count
            self.column -= count
        elif name == "H":
            self.row = self.column = 0
        elif name == "J":
            del self.rows.setdefault(self.row, [])[self.column :]
            for row in [row for row in self.rows if row > self.row]:
                del self.rows[row]

    @property
    def text(self) -> list[str]:
        return ["".join(self.rows.get(row, [])).rstrip() for row in range(max(self.rows, default=0) + 1)]


def shows(screen: Screen, prompt: str, editor: Editor, top: int) -> None:
    whole = prompt + editor.text
    expected = [whole[at : at + WIDTH].rstrip() for at in range(0, len(whole), WIDTH)]
    got = screen.text[top:]
    while got and not got[-1]:
        got.pop()
    while expected and not expected[-1]:
        expected.pop()
    assert got == expected
    assert (screen.row - top, screen.column) == divmod(len(prompt) + editor.cursor, WIDTH)


keys = st.sampled_from(
    ["a", "b", " ", "long", "word word", "\x7f", "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\x01", "\x05", "\x15", "\x0b",
     "\x17", "\x19", "\x14", "\x1b[3~", "\x1bb", "\x1bf", "\x1bd", "\x1b[H", "\x1b[F", "\x1b[9~", "\x1b[1;5D", "\x10"]
)  # fmt: skip


@given(st.lists(keys, max_size=30), st.lists(st.text("abc ", max_size=20), max_size=3))
def test_the_screen_shows_the_line(typed, history):
    screen, editor = Screen(), Editor("/ # ", WIDTH, history)
    screen.write(editor.start())
    for key in typed:
        screen.write(editor.feed(key.encode()))
        shows(screen, "/ # ", editor, 0)
    screen.write(editor.feed(b"\r"))
    assert editor.done
    assert screen.column == 0


@given(st.lists(keys, max_size=20), st.lists(st.text("abc ", max_size=20), max_size=3))
def test_keys_may_come_in_pieces(typed, history):
    whole, pieces = Editor("$ ", WIDTH, history), Editor("$ ", WIDTH, history)
    shown = "".join(whole.feed(key.encode()) for key in typed)
    one_by_one = "".join(pieces.feed(bytes([byte])) for key in typed for byte in key.encode())
    assert (pieces.text, pieces.cursor, one_by_one) == (whole.text, whole.cursor, shown)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("ls\r", "ls"),
        ("ll\x1b[Ds\r", "lsl"),
        ("cho\x01e\x05 x\r", "echo x"),
        ("one two\x17three\r", "one three"),
        ("one two\x15x\r", "x"),
        ("one two\x01\x0b\x19\x19\r", "one twoone two"),
        ("ab\x14\r", "ba"),
        ("a b c\x1bb\x1bbX\r", "a Xb c"),
        ("\x1b[A\r", "third"),
        ("\x1b[A\x1b[A\x1b[B!\r", "third!"),
        ("new\x1b[A\x1b[B er\r", "new er"),
        ("\x1b[A\x1b[A\x1b[A\x1b[A\r", "first"),
        ("\x12sec\r", "second"),
        ("\x12ir\x12\r", "first"),
        ("abc\x01\x04\r", "bc"),
        ("\x1b[24~x\r", "x"),
        ("gr\u00fc\u00dfe\x7f\x7f\r", "gr\u00fc"),
    ],
)
def test_keys_make_lines(typed, line):
    editor = Editor("$ ", 80, ["first", "second", "third"])
    editor.feed(typed.encode())
    assert (editor.done, editor.text) == (True, line)


@pytest.mark.parametrize("width", [0, 1, 65_535])
def test_a_terminal_that_does_not_tell_its_size_has_80_columns(width):
    """A program's pty; each key moved the cursor to a row of its own."""
    silent, known = Editor("/ # ", width, []), Editor("/ # ", 80, [])
    silent.resize(width)
    typed = b"echo a line of some words\x1b[D\x7fx\r"
    assert silent.feed(typed) == known.feed(typed)


def test_ends_and_interrupts():
    editor = Editor("$ ", 80, [])
    editor.feed(b"\x04")
    assert editor.ended
    with pytest.raises(Interrupted):
        Editor("$ ", 80, []).feed(b"half\x03")


def candidates(before):
    start = before.rfind(" ") + 1
    return start, [name for name in ("alpha", "alpine ", "beta/") if name.startswith(before[start:])]


def test_tab_completes_as_far_as_it_is_sure_and_lists_the_second_time():
    editor, screen = Editor("$ ", 40, [], candidates), Screen(40)
    screen.write(editor.start())
    screen.write(editor.feed(b"ls b\t"))
    assert editor.text == "ls beta/"
    screen.write(editor.feed(b"\x17a\t"))
    assert editor.text == "ls alp"
    screen.write(editor.feed(b"\t\t"))
    assert screen.text == ["$ ls alp", "alpha    alpine", "$ ls alp"]
    screen.write(editor.feed(b"i\t"))
    assert (editor.text, screen.text[-1]) == ("ls alpine ", "$ ls alpine")
    assert editor.feed(b"zz\t").endswith("\a")


def test_a_long_line_costs_each_key_little(monkeypatch):
    measured = 0
    width = editing._width

    def counted(text):
        nonlocal measured
        measured += 1
        return width(text)

    editor = Editor("# ", 80, [])
    editor.feed(b"a" * 4000)
    monkeypatch.setattr(editing, "_width", counted)
    editor.feed(b"a")
    assert measured < 20


def test_a_prompt_has_an_end():
    assert len(Editor("p" * 10_000, 80, []).start()) == LONGEST
