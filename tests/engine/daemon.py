"""Real container engines: Docker's daemon and podman, started for these tests alone, and the real kind.

The programs are those that .ci/engine has unpacked into .venv/engine (KINDLAB_TEST_ENGINE names another folder), else
this machine's own. dockerd runs as root, with its data, its socket and a network of its own in which there is nothing:
whatever the machine is connected to, a pull fails, and no address or firewall rule of the machine is touched.

Where any of that cannot be, the tests say in pytest's summary which could not run, and why.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kindlab import engines

ROOT = Path(__file__).resolve().parents[2]
UNPACKED = Path(os.environ.get("KINDLAB_TEST_ENGINE", ROOT / ".venv" / "engine"))
PATH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", "/sbin", f"{UNPACKED}/usr/sbin", f"{UNPACKED}/usr/bin"]
)
LIBRARIES = ":".join(map(str, UNPACKED.glob("usr/lib/*-linux-gnu")))
ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "alone"]
"""Before a command: it has a network in which there is nothing but its own 127.0.0.1."""
TRACES = [Path(path) for path in ("/etc/docker", "/etc/cni", "/opt/containerd", "/run/containerd", "/run/docker")]
"""Folders that dockerd, containerd and podman make whatever they are told: a key, and empty ones."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
HIDDEN = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", engines.PROVIDER, "KUBECONFIG", *PROXIES)
"""What the user may have set for an engine of their own."""
START = 60.0
"""Seconds dockerd gets to answer; it takes one."""


def environment(**more: str) -> dict[str, str]:
    """Of a program here: nothing of the user's own engine shows."""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    return {**kept, "PATH": PATH, **more}


@dataclass
class Daemon:
    """A dockerd of our own. `alone`: in a network of its own, with nothing in it."""

    folder: Path
    alone: bool = True
    more: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def docker(self, *args: str, given: bytes | None = None) -> str:
        env = environment(DOCKER_HOST=self.host)
        done = subprocess.run(["docker", *args], input=given, capture_output=True, env=env, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def start(self) -> str:
        """Why it does not run; "" when it does."""
        command = ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/run"]
        command += ["--pidfile", f"{self.folder}/pid", "--host", self.host, "--storage-driver", "vfs"]
        command += ["--config-file", f"{self.folder}/daemon.json", "--bridge", "none", "--iptables=false"]
        (self.folder / "daemon.json").write_text("{}")
        log = self.folder / "log"
        env = environment(LD_LIBRARY_PATH=LIBRARIES, TMPDIR=str(self.folder), **self.more)
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                # it ends with this process, whatever that ends by
                ["setpriv", "--pdeathsig", "TERM", *(ALONE if self.alone else []), *command],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                self.docker("version", "--format", "{{.Server.Version}}")
                return ""
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        lines = log.read_text(errors="replace").strip().splitlines()
        self.stop()
        return f"dockerd does not start: {lines[-1][:300] if lines else 'it says nothing'}"

    def stop(self) -> None:
        if self.process is None:
            return
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            if number != signal.SIGCONT:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(30)
                    break
        self.process = None

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)


def lacking() -> str:
    """Why no dockerd can be started here; "" when it can be tried."""
    for name in ("docker", "dockerd", "containerd", "runc", "setpriv", "unshare", "ip"):
        if shutil.which(name, path=PATH) is None:
            return f"{name} is not here (.ci/engine unpacks Debian's into .venv/engine)"
    return "" if os.geteuid() == 0 else "only root can start dockerd"


@contextlib.contextmanager
def folder_of_a_daemon() -> Iterator[Path]:
    """A short path: sockets are in it. Afterwards what is mounted below goes first, and what engines have made
    elsewhere goes where there was none before."""
    folder = Path(tempfile.mkdtemp(prefix="kl-"))
    traces = [path for path in TRACES if not path.exists()]
    try:
        yield folder
    finally:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([m for m in mounts if m.startswith(f"{folder}/")]):
            subprocess.run(["umount", "-l", mount], check=False)
        for path in (folder, *traces):
            shutil.rmtree(path, ignore_errors=True)
