"""What the API server needs from the nodes: running containers to read logs of, to run commands in and to connect to.

The API server never imports the kubelet; the composition root hands it an object of this shape.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol


class Readable(Protocol):
    """A readable file descriptor: b"" at the end."""

    async def read(self, most: int = ..., /) -> bytes: ...


class Writable(Protocol):
    """A writable file descriptor. Raises BrokenPipeError when the other side is gone."""

    async def write(self, data: bytes, /) -> Any: ...


class Duplex(Protocol):
    """A connection inside the cluster's network; `local` and `remote` are (address, port) as its opener sees them."""

    local: tuple[str, int]
    remote: tuple[str, int]

    async def read(self, most: int = ..., /) -> bytes:
        """b"" at the end. Raises ConnectionResetError."""
        ...

    async def write(self, data: bytes, /) -> None:
        """Raises BrokenPipeError, ConnectionResetError."""
        ...

    def write_eof(self) -> None: ...

    def close(self) -> None: ...


class Peer(Protocol):
    """The far end of a connection the API server opened for a client it proxies."""

    async def read(self) -> bytes:
        """b"" at the end. Raises ConnectionResetError."""
        ...

    async def write(self, data: bytes, /) -> None:
        """Raises BrokenPipeError, ConnectionResetError."""
        ...

    def close(self) -> None: ...


class Dialer(Protocol):
    """The control-plane node's way into the cluster's network."""

    async def dial(
        self, address: str, port: int, *, secure: bool = False, trust: ssl.SSLContext | None = None, name: str = ""
    ) -> Peer:
        """Connect; `secure`: with TLS, whoever answers, unless `trust` says who may and `name` whom he must be.

        Raises OSError, TimeoutError (nobody answers), ssl.SSLError."""
        ...


class PortForwarder(Protocol):
    """The door into one pod's network. It stays that pod's: of another one with the same name it knows nothing."""

    sandbox: str
    """The sandbox's id, as errors name the pod."""

    async def connect(self, port: int) -> Duplex:
        """A connection to the pod's own `port`. Raises OSError, with the container runtime's text."""
        ...

    def failed(self, stream: Any, error: OSError) -> str:
        """What the container runtime says when a connection made here breaks with `error`."""
        ...


class PodRuntime(Protocol):
    """The containers of every node. Methods raise StatusError (BadRequest, NotFound, InternalError) as a kubelet
    would refuse: unknown container, container not running, no log yet."""

    def require_running(self, namespace: str, pod_name: str, container: str) -> None:
        """Raises what `exec` and `attach` would refuse a container with that is not running (or not there), so that a
        client is told before its connection is upgraded."""
        ...

    async def exec(
        self,
        namespace: str,
        pod_name: str,
        container: str,
        argv: list[str],
        *,
        fds: Mapping[int, Any],
        tty: bool = False,
    ) -> int:
        """Run a command beside the container's process 1 and return its exit code.

        `fds` maps 0 to a Readable, 1 and 2 to Writables; a missing number is /dev/null. With `tty`, what is written
        to 2 arrives on 1, and fds[0] has `size`, the terminal's (width, height) or None until known, and `on_resize`,
        which may be set to be called with it at each change. Cancelling the call kills the command.
        """
        ...

    async def attach(
        self, namespace: str, pod_name: str, container: str, *, fds: Mapping[int, Any], tty: bool = False
    ) -> None:
        """Join the stdin, stdout and stderr of the container's process 1 until it ends; from now on, no history."""
        ...

    def port_forwarder(self, namespace: str, pod_name: str) -> PortForwarder:
        """Raises NotFound, and Unknown for a pod without a sandbox."""
        ...

    def log_lines(
        self,
        namespace: str,
        pod_name: str,
        container: str,
        *,
        previous: bool = False,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[bytes]:
        """What the container wrote, as lines with their newline (the last one may lack it, or be cut by `limit_bytes`).

        `since` is cluster time in seconds since the epoch (`clock.time()`); `tail` counts lines from the end.
        `follow` goes on until the container ends.
        """
        ...
