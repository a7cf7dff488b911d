"""Stand-in for docker and podman (FAKE_NAME says which): NOT A RECORDING, see state.py.

Knows what kindlab asks an engine: info, context, version, ps, image and network inspect, pull,
start, stop, save, exec of crictl.
"""

import json
import os
import time
from pathlib import Path

from tests.fakes import state
from tests.fakes.faults import ENGINE, PULL

INFO = {  # the fields of GET /info that kind and kindlab read
    "ServerVersion": "28.2.2",
    "OSType": "linux",
    "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "MemoryLimit": True,
    "PidsLimit": True,
    "CPUShares": True,
    "NCPU": 2,
    "MemTotal": 8 << 30,
    "DockerRootDir": "/var/lib/docker",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}
PODMAN = {  # podman-info(1), --format json
    "host": {
        "cgroupVersion": "v2",
        "cgroupControllers": ["cpu", "memory", "pids"],
        "cpus": 2,
        "memTotal": 8 << 30,
        "security": {"rootless": True},
        "serviceIsRemote": False,
    },
    "store": {"graphRoot": "/home/learner/.local/share/containers/storage"},
    "version": {"Version": "5.4.2"},
}


def main(name: str) -> None:
    words = state.called(name)
    if state.FAULT == "engine-hangs":
        time.sleep(3600)
    if state.FAULT in ENGINE and words[0] != "context":
        state.fail(ENGINE[state.FAULT])
    match words:
        case ["info", *_]:
            print(json.dumps(PODMAN if name == "podman" else INFO))
        case ["context", "inspect", *_]:
            print("unix:///var/run/docker.sock")
        case ["version", *_]:
            print("linux/amd64")
        case ["ps", *_]:
            ps(words)
        case ["image", "inspect", image]:
            print("[]") if image in state.read("images") else state.fail(f"Error: No such image: {image}")
        case ["image", "inspect", "--format", _, image]:
            print("linux/amd64") if image in state.read("images") else state.fail(f"Error: No such image: {image}")
        case ["network", "inspect", network]:
            print("[]") if network in state.read("networks") else state.fail(f"Error: network {network} not found")
        case ["network", "rm", network]:
            state.write("networks", [n for n in state.read("networks") if n != network])
        case ["pull", image]:
            pull(image)
        case ["start" | "unpause", container]:
            start(container)
        case ["stop", "-t", "0", container]:
            stop(container)
        case ["exec", _, "crictl", "images", "--output", "json"]:
            found = [{"id": "sha256:0", "repoTags": [as_containerd(image)]} for image in state.read("loaded")]
            print(json.dumps({"images": found}))
        case ["save", *_]:
            Path(state.option(words, "--output")).write_text(f"{words[-1]} {state.option(words, '--platform')}\n")
        case _:
            state.fail(f"{name}: the stand-in does not know: {' '.join(words)}")


def as_containerd(image: str) -> str:
    """Its normalized reference (distribution/reference): docker.io/library/nginx:1.27."""
    if "." not in image.split("/")[0]:
        image = f"docker.io/{image}"
    if image.startswith("docker.io/") and image.count("/") == 1:
        image = image.replace("/", "/library/")
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def ps(words: list[str]) -> None:
    label = state.option(words, "--filter").removeprefix("label=")
    for container in state.read("containers"):
        on = container["status"].startswith("Up")
        if label not in ("", state.CLUSTER_LABEL, f"{state.CLUSTER_LABEL}={container['cluster']}"):
            continue
        if not on and "--all" not in words:
            continue
        columns = {
            "{{.Names}}": container["name"],
            "{{.Status}}": container["status"],
            "{{.Ports}}": state.publish(container["ports"]) if on else "",
        }
        line = state.option(words, "--format", "{{.Names}}")
        for column, value in columns.items():
            line = line.replace(column, value)
        print(line)


def pull(image: str) -> None:
    if state.FAULT in PULL:
        state.fail(PULL[state.FAULT])
    print(f"{image.partition('@')[0]}: Pulling from {image.partition(':')[0]}")
    for layer in ("8a6b3c5d7e9f", "1b2c3d4e5f60"):
        print(f"{layer}: Pulling fs layer", flush=True)
        print(f"{layer}: Download complete", flush=True)
        print(f"{layer}: Pull complete", flush=True)
    print(f"Status: Downloaded newer image for {image}")
    state.write("images", [*state.read("images"), image])


def start(name: str) -> None:
    container = next(c for c in state.read("containers") if c["name"] == name)
    if container["role"] == "control-plane":
        ports = {k: v for c in state.nodes(container["cluster"]) for k, v in c["ports"].items()}
        state.power_on(container["cluster"], ports)
    state.mark(name, "Up 1 second")


def stop(name: str) -> None:
    container = next(c for c in state.read("containers") if c["name"] == name)
    if container["role"] == "control-plane":
        state.power_off(container["cluster"])
    state.mark(name, "Exited (137) 1 second ago")


if __name__ == "__main__":
    main(os.environ["FAKE_NAME"])
