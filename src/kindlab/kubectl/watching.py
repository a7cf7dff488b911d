"""`kubectl get -w`: a table, and a line for every change, until Ctrl-C. Columns keep the widths they have grown to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from urllib3.exceptions import HTTPError

from kindlab.api import Obj
from kindlab.kubectl import printers
from kindlab.kubectl.session import Session, refuse_in_notebook

INTERRUPTED = 130
PATIENCE = 300
"""Seconds after which the server ends a watch, and we begin a new one where it ended."""


def follow(session: Session, url: str, query: dict[str, str], accept: str, look: dict[str, Any]) -> int:
    """Print the objects at `url`, then their changes. `look`: options of `printers.server_table`. Raises ApiError."""
    refuse_in_notebook()
    try:
        found = session.request("GET", url, query=query, accept=accept)
        columns = printers.Columns()
        definitions = found["columnDefinitions"]
        _print(session, columns, printers.server_table(found, **look))
        version = found["metadata"]["resourceVersion"]
        while True:
            for event in _changes(session, url, query, accept, version):
                if event["type"] == "ERROR":  # its history is gone: what is there now is where we go on
                    version = session.request("GET", url, query=query, accept=accept)["metadata"]["resourceVersion"]
                    break
                table = {"columnDefinitions": definitions, **{k: v for k, v in event["object"].items() if v}}
                rows = table.get("rows") or []
                version = next((r["object"]["metadata"]["resourceVersion"] for r in reversed(rows)), version)
                if rows:
                    _print(session, columns, printers.server_table(table, **{**look, "headers": False}))
    except KeyboardInterrupt:
        return INTERRUPTED


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


def _print(session: Session, columns: printers.Columns, rows: list[list[str]]) -> None:
    if rows:
        session.say(columns.table(rows))
        session.out.flush()
