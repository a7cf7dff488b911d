"""grpc probes: grpc.health.v1.Health/Check, asked from the node. Models pkg/probe/grpc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocketkube.kubelet.http_get import dial_error
from pocketkube.kubelet.verdicts import Failure
from pocketkube.network import grpc, grpc_health
from pocketkube.network.addresses import host_port

if TYPE_CHECKING:
    from pocketkube.network.fabric import PodNetwork

AGENT = "kube-probe/1.36"


async def run(node: PodNetwork, host: str, port: int, service: str, timeout: float) -> None:
    """`timeout` in cluster time. Raises Failure."""
    where, span = host_port(host, port), f"{timeout:g}s"
    connected = False
    try:
        async with node.fabric.clock.timeout(timeout):
            stream = await node.connect(host, port)
            connected = True
            try:
                request = grpc_health.encode_request(service)
                answer = await grpc.call(stream, where, grpc_health.CHECK, request, agent=AGENT)
                status = grpc_health.decode_response(answer)
            finally:
                stream.close()
    except grpc.GrpcError as error:
        if error.code == grpc.UNIMPLEMENTED:
            text = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            raise Failure(f"error: {text}: {error.message}") from None
        raise Failure(f"error: health rpc probe failed: {error}") from None
    except ValueError as error:
        raise Failure(f"error: health rpc probe failed: {error}") from None
    except OSError as error:
        if connected and isinstance(error, TimeoutError):
            raise Failure(f"timeout: health rpc did not complete within {span}") from None
        if connected:
            text = f"rpc error: code = Unavailable desc = {dial_error(error)}"
            raise Failure(f"error: health rpc probe failed: {text}") from None
        # grpc-go tries to connect for as long as it has time
        text = "context deadline exceeded"
        raise Failure(f'timeout: failed to connect service "{where}" within {span}: {text}') from None
    if status != grpc_health.SERVING:
        raise Failure(f'service unhealthy (responded with "{grpc_health.NAMES.get(status, str(status))}")')
