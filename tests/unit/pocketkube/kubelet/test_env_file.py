"""Files of variables (fileKeyRef): what is one, what is refused, and that any file is read in time."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.kubelet.env_file import value_of

FILE = """   A='val1'
\t\tB='foo#no comment' # one

# C='nothing'
D='over
two lines'#
E= 'empty, as a shell has it'
F=''
A='again'
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [("A", "val1"), ("B", "foo#no comment"), ("C", ""), ("D", "over\ntwo lines"), ("E", ""), ("F", ""), ("G", "")],
)
def test_variables(name: str, value: str) -> None:
    assert value_of(FILE, name) == value
    assert value_of(FILE.replace("\n", "\r\n"), name) == value


@pytest.mark.parametrize("line", ["A=x", 'A="x"', "A ='x'", "='x'", "A='x", "A='x' y", "A='x''y'", "A=", "export"])
def test_lines_that_are_none(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        value_of(f"\n{line}\n", "Z")
    assert value_of(f"Z='found'\n{line}\n", "Z") == "found"


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]+", fullmatch=True), st.text(st.characters(exclude_characters="'\r")), max_size=4
    )
)
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert {name: value_of(text, name) for name in values} == values


@given(st.text("A='# \t\n\r"), st.sampled_from(["A", "B"]))
def test_any_text_is_a_file_or_is_not(text: str, name: str) -> None:
    with contextlib.suppress(ValueError):
        assert value_of(text, name) in text.replace("\r\n", "\n")


@pytest.mark.parametrize("part", [" ", "A", "A ", "A =", "A='x'\t", "#", "'"])
def test_no_file_takes_long(part: str) -> None:
    began = time.process_time()
    with contextlib.suppress(ValueError):
        value_of(part * (200_000 // len(part)) + "x", "Z")
    assert time.process_time() - began < 5  # what tried every way would take minutes
