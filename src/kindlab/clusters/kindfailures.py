"""What kind and the container engine say when they fail, in words a learner can act on.

The engine's words are matched, not its exit codes: those are all 1. Said by a real engine where this was written
(dockerd 20.10, docker 28.2): that it does not run, that the registry cannot be reached, that a port is taken. The
others are from the sources named beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kindlab.errors import Problem

TAIL = 6
"""Lines of the raw text that are shown with an explanation; all of it is in the log file."""


@dataclass(frozen=True)
class Known:
    """`words` found in the raw text mean `why`, and `then` is the way out. {engine} and {name} are filled in."""

    words: str
    why: str
    then: str


POCKET = "Or go on without a container engine: kindlab up --cluster pocket"

ANYWHERE = (  # the engine (docker CLI; podman-machine), and what every part of it may lack
    Known(
        r"permission denied while trying to connect|dial unix \S+: connect: permission denied",
        "The engine {engine} runs, but your user may not speak to it.",
        "On Linux become a member of its group and log in again: sudo usermod -aG docker $USER (whoever is in it can "
        "do everything on this machine), or use rootless {engine}. kindlab doctor shows whether it works.",
    ),
    Known(
        r"cannot connect to the docker daemon|is the docker daemon running|cannot connect to podman|"
        r"error during connect|failed to connect to the docker api|connection refused.*docker\.sock",
        "The engine {engine} is installed, but it does not run.",
        "Start it (Docker Desktop: open it and wait for the whale; Linux: sudo systemctl start docker; Podman on macOS "
        "and Windows: podman machine start), then run the command again.",
    ),
    Known(
        r"no space left on device|disk quota exceeded",
        "The disk on which {engine} keeps images and containers is full.",
        "See what takes the place ({engine} system df), remove what you do not need ({engine} system prune asks first; "
        "Docker Desktop: enlarge the disk in Settings, Resources), then run the command again.",
    ),
)
PULLING = (  # docker CLI, registries
    Known(
        r"toomanyrequests|pull rate limit",
        "The registry lets nobody pull more for now: your network's address has had what it may without an account.",
        "Wait an hour, or log in with a free account (docker login), then run the command again. In a class, one "
        "machine can pull and hand the image on: {engine} save, {engine} load.",
    ),
    Known(
        r"proxyconnect|proxy authentication required|407 proxy",
        "The proxy of your network did not let the engine through.",
        "The engine needs the proxy's settings itself (Docker Desktop: Settings, Resources, Proxies; Linux: "
        "HTTPS_PROXY in the service's environment); setting them in this terminal is not enough.",
    ),
    Known(
        r"x509: certificate signed by unknown authority|certificate verify failed|failed to verify certificate",
        "Something between this machine and the registry shows a certificate of its own, as proxies of companies do.",
        "Give the engine your network's certificate authority (Linux: /etc/docker/certs.d or the system's store, then "
        "restart it), then run the command again.",
    ),
    Known(
        r"manifest unknown|manifest for .* not found|no matching manifest",
        "The registry does not have that image for this machine's processor.",
        "Check the image in cluster-config/kind.yaml; what the course comes with is there for amd64 and arm64.",
    ),
    Known(
        r"no such host|temporary failure in name resolution|server misbehaving|network is unreachable|i/o timeout|"
        r"tls handshake timeout|context deadline exceeded|client\.timeout exceeded|connection reset by peer|"
        r"request canceled while waiting for connection|dial tcp.*(connection refused|no route to host)|\beof\b",
        "The registry cannot be reached: there is no connection to it, or it is too slow.",
        "Check the connection (also VPN and firewall), then run the command again: what has arrived is kept.",
    ),
)
CREATING = (  # the containers (moby, podman's rootlessport), then the nodes in them (kind's known issues; kubelet)
    Known(
        r"permission denied.*privileged port|cannot expose privileged port|bind: permission denied",
        "Ports below 1024 belong to the administrator.",
        "Choose higher ones: --http-port 8080 --https-port 8443",
    ),
    Known(
        r"port is already allocated|address already in use|failed to bind host port|ports are not available",
        "A port of this machine that the cluster needs is used by another program or container.",
        "See who has it ({engine} ps shows containers), end it, or choose others: --http-port N --https-port N",
    ),
    Known(
        r"non-overlapping|address pools have been fully subnetted|pool overlaps",
        "No range of addresses is left for the network of kind's containers: other networks or a VPN have them.",
        "Remove networks that nobody uses ({engine} network prune asks first), or leave the VPN while the cluster "
        "is made.",
    ),
    Known(
        r"no chain/target/match by that name|can't initialize iptables|failed to (set up|setup) ip ?tables",
        "The firewall of this machine has forgotten the engine's rules, as when firewalld is restarted.",
        "Restart the engine (Linux: sudo systemctl restart docker), then run the command again.",
    ),
    Known(
        r"too many open files|inotify_init|fsnotify watcher",
        "This machine lets a user watch too few files for several nodes.",
        "Raise both limits: sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512 (in "
        "/etc/sysctl.d to keep them), then run the command again.",
    ),
    Known(
        r"requires cgroup v2|cgroup v1 (is|support)|configured to not run on a host using cgroup v1",
        "This machine counts what programs use the old way (cgroup v1), which Kubernetes 1.35 and newer refuse.",
        "A current Linux has cgroup v2; older ones are switched by the kernel's option "
        "systemd.unified_cgroup_hierarchy=1 and a restart. On WSL2: wsl --update, or kernelCommandLine = "
        "cgroup_no_v1=all in .wslconfig.",
    ),
    Known(
        r"delegate=yes",
        "An engine without administrator's rights may not limit memory and CPU here, and a node needs that.",
        "Let systemd delegate it: Delegate=yes for user@.service (https://kind.sigs.k8s.io/docs/user/rootless/), then "
        "log in again.",
    ),
    Known(
        r"cannot allocate memory|oomkill|out of memory|exit status 137|signal: killed",
        "There was not enough memory: the kernel ended a process of the cluster.",
        "Close other programs, or give the engine more (Docker Desktop: Settings, Resources, Memory: 4 GB or more).",
    ),
    Known(
        r"already exist for a cluster with the name",
        "Containers of a cluster of that name are there already, made by another program meanwhile.",
        "Run the command again: it looks at them. Or take another name: --name mine",
    ),
    Known(
        r"no suitable export target|content digest \S+: not found",
        "The engine's copy of an image is not whole: Docker may leave out layers that it has unpacked already "
        "(docker/cli#7278).",
        "Have it pulled anew: {engine} image rm IMAGE (its name is above), then run the command again.",
    ),
    Known(
        r"could not find a log line that matches",
        "A node's container did not start up. Mostly the limits of inotify are too low, or memory is short.",
        "kindlab doctor looks at both. More: kindlab up --cluster kind --keep, then {engine} logs "
        '{name}-control-plane. A rootless podman may only have lost the line: put log_driver = "k8s-file" under '
        "[containers] in ~/.config/containers/containers.conf (https://kind.sigs.k8s.io/docs/user/rootless/).",
    ),
    Known(
        r"failed to init node with kubeadm|failed to join node with kubeadm|kubelet is not healthy|"
        r"timed out waiting for the condition",
        "Kubernetes did not start in a node in time. Mostly memory or disk are short, or the machine is very busy.",
        "kindlab doctor looks at both. More: kindlab up --cluster kind --keep, then "
        "kind export logs --name {name} FOLDER",
    ),
    Known(
        r"unable to decode config|invalid configuration|strict decoding error|unknown field",
        "kind does not take the configuration: cluster-config/kind.yaml was changed, or this kind is too old for it.",
        "kindlab tools shows the version; put the file back: git checkout cluster-config/kind.yaml",
    ),
)


def tail(raw: str, lines: int = TAIL) -> str:
    """The last lines of a raw text, without colours and blank ones; before them kind's own word for the failure, which
    hundreds of lines of a node may follow."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", raw)
    kept = [line.rstrip()[:400] for line in plain.splitlines() if line.strip()]
    shown = kept[-lines:]
    first = next((line for line in kept if line.startswith("ERROR")), "")
    return "\n".join([first, "...", *shown] if first and first not in shown else shown)


def known(raw: str) -> Known | None:
    """What the text means. The words of a broken line are looked for where an image was pulled only: a node that does
    not start says them too, of its own API server."""
    pulled = "failed to pull image" in raw
    rows = (*ANYWHERE, *(PULLING if pulled else ()), *CREATING)
    return next((k for k in rows if re.search(k.words, raw, re.IGNORECASE)), None)


def explained(what: str, raw: str, *, engine: str, name: str, log: str = "", pulling: bool = False) -> Problem:
    """`what` failed with that raw text: why, and what to do. `log` names the file with all of it."""
    found = known(f"failed to pull image\n{raw}" if pulling else raw)
    fill = {"engine": engine, "name": name}
    why = found.why.format(**fill) if found else "kindlab does not know these words."
    way = found.then.format(**fill) if found else "kindlab doctor looks for what is amiss on this machine."
    said = "\n".join(f"  {line}" for line in tail(raw).splitlines())
    if said:
        why += f" It was said{f' (all of it: {log})' if log else ''}:\n{said}"
    return Problem(what, why, f"{way} {POCKET}.")
