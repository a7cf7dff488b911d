"""`python -m pocketkube --state DIR`: run one cluster in the foreground until SIGTERM or Ctrl-C.

Speaks JSON lines on standard output to whoever started it: {"step": ...} while it starts, then one {"ready": ...} or
{"error": {"what", "why", "next"}}; its log goes to standard error. DIR/kubeconfig appears when the cluster is ready.
Exit codes: 0 stopped, 1 failed, 2 usage, 3 could not start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import gc
import json
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from pocketkube.addressing import FAMILIES, OtherFamily

if TYPE_CHECKING:
    from pocketkube.cluster import Cluster, Config

FAILED, COULD_NOT_START = 1, 3
OPEN_FILES = 65_536
"""At most, where the system allows as many."""
SETTLED = 2.0
"""Seconds after Ready: by then the add-ons run, and what they need is loaded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """`arguments`: instead of the command's own."""
    options = parsed(arguments)
    prepare()
    logging.getLogger().setLevel(logging.INFO)
    return alone(options, lambda: _runner()(_serve(options)))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options. Raises SystemExit for one that is none."""
    parser = argparse.ArgumentParser(
        prog="python -m pocketkube", description="A Kubernetes-compatible cluster in one process."
    )
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="folder that keeps the cluster's state"
    )
    parser.add_argument("--name", default="pocket", help="cluster name: context and node names (default: pocket)")
    parser.add_argument("--port", type=int, default=0, help="API server port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--workers", type=int, default=2, help="worker nodes beside the control plane (default: 2)")
    parser.add_argument("--node", default="", help="make a cluster of one node with this name")
    parser.add_argument(
        "--ip-family",
        choices=FAMILIES,
        help="addresses of Services, pods and nodes; settled when the cluster is made (default: ipv4)",
    )
    parser.add_argument("--speed", type=float, default=1.0, help="cluster seconds per second (default: 1)")
    text = "keep objects in memory only, for a cluster that is not started a second time"
    parser.add_argument("--in-memory", action="store_true", help=text)
    text = "no container can change its image's programs: /bin, /usr/bin and the like are read-only"
    parser.add_argument("--keep-programs", action="store_true", help=text)
    parser.add_argument("--no-host-ports", action="store_true", help="do not listen on 127.0.0.1 for Services")
    for scheme, port, leads_to in (("http", 8080, 30080), ("https", 8443, 30443)):
        text = f"port on 127.0.0.1 that leads to node port {leads_to} (default: {port}; 0: none)"
        parser.add_argument(f"--{scheme}-port", type=_port, default=port, metavar="PORT", help=text)
    text = "take requests without credentials for system:anonymous's, as Kubernetes does by default; else they get 401"
    parser.add_argument("--anonymous-auth", action="store_true", help=text)
    text = "do not install this add-on, e.g. traefik; may be repeated"
    parser.add_argument("--no-addon", action="append", default=[], metavar="NAME", help=text)
    text = "take NetworkPolicies and enforce none, as a network plugin like flannel"
    parser.add_argument("--no-network-policy", action="store_true", help=text)
    parser.add_argument(
        "--load-balancer-pool",
        metavar="RANGES",
        type=_pool,
        help="addresses for LoadBalancer Services, as FIRST-LAST with commas between, or none to leave them pending "
        "(default: 172.18.255.200-172.18.255.250 and 51 of IPv6)",
    )
    parser.add_argument(
        "--max-endpoints-per-slice",
        metavar="N",
        type=_slice_size,
        default=100,
        help="how many endpoints an EndpointSlice holds at most, 1 to 1000 (default: 100)",
    )
    parser.add_argument(
        "--max-volumes-per-node",
        metavar="N",
        type=_volume_limit,
        default=16,
        help="how many volumes of the hostpath CSI driver a node takes at most, 0 for any number (default: 16)",
    )
    for name, default, what in (
        ("grace-period", "50s", "after how long a silence a node counts as not ready"),
        ("period", "5s", "how often nodes are looked after"),
    ):
        flag, text = f"--node-monitor-{name}", f"{what}; a duration like 90s or 5m (default: {default})"
        parser.add_argument(flag, metavar="DURATION", type=_duration, default=_duration(default), help=text)
    for name, default, what in (
        ("sync-period", "1s", "how often an autoscaler is looked after (kube-controller-manager: 15s)"),
        ("downscale-stabilization", "5m", "how far back its recommendations keep an autoscaler from scaling down"),
        ("cpu-initialization-period", "5m", "how long after its start a Pod's CPU is not believed while it is unready"),
        ("initial-readiness-delay", "30s", "how long after its start a Pod that turns unready was never ready"),
    ):
        flag, text = f"--horizontal-pod-autoscaler-{name}", f"{what}; a duration like 90s or 5m (default: {default})"
        parser.add_argument(flag, metavar="DURATION", type=_duration, default=_duration(default), help=text)
    text = "how often metrics-server looks at what is used (metrics-server: 15s); a duration like 5s (default: 1s)"
    parser.add_argument("--metric-resolution", metavar="DURATION", type=_duration, default=1.0, help=text)
    return parser.parse_args(arguments)


def prepare() -> None:
    """What a process needs before a cluster lives in it."""
    sys.setrecursionlimit(5000)  # several calls for each level of what users may nest (schema.bounds)
    sys.setswitchinterval(0.001)  # threads copy and delete files: the loop must not wait 5 ms for them at each step
    gc.disable()  # _collect_from_now_on says why
    # The API server's library loads the system's certificate authorities when it is imported. This process calls
    # nobody, and the nodes need not wait for that.
    os.environ.update(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with contextlib.suppress(ImportError, ValueError, OSError):
        _allow_open_files()


def _allow_open_files() -> None:
    """Each client and each watch is one: take more than the 1,024 that shells give, as programs in Go do."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def alone(options: argparse.Namespace, run: Callable[[], None]) -> int:
    """Run a cluster that has its state folder for itself; returns the exit code, when it has said what went wrong."""
    try:
        options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(options.state / "lock", timeout=0):
            (options.state / "pid").write_text(f"{os.getpid()}\n")
            run()
    except Timeout:
        return _fail(
            f"A cluster is already running on {options.state}.",
            "Its lock is held by another process.",
            "Stop that one first, or choose another --state folder.",
        )
    except Exception as error:
        cause = first_cause(error)
        logging.getLogger("pocketkube").error("the cluster has failed", exc_info=error)
        return _fail(*explain(cause, options))
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: a number from 0 to 65535")
    return int(text)


