"""The HTTPS servers of agnhost's webhooks: flags, a certificate, /readyz, and reviews that are answered in JSON.

Models the main.go of test/images/agnhost/webhook and crd-conversion-webhook. Left out: YAML.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import orjson

from pocketkube.images import golang, golang_tls
from pocketkube.images.golang import Flags, Server, answer, klog
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.servers import fatal
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response
from pocketkube.objects import Obj

JSON: Final = "application/json"
VERSIONS: Final = ("v1", "v1beta1")
_FLAGS: Final = {"tls-cert-file": "", "tls-private-key-file": "", "port": 443, "v": 0}
Handle = Callable[[Request], Awaitable[Response]]


class Webhook:
    """One running server: `flags` and the paths it answers are its program's."""

    def __init__(self, process: Process, words: list[str], **flags: Any) -> None:
        self.process = process
        self.flags = Flags({**_FLAGS, **flags}, {"v": "v"})
        self.problem = self.flags.parse(words)

    async def serve(self, paths: Mapping[str, Handle]) -> int:
        if self.problem is not None:
            return await flag_error(self.process, self.problem)
        golang.die_on_signals(self.process)
        try:
            context = golang_tls.context(self.process, self.flags["tls-cert-file"], self.flags["tls-private-key-file"])
        except OSError as failure:
            await fatal(self.process, golang_tls.problem(failure))
            return 255

        async def handle(request: Request) -> Response:
            if request.path == "/readyz":
                return answer(self.process, request, b"ok")
            if (found := paths.get(request.path)) is None:
                return golang.error(self.process, request, "404 page not found", 404)
            return await found(request)

        listener = await golang.listen(self.process, self.flags["port"], fatal)
        await Server(listener, handle, context, partial(klog, self.process)).serve()
        return 0

    async def say(self, text: str) -> None:
        """A line of the log for those who want details (-v=2)."""
        if self.flags["v"] >= 2:
            await klog(self.process, text)

    async def refuse(self, request: Request, text: str) -> Response:
        await klog(self.process, text, level="E")
        return golang.error(self.process, request, text, 400)

    def reply(self, request: Request, body: Any) -> Response:
        return answer(self.process, request, orjson.dumps(body), headers=[("Content-Type", JSON)])


def load(body: bytes) -> Obj:
    """Raises ValueError for what is no JSON object."""
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise ValueError("json: cannot unmarshal into Go value of type struct")
    return found
