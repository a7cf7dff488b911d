"""The running containers of all nodes, as the API server asks for them: logs, exec, attach, port-forward.

Models the kubelet's streaming endpoints (pkg/kubelet/server, kubelet_pods.go) with their refusals.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import Any

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import BadRequest, InternalError, NotFound, Unknown
from pocketkube.kubelet.container import Container, ExecError
from pocketkube.kubelet.forwarding import PortForwarder
from pocketkube.kubelet.kubelet import Kubelet
from pocketkube.kubelet.pod_state import PodState
from pocketkube.kubelet.slot import Slot
from pocketkube.objects import Obj

QUEUE_LIMIT = 256
_UNREADY = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Runtime:
    """apiserver.streams.runtime.PodRuntime over the kubelets of one cluster."""

    def __init__(self, client: Client, kubelets: Iterable[Kubelet] = ()) -> None:
        self._client = client
        self._kubelets = {kubelet.node_name: kubelet for kubelet in kubelets}

    def join(self, kubelet: Kubelet) -> None:
        """A node's kubelet runs."""
        self._kubelets[kubelet.node_name] = kubelet

    def leave(self, node: str) -> None:
        """Nobody answers for that node any more."""
        self._kubelets.pop(node, None)

    def kubelets(self) -> Iterable[Kubelet]:
        """Those that run."""
        return tuple(self._kubelets.values())

    def require_running(self, namespace: str, pod_name: str, container: str) -> None:
        """See PodRuntime. Raises BadRequest, NotFound."""
        self._running(namespace, pod_name, container)

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
        """See PodRuntime. Raises NotFound (no such container, not running), InternalError (cannot be started)."""
        running = self._running(namespace, pod_name, container)
        try:
            return await running.exec(argv, fds, tty=tty)
        except ExecError as error:
            # said twice upstream too: by the kubelet, and by the API server that translates its streams
            raise InternalError(f"Internal error occurred: error executing command in container: {error}") from None

    async def attach(
        self, namespace: str, pod_name: str, container: str, *, fds: Mapping[int, Any], tty: bool = False
    ) -> None:
        """See PodRuntime. Raises as `exec`."""
        running = self._running(namespace, pod_name, container)
        if tty and running.terminal is not None:
            running.terminal.follow(fds.get(0))
        joined = [
            (out, _Joined(fds[number])) for number, out in ((1, running.stdout), (2, running.stderr)) if number in fds
        ]
        for output, listener in joined:
            output.listeners.add(listener)
        try:
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(_feed(running, fds)) if 0 in fds and running.stdin else None
                for _, listener in joined:
                    group.create_task(listener.copy())
                await running.wait()
                for _, listener in joined:
                    listener.end()
                if feeding:
                    feeding.cancel()
        finally:
            for output, listener in joined:
                output.listeners.discard(listener)

    def port_forwarder(self, namespace: str, pod_name: str) -> PortForwarder:
        """See PodRuntime. Raises NotFound, Unknown."""
        for kubelet in self._kubelets.values():
            pod = kubelet.pod(namespace, pod_name)
            if pod is None:
                continue
            if pod.sandbox.net is None:
                described = f"{pod_name}_{namespace}({pod.uid})"
                raise Unknown(f'failed to find sandboxID for pod "{described}"')
            return PortForwarder(pod.sandbox, pod.uid)
        self._require_kubelet(self._client.get("pods", namespace, pod_name))
        raise NotFound("pod does not exist")

    async def log_lines(
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
        """See PodRuntime. Raises BadRequest when there is nothing to read yet."""
        pod = self._pod(namespace, pod_name, f"containerLogs/{namespace}/{pod_name}/{container}")
        if pod is None:
            return
        found = self._logged(pod, container, previous=previous)
        left = limit_bytes
        lines = found.log.read(follow=follow, tail=tail, since=since, timestamps=timestamps)
        async for line in lines:
            if left is not None and len(line) >= left:
                yield line[:left]
                return
            if left is not None:
                left -= len(line)
            yield line

    # -- finding

    def _pod(self, namespace: str, name: str, path: str = "") -> PodState | None:
        """None for a pod that is not bound to a node yet. `path`: what the kubelet is asked for, if with a plain GET.

        Raises NotFound, Unknown (its node's kubelet does not answer)."""
        for kubelet in self._kubelets.values():
            pod = kubelet.pod(namespace, name)
            if pod is not None:
                return pod
        stored = self._client.get("pods", namespace, name)
        self._require_kubelet(stored, path)
        if objects.spec(stored).get("nodeName"):
            raise BadRequest(f'pod "{name}" cannot be found - no logs available')
        return None

    def _require_kubelet(self, pod: Obj, path: str = "") -> None:
        """Raises Unknown when the pod's node is there and its kubelet does not answer; upstream takes 30 seconds."""
        node = self._client.find("nodes", "", objects.spec(pod).get("nodeName", ""))
        if node is None or objects.name(node) in self._kubelets:
            return
        addresses = objects.status(node).get("addresses") or ()
        address = next((a["address"] for a in addresses if a["type"] == "InternalIP"), "")
        at = f"[{address}]:10250" if ":" in address else f"{address}:10250"
        failed = f'Get "https://{at}/{path}"' if path else "error dialing backend"
        raise Unknown(f"{failed}: dial tcp {at}: i/o timeout")

    def _running(self, namespace: str, name: str, container: str) -> Container:
        pod = self._pod(namespace, name)
        if pod is None:
            raise BadRequest(f"pod {name} does not have a host assigned")
        slot = pod.slots.get(container)
        if slot is None or slot.current is None or not slot.current.running:
            raise NotFound(f'container not found ("{container}")')
        return slot.current

    def _logged(self, pod: PodState, container: str, *, previous: bool) -> Container:
        """The instance whose log is meant. Raises BadRequest in validateContainerLogStatus' words."""
        where = f'container "{container}" in pod "{objects.name(pod.pod)}"'
        slot = pod.slots.get(container)
        if slot is None:
            raise BadRequest(f"{where} is not available")
        if previous:
            found = _previous(slot)
            if found is None:
                raise BadRequest(f"previous terminated {where} not found")
            return found
        if slot.current is not None:
            return slot.current
        if slot.ended is not None:
            raise BadRequest(f"unable to retrieve container logs for {slot.ended.get('containerID', '')}")
        reason = slot.waiting[0] if slot.waiting else slot.status("ContainerCreating")["state"]["waiting"]["reason"]
        raise BadRequest(f"{where} is waiting to start: {_UNREADY.get(reason, reason)}")


def _previous(slot: Slot) -> Container | None:
    """lastState's instance: the one before, or the current one when it has ended and waits to start again."""
    if slot.current is not None and slot.current.exited and slot.waiting is not None:
        return slot.current
    return slot.previous


class _Joined:
    """Carries what a container writes to somebody attached; who does not keep up misses some of it."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_LIMIT)

    def __call__(self, data: bytes) -> None:
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(data)

    def end(self) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(b"")

    async def copy(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            while data := await self._queue.get():
                await self._writer.write(data)


async def _feed(container: Container, fds: Mapping[int, Any]) -> None:
    assert container.stdin is not None
    try:
        while data := await fds[0].read(65536):
            await container.stdin.write(data)
    except (BrokenPipeError, ConnectionResetError):
        return
    if container.config.stdin_once:
        container.stdin.write_eof()