def _pool(text: str) -> str:
    from pocketkube.controllers.addresspool import AddressPool

    if text == "none":
        return ""
    try:
        AddressPool(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _slice_size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1000")
    return int(text)


def _volume_limit(text: str) -> int:
    if not text.isdecimal() or int(text) > 2**31 - 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to {2**31 - 1}")
    return int(text)


def _duration(text: str) -> float:
    from pocketkube.duration import go_seconds

    try:
        seconds = go_seconds(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a duration: a number with a unit, like 500ms, 90s or 5m")
    return seconds


def first_cause(error: BaseException) -> BaseException:
    """The first error inside groups of errors: parts run side by side, the first one to die took the others along."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def explain(error: BaseException, options: argparse.Namespace) -> tuple[str, str, str]:
    """(what happened, why, what to do) for an error that kept the cluster from starting or running."""
    if isinstance(error, OtherFamily):
        return (
            f"The cluster in {options.state} cannot be started with --ip-family {error.asked}.",
            f"It was made with --ip-family {error.made}, and what it holds has addresses of that.",
            f"Start it with --ip-family {error.made} or without it, or make a new one in another --state folder.",
        )
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return (
            f"The API server cannot listen on 127.0.0.1:{options.port}.",
            "Another program is using that port.",
            "Stop that program, or start with another port (--port 0 takes any free one).",
        )
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "full" in str(error) or "disk I/O" in str(error):
        return (
            f"The cluster cannot write to {options.state}.",
            f"The disk is full, a quota or limit is reached, or the disk is broken ({error}).",
            "Free some space, then start again; nothing that was acknowledged is lost.",
        )
    if code in (errno.EACCES, errno.EPERM, errno.EROFS) or "readonly" in str(error):
        return (
            f"The cluster cannot write to {options.state}.",
            f"{error}.",
            "Make the folder writable for your user, or choose another --state folder.",
        )
    if isinstance(error, sqlite3.DatabaseError):
        return (
            f"The cluster's log {options.state / 'store.db'} cannot be read.",
            f"{error}.",
            "Start afresh with another --state folder, or remove this one (everything in the cluster is lost).",
        )
    return ("The cluster has failed.", f"{type(error).__name__}: {error}.", "See the log for details.")


async def _serve(options: argparse.Namespace) -> None:
    from pocketkube.cluster import Cluster

    end = asked_to_end()
    async with Cluster(config_of(options, options.state), lambda text: _say({"step": text})) as cluster:
        await live(cluster, options.state, end)


def config_of(options: argparse.Namespace, state: Path) -> Config:
    """What the options mean for a cluster that keeps its state in that folder."""
    from pocketkube.cluster import Config

    return Config(
        state,
        name=options.name,
        port=options.port,
        workers=options.workers,
        node=options.node,
        speed=options.speed,
        ip_family=options.ip_family,
        in_memory=options.in_memory,
        keep_programs=options.keep_programs,
        host_ports=not options.no_host_ports,
        http_port=options.http_port,
        https_port=options.https_port,
        anonymous_auth=options.anonymous_auth,
        no_addons=tuple(options.no_addon),
        network_policy=not options.no_network_policy,
        max_endpoints_per_slice=options.max_endpoints_per_slice,
        max_volumes_per_node=options.max_volumes_per_node,
        metric_resolution=options.metric_resolution,
        hpa_sync_period=options.horizontal_pod_autoscaler_sync_period,
        hpa_downscale_stabilization=options.horizontal_pod_autoscaler_downscale_stabilization,
        hpa_cpu_initialization_period=options.horizontal_pod_autoscaler_cpu_initialization_period,
        hpa_initial_readiness_delay=options.horizontal_pod_autoscaler_initial_readiness_delay,
        node_monitor_grace_period=options.node_monitor_grace_period,
        node_monitor_period=options.node_monitor_period,
        **({} if options.load_balancer_pool is None else {"load_balancer_pool": options.load_balancer_pool}),
    )


def asked_to_end() -> asyncio.Event:
    """Set by SIGTERM and Ctrl-C from now on."""
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, end.set)
    return end


async def live(cluster: Cluster, state: Path, end: asyncio.Event) -> None:
    """Say that the cluster of that folder serves, and return at its `end`. Raises what a part of it died of."""
    _say({"ready": {"kubeconfig": str(state / "kubeconfig"), "port": cluster.port, "pid": os.getpid()}})
    _leave_terminal()
    asyncio.get_running_loop().call_later(SETTLED, _collect_from_now_on)
    stopping = asyncio.ensure_future(end.wait())
    running = asyncio.ensure_future(cluster.wait())
    await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if running.done() and not end.is_set():
        await running
    running.cancel()


def _collect_from_now_on() -> None:
    """No garbage is looked for while the cluster starts, and what has been loaded by then is not looked through again.

    Nearly all of that stays for good, and to look through it stops every connection for a twentieth of a second.
    """
    gc.freeze()
    gc.enable()


def _runner() -> Any:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


def _leave_terminal() -> None:
    """Nobody reads standard output after the ready line: a pipe whose reader has gone must not end the cluster."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    os.close(quiet)


def _say(message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(message), flush=True)


def _fail(what: str, why: str, then: str) -> int:
    logging.getLogger("pocketkube").error("%s %s", what, why)
    _say({"error": {"what": what, "why": why, "next": then}})
    return COULD_NOT_START


if __name__ == "__main__":
    sys.exit(main())
