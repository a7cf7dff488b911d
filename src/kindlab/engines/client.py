"""Asking an engine's client, which must not hang us: a daemon that accepts connections and says nothing lets its client
wait for ever."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass

PATIENCE = 10.0
"""Seconds an engine gets to answer; it takes well under one when all is well, a few on a machine that is very busy."""


@dataclass(frozen=True)
class Answer:
    """`code` None: it had to be stopped after `seconds`, or could not be started."""

    code: int | None
    out: str = ""
    err: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Client:
    name: str
    path: str

    def ask(self, *args: str, timeout: float = PATIENCE) -> Answer:
        return run([self.path, *args], timeout=timeout)

    def info(self, timeout: float = PATIENCE) -> Answer:
        return self.ask("info", "--format", "json" if self.name == "podman" else "{{json .}}", timeout=timeout)

    def endpoint(self, timeout: float = PATIENCE) -> str:
        """Where docker's client looks for its daemon: DOCKER_HOST, else its context's. "" when it does not say, and
        for other clients."""
        if self.name != "docker":
            return ""
        named = os.environ.get("DOCKER_HOST", "")
        if named:
            return named
        answer = self.ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}", timeout=timeout)
        return answer.out.strip() if answer.code == 0 else ""


def find(name: str) -> Client | None:
    path = shutil.which(name)
    return Client(name, path) if path else None


def run(command: list[str], *, timeout: float) -> Answer:
    """What a program says. Its output goes to files, and all that it has started is stopped with it: a child of it that
    lives on and holds the pipe would hold us, too."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )  # fmt: skip
        except OSError as error:
            return Answer(None, err=f"{command[0]} cannot be run: {error.strerror or error}")
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                _stop(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        return Answer(code, texts[0], texts[1], timeout if code is None else 0.0)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
