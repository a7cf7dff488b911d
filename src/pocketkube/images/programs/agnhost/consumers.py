"""agnhost resource-consumer-controller: spreads what it is asked to consume over the pods behind a Service, in requests
of a given size. What they consume is resource-consumer's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from pocketkube.images import golang
from pocketkube.images.golang import Flags, Server, answer, first
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.images.programs.agnhost.network import ResolveFailure, resolve
from pocketkube.images.programs.agnhost.servers import fatal
from pocketkube.kubelet.process import Process
from pocketkube.network import http
from pocketkube.network.http import Request, Response

_MOST = 1000
"""Requests that one is spread over; the real one sends as many as it takes."""
_CALL = 60.0
"""Seconds, real ones, after which a consumer is given up."""


@dataclass(frozen=True)
class Kind:
    """`what` and `size` are parameters: how much in all, how much a request. The texts are for count, size and rest."""

    what: str
    size: str
    sending: str
    done: str
    named: bool = False


_KINDS: Mapping[str, Kind] = {
    "/ConsumeCPU": Kind(
        "millicores",
        "requestSizeMillicores",
        "sending {} requests to consume {} millicores each and 1 request to consume {} millicores",
        "Consumed {amount} millicores",
    ),
    "/ConsumeMem": Kind(
        "megabytes",
        "requestSizeMegabytes",
        "sending {} requests to consume {} MB each and 1 request to consume {} MB",
        "Consumed {amount} megabytes",
    ),
    "/BumpMetric": Kind(
        "delta",
        "requestSizeMetrics",
        "sending {} requests to bump custom metric by {} each and 1 request to bump by {}",
        "Bumped metric {metric} by {amount}",
        named=True,
    ),
}


async def resource_consumer_controller(process: Process, words: list[str]) -> int:
    flags = Flags(
        {
            "port": 8080,
            "consumer-port": 8080,
            "consumer-service-name": "resource-consumer",
            "consumer-service-namespace": "default",
        }
    )
    if problem := flags.parse(words):
        return await flag_error(process, problem)

    async def handle(request: Request) -> Response:
        if request.method != "POST":
            return golang.error(process, request, "Bad request. Not a POST request", 400)
        kind = _KINDS.get(request.path)
        if kind is None:
            return golang.error(process, request, "unknown function", 404)
        metric, seconds = first(request, "metric"), first(request, "durationSec")
        texts = [seconds, first(request, kind.what), first(request, kind.size)]
        if not all(texts) or (kind.named and not metric):
            return golang.error(process, request, "not given function argument", 400)
        if not all(re.fullmatch(r"[-+]?\d+", text) for text in texts) or int(texts[2]) <= 0:
            return golang.error(process, request, "incorrect function argument", 400)
        amount, size = int(texts[1]), int(texts[2])
        count = max(0, amount // size)
        rest = amount - count * size
        if count > _MOST:
            text = f"incorrect function argument: {count} requests, and this cluster's controller sends at most {_MOST}"
            return golang.error(process, request, text, 400)
        form = {"durationSec": seconds} | ({"metric": metric} if kind.named else {})
        shares = [size] * count + ([rest] if rest > 0 else [])
        said = await asyncio.gather(*(_consume(process, flags, request.path, kind, form, share) for share in shares))
        lines = [f"RC manager: {kind.sending.format(count, size, rest)}", *said]
        return answer(process, request, "".join(f"{line}\n" for line in lines).encode())

    await Server(await golang.listen(process, flags["port"], fatal), handle).serve()
    return 0


async def _consume(process: Process, flags: Flags, path: str, kind: Kind, form: Mapping[str, str], amount: int) -> str:
    """One request; what came of it, in a line."""
    host = f"{flags['consumer-service-name']}.{flags['consumer-service-namespace']}.svc.{_domain(process)}"
    port = flags["consumer-port"]
    body = urlencode({**form, kind.what: str(amount)}).encode()
    headers = [
        ("Host", f"{host}:{port}"),
        ("Content-Length", str(len(body))),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    try:
        address, number = await resolve(process, host, str(port), "tcp")
        await http.request(lambda: process.net.connect(address, number), "POST", path, headers, body, _CALL)
    except (OSError, ResolveFailure, http.ProtocolError) as failure:
        why = golang.errno_text(failure) if isinstance(failure, OSError) and failure.errno else str(failure)
        return f'Failed to connect to consumer: Post "http://{host}:{port}{path}": {why}'
    return kind.done.format(amount=amount, metric=form.get("metric", ""))


def _domain(process: Process) -> str:
    """The cluster's, by the search path."""
    for line in process.fs.read_bytes("/etc/resolv.conf").decode(errors="replace").splitlines():
        words = line.split()
        for suffix in words[1:] if words[:1] == ["search"] else ():
            if suffix.startswith("svc."):
                return suffix[4:]
    return "cluster.local"
