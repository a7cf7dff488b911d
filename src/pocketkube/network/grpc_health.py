"""The gRPC health protocol (grpc.health.v1): its one request and its one answer, on the wire.

Left out: Watch and List.
"""

from __future__ import annotations

CHECK = "/grpc.health.v1.Health/Check"
UNKNOWN, SERVING, NOT_SERVING = 0, 1, 2
NAMES = {UNKNOWN: "UNKNOWN", SERVING: "SERVING", NOT_SERVING: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def encode_request(service: str) -> bytes:
    """HealthCheckRequest{service}: field 1, a text; at most 65535 bytes."""
    data = service.encode()
    return b"\x0a" + _varint(len(data)) + data if data else b""


def decode_request(message: bytes) -> str:
    """The service asked for. Raises ValueError for what is no HealthCheckRequest."""
    if not message:
        return ""
    length, start = _read_varint(message, 1)
    if message[0] != 0x0A or len(message) != start + length:
        raise ValueError("malformed HealthCheckRequest")
    return message[start:].decode()


def encode_response(status: int) -> bytes:
    """HealthCheckResponse{status}: field 1, a number below 128."""
    return bytes((0x08, status)) if status else b""


def decode_response(message: bytes) -> int:
    """The status. Raises ValueError for what is no HealthCheckResponse."""
    if not message:
        return UNKNOWN
    status, end = _read_varint(message, 1)
    if message[0] != 0x08 or end != len(message):
        raise ValueError("malformed HealthCheckResponse")
    return status


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends). Raises ValueError."""
    number = shift = 0
    while at < len(data) and shift < 64:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at
    raise ValueError("malformed varint")
