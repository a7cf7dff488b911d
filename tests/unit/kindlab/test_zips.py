"""Zips that are made in memory."""

import io
import stat
import time
import zipfile

from kindlab.zips import zipped

FIXED = (2026, 1, 1, 0, 0, 0)


def test_files_their_order_modes_and_time():
    made = zipped({"b.sh": b"echo", "a/é.txt": b"x" * 9000}, when=FIXED, modes={"b.sh": 0o755})
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        script, text = archive.infolist()
        assert (script.filename, text.filename) == ("b.sh", "a/é.txt")
        assert archive.read(script) == b"echo"
        assert archive.read(text) == b"x" * 9000
    assert script.date_time == text.date_time == FIXED
    assert [one.external_attr >> 16 for one in (script, text)] == [stat.S_IFREG | 0o755, stat.S_IFREG | 0o600]
    assert text.compress_size < 100, "compressed"


def test_the_same_files_make_the_same_zip_where_the_time_is_said():
    assert zipped({"a": b"1"}, when=FIXED) == zipped({"a": b"1"}, when=FIXED)


def test_the_time_is_else_now():
    before = time.localtime()[:5]
    with zipfile.ZipFile(io.BytesIO(zipped({"a": b"1"}))) as archive:
        (one,) = archive.infolist()
    assert before <= one.date_time[:5] <= time.localtime()[:5]
