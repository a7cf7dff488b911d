"""`kubectl get -w`: a table, and a line for every change, until Ctrl-C. Columns keep the widths they have grown to.
`kubectl get --raw`: what a path answers, byte by byte, changes as well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from urllib3.exceptions import HTTPError

from kindlab.api import Obj
from kindlab.kubectl import printers
from kindlab.kubectl.session import Session, refuse_in_notebook

INTERRUPTED = 130
PATIENCE = 300
"""Seconds after which the server ends a watch, and we begin a new one where it ended."""


Rows = Callable[[Obj, bool], list[list[str]]]
"""An answer, or the object of an event, and whether there is to be a header -> what to print of it."""


def tables(look: dict[str, Any]) -> Rows:
    """The server's own tables. `look`: options of `printers.server_table`."""
    definitions: list[Obj] = []

    def rows(found: Obj, headers: bool) -> list[list[str]]:
        definitions[:] = found.get("columnDefinitions") or definitions
        table = {**found, "columnDefinitions": definitions}
        return printers.server_table(table, **{**look, "headers": look["headers"] and headers})

    return rows


def columns(spec: str, *, headers: bool) -> Rows:
    """`-o custom-columns=SPEC`: of an object, or of each in a list."""

    def rows(found: Obj, first: bool) -> list[list[str]]:
        return printers.custom_rows(found.get("items", [found]), spec, headers=headers and first)

    return rows


def follow(session: Session, url: str, query: dict[str, str], accept: str, rows: Rows) -> int:
    """Print the objects at `url`, then their changes. Raises ApiError."""
    refuse_in_notebook()
    try:
        found = session.request("GET", url, query=query, accept=accept)
        widths = printers.Columns()
        _print(session, widths, rows(found, True))
        version = found["metadata"]["resourceVersion"]
        while True:
            for event in _changes(session, url, query, accept, version):
                if event["type"] == "ERROR":  # its history is gone: what is there now is where we go on
                    version = session.request("GET", url, query=query, accept=accept)["metadata"]["resourceVersion"]
                    break
                version = _version(event["object"]) or version
                _print(session, widths, rows(event["object"], False))
    except KeyboardInterrupt:
        return INTERRUPTED


def _version(found: Obj) -> str:
    """The newest resourceVersion in an event's object, which may be a table; "" for none."""
    objects = [row["object"] for row in found.get("rows") or ()] if found.get("kind") == "Table" else [found]
    return objects[-1]["metadata"].get("resourceVersion", "") if objects else ""


def raw(session: Session, path: str) -> int:
    """Print what a path of the API answers, as it comes. Raises ApiError."""
    place, _, asked = path.partition("?")
    query = dict(parse_qsl(asked, keep_blank_values=True))
    response = session.api.request("GET", place, query=query, stream=True, timeout=PATIENCE + 10)
    try:
        for chunk in response.stream(amt=None, decode_content=True):
            session.out.write(chunk.decode())
    finally:
        response.close()
    return 0


def _changes(session: Session, url: str, query: dict[str, str], accept: str, version: str) -> Iterator[Obj]:
    asked = {**query, "watch": "true", "resourceVersion": version, "timeoutSeconds": PATIENCE}
    response = session.api.request("GET", url, query=asked, accept=accept, stream=True, timeout=PATIENCE + 10)
    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (json.loads(line) for line in lines if line.strip())
    except HTTPError:
        return  # the time is up, or the connection broke: whoever asked begins anew
    finally:
        response.close()


def _print(session: Session, widths: printers.Columns, rows: list[list[str]]) -> None:
    if rows:
        session.say(widths.table(rows))
        session.out.flush()
