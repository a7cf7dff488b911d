"""One command of the stand-in: where it reads and writes, and how it asks the API server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kindlab.api import Api, ApiError, Obj, Served

URL = "https://kubernetes.io/docs/tasks/tools/"
GET_KUBECTL = f"kubectl itself can: {URL}"


class Refused(Exception):
    """Ends a command with kubectl's own words; `exit` is the exit code."""

    def __init__(self, text: str, exit: int = 1) -> None:
        super().__init__(text)
        self.exit = exit


@dataclass
class Session:
    api: Api
    namespace: str
    out: TextIO
    err: TextIO
    stdin: TextIO
    everywhere: bool = False
    """-A: all namespaces."""
    named: bool = False
    """-n was given: what is only shown says its namespace, too."""
    after: list[str] | None = None
    """The words after `--`: a command for a container."""
    failed: bool = field(default=False, init=False)

    def say(self, text: str) -> None:
        self.out.write(text + "\n")

    def complain(self, text: str) -> None:
        """Report a failure of one of several objects and go on; the exit code will be 1."""
        self.err.write(text + "\n")
        self.failed = True

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """As Api.request, and the server's warnings go to stderr as kubectl prints them."""
        response = self.api.request(method, path, body, stream=True, **options)
        try:
            for header in response.headers.getlist("Warning") if hasattr(response.headers, "getlist") else ():
                for text in re.findall(r'299 \S+ "((?:[^"\\]|\\.)*)"', header):
                    self.err.write("Warning: " + re.sub(r"\\(.)", r"\1", text) + "\n")
            data = response.read()
        finally:
            response.release_conn()
        return json.loads(data) if data else {}

    def served(self, kind: str) -> Served:
        """The kind a word names. Raises Refused in kubectl's words."""
        try:
            return self.api.served(kind)
        except ApiError as error:
            raise Refused(f'error: the server doesn\'t have a resource type "{kind}"') from error

    def url(self, served: Served, name: str = "", sub: str = "") -> str:
        space = f"/namespaces/{self.namespace}" if served.namespaced and not (self.everywhere and not name) else ""
        return f"{served.prefix}{space}/{served.plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")

    def get(self, served: Served, name: str) -> Obj:
        return self.request("GET", self.url(served, name))  # type: ignore[no-any-return]

    def list(self, served: Served, labels: str = "", fields: str = "") -> list[Obj]:
        """The objects, each with its apiVersion and kind (which a list leaves out)."""
        query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        found = self.request("GET", self.url(served), query=query)
        version = served.prefix.removeprefix("/apis/").removeprefix("/api/")
        return [{"apiVersion": version, "kind": served.kind, **item} for item in found.get("items") or []]


def refuse_in_notebook() -> None:
    """Raises Refused where nobody would see a command go on: a notebook, whose kernel runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise Refused(
        "error: this command runs until it is stopped, and a notebook shows what it prints only then. "
        "Run it in a terminal: kindlab kubectl ..."
    )


def until_interrupted(run: Callable[[], Coroutine[Any, Any, None]], *, code: int) -> int:
    """Run what goes on until Ctrl-C, which gives `code`. Raises Refused in a notebook."""
    refuse_in_notebook()
    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return code
    return 0


def label(served: Served, name: str) -> str:
    """`service/web`, `deployment.apps/web`."""
    return served.kind.lower() + (f".{served.group}" if served.group else "") + f"/{name}"


def plural(served: Served) -> str:
    """`services`, `deployments.apps`."""
    return served.plural + (f".{served.group}" if served.group else "")


def explain(error: ApiError, *, doing: str = "") -> str:
    """An API error in the words kubectl has for it; `doing` (`error when creating "web.yaml": `) goes before."""
    details = error.details
    causes = details.get("causes") or []
    if error.reason == "Invalid":
        who = f'The {details["kind"]} "{details.get("name", "")}" is invalid' if details.get("kind") else ""
        texts = list(dict.fromkeys(f"{c['field']}: {c['message']}" for c in causes if c.get("field")))
        head = who or "The request is invalid"
        if len(texts) == 1:
            return f"{head}: {texts[0]}"
        return "\n".join([f"{head}: ", *(f"* {t}" for t in texts)]) if texts else f"{head}: {error.message}"
    return f"Error from server ({error.reason}): {doing}{error.message}"


def sources(session: Session, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name for messages, text) of what `-f` names: files, folders (their manifests, by name), or - for stdin."""
    for name in names:
        path = Path(name)
        if name == "-":
            yield "STDIN", session.stdin.read()
        elif name.startswith(("http://", "https://")):
            raise Refused(f"error: kindlab's stand-in for kubectl reads no URLs ({name}). {GET_KUBECTL}")
        elif path.is_dir():
            found = sorted(f for f in path.iterdir() if f.suffix in (".yaml", ".yml", ".json"))
            if not found:
                raise Refused(f"error: error reading [{name}]: recognized file extensions are [.json .yaml .yml]")
            yield from ((str(f), _text(f)) for f in found)
        elif path.is_file():
            yield name, _text(path)
        else:
            raise Refused(f'error: the path "{name}" does not exist')


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"error: error parsing {path}: it is not text in UTF-8. Save it anew as UTF-8.") from error
