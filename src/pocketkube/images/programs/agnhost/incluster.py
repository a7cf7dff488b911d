"""agnhost's programs that speak to the cluster's API from within, with the Pod's service account: nettest and
inclusterclient."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
import ssl
from typing import Any

from pocketkube.images import golang
from pocketkube.images.golang import Flags, Server, answer, klog
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.servers import fatal
from pocketkube.kubelet.process import Process
from pocketkube.network import http, tls
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Request, Response

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_TURNS = 15
_CALL = 10.0
_LINES = 500
"""Of the log that /read shows."""


class NotInCluster(Exception):
    """rest.ErrNotInCluster."""

    def __init__(self) -> None:
        super().__init__(
            "unable to load in-cluster configuration, "
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
        )


class ApiClient:
    """rest.InClusterConfig's client. Raises NotInCluster, OSError for missing files."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.host, port = (process.env.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not self.host or not port.isdecimal():
            raise NotInCluster
        self.port = int(port)
        self.token = self.read("token")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.load_verify_locations(cadata=self.read("ca.crt"))

    def read(self, name: str) -> str:
        """A file of the service account. Raises OSError."""
        return self.process.fs.read_bytes(f"{ACCOUNT}/{name}").decode()

    async def get(self, path: str) -> Response:
        """Raises OSError, TimeoutError."""

        async def connect() -> tls.TlsStream:
            stream = await self.process.net.connect(self.host, self.port)
            return await tls.client(stream, self._context, self.host)

        self.token = self.read("token")  # the kubelet may have renewed it
        headers = [("Host", host_port(self.host, self.port)), ("Authorization", f"Bearer {self.token}")]
        return await http.request(connect, "GET", path, headers, timeout=_CALL)


async def client_of(process: Process) -> ApiClient:
    try:
        return ApiClient(process)
    except (NotInCluster, OSError, ValueError) as failure:
        await fatal(process, f"Unable to create config; error: {failure}")
        raise


async def inclusterclient(process: Process, words: list[str]) -> int:
    flags = Flags({"poll-interval": 30})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    golang.die_on_signals(process)
    await klog(process, "started", "main.go:61")
    api = await client_of(process)
    while True:
        await process.clock.sleep(max(flags["poll-interval"], 1))
        await klog(process, "calling /healthz", "main.go:79")
        try:
            api.token = api.read("token")
            salted = hashlib.sha256(f"salt|Bearer {api.token}".encode()).digest()
            shown = base64.urlsafe_b64encode(salted).decode().rstrip("=")
            await klog(process, f"authz_header={shown}", "main.go:95")
            response = await api.get("/healthz")
            if response.status != 200:
                raise OSError(f"the server answered {response.status}")
        except (OSError, TimeoutError, http.ProtocolError) as failure:
            await klog(process, "status=failed", "main.go:82", "E")
            await klog(process, f"error checking /healthz: {failure}", "main.go:83", "E")


