"""What the stand-ins for kind and docker share: containers, images and networks as files in $FAKE_STATE.

THE OUTPUTS HERE ARE NOT RECORDED. They are written from the documentation and the source of kind v0.33.0
(pkg/cmd/kind, pkg/internal/cli/status.go, pkg/cluster/internal/providers/docker), of Docker's CLI and of moby: where
the tests were written no image could be pulled, so no real kind cluster could be made.

Environment: FAKE_STATE, the folder; FAKE_PYTHON, an interpreter with pocketkube; FAULT, what goes wrong (faults.py).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["FAKE_STATE"])
FAULT = os.environ.get("FAULT", "")
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
LACKS = ("traefik", "gateway-api", "metrics-server", "csi-hostpath", "snapshots")
"""What pocketkube brings and kind does not."""

Container = dict[str, Any]


def called(program: str) -> list[str]:
    """The words it was called with, which also go to calls.log."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "calls.log", "a", encoding="utf-8") as log:
        print(program, *sys.argv[1:], file=log)
    return sys.argv[1:]


def fail(*lines: str, code: int = 1) -> None:
    print(*lines, sep="\n", file=sys.stderr)
    sys.exit(code)


def option(words: list[str], name: str, default: str = "") -> str:
    return words[words.index(name) + 1] if name in words else default


def read(what: str) -> list[Any]:
    try:
        found: list[Any] = json.loads((FOLDER / f"{what}.json").read_text())
    except FileNotFoundError:
        return []
    return found


def write(what: str, value: list[Any]) -> None:
    """As a whole or not at all: stand-ins are stopped at any moment."""
    temporary = FOLDER / f"{what}.{os.getpid()}"
    temporary.write_text(json.dumps(value))
    temporary.replace(FOLDER / f"{what}.json")


def nodes(cluster: str) -> list[Container]:
    return [c for c in read("containers") if c["cluster"] == cluster]


def mark(name: str, status: str) -> None:
    write("containers", [{**c, "status": status} if c["name"] == name else c for c in read("containers")])


def publish(ports: dict[str, int]) -> str:
    return ", ".join(f"127.0.0.1:{host}->{inner}/tcp" for inner, host in ports.items())


# -- the API server behind a control plane's container: a real pocketkube


def cluster_folder(cluster: str) -> Path:
    return FOLDER / f"cluster-{cluster}"


def power_on(cluster: str, ports: dict[str, int]) -> None:
    """Returns when its API answers."""
    folder = cluster_folder(cluster)
    folder.mkdir(exist_ok=True)
    command = [os.environ["FAKE_PYTHON"], "-m", "pocketkube", "--state", str(folder), "--name", cluster]
    command += ["--port", port_of_last_time(folder)]
    command += ["--http-port", str(ports.get("30080", 0)), "--https-port", str(ports.get("30443", 0))]
    command += [word for addon in LACKS for word in ("--no-addon", addon)]
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    assert process.stdout is not None
    for line in process.stdout:
        answer = json.loads(line)
        if "ready" in answer:
            (folder / "api-port").write_text(str(answer["ready"]["port"]))
            process.returncode = 0  # it lives on by itself
            return
        if "error" in answer:
            fail(f"the stand-in's API server did not start: {answer}")
    fail("the stand-in's API server ended")


def port_of_last_time(folder: Path) -> str:
    try:
        return (folder / "api-port").read_text()
    except FileNotFoundError:
        return "0"


def power_off(cluster: str) -> None:
    """Returns when its process has ended."""
    try:
        pid = int((cluster_folder(cluster) / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
        while True:
            os.kill(pid, 0)
            time.sleep(0.02)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return


def kubeconfig(cluster: str, into: Path) -> None:
    """As kind writes it: only that file, everything called kind-NAME."""
    import yaml

    config = yaml.safe_load((cluster_folder(cluster) / "kubeconfig").read_text())
    name = f"kind-{cluster}"
    for section in ("clusters", "users", "contexts"):
        for entry in config[section]:
            entry["name"] = name
    for entry in config["contexts"]:
        entry["context"] |= {"cluster": name, "user": name}
    config["current-context"] = name
    into.write_text(yaml.safe_dump(config))
    into.chmod(0o600)
