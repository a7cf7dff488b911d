"""Why a request got no answer, in words for who types commands: the library tells it as a chain of its own errors."""

from __future__ import annotations

from kindlab.errors import in_a_line


def why(error: BaseException) -> str:
    """A sentence, of what urllib3 or the system has raised."""
    from urllib3 import exceptions

    while isinstance(error, exceptions.MaxRetryError) and error.reason is not None:
        error = error.reason
    match error:
        case exceptions.NameResolutionError():
            return "The name in its address is not known here."
        case exceptions.NewConnectionError() if isinstance(error.__cause__, ConnectionRefusedError):
            return "Nobody listens at its address."
        case exceptions.NewConnectionError():
            return f"Its address cannot be reached ({_text(error.__cause__ or error)})."
        case exceptions.ConnectTimeoutError():
            return "Nothing came back from its address in time."
        case exceptions.TimeoutError():
            return "It gave no answer in time."
        case exceptions.SSLError():
            return f"No secure connection came about ({_text(error)})."
        case exceptions.ProxyError():
            return f"The proxy on the way to it does not answer ({_text(error.original_error)})."
        case exceptions.ProtocolError():
            return "It ended the connection without an answer."
    return f"{type(error).__name__}: {_text(error)}."


def _text(error: BaseException) -> str:
    return in_a_line(getattr(error, "strerror", None) or error)[:300].rstrip(".")
