"""`--cluster pocket`: the embedded cluster, a process of its own in the background.

The only module that knows pocketkube. The process holds a lock on its state folder while it lives, so whether it
runs is never guessed from a pid file; it says on a pipe when it is ready or why it is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from filelock import FileLock, Timeout

from kindlab import paths
from kindlab.api import Api, Obj
from kindlab.clusters.base import Status, Step
from kindlab.errors import Problem

DEFAULT_NAME = "pocket"
START_TIMEOUT, STOP_TIMEOUT = 60.0, 15.0
STATIC_PORTS = {"http": (8080, 30080), "https": (8443, 30443)}
"""Scheme -> (port of this machine by default, the node port it leads to), as in cluster-config/kind.yaml."""
SWITCHES = ("kube-system", "pocketkube-machines")
"""The ConfigMap with the machines' switches (pocketkube/machines.py)."""


class Pocket:
    """`port`: the API server's, 0 for any. `http_port`, `https_port`: 0 for none, None for the default.
    `node_monitor_grace_period`: seconds after which a silent node is not ready; None: as it was, or Kubernetes' 50.

    `ip_family` (ipv4, ipv6, dual) is settled when the cluster is made; None: as it was, or ipv4.
    """

    kind, prefix = "pocket", ""
    consent = False

    def __init__(
        self,
        name: str = DEFAULT_NAME,
        *,
        port: int = 0,
        http_port: int | None = None,
        https_port: int | None = None,
        ip_family: str | None = None,
        node_monitor_grace_period: int | None = None,
        keep_programs: bool = False,
    ) -> None:
        self.name = self.context = name
        self.ip_family = ip_family
        self.port = port
        self._asked = {"http": http_port, "https": https_port}
        self.folder = paths.home() / "clusters" / f"pocket-{name}"
        self.kubeconfig = self.folder / "kubeconfig"
        self.log = self.folder / "cluster.log"
        self._grace = node_monitor_grace_period
        self._keep_programs = keep_programs

    def usable(self) -> tuple[bool, str]:
        return True, "it needs nothing but Python"

    # -- up

    def up(self, step: Step) -> Status:
        """Start it, or find it running. Two at once: the second waits for the first and finds it running."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self.folder / "up.lock", timeout=START_TIMEOUT):
                self._check_family()
                if self._running() and (self._other_ports() or self._grace not in (None, self._last_grace())):
                    step("starting the cluster anew with other options: its objects stay, its containers restart")
                    self._stop()
                if not self._running():
                    self._start(step)
        except Timeout as error:
            raise Problem(
                "Another kindlab up has been starting this cluster for a minute.",
                f"It holds {self.folder / 'up.lock'}.",
                "End it (Ctrl-C in its terminal), then run kindlab up again.",
            ) from error
        except OSError as error:
            raise Problem(
                f"The cluster's folder {self.folder} cannot be used.",
                f"{error.strerror or error}.",
                "Free some disk space or make the folder writable; KINDLAB_HOME chooses another place.",
            ) from error
        found = self.status()
        if not found.ready:
            raise Problem(
                "The cluster is being started by a process that nobody waits for.",
                f"An earlier kindlab up was ended by force; its cluster is {found.detail}.",
                "kindlab status shows when it is ready; kindlab down ends it.",
            )
        return found

    def _check_family(self) -> None:
        """Raises Problem when the cluster was made with other addresses than are asked for."""
        kept = self.folder / "ip-family"  # pocketkube/addressing.py writes it
        made = kept.read_text().strip() if kept.is_file() else ""
        if made and self.ip_family not in (None, made):
            raise Problem(
                f"The cluster {self.name} cannot be used with --ip-family {self.ip_family}.",
                f"It was made with --ip-family {made}, and what it holds has addresses of that.",
                f"Make it anew (kindlab down{self._named}, then {self._command} --ip-family {self.ip_family}), or make "
                f"another beside it: kindlab up --cluster pocket --name {self.ip_family} "
                f"--ip-family {self.ip_family}",
            )

    @property
    def _named(self) -> str:
        """The options that mean this cluster and no other."""
        return "" if self.name == DEFAULT_NAME else f" --cluster {self.kind} --name {self.name}"

    @property
    def _command(self) -> str:
        return f"kindlab up{self._named}"

    def _start(self, step: Step) -> None:
        self.kubeconfig.unlink(missing_ok=True)  # a stale one would name a port nobody serves
        port = self.port or self._last_port()
        answer = self._launch(port, step)
        if "error" in answer and not self.port and "listen" in answer["error"]["what"]:
            step(f"port {port} is taken by another program: choosing a free one")
            answer = self._launch(0, step)
        if "error" in answer:
            error = answer["error"]
            raise Problem(error["what"], error["why"], self._next(error))
        (self.folder / "port").write_text(str(answer["ready"]["port"]))

    def _next(self, error: dict[str, str]) -> str:
        if "listen" in error["what"]:
            return (
                "Stop that program, or choose another port: kindlab up --port N (without --port a free one is taken)."
            )
        return f"{error['next']} (log: {self.log})"

    def _last_port(self) -> int:
        """The port of last time, so that a kubeconfig somebody copied stays right over a restart."""
        try:
            return int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return 0

    def _last_grace(self) -> int | None:
        try:
            return int((self.folder / "node-monitor-grace-period").read_text())
        except (OSError, ValueError):
            return None

    def _launch(self, port: int, step: Step) -> dict[str, Any]:
        """Start the process and read its pipe until it is ready or has failed. Ctrl-C here ends it again."""
        command = [
            sys.executable,
            "-m",
            "pocketkube",
            "--state",
            str(self.folder),
            "--name",
            self.name,
            "--port",
            str(port),
        ]
        if (grace := self._grace or self._last_grace()) is not None:
            (self.folder / "node-monitor-grace-period").write_text(str(grace))
            # looked at as often as by default, in proportion
            command += ["--node-monitor-grace-period", f"{grace}s", "--node-monitor-period", f"{grace * 100}ms"]
        if self._keep_programs:
            command.append("--keep-programs")
        if self.ip_family:
            command += ["--ip-family", self.ip_family]
        for scheme, (default, _) in STATIC_PORTS.items():
            asked = self._asked[scheme]
            command += [f"--{scheme}-port", str(default if asked is None else asked)]
        with _ctrl_c_held() as heard, open(self.log, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        assert process.stdout is not None
        try:
            if heard:
                raise KeyboardInterrupt
            for line in process.stdout:
                answer: dict[str, Any] = json.loads(line)
                if "step" in answer:
                    step(answer["step"])
                else:
                    return answer
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT)
            process.kill()
            raise
        finally:
            process.stdout.close()
            if process.poll() is None:
                process.returncode = 0  # it lives on by itself: nobody here waits for it
        return {
            "error": {
                "what": "The cluster ended while it was starting.",
                "why": self._last_log_line(),
                "next": "See the log.",
            }
        }

    def _last_log_line(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    # -- ports of this machine

    def host_ports(self) -> dict[str, list[dict[str, Any]]]:
        """What pocketkube/network/hostports.py wrote down: ports of this machine by Service, and "static" ones."""
        try:
            found: dict[str, list[dict[str, Any]]] = json.loads((self.folder / "host-ports.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def service_urls(self, api: Api, service: Obj) -> list[str]:
        meta = service["metadata"]
        entries = self.host_ports().get(f"{meta['namespace']}/{meta['name']}", ())
        return [entry["url"] for entry in entries if "url" in entry]

    def ingress_urls(self, api: Api, ingress: Obj) -> dict[str, str]:
        leads = {leads_to: scheme for scheme, (_, leads_to) in STATIC_PORTS.items()}
        entries = [e for e in self.host_ports().get("static", ()) if "url" in e and e["port"] in leads]
        return {leads[e["port"]]: f"{leads[e['port']]}://127.0.0.1:{e['hostPort']}" for e in entries}

    def _other_ports(self) -> bool:
        """Whether other ports are asked for than the running cluster has, or one it could not open is free by now."""
        has = {
            entry["port"]: entry["hostPort"]
            for entry in self.host_ports().get("static", ())
            if "problem" not in entry or not _free(entry["hostPort"])
        }
        asked = [(self._asked[scheme], has.get(leads_to, 0)) for scheme, (_, leads_to) in STATIC_PORTS.items()]
        return any(wanted is not None and wanted != now for wanted, now in asked)

    def _static_ports(self) -> tuple[list[str], tuple[str, ...]]:
        """(URLs of this machine that lead to the Ingress, a sentence for each port that does not)."""
        urls, notes = [], []
        for entry in self.host_ports().get("static", ()):
            scheme = next((s for s, (_, leads_to) in STATIC_PORTS.items() if leads_to == entry["port"]), "http")
            if "problem" not in entry:
                urls.append(entry["url"])
                continue
            port = entry["hostPort"]
            other = port + 1 if port > 1023 else STATIC_PORTS[scheme][0]
            notes.append(
                f"{scheme}://127.0.0.1:{port} does not lead to the Ingress: port {port} of this machine could "
                f"not be opened ({entry['problem']}). Everything else works. Choose another port: "
                f"{self._command} --{scheme}-port {other}; or free this one, then: "
                f"{self._command} --{scheme}-port {port}"
            )
        return urls, tuple(notes)

    # -- machines

    def machines(self, api: Api) -> dict[str, bool]:
        """Each has a folder; those that are off are in the ConfigMap of switches."""
        switches = (api.get("ConfigMap", SWITCHES[1], SWITCHES[0]) or {}).get("data") or {}
        names = {folder.name for folder in (self.folder / "nodes").iterdir()} if self._running() else set()
        return {name: switches.get(name) != "off" for name in names}

    def switch(self, api: Api, node: str, *, on: bool) -> None:
        namespace, name = SWITCHES
        data = {node: None if on else "off"}
        if api.get("ConfigMap", name, namespace) is not None:
            api.patch("ConfigMap", name, namespace, {"data": data})
        elif not on:
            meta = {"namespace": namespace, "name": name}
            api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})

    # -- down

    def down(self, step: Step) -> bool:
        """Stop it and remove its folder; False when there was neither."""
        if not self.folder.exists():
            return False
        if self._running():
            step(f"stopping the pocket cluster {self.name}")
            self._stop()
        step("removing its state")
        from pocketkube.removal import remove

        try:
            remove(self.folder)  # a Pod may have made folders deeper than shutil.rmtree can go
        except OSError as error:
            raise Problem(
                f"The cluster is stopped; not all of its folder {self.folder} could be removed.",
                f"{error.strerror or error}.",
                "Remove it by hand, if need be as the user its files belong to, then run kindlab down again.",
            ) from error
        return True

    def _stop(self) -> None:
        pid = self._pid()
        if pid is None:
            raise Problem(
                "The cluster runs, but its process is not known.",
                f"{self.folder / 'pid'} is missing or damaged.",
                "End the process `python -m pocketkube` by hand, then run kindlab down again.",
            )
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            with contextlib.suppress(Timeout), FileLock(self.folder / "lock", timeout=STOP_TIMEOUT):
                return
        raise Problem(f"The cluster's process {pid} does not end.", "", f"End it by hand: kill -9 {pid}")

    # -- status

    def _running(self) -> bool:
        """Whether a process holds the state folder's lock; a stale pid file means nothing."""
        if not self.folder.exists():
            return False
        try:
            with FileLock(self.folder / "lock", timeout=0):
                return False
        except Timeout:
            return True

    def _pid(self) -> int | None:
        try:
            return int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return None

    def status(self) -> Status:
        running = self._running()
        ready = running and self.kubeconfig.is_file()
        if not ready:
            detail = "starting" if running else "not running"
            return Status(self.name, self.kind, str(self.kubeconfig), self.name, ready, detail)
        urls, notes = self._static_ports()
        detail = f"running as process {self._pid()}, API server on port {self._last_port()}"
        if urls:
            detail += f", Ingress on {' and '.join(urls)}"
        return Status(self.name, self.kind, str(self.kubeconfig), self.name, ready, detail, notes)


def _free(port: int) -> bool:
    """Whether a program of this user could listen on 127.0.0.1:port now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _ctrl_c_held() -> Iterator[list[int]]:
    """Ctrl-C in the middle of starting a process would leave one that nobody knows: it is noted instead."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield heard
        return
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)
