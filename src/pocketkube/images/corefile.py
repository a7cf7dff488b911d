"""Reading a Corefile as far as a CoreDNS of kubeadm's needs it: server blocks, directives, their errors.

Models caddyfile's lexer and CoreDNS' plugin list. What directives other than `kubernetes`, `health`, `ready` and
`prometheus` say is checked for its name only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pocketkube.duration import go_seconds

# fmt: off
PLUGINS = frozenset((
    "root", "metadata", "geoip", "cancel", "tls", "quic", "timeouts", "multisocket", "reload", "nsid", "bufsize",
    "bind", "debug", "trace", "ready", "health", "pprof", "prometheus", "errors", "log", "dnstap", "local", "dns64",
    "acl", "any", "chaos", "loadbalance", "tsig", "cache", "rewrite", "header", "dnssec", "autopath", "minimal",
    "template", "transfer", "hosts", "route53", "azure", "clouddns", "k8s_external", "kubernetes", "file", "auto",
    "secondary", "etcd", "loop", "forward", "grpc", "grpc_server", "erratic", "whoami", "on", "sign", "view",
    "nomad", "import",
))
# fmt: on


class CorefileError(Exception):
    """The text is CoreDNS' own, path and line included."""


@dataclass
class Corefile:
    """Zones as written (`.:53`) and the directives of the first block with their arguments."""

    zones: list[str] = field(default_factory=list)
    directives: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Directive -> the lines of its own block, by their first word."""

    def address(self, directive: str, default: int) -> int | None:
        """The port a directive's server listens on; None without the directive."""
        found = self.directives.get(directive)
        if found is None:
            return None
        port = found[0].rpartition(":")[2] if found else ""
        return int(port) if port.isdigit() else default

    @property
    def port(self) -> int:
        port = self.zones[0].rpartition(":")[2] if self.zones else ""
        return int(port) if port.isdigit() else 53

    @property
    def lameduck(self) -> float:
        """Seconds `health` keeps serving after SIGTERM."""
        value = next(iter(self.options.get("health", {}).get("lameduck", [])), "0s")
        return float(value[:-1]) if value.endswith("s") and value[:-1].isdigit() else 0.0

    @property
    def reload(self) -> tuple[float, float] | None:
        """(seconds between looks, width of their random shift); None without `reload`."""
        given = self.directives.get("reload")
        if given is None:
            return None
        interval, jitter = [*map(_seconds, given), None, None][:2]
        interval = 30.0 if interval is None else interval
        return interval, min(15.0 if jitter is None else jitter, interval / 2)


def _seconds(text: str) -> float | None:
    """`30s`, `1m30s`; None for what is no duration."""
    try:
        return go_seconds(text)
    except ValueError:
        return None


def parse(text: str, path: str) -> Corefile:
    """Raises CorefileError."""
    found, depth, current, blocks = Corefile(), 0, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if depth == 0:
            blocks += 1
            if blocks == 1:
                found.zones = [w for w in words if w != "{"]
            if words[-1] == "{":
                depth = 1
        elif words == ["}"]:
            depth -= 1
        elif depth == 1:
            current = words[0]
            if current not in PLUGINS:
                raise CorefileError(f"{path}:{number} - Error during parsing: Unknown directive '{current}'")
            if blocks == 1:
                found.directives[current] = [w for w in words[1:] if w != "{"]
            depth += words[-1] == "{"
        else:
            if blocks == 1:
                found.options.setdefault(current, {})[words[0]] = words[1:]
            depth += words[-1] == "{"
    if depth:
        raise CorefileError(f"{path}:{number} - Error during parsing: Unexpected EOF")
    return found
