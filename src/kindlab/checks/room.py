"""Where the grader tries out what a cluster can do: in a namespace made for it, or, where none may be made, in one of
the learner's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kindlab.api import Api, ApiError
from kindlab.checks.verdict import CouldNotGrade
from kindlab.clock import token_hex
from kindlab.managed import MANAGED

STARTS = 30


@contextmanager
def room(api: Api, space: str = "", labels: Mapping[str, str] | None = None) -> Iterator[str]:
    """A namespace of our own, with these labels too, for as long as the block lasts; `space`, which is there, if none
    may be made. Raises CouldNotGrade where there is neither."""
    name = f"kindlab-try-{token_hex(4)}"
    meta = {"name": name, "labels": {**(labels or {}), **MANAGED}}
    try:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    except ApiError as error:
        if error.code != 403:
            raise
        if not space:
            raise CouldNotGrade("you may make no namespace to try it in, and none of the labs' is there") from error
        yield space
        return
    try:
        if not any(api.follow("ServiceAccount", name, fields="metadata.name=default", timeout=STARTS)):
            raise CouldNotGrade(f"namespace {name} got no default ServiceAccount")
        yield name
    finally:
        api.delete("Namespace", name)
