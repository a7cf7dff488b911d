"""Traefik's file provider: middlewares read from YAML files when it starts.

Models `http.middlewares.NAME.redirectScheme` of the dynamic configuration. Anything else in a file is told in the log
and left out, as are TOML files and changes while Traefik runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.kubelet.process import Process
from pocketkube.network.ingress.routes import Redirect, RequireTls

Middleware = RequireTls | Redirect


def read(process: Process, directory: str, filename: str) -> tuple[dict[str, Middleware], list[str]]:
    """(`NAME@file` -> what it does, what is wrong or left out)."""
    found: dict[str, Middleware] = {}
    problems: list[str] = []
    for path in _paths(process, directory, filename):
        try:
            content = _yaml(process.fs.read_bytes(path))
        except (OSError, ValueError) as error:
            problems.append(f"{path}: {error}")
            continue
        for keys, value in _leaves(content):
            if keys[:2] == ("http", "middlewares") and keys[3:] == ("redirectScheme",) and isinstance(value, dict):
                found[f"{keys[2]}@file"] = _redirect(value)
            else:
                problems.append(f"{path}: pocketkube leaves out {'.'.join(keys)}")
    return found, problems


def _paths(process: Process, directory: str, filename: str) -> Iterator[str]:
    if filename:
        yield process.path(filename)
    if directory:
        folder = process.path(directory)
        try:
            names = sorted(process.fs.listdir(folder))
        except OSError:
            return
        yield from (f"{folder.rstrip('/')}/{name}" for name in names if name.endswith((".yml", ".yaml")))


def _yaml(text: bytes) -> Any:
    import yaml  # when a file is there to be read: it takes its time to import

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"this is no YAML: {error}") from None


def _leaves(content: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys, value) four levels down: section, kind, name, type."""
    if len(above) == 4 or not isinstance(content, dict):
        if above:
            yield above, content
        return
    for key, value in content.items():
        yield from _leaves(value, (*above, str(key)))


def _redirect(given: dict[str, Any]) -> Middleware:
    """redirectScheme. To https for good it is what the proxy knows as RequireTls; else a redirect of that moment."""
    scheme, port = str(given.get("scheme", "")), int(given.get("port") or 0)
    if scheme == "https" and given.get("permanent"):
        return RequireTls(port or 443)
    return Redirect(scheme=scheme or None, port=port or None, status=301 if given.get("permanent") else 302)
