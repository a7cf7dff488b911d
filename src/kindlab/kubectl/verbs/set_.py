"""`kubectl set image`, `kubectl set env` and `kubectl set resources`."""

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
@click.option("--requests", default="", help="With resources: cpu=100m,memory=64Mi")
@click.option("--limits", default="", help="With resources: cpu=100m,memory=64Mi")
def COMMAND(session: Session, words: tuple[str, ...], container: str, listed: bool, requests: str, limits: str) -> None:
    """Change a workload: set image deploy/NAME CONTAINER=IMAGE, set env deploy/NAME KEY=VALUE KEY-, set resources
    deploy/NAME --requests=cpu=100m"""
    what, rest = (words[0], words[1:]) if words else ("", ())
    if what not in ("image", "env", "resources"):
        raise Refused(f"error: kindlab's stand-in for kubectl can set image, env and resources. {GET_KUBECTL}")
    split = next((n for n, w in enumerate(rest) if n and ("=" in w or w.endswith("-"))), len(rest))
    names, changes = rest[:split], rest[split:]
    if not names:
        raise Refused("error: one or more resources must be specified as <resource> <name> or <resource>/<name>")
    for target in targets.named(session, names):
        live = session.get(target.served, target.name)
        if what == "image":
            _image(session, target, live, changes)
        elif what == "resources":
            _resources(session, target, live, container, {"limits": _amounts(limits), "requests": _amounts(requests)})
        elif listed:
            _list(session, target, live)
        else:
            _env(session, target, live, changes, container)


def _pod(live: Obj) -> Obj:
    spec: Obj = live["spec"] if live["kind"] == "Pod" else live["spec"]["template"]["spec"]
    return spec


def _containers(live: Obj) -> list[Obj]:
    pod = _pod(live)
    return [*(pod.get("containers") or []), *(pod.get("initContainers") or [])]


def _send(session: Session, target: Target, live: Obj, containers: list[Obj]) -> None:
    init = {c["name"] for c in (_pod(live).get("initContainers") or [])}
    parts = {
        "containers": [c for c in containers if c["name"] not in init],
        "initContainers": [c for c in containers if c["name"] in init],
    }
    spec: Obj = {name: part for name, part in parts.items() if part}
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


def _amounts(said: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in said.split(",") if pair]
    if wrong := [name for name, equals, amount in pairs if not (name and equals and amount)]:
        raise Refused(f"error: Invalid argument syntax {wrong[0]}, expected <resource>=<value>")
    return {name: amount for name, _, amount in pairs}


def _resources(session: Session, target: Target, live: Obj, container: str, wanted: dict[str, dict[str, str]]) -> None:
    change = {name: amounts for name, amounts in wanted.items() if amounts}
    if not change:
        raise Refused("error: you must specify an update to requests or limits (in the form of --requests/--limits)")
    chosen = [c["name"] for c in _pod(live).get("containers") or [] if container in ("", "*", c["name"])]
    if not chosen:
        raise Refused(f"error: unable to find container named {container}")
    _send(session, target, live, [{"name": name, "resources": change} for name in chosen])
    session.say(f"{label(target.served, target.name)} resource requirements updated")


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