class Nettest:
    """Contacts every pod behind a Service, and counts who was heard of."""

    def __init__(self, process: Process, flags: Flags) -> None:
        self.process = process
        self.flags = flags
        self.sent: dict[str, int] = {}
        self.received: dict[str, int] = {}
        self.errors: list[str] = []
        self.log: list[str] = []
        self.contacting = True

    async def run(self) -> int:
        golang.die_on_signals(self.process)
        if self.flags["delay-shutdown"] > 0:
            self.process.on_signal(signal.SIGTERM, self._terminate)
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self.contact_others())
            listener = await golang.listen(self.process, self.flags["port"], fatal)
            await Server(listener, self.handle).serve()
        return 0

    def _terminate(self, number: int) -> None:
        self._group.create_task(self._delayed_exit())

    async def _delayed_exit(self) -> None:
        await klog(self.process, f"Sleeping {self.flags['delay-shutdown']} seconds before exit ...")
        await self.process.clock.sleep(self.flags["delay-shutdown"])
        self.process.finish(0)

    def note(self, text: str) -> None:
        self.log = [*self.log, text][-_LINES:]

    async def contact_others(self) -> None:
        flags, clock = self.flags, self.process.clock
        pause = max(5.0, flags["peers"] // 10)
        patience = max(300.0, flags["peers"])
        try:
            api = await client_of(self.process)
            started = clock.monotonic()
            while clock.monotonic() - started < patience:
                found = await self.endpoints(api)
                if len(found) >= flags["peers"]:
                    break
                where = f"{flags['namespace']}/{flags['service']}"
                self.note(
                    f"{where} has {len(found)} endpoints ([{' '.join(found)}]), which is less than {flags['peers']} as "
                    "expected. Waiting for all endpoints to come up."
                )
                await clock.sleep(pause)
            for _ in range(_TURNS):
                for endpoint in await self.endpoints(api):
                    self.note(f"Attempting to contact {endpoint}")
                    await self.contact(endpoint)
                await clock.sleep(pause)
        finally:
            self.contacting = False

    async def endpoints(self, api: ApiClient) -> list[str]:
        """`http://IP:PORT` of the Service's, in order."""
        where = f"{self.flags['namespace']}/{self.flags['service']}"
        try:
            response = await api.get(f"/api/v1/namespaces/{self.flags['namespace']}/endpoints/{self.flags['service']}")
            found = json.loads(response.text)
            if response.status != 200:
                raise OSError(found.get("message", ""))
        except (OSError, TimeoutError, ValueError, http.ProtocolError) as failure:
            self.note(f"Unable to read the endpoints for {where}: {failure}.")
            return []
        return sorted(
            f"http://{host_port(address['ip'], port['port'])}"
            for subset in found.get("subsets") or ()
            for address in subset.get("addresses") or ()
            for port in subset.get("ports") or ()
        )

    async def contact(self, endpoint: str) -> None:
        host, _, port = endpoint.removeprefix("http://").rpartition(":")
        body = json.dumps({"Source": self.process.hostname, "Dest": endpoint}).encode()
        headers = [("Host", f"{host}:{port}"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        try:
            response = await http.request(
                lambda: self.process.net.connect(host.strip("[]"), int(port)), "POST", "/write", headers, body, _CALL
            )
            name = json.loads(response.text)["Hostname"]
        except (OSError, TimeoutError, http.ProtocolError) as failure:
            self.note(f'Warning: unable to contact the endpoint "{endpoint}": {failure}')
        except (ValueError, KeyError) as failure:
            self.note(f"Warning: unable to unmarshal response from '{endpoint}': '{failure}'")
        else:
            self.sent[name] = self.sent.get(name, 0) + 1

    async def handle(self, request: Request) -> Response:
        match request.path:
            case "/quit":
                self.process.finish(0)
                await asyncio.Event().wait()
            case "/read":
                return answer(self.process, request, self.state())
            case "/write":
                return answer(self.process, request, self.write(request.body))
            case "/status":
                return answer(self.process, request, self.status().encode())
        return golang.error(self.process, request, "404 page not found", 404)

    def state(self) -> bytes:
        shown: dict[str, Any] = {
            "Hostname": self.process.hostname,
            "Sent": dict(sorted(self.sent.items())) or None,
            "Received": dict(sorted(self.received.items())) or None,
            "Errors": self.errors or None,
            "Log": self.log or None,
            "StillContactingPeers": self.contacting,
        }
        return json.dumps(shown, indent="\t").encode()

    def write(self, body: bytes) -> bytes:
        try:
            source = str(json.loads(body).get("Source") or "")
        except (ValueError, AttributeError) as failure:
            self.errors = [*self.errors, str(failure)][-_LINES:]
            source = ""
        if not source:
            self.errors = [*self.errors, f"{self.process.hostname}: Got request with no source"][-_LINES:]
        elif source in self.received or len(self.received) < 10_000:
            self.received[source] = self.received.get(source, 0) + 1
        return json.dumps({"Hostname": self.process.hostname}, separators=(",", ":")).encode() + b"\n"

    def status(self) -> str:
        peers = self.flags["peers"]
        if len(self.sent) >= peers and len(self.received) >= peers:
            return "pass"
        if self.contacting:
            return "running"
        where = f"{self.flags['namespace']}/{self.flags['service']}"
        counts = f"{len(self.sent)} sent and {len(self.received)} received and {peers} peers"
        self.note(f"Declaring failure for {where} with {counts}")
        return "fail"


async def nettest(process: Process, words: list[str]) -> int:
    flags = Flags({"port": 8080, "peers": 8, "service": "nettest", "namespace": "default", "delay-shutdown": 0})
    problem = flags.parse(words)
    if problem:
        return await flag_error(process, problem)
    return await Nettest(process, flags).run()
