"""testinfra over the API: commands run in a container through the exec stream of the API server.

`pod_host(api, namespace, pod)` is a testinfra Host like any other (`host.file("/x").exists`, `host.run("ls")`), but
no kubectl is needed and no process is started for a command. Left out: sudo.
"""

from __future__ import annotations

import ast
import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import testinfra.modules.file  # testinfra imports these when they are first asked for, which two threads may do at once
import testinfra.modules.systeminfo  # noqa: F401
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from kindlab.api import Api
from kindlab.checks.verdict import CouldNotGrade

if TYPE_CHECKING:
    from kindlab.checks.streams import Session

TIMEOUT = 60.0
STDOUT, STDERR = 1, 2
ENDED = ("exit", "stdout", "stderr")


class ExecBackend(BaseBackend):
    """One container; `run` gives the command to its /bin/sh, as testinfra's own kubectl backend does."""

    NAME = "kindlab"

    def __init__(self, api: Api, namespace: str, pod: str, container: str = "", *, timeout: float = TIMEOUT) -> None:
        super().__init__(pod)
        self.api = api
        self.namespace = namespace
        self.pod = pod
        self.container = container
        self.timeout = timeout

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        script = self.get_command(command, *args)
        code, out, err = self.execute(["/bin/sh", "-c", script])
        return self.result(code, script.encode(), out, err)

    def execute(self, argv: list[str], stdin: bytes | None = None) -> tuple[int, bytes, bytes]:
        """Run argv without a shell; (exit code, stdout, stderr). Raises CouldNotGrade when it never answers."""
        what = {"pod": self.pod, "namespace": self.namespace, "container": self.container, "exec": argv}

        def ask() -> dict[str, Any]:
            return dict(zip(ENDED, self._executed(argv, stdin), strict=True))

        ended = self.api.exchange(what if stdin is None else {**what, "stdin": stdin}, ask)
        return ended["exit"], ended["stdout"], ended["stderr"]

    def _executed(self, argv: list[str], stdin: bytes | None) -> tuple[int, bytes, bytes]:
        from websocket import WebSocketException

        from kindlab.checks import streams

        path = f"/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(self.pod)}/exec"
        query = [("command", word) for word in argv]
        query += [("stdout", "true"), ("stderr", "true"), ("stdin", "true" if stdin is not None else "false")]
        if self.container:
            query.append(("container", self.container))
        try:
            session = streams.begin(self.api.client, path, query)
        except (OSError, WebSocketException, ValueError) as error:
            raise CouldNotGrade(f"a command could not be run in Pod {self.pod}: {_refusal(error)}") from error
        try:
            return self._drain(session, stdin)
        except (OSError, WebSocketException) as error:
            why = f"the stream broke ({type(error).__name__}: {error})"
            raise CouldNotGrade(f"a command could not be run in Pod {self.pod}: {why}") from error
        finally:
            session.close()

    def _drain(self, session: Session, stdin: bytes | None) -> tuple[int, bytes, bytes]:
        if stdin is not None:
            session.send(stdin)
        if not session.drain(self.timeout):
            raise CouldNotGrade(f"a command in Pod {self.pod} did not end within {self.timeout:.0f} s")
        out, err, status = session.received[STDOUT], session.received[STDERR], session.status()
        if status.get("status") == "Success":
            return 0, out, err
        for cause in (status.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return int(cause["message"]), out, err
        why = status.get("message") or "the stream ended without an exit code"
        raise CouldNotGrade(f"a command could not be run in Pod {self.pod}: {why}")


def _refusal(reason: object) -> str:
    """The API server's own words, out of what the client makes of an answer that is no WebSocket: the status line,
    the headers and the body, joined by a mark."""
    body = str(reason).rpartition(" -+-+- ")[2]
    with contextlib.suppress(ValueError, SyntaxError, AttributeError):
        body = ast.literal_eval(body).decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body)["message"])
    return body


def pod_host(api: Api, namespace: str, pod: str, container: str = "") -> Host:
    """A testinfra Host for one container of a Pod."""
    return Host(ExecBackend(api, namespace, pod, container))
