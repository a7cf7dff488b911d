"""Which kind and kubectl are used, and how ours get here. The programs are fakes: scripts that say what real ones say
(as documented; v1.32.4-dispatcher is the answer of a real kubectl that a cloud's tools bring)."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.web import Web, serving

from kindlab import tools, transfer
from kindlab.errors import Problem, UsageProblem

ROOT = Path(__file__).resolve().parents[3]
OURS = b"#!/bin/sh\necho kind v0.33.0 go1.26.7 linux/amd64\n"
TOML = """
[kind]
version = "v0.33.0"
url = "{url}/{{version}}/kind-{{platform}}"
purpose = "makes clusters"
at_least = "0.32"
[kind.sha256]
linux-amd64 = "{digest}"
windows-amd64 = "{digest}"

[kubectl]
version = "v1.36.4"
url = "{url}/{{version}}/bin/{{os}}/{{arch}}/kubectl{{exe}}"
purpose = "talks to clusters"
at_least = "1.35"
at_most = "1.37"
[kubectl.sha256]
linux-amd64 = "{digest}"
windows-amd64 = "{digest}"
"""


def kubectl(version: str) -> str:
    """What `kubectl version --client -o json` prints."""
    return f'{{"clientVersion": {{"major": "1", "minor": "36", "gitVersion": "{version}", "goVersion": "go1.26.1"}}}}'


def silent(text: str) -> None:
    """A step that nobody watches."""


@pytest.fixture(autouse=True)
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer, "PAUSES", ())
    return folder


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "Linux", "x86_64")


def on(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)


@pytest.fixture(autouse=True)
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Serves the tools of a course of the test's own."""
    with serving() as found:
        found.files["/v0.33.0/kind-linux-amd64"] = OURS
        course = tmp_path / "course"
        (course / "labs").mkdir(parents=True)
        (course / "cluster-config").mkdir()
        write_toml(course, found.url, OURS)
        monkeypatch.setenv("KINDLAB_COURSE", str(course))
        monkeypatch.setenv("KINDLAB_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("KINDLAB_TOOLS", raising=False)
        yield found


def write_toml(course: Path, url: str, content: bytes) -> None:
    text = TOML.format(url=url, digest=hashlib.sha256(content).hexdigest())
    (course / "cluster-config" / "tools.toml").write_text(text)


def program(folder: Path, name: str, says: str, exit: int = 0) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{says}\nEND\nexit {exit}\n")
    path.chmod(0o755)
    return path


def test_none_is_there() -> None:
    assert tools.find("kind") is None
    assert tools.look("kind") == tools.Look(tools.pins()["kind"], None)
    assert tools.at_hand("kind") is None


@pytest.mark.parametrize(
    ("name", "says", "version", "fault"),
    [
        ("kind", "kind v0.33.0 go1.26.7 linux/amd64", "v0.33.0", ""),
        ("kind", "kind v0.32.0 go1.25.1 darwin/arm64", "v0.32.0", ""),
        ("kind", "kind v0.34.0-alpha+0ff469a0a8e2e1 go1.26.7 linux/amd64", "v0.34.0-alpha+0ff469a0a8e2e1", ""),
        ("kind", "kind v0.31.0 go1.25.1 linux/amd64", "v0.31.0", "too old"),
        ("kind", "kind v0.9.0 go1.15.2 linux/amd64", "v0.9.0", "too old"),
        ("kind", "kind v1.0.0 go1.30.0 linux/amd64", "v1.0.0", ""),
        ("kind", "Welcome! No version manager is set up.", "", "says no version"),
        ("kind", "", "", "says no version"),
        ("kubectl", kubectl("v1.36.4"), "v1.36.4", ""),
        ("kubectl", kubectl("v1.35.0"), "v1.35.0", ""),
        ("kubectl", kubectl("v1.37.1-eks-1a2b3c"), "v1.37.1-eks-1a2b3c", ""),
        ("kubectl", kubectl("v1.36.2+k3s1"), "v1.36.2+k3s1", ""),
        ("kubectl", kubectl("v1.34.1"), "v1.34.1", "too old"),
        ("kubectl", kubectl("v1.32.4-dispatcher"), "v1.32.4-dispatcher", "too old"),
        ("kubectl", kubectl("v1.38.0-alpha.1"), "v1.38.0-alpha.1", "too new"),
    ],
)
def test_the_machines_own_is_used_when_its_version_is_right(
    bin: Path, name: str, says: str, version: str, fault: str
) -> None:
    path = program(bin, name, says)
    found = tools.look(name)
    assert found.found == tools.Tool(name, path, version, ours=False)
    assert found.fault == fault
    assert found.used == tools.find(name) == (None if fault else found.found)
    assert bool(found.notes) == bool(fault)
    assert tools.at_hand(name) == str(path)


def test_a_program_that_fails_says_no_version(bin: Path) -> None:
    program(bin, "kind", "v9.9.9 is what you could install", exit=126)
    assert tools.look("kind").fault == "says no version"


def test_a_program_that_hangs_says_no_version(bin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "VERSION_TIMEOUT", 0.2)
    path = bin / "kind"
    path.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    path.chmod(0o755)
    assert tools.look("kind").fault == "says no version"


def test_a_program_that_prints_no_text_says_no_version(bin: Path) -> None:
    path = bin / "kind"
    path.write_bytes(b"#!/bin/sh\n/bin/echo '\xff\xfe\x00\xd0'\n")
    path.chmod(0o755)
    assert tools.look("kind").fault == "says no version"


def test_a_program_for_another_machine_says_no_version(bin: Path) -> None:
    (bin / "kind").write_bytes(b"\x7fELF, but no more")
    (bin / "kind").chmod(0o755)
    assert tools.look("kind").fault == "says no version"


def test_ours_is_installed_and_goes_first(web: Web, bin: Path, tmp_path: Path) -> None:
    program(bin, "kind", "kind v0.34.0 go1.27.0 linux/amd64")
    said: list[str] = []
    tool = tools.install("kind", said.append)
    assert tool == tools.find("kind") == tools.Tool("kind", tmp_path / "course/.tools/kind", "v0.33.0", ours=True)
    assert tool.path.read_bytes() == OURS
    assert tool.path.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in tool.path.parent.iterdir()] == ["kind"]
    assert tools.at_hand("kind") == str(tool.path)
    assert said[-1] == "installing kind v0.33.0"


