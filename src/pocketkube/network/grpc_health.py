"""The gRPC health protocol (grpc.health.v1): its one request and its one answer, on the wire.

Left out: Watch and List.
"""

from __future__ import annotations

from pocketkube import wire

CHECK = "/grpc.health.v1.Health/Check"
UNKNOWN, SERVING, NOT_SERVING = 0, 1, 2
NAMES = {UNKNOWN: "UNKNOWN", SERVING: "SERVING", NOT_SERVING: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def encode_request(service: str) -> bytes:
    """HealthCheckRequest{service}: field 1, a text."""
    return wire.text(1, service) if service else b""


def decode_request(message: bytes) -> str:
    """The service asked for. Raises ValueError for what is no HealthCheckRequest."""
    return wire.as_bytes(dict(wire.fields(message)).get(1, b"")).decode()


def encode_response(status: int) -> bytes:
    """HealthCheckResponse{status}: field 1, a number."""
    return wire.number(1, status) if status else b""


def decode_response(message: bytes) -> int:
    """The status. Raises ValueError for what is no HealthCheckResponse."""
    status = dict(wire.fields(message)).get(1, UNKNOWN)
    if isinstance(status, bytes):
        raise wire.MalformedProtobuf("proto: wrong wireType = 2")
    return status
