"""The text of `kubectl describe` for the containers of Pods. Lines with tabs, as `printers.tabbed` lays them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kindlab.api import Obj
from kindlab.kubectl import ages
from kindlab.quantities import number

Field = Callable[[str], str]
"""The value of one of the Pod's fields, by its path."""


def containers(title: str, found: Iterable[Obj], statuses: Iterable[Obj], field: Field) -> Iterator[str]:
    """A section on containers of one kind."""
    states = {status["name"]: status for status in statuses}
    found = list(found)
    yield f"{title}:" if found else f"{title}: <none>"
    for container in found:
        yield f"  {container['name']}:"
        yield from (f"    {line}" for line in _container(container, states.get(container["name"]), field))


def _container(container: Obj, status: Obj | None, field: Field) -> Iterator[str]:
    if status is not None:
        yield f"Container ID:\t{status.get('containerID', '')}"
    yield f"Image:\t{container.get('image', '')}"
    if status is not None:
        yield f"Image ID:\t{status.get('imageID', '')}"
    for title, key in (("Port", "containerPort"), ("Host Port", "hostPort")):
        shown = ", ".join(_port(port, key) for port in container.get("ports") or ())
        yield f"{title}{'s' if ',' in shown else ''}:\t{shown or '<none>'}"
    if seccomp := (container.get("securityContext") or {}).get("seccompProfile"):
        yield f"SeccompProfile:\t{seccomp['type']}"
        if seccomp["type"] == "Localhost":
            yield f"  LocalhostProfile:\t{seccomp.get('localhostProfile', '')}"
    for title, key in (("Command", "command"), ("Args", "args")):
        if container.get(key):
            yield f"{title}:"
            yield from (f"  {line}" for word in container[key] for line in word.split("\n"))
    if status is not None:
        yield from _state("State", status.get("state") or {})
        if (status.get("lastState") or {}).get("terminated"):
            yield from _state("Last State", status["lastState"])
        yield f"Ready:\t{bool(status.get('ready'))}"
        yield f"Restart Count:\t{status.get('restartCount', 0)}"
    yield from resources(container.get("resources") or {})
    for title, key in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        if container.get(key):
            yield f"{title}:\t{probe(container[key])}"
    yield from _environment(container, field)
    yield from _mounts(container)


def _port(port: Obj, key: str) -> str:
    return f"{port.get(key, 0)}/{port.get('protocol', 'TCP')}" + (f" ({port['name']})" if port.get("name") else "")


def _state(title: str, state: Obj) -> Iterator[str]:
    if running := state.get("running"):
        yield f"{title}:\tRunning"
        yield f"  Started:\t{ages.moment(running.get('startedAt'))}"
    elif ended := state.get("terminated"):
        yield f"{title}:\tTerminated"
        for name in ("reason", "message"):
            if ended.get(name):
                yield f"  {name.title()}:\t{ended[name]}"
        yield f"  Exit Code:\t{ended.get('exitCode', 0)}"
        if ended.get("signal"):
            yield f"  Signal:\t{ended['signal']}"
        yield f"  Started:\t{ages.moment(ended.get('startedAt'))}"
        yield f"  Finished:\t{ages.moment(ended.get('finishedAt'))}"
    else:
        yield f"{title}:\tWaiting"
        if reason := (state.get("waiting") or {}).get("reason"):
            yield f"  Reason:\t{reason}"


def resources(found: Obj) -> Iterator[str]:
    for name in ("limits", "requests"):
        if found.get(name):
            yield f"{name.title()}:"
            yield from (f"  {resource}:\t{amount}" for resource, amount in sorted(found[name].items()))


def probe(found: Obj) -> str:
    """A probe in kubectl's one line."""
    how = "unknown"
    if "exec" in found:
        how = f"exec [{' '.join(found['exec'].get('command') or [])}]"
    elif "httpGet" in found:
        get = found["httpGet"]
        how = f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get['port']}{get.get('path', '')}"
    elif "tcpSocket" in found:
        how = f"tcp-socket {found['tcpSocket'].get('host', '')}:{found['tcpSocket']['port']}"
    elif "grpc" in found:
        how = f"grpc <pod>:{found['grpc']['port']} {found['grpc'].get('service') or ''}"
    delay, timeout = found.get("initialDelaySeconds", 0), found.get("timeoutSeconds", 1)
    return (
        f"{how} delay={delay}s timeout={timeout}s period={found.get('periodSeconds', 10)}s "
        f"#success={found.get('successThreshold', 1)} #failure={found.get('failureThreshold', 3)}"
    )


def _environment(container: Obj, field: Field) -> Iterator[str]:
    if container.get("envFrom"):
        yield "Environment Variables from:"
    for source in container.get("envFrom") or ():
        kind, key = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
        found = source[key]
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        yield f"  {found.get('name', '')}\t{kind}{prefix}\tOptional: {_bool(found.get('optional'))}"
    yield "Environment:" if container.get("env") else "Environment:\t<none>"
    for variable in container.get("env") or ():
        if variable.get("valueFrom") is None:
            first, *more = variable.get("value", "").split("\n")
            yield f"  {variable['name']}:\t{first}"
            yield from (f"  \t{line}" for line in more)
        else:
            yield from (f"  {line}" for line in _taken(variable["name"], variable["valueFrom"], container, field))


def _taken(name: str, source: Obj, container: Obj, field: Field) -> Iterator[str]:
    """A variable whose value is found elsewhere."""
    if found := source.get("fieldRef"):
        yield f"{name}:\t{field(found['fieldPath'])} ({found.get('apiVersion', 'v1')}:{found['fieldPath']})"
    elif found := source.get("resourceFieldRef"):
        amount = _amount(container, found)
        if amount == "0" and found["resource"] in ("limits.cpu", "limits.memory"):
            amount = "node allocatable"
        yield f"{name}:\t{amount} ({found['resource']})"
    elif found := source.get("secretKeyRef"):
        where = f"in secret '{found.get('name', '')}'"
        yield f"{name}:\t<set to the key '{found['key']}' {where}>\tOptional: {_bool(found.get('optional'))}"
    elif found := source.get("configMapKeyRef"):
        where = f"of config map '{found.get('name', '')}'"
        yield f"{name}:\t<set to the key '{found['key']}' {where}>\tOptional: {_bool(found.get('optional'))}"


def _amount(container: Obj, reference: Obj) -> str:
    side, _, resource = reference["resource"].partition(".")
    given = ((container.get("resources") or {}).get(side) or {}).get(resource, "0")
    divisor = number(reference.get("divisor") or "0") or number("1")
    return str(math.ceil(number(given) / divisor))


def _mounts(container: Obj) -> Iterator[str]:
    mounts = sorted(container.get("volumeMounts") or (), key=lambda mount: str(mount["mountPath"]))
    yield "Mounts:" if mounts else "Mounts:\t<none>"
    for mount in mounts:
        flags = "ro" if mount.get("readOnly") else "rw"
        if mount.get("subPath"):
            flags += f',path="{mount["subPath"]}"'
        yield f"  {mount['mountPath']} from {mount['name']} ({flags})"
    if devices := container.get("volumeDevices"):
        yield "Devices:" if mounts else "Devices:\t<none>"  # kubectl asks the mounts
        for device in sorted(devices, key=lambda device: str(device["devicePath"])):
            yield f"  {device['devicePath']} from {device['name']}"


def _bool(value: Any) -> str:
    return str(bool(value)).lower()
