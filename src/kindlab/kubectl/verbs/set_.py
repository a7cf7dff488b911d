"""`kubectl set image` and `kubectl set env`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from kindlab.api import STRATEGIC_PATCH, Obj
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, label
from kindlab.kubectl.targets import Target


@options.command()
@options.words
@options.container
@click.option("--list", "listed", is_flag=True, help="With env: show it.")
def COMMAND(session: Session, words: tuple[str, ...], container: str, listed: bool) -> None:
    """Change a workload: set image deploy/NAME CONTAINER=IMAGE, set env deploy/NAME KEY=VALUE KEY-"""
    what, rest = (words[0], words[1:]) if words else ("", ())
    if what not in ("image", "env"):
        raise Refused(f"error: kindlab's stand-in for kubectl can set image and env. {GET_KUBECTL}")
    split = next((n for n, w in enumerate(rest) if n and ("=" in w or w.endswith("-"))), len(rest))
    names, changes = rest[:split], rest[split:]
    if not names:
        raise Refused("error: one or more resources must be specified as <resource> <name> or <resource>/<name>")
    for target in targets.named(session, names):
        live = session.get(target.served, target.name)
        if what == "image":
            _image(session, target, live, changes)
        elif listed:
            _list(session, target, live)
        else:
            _env(session, target, live, changes, container)


def _containers(live: Obj) -> list[Obj]:
    pod = live["spec"] if live["kind"] == "Pod" else live["spec"]["template"]["spec"]
    return [*(pod.get("containers") or []), *(pod.get("initContainers") or [])]


def _send(session: Session, target: Target, live: Obj, containers: list[Obj]) -> None:
    spec: Obj = {"containers": containers}
    change = {"spec": spec if live["kind"] == "Pod" else {"template": {"spec": spec}}}
    session.request("PATCH", session.url(target.served, target.name), change, content_type=STRATEGIC_PATCH)


def _image(session: Session, target: Target, live: Obj, changes: tuple[str, ...]) -> None:
    if not changes:
        raise Refused("error: at least one image update is required")
    wanted = dict(change.split("=", 1) for change in changes if "=" in change)
    there = {c["name"]: c.get("image") for c in _containers(live)}
    if "*" in wanted:
        wanted = {name: wanted["*"] for name in there}
    for name in wanted:
        if name not in there:
            raise Refused(f'error: unable to find container named "{name}"')
    if all(there[name] == image for name, image in wanted.items()):
        return
    _send(session, target, live, [{"name": name, "image": image} for name, image in wanted.items()])
    session.say(f"{label(target.served, target.name)} image updated")


def _env(session: Session, target: Target, live: Obj, changes: tuple[str, ...], container: str) -> None:
    if not changes:
        raise Refused("error: at least one environment variable must be provided")
    chosen = [c for c in _containers(live) if container in ("", c["name"])]
    patched = [{"name": c["name"], "env": list(_variables(c, changes))} for c in chosen]
    _send(session, target, live, [c for c in patched if c["env"]])
    session.say(f"{label(target.served, target.name)} env updated")


def _variables(container: Obj, changes: tuple[str, ...]) -> Iterator[Obj]:
    there = {e["name"] for e in container.get("env") or []}
    for change in changes:
        name, equals, value = change.partition("=")
        if equals:
            yield {"name": name, "value": value}
        elif name[:-1] in there:
            yield {"name": name[:-1], "$patch": "delete"}


def _list(session: Session, target: Target, live: Obj) -> None:
    for container in _containers(live):
        session.say(f"# {live['kind']} {target.name}, container {container['name']}")
        for entry in container.get("env") or []:
            session.say(f"{entry['name']}={entry.get('value', '')}")
