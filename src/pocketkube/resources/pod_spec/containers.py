"""Containers of a pod: their names, images, ports, probes and hooks.

Models validateContainers, validateInitContainers and validateEphemeralContainers (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.pod_spec import environment, resources, security, volumes

_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_PULL: Final = ("Always", "IfNotPresent", "Never")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_RESTART: Final = ("Always", "Never", "OnFailure")
_ACTIONS: Final = ("Restart",)
_MOST_RULES: Final = 20
_ONLY_SIDECARS: Final = "may not be set for init containers without restartPolicy=Always"
_EPHEMERAL: Final = frozenset(
    {
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "envFrom",
        "env",
        "volumeMounts",
        "volumeDevices",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "securityContext",
        "stdin",
        "stdinOnce",
        "tty",
        "targetContainerName",
    }
)


def regular(path: str, spec: Obj, known: Mapping[str, Any]) -> Iterator[Cause]:
    """Field errors of spec.containers; `known` are the volumes there are."""
    containers = spec.get("containers") or []
    if not containers:
        yield fields.required(path)
        return
    names: set[str] = set()
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        yield from _common(at, container, spec, known)
        if name in names:
            yield fields.duplicate(f"{at}.name", name)
        names.add(name)
        yield from _running(at, container, spec)
        yield from _restart_policy(at, container)
    yield from _host_ports(path, containers)


def init(path: str, spec: Obj, known: Mapping[str, Any]) -> Iterator[Cause]:
    """Field errors of spec.initContainers."""
    names = {container.get("name", "") for container in spec.get("containers") or ()}
    for index, container in enumerate(spec.get("initContainers") or ()):
        at, name = f"{path}[{index}]", container.get("name", "")
        yield from _common(at, container, spec, known)
        yield from _restart_policy(at, container)
        if name in names:
            yield fields.duplicate(f"{at}.name", name)
        elif name:
            names.add(name)
        yield from _host_ports(path, [container])
        if container.get("restartPolicy") == "Always":
            yield from _running(at, container, spec)
            continue
        for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(field) is not None:
                yield fields.forbidden(f"{at}.{field}", _ONLY_SIDECARS)


def ephemeral(path: str, spec: Obj, known: Mapping[str, Any]) -> Iterator[Cause]:
    """Field errors of spec.ephemeralContainers."""
    others = {c.get("name", "") for kind in ("containers", "initContainers") for c in spec.get(kind) or ()}
    names = set(others)
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        at, name = f"{path}[{index}]", container.get("name", "")
        yield from _common(at, container, spec, known)
        yield from trimmed(at, container)
        if name in names:
            yield fields.duplicate(f"{at}.name", name)
        names.add(name)
        target = container.get("targetContainerName", "")
        if target and target not in others:
            yield fields.not_found(f"{at}.targetContainerName", target)
        for field in container:
            if field not in _EPHEMERAL and container[field]:
                yield fields.forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")
        for position, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    where = f"{at}.volumeMounts[{position}].{field}"
                    yield fields.forbidden(where, "cannot be set for an Ephemeral Container")


def trimmed(at: str, container: Obj) -> Iterator[Cause]:
    """Field error of blanks around an image name, which templates may have for the sake of old ones."""
    image = container.get("image", "")
    if image != image.strip():
        yield fields.invalid(f"{at}.image", image, "must not have leading or trailing whitespace")


def _common(at: str, container: Obj, spec: Obj, known: Mapping[str, Any]) -> Iterator[Cause]:
    name = container.get("name", "")
    if not name:
        yield fields.required(f"{at}.name")
    for problem in formats.dns1123_label(name) if name else ():
        yield fields.invalid(f"{at}.name", name, problem)
    if not container.get("image"):
        yield fields.required(f"{at}.image")
    policy = container.get("terminationMessagePolicy", "")
    if policy not in ("File", "FallbackToLogsOnError"):
        where = f"{at}.terminationMessagePolicy"
        yield fields.not_supported(where, policy, ("File", "FallbackToLogsOnError"), in_order=True)
    yield from _ports(f"{at}.ports", container.get("ports") or [])
    yield from environment.variables(f"{at}.env", container.get("env") or ())
    yield from environment.sources(f"{at}.envFrom", container.get("envFrom") or ())
    yield from volumes.mounts(f"{at}.volumeMounts", container, known)
    yield from volumes.devices(f"{at}.volumeDevices", container, known)
    if (pull := container.get("imagePullPolicy", "")) not in _PULL:
        yield fields.not_supported(f"{at}.imagePullPolicy", pull, _PULL)
    yield from resources.requirements(f"{at}.resources", container.get("resources") or {})
    yield from _resize(f"{at}.resizePolicy", container, spec)
    yield from security.container(f"{at}.securityContext", container.get("securityContext"), spec)


def _ports(path: str, ports: list[Obj]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"{path}[{index}]", port.get("name", "")
        problems = formats.port_name(name) if name else []
        yield from (fields.invalid(f"{at}.name", name, problem) for problem in problems)
        if name and not problems and name in names:
            yield fields.duplicate(f"{at}.name", name)
        names.add(name)
        number = port.get("containerPort", 0)
        if not number:
            yield fields.required(f"{at}.containerPort")
        for problem in formats.port_number(number) if number else ():
            yield fields.invalid(f"{at}.containerPort", number, problem)
        host = port.get("hostPort", 0)
        for problem in formats.port_number(host) if host else ():
            yield fields.invalid(f"{at}.hostPort", host, problem)
        protocol = port.get("protocol", "")
        if protocol not in _PROTOCOLS:
            yield fields.not_supported(f"{at}.protocol", protocol, _PROTOCOLS)


def _host_ports(path: str, containers: list[Obj]) -> Iterator[Cause]:
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            text = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if text in taken:
                yield fields.duplicate(f"{path}[{index}].ports[{position}].hostPort", text)
            taken.add(text)


def _resize(path: str, container: Obj, spec: Obj) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, policy in enumerate(container.get("resizePolicy") or ()):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            yield fields.duplicate(f"{path}[{index}]", name)
        seen.add(name)
        if name not in ("cpu", "memory"):
            yield fields.not_supported(path, name, ("cpu", "memory")) if name else fields.required(path)
        if restart not in ("NotRequired", "RestartContainer"):
            supported = ("NotRequired", "RestartContainer")
            yield fields.not_supported(path, restart, supported) if restart else fields.required(path)
        if spec.get("restartPolicy") == "Never" and restart != "NotRequired":
            yield fields.invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _restart_policy(at: str, container: Obj) -> Iterator[Cause]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        if rules:
            yield fields.required(f"{at}.restartPolicy", "must specify restartPolicy when restart rules are used")
        else:
            return
    elif policy not in _RESTART:
        yield fields.not_supported(f"{at}.restartPolicy", policy, _RESTART)
    if len(rules) > _MOST_RULES:
        yield fields.too_many(f"{at}.restartPolicyRules", len(rules), _MOST_RULES)
    for index, rule in enumerate(rules):
        where, codes = f"{at}.restartPolicyRules[{index}]", rule.get("exitCodes")
        if rule.get("action") not in _ACTIONS:
            yield fields.not_supported(f"{where}.action", rule.get("action", ""), _ACTIONS)
        if codes is None:
            yield fields.required(f"{where}.exitCodes", "must be specified")
            continue
        if codes.get("operator") not in ("In", "NotIn"):
            yield fields.not_supported(f"{where}.exitCodes.operator", codes.get("operator", ""), ("In", "NotIn"))
        if len(codes.get("values") or ()) > 255:
            yield fields.too_many(f"{where}.exitCodes.values", len(codes["values"]), 255)


def _running(at: str, container: Obj, spec: Obj) -> Iterator[Cause]:
    """Hooks and probes of containers that keep running."""
    grace = spec.get("terminationGracePeriodSeconds")
    for name in ("postStart", "preStop"):
        hook = (container.get("lifecycle") or {}).get(name)
        if hook is not None:
            yield from _handler(f"{at}.lifecycle.{name}", hook, grace)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        yield from _probe(f"{at}.{name}", probe, grace)
        if name == "readinessProbe":
            if (seconds := probe.get("terminationGracePeriodSeconds")) is not None:
                where = f"{at}.{name}.terminationGracePeriodSeconds"
                yield fields.invalid(where, seconds, "must not be set for readinessProbes")
        elif probe.get("successThreshold") != 1:
            yield fields.invalid(f"{at}.{name}.successThreshold", probe.get("successThreshold", 0), "must be 1")


def _probe(at: str, probe: Obj, grace: int | None) -> Iterator[Cause]:
    yield from _handler(at, probe, grace)
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(name, 0) < 0:
            yield fields.invalid(f"{at}.{name}", probe[name], formats.NOT_NEGATIVE)
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        yield fields.invalid(f"{at}.terminationGracePeriodSeconds", seconds, "must be greater than 0")


def _handler(at: str, handler: Obj, grace: int | None) -> Iterator[Cause]:
    found = [name for name in _HANDLERS if handler.get(name) is not None]
    if not found:
        yield fields.required(at, "must specify a handler type")
        return
    yield from _action(f"{at}.{found[0]}", found[0], handler[found[0]], grace)
    for name in found[1:]:
        yield fields.forbidden(f"{at}.{name}", "may not specify more than 1 handler type")


def _action(at: str, name: str, action: Obj, grace: int | None) -> Iterator[Cause]:
    match name:
        case "exec":
            if not action.get("command"):
                yield fields.required(f"{at}.command")
        case "httpGet":
            if not action.get("path"):
                yield fields.required(f"{at}.path")
            yield from port_or_name(f"{at}.port", action.get("port", 0))
            if action.get("scheme") not in ("HTTP", "HTTPS"):
                yield fields.not_supported(f"{at}.scheme", action.get("scheme", ""), ("HTTP", "HTTPS"))
            for header in action.get("httpHeaders") or ():
                for problem in formats.header_name(header.get("name", "")):
                    yield fields.invalid(f"{at}.httpHeaders", header.get("name", ""), problem)
        case "tcpSocket" | "grpc":
            yield from port_or_name(f"{at}.port", action.get("port", 0))
        case "sleep":
            seconds = action.get("seconds", 0)
            if grace is not None and not 0 <= seconds <= grace:
                why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                yield fields.invalid(at, seconds, why)


def port_or_name(path: str, port: int | str) -> Iterator[Cause]:
    """Field errors of a port given by number or by name."""
    problems = formats.port_name(port) if isinstance(port, str) else formats.port_number(port)
    yield from (fields.invalid(path, port, problem) for problem in problems)
