"""cluster-config/kind.yaml, and what one cluster has otherwise: ports of this machine and the family of addresses.

kind reads the file as it is (format: kind.x-k8s.io/v1alpha4); what is asked for on the command line is changed in a
copy. Pure but for reading the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from kindlab import paths
from kindlab.errors import Problem, UsageProblem

SCHEMES = {"http": 30080, "https": 30443}
"""Scheme -> the node port of the ingress controller, which kind.yaml maps to a port of this machine."""
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,47}[a-z0-9])?")
"""What kind takes for a cluster's name; longer ones make names of nodes that are no host names (63 characters)."""


@dataclass(frozen=True)
class Listening:
    """A port of this machine that leads to a node port."""

    address: str
    port: int


def read() -> dict[str, Any]:
    """cluster-config/kind.yaml. Raises Problem when it cannot be read."""
    import yaml

    file = paths.course() / "cluster-config" / "kind.yaml"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not found.get("nodes"):
            raise ValueError("it names no nodes")
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Problem(
            f"{file} cannot be used as a configuration of kind.",
            f"{error}",
            "Put it back as it was (git checkout cluster-config/kind.yaml), or correct what is named here.",
        ) from error
    return found


def wanted(
    config: Mapping[str, Any],
    *,
    ip_family: str | None = None,
    http_port: int | None = None,
    https_port: int | None = None,
) -> dict[str, Any]:
    """A copy for one cluster. A port of 0 leaves that one out, None leaves it as it is in the file.

    A cluster with IPv6 addresses only has no node ports of IPv4, so it is reached at ::1 (read in kind's source; no
    such cluster could be made where this was written).
    """
    import copy

    fresh = copy.deepcopy(dict(config))
    if ip_family is not None:
        fresh.setdefault("networking", {})["ipFamily"] = ip_family
    asked = {SCHEMES["http"]: http_port, SCHEMES["https"]: https_port}
    for node in fresh["nodes"]:
        kept = []
        for mapping in node.pop("extraPortMappings", ()):
            port = asked.get(mapping["containerPort"])
            if port == 0:
                continue
            mapping |= {"hostPort": port} if port else {}
            mapping |= {"listenAddress": "::1"} if ip_family == "ipv6" else {}
            kept.append(mapping)
        if kept:
            node["extraPortMappings"] = kept
    ports = [m["hostPort"] for node in fresh["nodes"] for m in node.get("extraPortMappings", ())]
    if twice := next((port for port in ports if ports.count(port) > 1), None):
        raise UsageProblem(
            f"Port {twice} cannot lead to two places.",
            "HTTP and HTTPS each need a port of this machine of their own.",
            "Choose another for one of them: --http-port or --https-port.",
        )
    return fresh


def text(config: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)


def mapped(config: Mapping[str, Any]) -> dict[int, Listening]:
    """Node port -> where this machine listens for it."""
    mappings = (m for node in config["nodes"] for m in node.get("extraPortMappings", ()))
    return {m["containerPort"]: Listening(m.get("listenAddress", "0.0.0.0"), m["hostPort"]) for m in mappings}


def images(config: Mapping[str, Any]) -> list[str]:
    """The node images, each once."""
    return list(dict.fromkeys(node["image"] for node in config["nodes"] if node.get("image")))


_PUBLISHED = re.compile(r"(?P<address>\[?[0-9a-fA-F.:]*\]?):(?P<host>\d+)->(?P<container>\d+)/tcp")


def published(column: str) -> dict[int, Listening]:
    """The same of a running container, from an engine's column of ports: 127.0.0.1:8080->30080/tcp, ..."""
    found = {}
    for part in column.split(","):
        if match := _PUBLISHED.search(part):
            found[int(match["container"])] = Listening(match["address"].strip("[]"), int(match["host"]))
    return found


def differences(
    config: Mapping[str, Any], nodes: int, ports: Mapping[int, Listening], schemes: Collection[str] = tuple(SCHEMES)
) -> list[str]:
    """What a cluster that was made otherwise lacks of this configuration, as sentences with what it means. `schemes`:
    whose ports matter."""
    found = []
    if nodes < (asked := len(config["nodes"])):
        found.append(
            f"It has {nodes} node{'s' if nodes != 1 else ''} where cluster-config/kind.yaml asks for {asked}: tasks "
            "about several nodes or zones cannot be done there."
        )
    for scheme, node_port in SCHEMES.items():
        wants, has = mapped(config).get(node_port), ports.get(node_port)
        if scheme not in schemes or wants is None or (has is not None and has.port == wants.port):
            continue
        if has is None:
            found.append(
                f"No port of this machine leads to its node port {node_port}: {scheme}:// addresses of an Ingress "
                "cannot be opened from here (kubectl port-forward can)."
            )
        else:
            found.append(
                f"{scheme.upper()} to its Ingress is port {has.port} of this machine, not {wants.port}: that is "
                "settled when a cluster is made."
            )
    return found


def check_name(name: str) -> None:
    """Raises UsageProblem for a name that kind does not take."""
    if not NAME.fullmatch(name):
        raise UsageProblem(
            f"A kind cluster cannot be called {name!r}.",
            "Its nodes are named after it: small letters, digits, dots and dashes, at most 49 of them.",
            "For example: kindlab up --cluster kind --name mine",
        )
