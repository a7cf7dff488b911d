"""`kubectl run NAME --image=IMAGE [-- ARGS]`: one Pod. Left out: -it and --rm."""

from __future__ import annotations

import click

from kindlab.api import Obj
from kindlab.kubectl import options
from kindlab.kubectl.generating import NO_BALANCER
from kindlab.kubectl.session import Refused, Session


@options.command()
@options.words
@options.output
@options.dry_run
@click.option("--image", required=True, help="The container's image.")
@click.option("--port", type=int, help="The port the container says it listens on.")
@click.option("--env", multiple=True, help="NAME=VALUE.")
@click.option("-l", "--labels", default="", help="Labels, instead of run=NAME.")
@click.option("--restart", default="Always", help="Always, OnFailure or Never.")
@click.option("--image-pull-policy", default="", help="IfNotPresent, Always or Never.")
@click.option("--command", "as_command", is_flag=True, help="What follows -- is the command, not its arguments.")
@click.option("--expose", is_flag=True, help="A Service too (with --port).")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    output: str,
    dry_run: str,
    image: str,
    port: int | None,
    env: tuple[str, ...],
    labels: str,
    restart: str,
    image_pull_policy: str,
    as_command: bool,
    expose: bool,
) -> None:
    """Start one Pod: run NAME --image=IMAGE [-- ARGS...]"""
    if len(words) < 1:
        raise Refused("error: NAME is required for run")
    name = words[0]
    own = dict(pair.split("=", 1) for pair in labels.split(",")) if labels else {"run": name}
    container: Obj = {"name": name, "image": image}
    if env:
        container["env"] = [{"name": k, "value": v} for k, _, v in (e.partition("=") for e in env)]
    if port is not None:
        container["ports"] = [{"containerPort": port}]
    arguments = [*words[1:], *(session.after or [])]
    if arguments:
        container["command" if as_command else "args"] = arguments
    if image_pull_policy:
        container["imagePullPolicy"] = image_pull_policy
    container["resources"] = {}
    spec: Obj = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart}
    meta = {"name": name, "labels": own, **({"namespace": session.namespace} if session.named else {})}
    if expose and port is None:
        raise Refused("error: --port must be set when exposing a service")
    if expose:
        ports = [{"port": port, "protocol": "TCP", "targetPort": port}]
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {k: v for k, v in meta.items() if k != "labels"},
            "spec": {"selector": own, "ports": ports},
            "status": NO_BALANCER,
        }
        options.create(session, service, "created", output=output, dry_run=dry_run)
        if output == "yaml":
            session.say("---\n---")  # twice, as kubectl says it
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": {}}
    options.create(session, pod, "created", output=output, dry_run=dry_run)
