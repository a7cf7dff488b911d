"""metrics-server's life: flags, a certificate of its own, readings every so often, an HTTPS server until it is told to
go.

The kubelets are not asked over the network: the cluster lends a function that reads them all, and a client to know
nodes and pods by, to Pods in kube-system only, as RBAC allows the real one only its ServiceAccount. Who asks is known
by the front proxy's certificate alone. Left out: tokens (nobody but the API server is answered), the kubelet flags
(they have no effect), metrics of its own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any

from pocketkube.images import golang_tls
from pocketkube.images.golang import Flags, klog
from pocketkube.images.programs.metrics_server.api import Api
from pocketkube.images.programs.metrics_server.certificate import self_signed
from pocketkube.images.programs.metrics_server.storage import Storage
from pocketkube.network.http import serve

if TYPE_CHECKING:
    from pocketkube.client import Client
    from pocketkube.kubelet.process import Process
    from pocketkube.network.sockets import Listener
    from pocketkube.network.stream import Stream
    from pocketkube.network.tls import TlsStream

_FLAGS = {
    "authentication-kubeconfig": "",
    "authorization-kubeconfig": "",
    "bind-address": "0.0.0.0",
    "cert-dir": "apiserver.local.config/certificates",
    "kubeconfig": "",
    "kubelet-certificate-authority": "",
    "kubelet-insecure-tls": False,
    "kubelet-port": 10250,
    "kubelet-preferred-address-types": "",
    "kubelet-request-timeout": 10.0,
    "kubelet-use-node-status-port": False,
    "metric-resolution": 60.0,
    "node-selector": "",
    "secure-port": 443,
    "tls-cert-file": "",
    "tls-private-key-file": "",
    "v": 0,
    "version": False,
}
VERSION = "v0.8.1"
FRONT_PROXY = "front-proxy-client"
_AUTHENTICATION = ("kube-system", "extension-apiserver-authentication")
_WHY_NOT = "usage is forbidden: pocketkube lends it to Pods in the namespace kube-system only: run this one there"


async def main(process: Process) -> int:
    flags = Flags(_FLAGS)
    problem = flags.parse(process.argv[1:])
    if problem is not None:
        await process.error(f"Error: {problem}")
        return 1
    if flags["version"]:
        await process.print(VERSION)
        return 0
    services = process.namespace.services
    if "usage" not in services or "metrics" not in services:
        await klog(process, _WHY_NOT, "main.go:57", "E")
        return 1
    try:
        context = await _context(process, flags)
    except OSError as failure:
        await klog(process, f"error: {golang_tls.problem(failure)}", "main.go:57", "E")
        return 1
    return await _run(process, flags, context)


async def _context(process: Process, flags: Flags) -> ssl.SSLContext:
    """Raises OSError, ssl.SSLError."""
    certificate, key = flags["tls-cert-file"], flags["tls-private-key-file"]
    if not certificate:
        folder = flags["cert-dir"].rstrip("/")
        certificate, key = f"{folder}/apiserver.crt", f"{folder}/apiserver.key"
        process.fs.mkdir(process.path(folder), parents=True)
        for path, text in zip((certificate, key), self_signed(process.hostname), strict=True):
            process.fs.write_bytes(process.path(path), text)
        await klog(process, f"Generated self-signed cert ({certificate}, {key})", "serving.go:380")
    return golang_tls.context(process, certificate, key)


async def _run(process: Process, flags: Flags, context: ssl.SSLContext) -> int:
    client, storage = process.namespace.services["metrics"], Storage()
    leaving = asyncio.Event()
    for number in signal.SIGTERM, signal.SIGINT:
        process.on_signal(number, lambda _: leaving.set())

    _trust(context, client)
    port = flags["secure-port"]
    api = Api(storage, process.clock, client.find, client.list)
    try:
        listener = process.net.listen(port, "::")
    except OSError as failure:
        why = os.strerror(failure.errno or 0).lower()
        address = f"{flags['bind-address']}:{port}"
        text = f"failed to create listener: failed to listen on {address}: listen tcp {address}: bind: {why}"
        await klog(process, f'"command failed" err="{text}"', "run.go:72", "E")
        return 1
    await klog(process, f"Serving securely on [::]:{port}", "secure_serving.go:213")
    async with asyncio.TaskGroup() as parts:
        running = [
            parts.create_task(_serve(process, listener, context, api)),
            parts.create_task(_scrape(process, storage, flags["metric-resolution"])),
        ]
        await leaving.wait()
        await klog(process, '"Shutting down controllers"', "object_count_tracker.go:141")
        for task in running:
            task.cancel()
    return 0


def _trust(context: ssl.SSLContext, client: Client) -> None:
    """Ask clients for the front proxy's certificate, which the cluster says how to know."""
    found = client.find("configmaps", *_AUTHENTICATION) or {}
    authority = (found.get("data") or {}).get("requestheader-client-ca-file")
    if authority:
        context.load_verify_locations(cadata=authority)
        context.verify_mode = ssl.CERT_OPTIONAL


async def _serve(process: Process, listener: Listener, context: ssl.SSLContext, api: Api) -> None:
    async with asyncio.TaskGroup() as connections:
        try:
            async for stream in listener:
                connections.create_task(_connection(process, stream, context, api))
        finally:
            listener.close()


async def _connection(process: Process, stream: Stream, context: ssl.SSLContext, api: Api) -> None:
    try:
        secure = await golang_tls.accept(stream, context, partial(_log, process))
        await serve(secure, partial(api.answer, proxied=_common_name(secure) == FRONT_PROXY))
    except (OSError, ValueError):
        stream.close()


def _common_name(stream: TlsStream) -> str:
    """Of the client's certificate, once it was verified."""
    shown = stream.tls.getpeercert() or {}
    parts: Any = shown.get("subject", ())
    return next((value for part in parts for key, value in part if key == "commonName"), "")


async def _scrape(process: Process, storage: Storage, resolution: float) -> None:
    usage = process.namespace.services["usage"]
    while True:
        storage.store(usage())
        await process.clock.sleep(resolution)


async def _log(process: Process, text: str) -> None:
    await klog(process, text, "server.go:3321")
