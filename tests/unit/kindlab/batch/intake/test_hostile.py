"""Submissions that are meant to do harm, or are broken: each costs only itself, and says what was wrong."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.kindlab.batch.intake.conftest import MAP, files, member, tarred, write, zipped

from kindlab import labs
from kindlab.batch import intake
from kindlab.batch.intake import limits, names

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def said(submission) -> str:
    """All that a report has of what went wrong."""
    return " | ".join([submission.problem, *(f"{one.what}: {one.why}" for one in submission.refused)])


@pytest.fixture
def beside(handed_in):
    """A neighbour whose submission is fine, and stays so."""
    write(handed_in / "zoe", web=MAP % "zoe")
    return {"web.yaml": MAP % "zoe"}


def test_a_zip_bomb_is_told_by_what_comes_out(handed_in, read, beside):
    with zipfile.ZipFile(handed_in / "mal.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(100):
            archive.writestr(f"{n}.yaml", b"a" * (limits.FILE + 1))
    tracemalloc.start()
    found = read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["mal"].folder is None
    assert "MiB come out of it" in said(found["mal"])
    assert peak < 64 << 20
    assert files(found["zoe"]) == beside


def test_a_zip_that_lies_about_its_sizes(handed_in, read, beside):
    path = zipped(handed_in / "mal.zip", {"web.yaml": b"a" * (limits.FILE * 3)})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", limits.FILE * 3), struct.pack("<L", 10)))
    found = read()
    assert found["mal"].folder is None
    assert "web.yaml" in said(found["mal"])
    assert files(found["zoe"]) == beside


def test_a_gzip_bomb(handed_in, read, beside):
    with gzip.open(handed_in / "mal.tar.gz", "wb") as stream:
        info = member("movie.mp4")
        info.size = limits.INFLATED * 2
        stream.write(info.tobuf())
        for _ in range(limits.INFLATED * 2 >> 20):
            stream.write(bytes(1 << 20))
    found = read()
    assert "MiB come out of it" in said(found["mal"])
    assert files(found["zoe"]) == beside


def test_an_endless_table_of_contents_is_not_read(handed_in, read, beside):
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 50 << 20, 0, 0)
    (handed_in / "mal.zip").write_bytes(end)
    (handed_in / "mel.zip").write_bytes(b"PK\x06\x07" + bytes(16) + end)
    found = read()
    assert "table of contents is larger" in said(found["mal"])
    assert found["mel"].folder is None


def test_what_is_packed_so_that_it_cannot_be_read_in_pieces_is_not_read(handed_in, read):
    with zipfile.ZipFile(handed_in / "mal.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("web.yaml", b"a" * (64 << 20))
    assert "packed in an unusual way" in said(read()["mal"])


def test_a_hundred_thousand_files(handed_in, read, beside):
    with zipfile.ZipFile(handed_in / "mal.zip", "w") as archive:
        for n in range(limits.ENTRIES + 1):
            archive.writestr(f"{n}.txt", "")
    folder = handed_in / "mel"
    folder.mkdir()
    for n in range(limits.ENTRIES + 1):
        (folder / f"{n}").touch()
    found = read()
    for who in ("mal", "mel"):
        assert found[who].folder is None
        assert "more than 5,000 files" in said(found[who]) or "table of contents" in said(found[who])
    assert files(found["zoe"]) == beside


def test_more_files_than_are_graded(handed_in, read):
    write(handed_in / "mal", **{f"f{n:03}": MAP % n for n in range(limits.FILES + 30)})
    found = read()["mal"]
    assert len(files(found)) == limits.FILES
    assert len(found.refused) == limits.REFUSED + 1
    assert found.refused[-1].what == "10 more files"


def test_large_files_cost_nothing(handed_in, read, beside):
    folder = write(handed_in / "mal", web=MAP % "x")
    for name in ("huge.yaml", "huge.zip"):
        with open(folder / name, "wb") as file:
            file.truncate(2 << 30)
    found = read()
    assert files(found["mal"]) == {"web.yaml": MAP % "x"}
    assert "huge.yaml: it is larger than 1 MiB" in said(found["mal"])
    assert "huge.zip: it has 2048 MiB" in said(found["mal"])


def test_all_files_together_are_bounded(handed_in, read):
    folder = write(handed_in / "mal")
    for n in range(12):
        (folder / f"{n:02}.yaml").write_text(f"# {n}\n" + "#" * (limits.FILE - 10))
    found = read()["mal"]
    assert sum(len(text) for text in files(found).values()) <= limits.ALL
    assert "all files together" in said(found)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes of Unix")
def test_links_and_pipes_on_disk_are_not_followed(handed_in, tmp_path, read, beside):
    secret = tmp_path / "secret.yaml"
    secret.write_text(MAP % "secret")
    folder = write(handed_in / "mal", web=MAP % "x")
    (folder / "link.yaml").symlink_to(secret)
    (folder / "away").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.yaml")
    (handed_in / "lin").symlink_to(tmp_path)
    (handed_in / "lon_web.yaml").symlink_to(secret)
    os.mkfifo(handed_in / "pip_web.yaml")
    found = read()
    assert files(found["mal"]) == {"web.yaml": MAP % "x"}
    for name in ("link.yaml", "away", "loop", "pipe.yaml"):
        assert name in said(found["mal"])
    for who in ("lin", "lon", "pip"):
        if who in found:
            assert found[who].folder is None
    assert files(found["zoe"]) == beside


def test_a_tar_with_links_devices_and_ways_out(handed_in, tmp_path, read, beside):
    evil = (MAP % "evil").encode()
    tarred(
        handed_in / "mal.tar",
        (member("web.yaml"), (MAP % "x").encode()),
        (member("soft.yaml", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (member("hard.yaml", tarfile.LNKTYPE, "../zoe/web.yaml"), b""),
        (member("null.yaml", tarfile.CHRTYPE), b""),
        (member("pipe.yaml", tarfile.FIFOTYPE), b""),
        (member("../outside.yaml"), evil),
        (member("/tmp/absolute.yaml"), evil),
        (member("C:\\absolute.yaml"), evil),
        (member("..\\outside.yaml"), evil),
        (member("inner.zip"), evil),
    )
    found = read()
    assert files(found["mal"]) == {"web.yaml": MAP % "x"}
    assert len(found["mal"].refused) == 9
    assert not list(tmp_path.rglob("outside.yaml"))
    assert not Path("/tmp/absolute.yaml").exists()
    assert files(found["zoe"]) == beside


def test_a_zip_with_links_ways_out_and_archives_in_it(handed_in, tmp_path, read):
    link = zipfile.ZipInfo("link.yaml")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(handed_in / "mal.zip", "w") as archive:
        archive.writestr("dir\\web.yaml", MAP % "x")
        archive.writestr(link, "/etc/passwd")
        for name in ("../outside.yaml", "/outside.yaml", "C:outside.yaml", "inner.zip", "inner.rar"):
            archive.writestr(name, MAP % "evil")
        for name in ("__MACOSX/._web.yaml", ".git/config.json", "node_modules/a/package.json"):
            archive.writestr(name, "{}")
    found = read()["mal"]
    assert files(found) == {"web.yaml": MAP % "x"}
    assert [one.what for one in found.refused] == [
        "../outside.yaml",
        "/outside.yaml",
        "C:outside.yaml",
        "inner.rar",
        "inner.zip",
        "link.yaml",
    ]


def test_broken_archives_say_so(handed_in, read, beside):
    whole = zipped(handed_in / "ann.zip", {f"{n}.yaml": os.urandom(4000).hex() for n in range(5)}).read_bytes()
    (handed_in / "ben.zip").write_bytes(whole[: len(whole) // 2])
    (handed_in / "cat.zip").write_bytes(b"")
    (handed_in / "dan.zip").write_bytes(os.urandom(3000))
    (handed_in / "eve.tar.gz").write_bytes(gzip.compress(b"x" * 2000)[:-9])
    (handed_in / "fay.zip").write_bytes(whole[:100] + bytes(40) + whole[140:])
    (handed_in / "gus.rar").write_bytes(b"Rar!")
    zipped(handed_in / "hal.zip", {})
    with zipfile.ZipFile(handed_in / "ida.zip", "w") as archive:
        archive.writestr("web.yaml", MAP % "x")
    encrypted = bytearray((handed_in / "ida.zip").read_bytes())
    encrypted[6] |= 1  # of the file's own header, and of the table of contents
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    (handed_in / "ida.zip").write_bytes(encrypted)
    found = read()
    assert len(files(found["ann"])) == 5
    assert len(files(found["fay"])) == 4
    for who in ("ben", "cat", "dan", "eve"):
        assert found[who].folder is None
        assert "damaged" in said(found[who])
    assert "not opened" in said(found["gus"])
    assert found["hal"].problem == intake.NOTHING
    assert "encrypted" in said(found["ida"])
    assert files(found["zoe"]) == beside


def test_junk_and_nothing(handed_in, read):
    write(handed_in / "ann", web=MAP % "x")
    (handed_in / "ann" / "junk.yaml").write_bytes(b"\x89PNG\r\n\xff\x00")
    (handed_in / "ann" / "zero.yaml").write_bytes(b"a: b\0")
    (handed_in / "ann" / "half.yaml").write_bytes(b"\xff\xfea")
    (handed_in / "ben").mkdir()
    (handed_in / "cat").mkdir()
    (handed_in / "cat" / "essay.docx").write_bytes(b"PK")
    found = read()
    assert files(found["ann"]) == {"web.yaml": MAP % "x"}
    assert [one.file for one in found["ann"].refused] == ["half.yaml", "junk.yaml", "zero.yaml"]
    assert found["ben"].problem == found["cat"].problem == intake.NOTHING


@pytest.mark.skipif(AS_ROOT, reason="root may read everything")
def test_what_may_not_be_read_is_said(handed_in, read, beside):
    folder = write(handed_in / "ann", web=MAP % "x", locked=MAP % "y")
    (folder / "locked.yaml").chmod(0)
    (handed_in / "ben").mkdir(mode=0)
    found = read()
    assert files(found["ann"]) == {"web.yaml": MAP % "x"}
    assert "cannot be read" in said(found["ann"])
    assert "cannot be read" in said(found["ben"])


def test_a_folder_that_cannot_be_read_is_said_with_what_to_do(handed_in, read, beside, monkeypatch):
    write(handed_in / "ann" / "locked", web=MAP % "x")
    whole = os.scandir

    def locked(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(os, "scandir", locked)
    (refused,) = read()["ann"].refused
    assert (refused.what, refused.why) == ("locked", "this folder cannot be read: Permission denied")
    assert refused.then == "Look at its permissions, or hand in a zip of the lab's files."


def test_an_archive_that_is_too_large_is_said_with_what_to_do(handed_in, read, beside, monkeypatch):
    path = zipped(handed_in / "ann.zip", {"web.yaml": MAP % "x", "film.mp4": os.urandom(3 << 20)})
    monkeypatch.setattr(limits, "ARCHIVE", 2 << 20)
    (refused,) = read()["ann"].refused
    assert refused.why == f"it has {path.stat().st_size >> 20} MiB, and 2 MiB are the most"
    assert refused.then == "Hand in a zip of the lab's files only: kindlab submit makes one."


def test_a_disk_that_fails_costs_only_its_submission(handed_in, read, beside, monkeypatch):
    write(handed_in / "ann", web=MAP % "x")
    from kindlab.batch.intake import folders

    whole = folders.regular

    def broken(path):
        if "ann" in path.parts:
            raise OSError(5, "Input/output error")
        return whole(path)

    monkeypatch.setattr(folders, "regular", broken)
    found = read()
    assert "Input/output error" in said(found["ann"])
    assert files(found["zoe"]) == beside


def test_a_fault_of_ours_costs_only_its_submission(handed_in, read, beside, monkeypatch):
    write(handed_in / "ann", web=MAP % "x")
    whole = intake._gather

    def broken(source, pile):
        if source.path.name == "ann":
            raise RecursionError("too deep")
        whole(source, pile)

    monkeypatch.setattr(intake, "_gather", broken)
    found = read()
    assert "could not be read" in found["ann"].problem
    assert files(found["zoe"]) == beside


def test_a_zip_with_names_of_zero_bytes(handed_in, read):
    with zipfile.ZipFile(handed_in / "ann.zip", "w") as archive:
        archive.writestr("web.yaml", MAP % "x")
        archive.writestr("0nothing.yaml", MAP % "y")
    path = handed_in / "ann.zip"
    path.write_bytes(path.read_bytes().replace(b"0nothing", b"\0nothing"))
    found = read()["ann"]
    assert files(found)["web.yaml"] == MAP % "x"
    assert len(files(found)) + len(found.refused) == 2


def test_names_of_every_kind(handed_in, read):
    folder = handed_in / "ann"
    folder.mkdir()
    odd = [
        b"\xff\xfe.yaml",
        b"tab\tand\x1b[2J.yaml",
        "\u202egnp.yaml".encode(),
        b"CON.yaml",
        b"a" * 240 + b".yaml",
        b" .yaml",
    ]
    for n, name in enumerate(odd):
        (Path(os.fsdecode(os.fsencode(folder))) / os.fsdecode(name)).write_text(MAP % n)
    deep = folder
    for _ in range(limits.DEPTH + 5):
        deep = deep / "d"
    write(deep, web=MAP % "deep")
    found = read()["ann"]
    assert len(files(found)) == len(odd)
    assert all(name.isprintable() and len(name) <= 200 for name in files(found))
    assert "deeper" in said(found)
    assert said(found).isprintable()


def test_a_name_cannot_be_somebody_elses(handed_in, read):
    """Ids are file names: they differ in more than the case of letters, and none leads anywhere."""
    for name in ("ann", "ANN", "Ann.", "..ann", "con", "-rf"):
        write(handed_in / name, web=MAP % name)
    write(handed_in / "bob" / "ann", web=MAP % "bob")
    found = read()
    # what begins with a dot is hidden, and nobody's
    assert len({one.casefold() for one in found}) == len(found) == 6
    assert {files(one)["web.yaml"] for one in found.values()} == {
        MAP % name for name in ("ann", "ANN", "Ann.", "con", "-rf", "bob")
    }


def test_a_downloads_own_archive_is_hostile_too(handed_in, tmp_path, read):
    link = member("ann/link.yaml", tarfile.SYMTYPE, "/etc/passwd")
    path = tarred(
        tmp_path / "download.tar.gz",
        (member("ann/web.yaml"), (MAP % "x").encode()),
        (member("ben", tarfile.SYMTYPE, "/etc"), b""),
        (member("ben/passwd.yaml"), (MAP % "evil").encode()),
        (link, b""),
        (member("../../cat/web.yaml"), (MAP % "evil").encode()),
    )
    found = read(path)
    assert files(found["ann"]) == {"web.yaml": MAP % "x"}
    assert not Path("/etc/passwd.yaml").exists()


# -- any name at all

PIECES = st.lists(
    st.one_of(st.sampled_from(["..", ".", "", "a", "C:", "\\", "con", "x.yaml", "\x00", "é"]), st.text(max_size=8)),
    min_size=1,
    max_size=6,
).map("/".join)


@given(PIECES)
def test_no_name_leads_out(raw):
    try:
        found = names.parts(raw)
    except ValueError:
        return
    assert found
    assert all(part not in ("..", ".", "") and "/" not in part and "\\" not in part for part in found)
    fit = names.fit(found[-1])
    assert Path("/run/ann", fit).parent == Path("/run/ann")
    assert Path(os.path.normpath(f"/run/ann/{fit}")).parent == Path("/run/ann")
    assert len(fit.encode()) <= 255
    fit.encode("utf-8")


@given(st.text(max_size=300))
def test_every_name_becomes_an_id_and_can_be_shown(text):
    label = names.identity(text)
    assert label
    assert len(label) <= 80
    assert label == Path(label).name
    assert not label.startswith((".", "-"))
    assert names.shown(text).isprintable() or names.shown(text).encode("utf-8")
    assert len(names.shown(text)) <= 120


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(PIECES, st.binary(max_size=60), max_size=8), st.sampled_from(["zip", "tar"]))
def test_no_archive_writes_anywhere_else(tmp_path_factory, contents, kind):
    root = tmp_path_factory.mktemp("any")
    (root / "in").mkdir()
    stream = io.BytesIO()
    if kind == "zip":
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
            warnings.simplefilter("ignore")  # two names may be one, which is a case, too
            for name, data in contents.items():
                archive.writestr(zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x"), data)
    else:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, data in contents.items():
                info = member(name.encode("utf-8", "replace").decode().replace("\0", ""))
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    (root / "in" / f"ann.{kind}").write_bytes(stream.getvalue())
    before = {path for path in root.rglob("*")}
    (found,) = intake.read(root / "in", labs.find("02"), root / "scratch")
    new = {path for path in root.rglob("*")} - before
    assert all(path.is_relative_to(root / "scratch") for path in new)
    assert all(path.parent == root / "scratch" / "ann" for path in new if path.is_file())
    assert bool(found.folder) != bool(found.problem)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_archive_never_raises(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("damaged")
    (root / "in").mkdir()
    kind = data.draw(st.sampled_from(["zip", "tar.gz"]))
    path = root / "in" / f"ann.{kind}"
    if kind == "zip":
        zipped(path, {"web.yaml": MAP % "x", "b/cart.yaml": MAP % "y"})
    else:
        tarred(path, (member("web.yaml"), (MAP % "x").encode()))
    whole = bytearray(path.read_bytes())
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        whole[at] = value
    path.write_bytes(whole)
    (found,) = intake.read(root / "in", labs.find("02"), root / "scratch")
    assert bool(found.folder) != bool(found.problem)
    assert "fault" not in found.problem
    assert "could not be read" not in found.problem, found.problem
