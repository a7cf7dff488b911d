"""The door into one pod's network, for port-forward.

Models containerd's PortForward (sandbox_portforward_linux.go): the connection is made inside the pod's network
namespace, to 127.0.0.1 and then to ::1, and what goes wrong is said in containerd's words.
"""

from __future__ import annotations

import errno
import hashlib
import uuid
from typing import TYPE_CHECKING

from pocketkube.network.stream import Stream

if TYPE_CHECKING:
    from pocketkube.kubelet.sandbox import Sandbox

_GO_ERRORS = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.ETIMEDOUT: "connect: connection timed out",
    errno.EHOSTUNREACH: "connect: no route to host",
}


class PortForwarder:
    """apiserver.streams.runtime.PortForwarder over one sandbox, whose names follow from the pod's `uid`."""

    def __init__(self, sandbox: Sandbox, uid: str) -> None:
        self._sandbox = sandbox
        self._network = sandbox.net
        self.sandbox = hashlib.sha256(uid.encode()).hexdigest()
        self._namespace = f"/var/run/netns/cni-{uuid.uuid5(uuid.NAMESPACE_OID, uid)}"

    async def connect(self, port: int) -> Stream:
        """See PortForwarder. Raises OSError."""
        network = self._network
        if network is None or self._sandbox.net is not network:
            raise OSError(f'network namespace for sandbox "{self.sandbox}" is closed')
        try:
            return await network.connect("127.0.0.1", port)
        except OSError as error:
            v4 = f"dial tcp4 127.0.0.1:{port}: {_text(error)}"
        try:
            return await network.connect("::1", port)
        except OSError as error:
            v6 = f"dial tcp6 [::1]:{port}: {_text(error)}"
            if not any(":" in address for address in network.addresses):  # a node without IPv6 knows no such localhost
                v6 = "dial tcp6: address localhost: no suitable address found"
        raise OSError(
            self._wrapped(
                f'failed to connect to localhost:{port} inside namespace "{self.sandbox}", IPv4: {v4} IPv6 {v6} '
            )
        )

    def failed(self, stream: Stream, error: OSError) -> str:
        """See PortForwarder."""
        (here, mine), (there, theirs) = stream.local, stream.remote
        what = "write" if isinstance(error, BrokenPipeError) else "read"
        why = "broken pipe" if isinstance(error, BrokenPipeError) else "connection reset by peer"
        return self._wrapped(f"{what} tcp4 {here}:{mine}->{there}:{theirs}: {what}: {why}")

    def _wrapped(self, text: str) -> str:
        return f'failed to execute portforward in network namespace "{self._namespace}": {text}'


def _text(error: OSError) -> str:
    return _GO_ERRORS.get(error.errno or 0, f"connect: {(error.strerror or str(error)).lower()}")