def test_it_is_installed_once(web: Web) -> None:
    tools.install("kind", silent)
    assert tools.install("kind", silent).ours
    assert len(web.asked) == 1


def test_it_is_installed_offline_when_the_cache_has_it(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match="is not in the cache"):
        tools.install("kind", silent, offline=True)
    tools.install("kind", silent)
    monkeypatch.setenv("KINDLAB_TOOLS", str(tmp_path / "elsewhere"))
    assert tools.find("kind") is None
    assert tools.install("kind", silent, offline=True).path == tmp_path / "elsewhere" / "kind"
    assert len(web.asked) == 1


def test_another_file_than_the_pinned_one_is_not_installed(web: Web, tmp_path: Path) -> None:
    web.files["/v0.33.0/kind-linux-amd64"] = OURS + b"rm -rf /\n"
    with pytest.raises(Problem, match="is not the file that was expected"):
        tools.install("kind", silent)
    assert not (tmp_path / "course/.tools").exists()
    assert tools.find("kind") is None


def test_ours_is_not_used_when_it_was_damaged_and_is_installed_anew(
    bin: Path, monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    tool = tools.install("kind", silent)
    monkeypatch.setenv("PATH", f"{tool.path.parent}:{bin}")  # as `kindlab tools install` says to do
    assert tools.find("kind") == tool
    tool.path.write_bytes(OURS[:-9])
    found = tools.look("kind")
    assert found.found is None, "neither as ours nor as the machine's own"
    assert str(tool.path) in found.notes[0]
    own = program(bin, "kind", "kind v0.32.0 go1.26.7 linux/amd64")
    assert tools.look("kind").used == tools.Tool("kind", own, "v0.32.0", ours=False)
    assert tools.install("kind", silent) == tools.find("kind") == tool
    assert len(web.asked) == 1, "the cache still has it"


def test_an_older_one_of_ours_is_replaced(web: Web, tmp_path: Path) -> None:
    old = tools.install("kind", silent)
    newer = OURS + b"# newer\n"
    write_toml(tmp_path / "course", web.url, newer)
    web.files["/v0.33.0/kind-linux-amd64"] = newer
    assert tools.find("kind") is None
    assert tools.install("kind", silent) == old
    assert old.path.read_bytes() == newer


def test_a_platform_without_a_checksum_is_told_what_to_do(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "Linux", "riscv64")
    with pytest.raises(Problem) as found:
        tools.install("kubectl", silent)
    said = str(found.value)
    assert "cannot be installed by kindlab on this machine (linux-riscv64)" in said
    assert "1.35 to 1.37 with your system's package manager" in said
    assert 'linux-riscv64 = "..." to [kubectl.sha256]' in said
    assert web.asked == []


@pytest.mark.parametrize(
    ("system", "machine", "kind", "kubectl"),
    [
        ("Linux", "x86_64", "kind-linux-amd64", "linux/amd64/kubectl"),
        ("Linux", "aarch64", "kind-linux-arm64", "linux/arm64/kubectl"),
        ("Darwin", "x86_64", "kind-darwin-amd64", "darwin/amd64/kubectl"),
        ("Darwin", "arm64", "kind-darwin-arm64", "darwin/arm64/kubectl"),
        ("Windows", "AMD64", "kind-windows-amd64", "windows/amd64/kubectl.exe"),
    ],
)
def test_every_platform_has_a_file_of_its_own(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, kind: str, kubectl: str
) -> None:
    """In the course's own tools.toml. Whether the checksums are right nobody could try here: no way to the internet."""
    monkeypatch.setenv("KINDLAB_COURSE", str(ROOT))
    on(monkeypatch, system, machine)
    pins = tools.pins()
    found = {name: pin.source() for name, pin in pins.items()}
    assert found["kind"] is not None
    assert found["kind"].url == f"https://github.com/kubernetes-sigs/kind/releases/download/v0.33.0/{kind}"
    assert found["kubectl"] is not None
    assert found["kubectl"].url == f"https://dl.k8s.io/release/{pins['kubectl'].version}/bin/{kubectl}"


def test_the_pins_fit_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDLAB_COURSE", str(ROOT))
    pins = tools.pins()
    assert set(pins) == {"kind", "kubectl"}
    digests = [digest for pin in pins.values() for digest in pin.sha256.values()]
    assert len(digests) == len(set(digests)) == 10
    nodes = yaml.safe_load((ROOT / "cluster-config" / "kind.yaml").read_text())["nodes"]
    images = {re.sub(r".*:(v[\d.]+)@.*", r"\1", node["image"]) for node in nodes}
    assert images == {pins["kubectl"].version}


def test_on_windows_ours_is_an_exe(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "Windows", "AMD64")
    web.files["/v1.36.4/bin/windows/amd64/kubectl.exe"] = OURS
    assert tools.install("kubectl", silent).path == tmp_path / "course/.tools/kubectl.exe"
    assert tools.find("kubectl") is not None


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KINDLAB_TOOLS", str(tmp_path / "file"))
    with pytest.raises(Problem) as found:
        tools.install("kind", silent)
    assert str(tmp_path / "file" / "kind") in found.value.what
    assert "KINDLAB_TOOLS" in found.value.then


def test_ctrl_c_leaves_no_half_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(source: Path, target: Path) -> None:
        target.write_bytes(OURS[:9])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", half)
        with pytest.raises(KeyboardInterrupt):
            tools.install("kind", silent)
    assert list((tmp_path / "course/.tools").iterdir()) == []
    assert tools.install("kind", silent).ours


def test_what_does_not_run_here_is_said_so(web: Web, tmp_path: Path) -> None:
    """As from a disk that is mounted noexec; here by a program of another machine."""
    other = b"\x7fELF, but no more"
    write_toml(tmp_path / "course", web.url, other)
    web.files["/v0.33.0/kind-linux-amd64"] = other
    with pytest.raises(Problem, match="this machine does not run it") as found:
        tools.install("kind", silent)
    assert "noexec" in found.value.then


def test_what_does_not_answer_is_said_so(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "VERSION_TIMEOUT", 0.2)
    slow = f"#!{sys.executable}\nimport time\ntime.sleep(600)\n".encode()
    write_toml(tmp_path / "course", web.url, slow)
    web.files["/v0.33.0/kind-linux-amd64"] = slow
    with pytest.raises(Problem, match="does not answer"):
        tools.install("kind", silent)


def test_a_tool_that_is_none() -> None:
    with pytest.raises(UsageProblem) as found:
        tools.look("helm")
    assert "kind, kubectl" in found.value.why


@pytest.mark.parametrize("text", ["[kind", "[kind]\nversion = 'v1.2.3'\n", TOML.replace('"0.32"', '"newest"')])
def test_a_file_of_pins_that_is_broken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "course/cluster-config/tools.toml"
    file.write_text(text)
    with pytest.raises(Problem) as found:
        tools.look("kind")
    assert str(file) in found.value.why
    assert tools.find("kind") is None  # so that kindlab up takes another cluster


def test_without_a_course_nobody_knows_which_version_is_right(
    bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path / "nowhere"))
    path = program(bin, "kubectl", kubectl("v1.36.4"))
    assert tools.find("kubectl") is None
    assert tools.at_hand("kubectl") == str(path)
