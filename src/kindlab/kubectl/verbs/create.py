"""`kubectl create -f`, and of its generators: namespace, deployment, configmap, secret generic (literals)."""

from __future__ import annotations

import base64

import click

from kindlab.api import ApiError, Obj
from kindlab.kubectl import options
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, explain
from kindlab.kubectl.verbs.apply import known, objects


@options.command()
@options.files
@options.words
@options.output
@options.dry_run
@click.option("--image", "images", multiple=True, help="For a deployment.")
@click.option("--replicas", type=int, default=1, help="For a deployment.")
@click.option("--port", type=int, help="For a deployment.")
@click.option("--from-literal", "literals", multiple=True, help="KEY=VALUE, for a configmap or secret.")
def COMMAND(
    session: Session,
    files: tuple[str, ...],
    words: tuple[str, ...],
    output: str,
    dry_run: str,
    images: tuple[str, ...],
    replicas: int,
    port: int | None,
    literals: tuple[str, ...],
) -> None:
    """Create objects: create -f FILE, create deployment NAME --image=IMAGE, create namespace NAME, ..."""
    if files:
        for source, obj in objects(session, files):
            known(session, source, obj)
            try:
                options.create(session, _inside(session, obj), "created", output=output, dry_run=dry_run)
            except ApiError as error:
                session.complain(explain(error, doing=f'error when creating "{source}": '))
        return
    if not words:
        raise Refused("error: must specify one of -f and -k")
    obj = _generated(list(words), images, replicas, port, literals)
    options.create(session, _inside(session, obj), "created", output=output, dry_run=dry_run)


def _inside(session: Session, obj: Obj) -> Obj:
    """The object with its namespace filled in."""
    served = session.served(f"{obj['apiVersion']}/{obj['kind']}")
    if not served.namespaced:
        return obj
    session.namespace = obj["metadata"].get("namespace", session.namespace)
    return {**obj, "metadata": {**obj["metadata"], "namespace": session.namespace}}


def _generated(
    words: list[str], images: tuple[str, ...], replicas: int, port: int | None, literals: tuple[str, ...]
) -> Obj:
    kind, rest = words[0], words[1:]
    if kind == "secret" and rest[:1] == ["generic"]:
        rest = rest[1:]
    elif kind == "secret":
        raise Refused(f"error: kindlab's stand-in for kubectl creates generic secrets only. {GET_KUBECTL}")
    if len(rest) != 1:
        raise Refused(f"error: exactly one NAME is required, got {len(rest)}")
    name = rest[0]
    data = {key: value for key, _, value in (literal.partition("=") for literal in literals)}
    if kind in ("namespace", "ns"):
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    if kind in ("configmap", "cm"):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    if kind == "secret":
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": encoded}
    if kind in ("deployment", "deploy"):
        if not images:
            raise Refused('error: required flag(s) "image" not set')
        return deployment(name, images, replicas, port)
    raise Refused(f'error: kindlab\'s stand-in for kubectl cannot create "{kind}" without a file. {GET_KUBECTL}')


def deployment(name: str, images: tuple[str, ...], replicas: int, port: int | None) -> Obj:
    labels = {"app": name}
    containers: list[Obj] = []
    for image in images:
        container: Obj = {"image": image, "name": image.rsplit("/", 1)[-1].split(":")[0].split("@")[0]}
        if port is not None:
            container["ports"] = [{"containerPort": port}]
        containers.append(container)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }
