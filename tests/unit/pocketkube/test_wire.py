"""What is written is read, and any bytes are a message or are told to be none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import wire

FIELD = st.integers(1, 2**29 - 1)


@given(st.lists(st.tuples(FIELD, st.integers(0, 2**64 - 1) | st.binary(max_size=300)), max_size=5))
def test_what_is_written_is_read(written: list[tuple[int, wire.Value]]) -> None:
    data = b"".join(wire.number(at, v) if isinstance(v, int) else wire.message(at, v) for at, v in written)
    assert list(wire.fields(data)) == written


@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    with contextlib.suppress(wire.MalformedProtobuf):
        list(wire.fields(data))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08", "unexpected EOF"),
        (b"\x0a\x05abc", "unexpected EOF"),
        (b"\x0b", "illegal wireType 3"),
        (b"\x02\x00", "illegal tag 0"),
        (b"\xff" * 11, "integer overflow"),
    ],
)
def test_what_is_no_message(data: bytes, why: str) -> None:
    with pytest.raises(wire.MalformedProtobuf, match=why):
        list(wire.fields(data))


def test_texts_fixed_sizes_and_kinds_of_values() -> None:
    assert list(wire.fields(wire.text(3, "ä") + b"\x0d\x01\x02\x03\x04")) == [
        (3, b"\xc3\xa4"),
        (1, b"\x01\x02\x03\x04"),
    ]
    with pytest.raises(wire.MalformedProtobuf, match="wrong wireType"):
        wire.as_bytes(1)
