"""What is said of a cluster that does not answer: words, and no names of a library's errors."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kindlab.api import Api, Unreachable


def api(folder: Path, server: str) -> Api:
    named = {
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "users": [{"name": "a", "user": {}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "a", **named}))
    return Api(file)


def why(folder: Path, server: str, timeout: float = 5.0) -> str:
    with pytest.raises(Unreachable) as error:
        api(folder, server).request("GET", "/version", timeout=timeout)
    assert error.value.what == f"The cluster at {server} does not answer."
    assert "Error" not in str(error.value)
    return error.value.why


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def hanging_up(listening: socket.socket) -> int:
    """The port of somebody who ends every connection."""

    def end() -> None:
        with contextlib.suppress(OSError):  # when the test is over
            while True:
                listening.accept()[0].close()

    threading.Thread(target=end, daemon=True).start()
    return int(listening.getsockname()[1])


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert why(tmp_path, f"http://127.0.0.1:{port}") == "Nobody listens at its address."


def test_nobody_answers_in_time(tmp_path: Path, listening: socket.socket) -> None:
    port = listening.getsockname()[1]
    assert why(tmp_path, f"http://127.0.0.1:{port}", 0.2) == "It gave no answer in time."


def test_it_hangs_up(tmp_path: Path, hanging_up: int) -> None:
    assert why(tmp_path, f"http://127.0.0.1:{hanging_up}") == "It ended the connection without an answer."


def test_what_answers_is_not_secure(tmp_path: Path, hanging_up: int) -> None:
    said = why(tmp_path, f"https://127.0.0.1:{hanging_up}")
    assert said.startswith(("No secure connection came about (", "It ended the connection"))


def test_a_name_that_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert why(tmp_path, "http://nowhere.example") == "The name in its address is not known here."
