"""Typed API errors, named as Kubernetes' StatusReasons, and the one function that turns them into a Status.

Models apimachinery/pkg/api/errors. Everything that refuses a request raises one of these; only the API
server turns them into HTTP. Left out: nothing of the shape; causes and retry hints are carried as upstream does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cause:
    """One `details.causes[]` entry: `reason` (FieldValueInvalid, ...), the field's path, the text without the path."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class StatusError(Exception):
    """Base: an answer with an HTTP code and a StatusReason."""

    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized") -> None:
        super().__init__(message)


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"

    @classmethod
    def of(cls, resource: str, name: str, why: str) -> Forbidden:
        """`pods "x" is forbidden: why` as admission answers it; `resource` is plural or plural.group."""
        plural, group = _split(resource)
        text = f'{resource} "{name}" is forbidden: {why}' if name else f"{resource} is forbidden: {why}"
        return cls(text, details=_details(name=name, group=group, kind=plural))


class NotFound(StatusError):
    code, reason = 404, "NotFound"

    @classmethod
    def of(cls, resource: str, name: str) -> NotFound:
        """`deployments.apps "x" not found`."""
        plural, group = _split(resource)
        return cls(f'{resource} "{name}" not found', details=_details(name=name, group=group, kind=plural))


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"

    @classmethod
    def of(cls, resource: str, name: str) -> AlreadyExists:
        """`services "x" already exists`."""
        plural, group = _split(resource)
        return cls(f'{resource} "{name}" already exists', details=_details(name=name, group=group, kind=plural))


STALE = "the object has been modified; please apply your changes to the latest version and try again"


class Conflict(StatusError):
    code, reason = 409, "Conflict"

    @classmethod
    def of(cls, resource: str, name: str, why: str = STALE) -> Conflict:
        """`Operation cannot be fulfilled on configmaps "c": why`."""
        plural, group = _split(resource)
        text = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
        return cls(text, details=_details(name=name, group=group, kind=plural))


class Expired(StatusError):
    code, reason = 410, "Expired"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class Invalid(StatusError):
    """422 with one cause per field; `kind` is Kind or Kind.group, as in `Deployment.apps "d" is invalid: ...`."""

    code, reason = 422, "Invalid"

    @classmethod
    def of(cls, kind: str, name: str, causes: Iterable[Cause]) -> Invalid:
        listed = list(causes)
        texts = list(dict.fromkeys(str(c) for c in listed))  # upstream's aggregate drops repeated texts
        text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        short, group = _split(kind)
        details = _details(name=name, group=group, kind=short)
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in listed]
        return cls(f'{kind} "{name}" is invalid: {text}', details=details)


class Unknown(StatusError):
    """A plain Go error that reached the top: 500 without a reason."""

    code, reason = 500, ""


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"

    def __init__(self, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"Internal error occurred: {message}", details=details or {"causes": [{"message": message}]})


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


def to_status(error: StatusError) -> dict[str, Any]:
    """The Status object a client reads for this error."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
    }
    if error.reason:
        status["reason"] = error.reason
    if error.details is not None:  # {} is an answer too: upstream's generic ones have it
        status["details"] = error.details
    status["code"] = error.code
    return status


def from_status(status: dict[str, Any]) -> StatusError:
    """The error another server's Status tells of."""
    reason = str(status.get("reason") or "")
    kind = next((one for one in StatusError.__subclasses__() if reason and one.reason == reason), StatusError)
    error = kind.__new__(kind)  # some write messages of their own
    StatusError.__init__(error, str(status.get("message") or ""), details=status.get("details"))
    error.reason, error.code = reason, int(status.get("code") or 500)
    return error


class StoreFull(Exception):
    """The store's journal could not be written; nothing changed."""


def _split(dotted: str) -> tuple[str, str]:
    head, _, group = dotted.partition(".")
    return head, group


def _details(*, name: str, group: str, kind: str) -> dict[str, Any]:
    return {k: v for k, v in (("name", name), ("group", group), ("kind", kind)) if v}
