from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.apiserver.streams import spdy
from pocketkube.apiserver.streams.spdy_dictionary import DICTIONARY

IDS = st.integers(1, 2**31 - 1)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20)
HEADERS = st.dictionaries(NAMES, st.text("abcABC0123 =/.", max_size=40), max_size=5)
FRAMES = st.one_of(
    st.builds(spdy.Opened, IDS, HEADERS, st.booleans()),
    st.builds(spdy.Replied, IDS, HEADERS, st.booleans()),
    st.builds(spdy.Data, IDS, st.binary(max_size=300), st.booleans()),
    st.builds(spdy.Reset, IDS, st.integers(1, 11)),
    st.builds(spdy.Ping, st.integers(0, 2**32 - 1)),
    st.builds(spdy.GoAway, IDS),
)


def whole(frames: list[spdy.Frame]) -> list[spdy.Frame]:
    """Pieces of one DATA frame put together again."""
    found: list[spdy.Frame] = []
    for frame in frames:
        last = found[-1] if found else None
        if (
            isinstance(frame, spdy.Data)
            and isinstance(last, spdy.Data)
            and last.stream == frame.stream
            and not last.fin
        ):
            found[-1] = spdy.Data(frame.stream, last.data + frame.data, frame.fin)
        else:
            found.append(frame)
    return found


def test_the_dictionary_is_that_of_the_specification() -> None:
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


@given(st.lists(FRAMES, max_size=8), st.integers(1, 50))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(frames: list[spdy.Frame], step: int) -> None:
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    sent = b"".join(encoder.encode(frame) for frame in frames)
    seen = [frame for at in range(0, len(sent), step) for frame in decoder.feed(sent[at : at + step])]
    assert whole(seen) == whole(frames)


@given(st.binary(max_size=200))
def test_rubbish_is_refused_or_waited_for(data: bytes) -> None:
    """Nothing but SpdyError comes out, and no piece is larger than what came in."""
    try:
        for frame in spdy.Decoder().feed(data):
            assert not isinstance(frame, spdy.Data) or len(frame.data) <= len(data)
    except spdy.SpdyError:
        pass


def test_the_bytes_of_a_data_frame_are_handed_on_at_once() -> None:
    decoder = spdy.Decoder()
    head = struct.pack(">II", 5, 1 << 24 | 10)
    assert list(decoder.feed(head + b"abc")) == [spdy.Data(5, b"abc")]
    assert list(decoder.feed(b"defghij")) == [spdy.Data(5, b"defghij", fin=True)]


def test_an_empty_last_frame_ends_a_stream() -> None:
    assert list(spdy.Decoder().feed(struct.pack(">II", 5, 1 << 24))) == [spdy.Data(5, b"", fin=True)]


def test_settings_and_window_updates_are_passed_over() -> None:
    settings = struct.pack(">III", 0x80030004, 4, 0)
    window = struct.pack(">IIII", 0x80030009, 8, 1, 65536)
    assert list(spdy.Decoder().feed(settings + window + spdy.Encoder().encode(spdy.Ping(1)))) == [spdy.Ping(1)]


def test_a_headers_frame_keeps_the_compression_in_step() -> None:
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    block = encoder.encode(spdy.Replied(1, {"a": "b"}))[12:]
    headers = struct.pack(">III", 0x80030008, 4 + len(block), 1) + block
    after = encoder.encode(spdy.Opened(3, {"streamtype": "data"}))
    assert list(decoder.feed(headers + after)) == [spdy.Opened(3, {"streamtype": "data"})]


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">II", 0x80020001, 0),  # SPDY/2
        struct.pack(">II", 0x80030001, 0xFFFFFF),  # larger than any control frame may be
        struct.pack(">II", 0x80030003, 2) + b"xx",  # cut short
        struct.pack(">II", 0x80030001, 14) + bytes(14),  # headers that are not compressed
        spdy._control(spdy.SYN_STREAM, bytes(10) + zlib.compress(struct.pack(">I", 1))),  # another dictionary
    ],
)
def test_what_is_not_spdy_3_is_refused(data: bytes) -> None:
    with pytest.raises(spdy.SpdyError):
        list(spdy.Decoder().feed(data))


def test_a_header_block_cannot_fill_the_memory() -> None:
    pack = zlib.compressobj(zdict=DICTIONARY)
    block = pack.compress(bytes(50_000_000)) + pack.flush(zlib.Z_SYNC_FLUSH)
    assert len(block) < spdy.LARGEST_CONTROL
    with pytest.raises(spdy.SpdyError, match="larger than"):
        list(spdy.Decoder().feed(spdy._control(spdy.SYN_STREAM, bytes(10) + block)))
