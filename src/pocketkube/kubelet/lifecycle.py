"""What probes and lifecycle hooks do to a container: commands and connections (httpGet and grpc: files of their own).

Models pkg/probe (exec, tcp) and pkg/kubelet/lifecycle/handlers.go. Connections leave from the node, as a kubelet's do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pocketkube.kubelet.container import Container, ExecError
from pocketkube.kubelet.http_get import HttpGet, PlainHttp, dial_error
from pocketkube.kubelet.verdicts import Failure, HandlerError
from pocketkube.network.addresses import host_port
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.network.fabric import PodNetwork

OUTPUT_LIMIT = 10 * 1024
HOOK_TIMEOUT = 60.0


class Collected:
    """A command's combined output, up to a limit."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self.data = b""
        self._limit = limit

    async def write(self, data: bytes, /) -> int:
        self.data += data[: self._limit - len(self.data)]
        return len(data)


async def run_exec(container: Container, action: Obj, timeout: float | None) -> None:
    """Raises Failure (exit code not 0, or too slow), HandlerError (cannot be started)."""
    output = Collected()
    command = list(action.get("command") or ())
    try:
        async with container.clock.timeout(timeout):
            code = await container.exec(command, {1: output, 2: output})
    except TimeoutError:
        text = f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        raise Failure(text) from None
    except ExecError as error:
        raise HandlerError(f"rpc error: code = Unknown desc = {error}") from None
    if code:
        raise Failure(output.data.decode(errors="replace"))


async def run_tcp(node: PodNetwork, host: str, port: int, timeout: float) -> None:
    """Raises Failure."""
    try:
        stream = await node.connect(host, port, timeout=timeout)
    except OSError as error:
        raise Failure(f"dial tcp {host_port(host, port)}: {dial_error(error)}") from None
    stream.close()


class Hooks:
    """The postStart and preStop of the containers of a pod. `warn`: an event about the pod (reason, message)."""

    def __init__(self, node: PodNetwork, pod_ip: str, warn: Callable[[str, str], None]) -> None:
        self._node = node
        self._pod_ip = pod_ip
        self._warn = warn

    async def run(self, container: Container, spec: Obj, hook: Obj) -> None:
        """Raises Failure or HandlerError with the reason; ends early when the container does."""
        work = asyncio.ensure_future(self._run(container, spec, hook))
        ended = asyncio.ensure_future(container.wait())
        try:
            await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Failure("container terminated before the hook finished")
            work.result()
        finally:
            for task in (work, ended):
                task.cancel()
            await asyncio.gather(work, ended, return_exceptions=True)

    async def _run(self, container: Container, spec: Obj, hook: Obj) -> None:
        if hook.get("exec") is not None:
            await run_exec(container, hook["exec"], None)
        elif hook.get("httpGet") is not None:
            await self._ask(spec, hook["httpGet"])
        elif hook.get("sleep") is not None:
            await container.clock.sleep(hook["sleep"].get("seconds", 0))
        else:
            raise HandlerError("invalid handler")

    async def _ask(self, spec: Obj, action: Obj) -> None:
        """A hook asks, and does not mind the answer; who asks a plain server for HTTPS gets HTTP."""
        get = HttpGet(self._node, action, spec, self._pod_ip, timeout=HOOK_TIMEOUT, agent="lifecycle")
        try:
            await get.ask()
        except PlainHttp:
            await get.ask("http")
            text = f"request to HTTPS lifecycle hook {get.where} got HTTP response, retry with HTTP succeeded"
            self._warn("LifecycleHTTPFallback", text)
