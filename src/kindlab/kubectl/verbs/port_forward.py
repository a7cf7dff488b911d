"""`kubectl port-forward`: what the words mean; forwarding.py does it. Runs until Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from kindlab.api import Obj
from kindlab.kubectl import options, targets
from kindlab.kubectl.forwarding import Forwarder, Ports, addresses
from kindlab.kubectl.session import Refused, Session, until_interrupted

USAGE = (
    "error: TYPE/NAME and list of ports are required for port-forward\n"
    "See 'kubectl port-forward -h' for help and examples"
)


@options.command()
@options.words
@click.option(
    "--address", "where", multiple=True, default=("localhost",), help="Where to listen: addresses, localhost."
)
@click.option("--pod-running-timeout", default="1m0s", help="How long to wait for a Pod of a workload or Service.")
def COMMAND(session: Session, words: tuple[str, ...], where: tuple[str, ...], pod_running_timeout: str) -> int:
    """Let local ports lead into a Pod: port-forward TYPE/NAME [LOCAL:]REMOTE..."""
    if len(words) < 2:
        raise Refused(USAGE)
    limit = options.seconds(pod_running_timeout, "--pod-running-timeout")
    owner, pod = targets.attachable(session, words[0], limit)
    ports = parse(_translated(words[1:], owner, pod))
    phase = (pod.get("status") or {}).get("phase", "")
    if phase != "Running":
        raise Refused(f"error: unable to forward port because pod is not running. Current status={phase}")
    path = session.url(session.served("pods"), pod["metadata"]["name"], "portforward")
    listening = addresses([text for several in where for text in several.split(",")])
    return until_interrupted(lambda: Forwarder(session, path).run(ports, listening), code=0)


def _translated(ports: Sequence[str], owner: Obj, pod: Obj) -> list[str]:
    """Ports of a Service become those of its Pod, and names become numbers. Raises Refused."""
    found = []
    for text in ports:
        parts = text.split(":")
        local, remote = parts if len(parts) == 2 else (parts[0], parts[0])
        _refuse_udp(owner, pod, remote)
        if owner["kind"] == "Service":
            number = int(remote) if remote.isdigit() else _service_port(owner, remote)
            if local == remote:
                local = str(number)
            target = _target(owner, pod, number)
        else:
            if not remote:
                raise Refused("error: remote port cannot be empty")
            target = int(remote) if remote.isdigit() else _container_port(pod, remote)
            if local == remote:
                local = str(target)
        found.append(f"{local}:{target}")
    return found


def _refuse_udp(owner: Obj, pod: Obj, remote: str) -> None:
    if owner["kind"] == "Service":
        declared = [(p.get("name"), p["port"], p.get("protocol", "TCP")) for p in owner["spec"].get("ports") or ()]
    else:
        declared = [(p.get("name"), p["containerPort"], p.get("protocol", "TCP")) for p in _declared(pod)]
    number = next((port for name, port, _ in declared if name == remote), int(remote) if remote.isdigit() else None)
    kinds = {kind for _, port, kind in declared if port == number}
    if "UDP" in kinds and "TCP" not in kinds:
        raise Refused(f"error: UDP protocol is not supported for {remote}")


def _declared(pod: Obj) -> Iterator[Obj]:
    for part in ("containers", "initContainers"):
        for container in pod["spec"].get(part) or ():
            yield from container.get("ports") or ()


def _service_port(service: Obj, name: str) -> int:
    for port in service["spec"].get("ports") or ():
        if port.get("name") == name:
            return int(port["port"])
    raise Refused(f"error: Service '{service['metadata']['name']}' does not have a named port '{name}'")


def _target(service: Obj, pod: Obj, number: int) -> int:
    """The Pod's port behind a Service's."""
    for port in service["spec"].get("ports") or ():
        if port["port"] != number:
            continue
        target = port.get("targetPort") or number
        if service["spec"].get("clusterIP") == "None":
            return number
        return target if isinstance(target, int) else _container_port(pod, target)
    raise Refused(f"error: Service {service['metadata']['name']} does not have a service port {number}")


def _container_port(pod: Obj, name: str) -> int:
    for port in _declared(pod):
        if port.get("name") == name:
            return int(port["containerPort"])
    raise Refused(f"error: Pod '{pod['metadata']['name']}' does not have a named port '{name}'")


def parse(texts: Sequence[str]) -> list[Ports]:
    """`8080:80`, `80`, `:80`. Raises Refused."""
    found = []
    for text in texts:
        parts = text.split(":")
        if len(parts) > 2:
            raise Refused(f"error: invalid port format '{text}'")
        remote = _number("remote", parts[-1])
        local = _number("local", parts[0] or "0") if len(parts) == 2 else remote
        if not remote:
            raise Refused("error: remote port must be > 0")
        found.append(Ports(local, remote))
    return found


def _number(which: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        why = "invalid syntax"
    elif int(text) > 65535:
        why = "value out of range"
    else:
        return int(text)
    raise Refused(f"error: error parsing {which} port '{text}': strconv.ParseUint: parsing \"{text}\": {why}")
