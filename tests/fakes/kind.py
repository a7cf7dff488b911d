"""Stand-in for kind v0.33.0: NOT A RECORDING, see state.py. Without a terminal, as kindlab runs it.

`create cluster` starts a real pocketkube without what kind lacks, so that everything after creation happens against a
live API. Its containers are entries of a list, one for each node of the configuration.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tests.fakes import state
from tests.fakes.faults import CREATE, ENGINE, PULL


def say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def main() -> None:
    provider = os.environ.get("KIND_EXPERIMENTAL_PROVIDER", "")
    words = state.called(f"kind[{provider}]")
    if provider and words[:1] != ["version"]:
        say(f"using {provider} due to KIND_EXPERIMENTAL_PROVIDER")
    name = state.option(words, "--name", "kind")
    match words:
        case ["version", *_]:
            print("kind v0.33.0 go1.26.2 linux/amd64")
        case ["create", "cluster", *_]:
            create(words, name)
        case ["delete", "cluster", *_]:
            say(f'Deleting cluster "{name}" ...')
            delete(name)
        case ["get", "clusters", *_]:
            for found in sorted({c["cluster"] for c in state.read("containers")}):
                print(found)
            if not state.read("containers"):
                say("No kind clusters found.")
        case ["export", "kubeconfig", *_]:
            export(name, Path(state.option(words, "--kubeconfig")))
        case ["load", "image-archive", *_]:
            load(words[-1])
        case ["load", "docker-image", *_]:  # kind#3795
            state.fail(
                f'ERROR: failed to load image: command "docker exec --privileged -i {name}-worker ctr '
                '--namespace=k8s.io images import --all-platforms --digests --snapshotter=overlayfs -" failed with '
                "error: exit status 1\n\nCommand Output: ctr: content digest sha256:1b2c: not found"
            )
        case _:
            state.fail(f'ERROR: unknown command "{" ".join(words)}" for "kind"')


def create(words: list[str], name: str) -> None:
    import yaml

    if state.FAULT in ENGINE:
        state.fail(f"ERROR: failed to create cluster: failed to get docker info: {ENGINE[state.FAULT]}")
    if state.nodes(name):
        state.fail(f'ERROR: failed to create cluster: node(s) already exist for a cluster with the name "{name}"')
    config = yaml.safe_load(Path(state.option(words, "--config")).read_text())
    image = config["nodes"][0]["image"]
    say(f'Creating cluster "{name}" ...')
    say(f" • Ensuring node image ({image.partition('@')[0]}) 🖼️  ...")
    if image not in state.read("images"):
        say(f" ✗ Ensuring node image ({image.partition('@')[0]}) 🖼️")
        state.fail(f'ERROR: failed to create cluster: failed to pull image "{image}": {PULL["pull-offline"]}')
    say(f" ✓ Ensuring node image ({image.partition('@')[0]}) 🖼️")
    if "kind" not in state.read("networks"):
        state.write("networks", [*state.read("networks"), "kind"])
    containers = planned(config, name)
    say(f" • Preparing nodes {'📦 ' * len(containers)}  ...")
    state.write("containers", [*state.read("containers"), *containers])
    for step, picture in {
        "Preparing nodes": "",
        "Writing configuration": " 📜",
        "Starting control-plane": " 🕹️",
    }.items():
        if step != "Preparing nodes":
            say(f" • {step}{picture}  ...")
        shown = step + (picture or " " + "📦 " * len(containers))
        trouble(step, shown, name, words)
        say(f" ✓ {shown}")
    ports = {inner: port for container in containers for inner, port in container["ports"].items()}
    state.power_on(name, {inner: port for inner, port in ports.items() if inner != "6443"})
    for step in ("Installing CNI 🔌", "Installing StorageClass 💾", "Joining worker nodes 🚜"):
        say(f" • {step}  ...", f" ✓ {step}")
    target = Path(state.option(words, "--kubeconfig"))
    state.kubeconfig(name, target)
    say(f'Set kubectl context to "kind-{name}"', "You can now use your cluster with:", "")
    say(f"kubectl cluster-info --context kind-{name} --kubeconfig {target}", "", "Have a nice day! 👋")


def planned(config: dict[str, Any], name: str) -> list[state.Container]:
    """One container a node, named as kind names them: worker, worker2, ..."""
    seen: dict[str, int] = {}
    found = []
    for node in config["nodes"]:
        role = node["role"]
        seen[role] = seen.get(role, 0) + 1
        ports = {str(m["containerPort"]): m["hostPort"] for m in node.get("extraPortMappings", ())}
        if role == "control-plane":
            ports["6443"] = 43210
        number = str(seen[role]) if seen[role] > 1 else ""
        found.append(
            {"name": f"{name}-{role}{number}", "cluster": name, "role": role, "status": "Up 1 second", "ports": ports}
        )
    return found


def trouble(step: str, shown: str, name: str, words: list[str]) -> None:
    if state.FAULT == "create-hangs" and step == "Starting control-plane":
        (state.FOLDER / "hanging").touch()
        time.sleep(3600)
    failing, rest = CREATE.get(state.FAULT, ("", ""))
    if failing == step:
        say(f" ✗ {shown}")
        if "--retain" not in words:
            delete(name)
        state.fail(rest.format(name=name))


def delete(name: str) -> None:
    """Also what kind does by itself after a creation that failed."""
    if state.FAULT == "delete-fails":
        state.fail(f'ERROR: failed to delete cluster "{name}": failed to delete nodes: exit status 1')
    state.power_off(name)
    shutil.rmtree(state.cluster_folder(name), ignore_errors=True)
    gone = [container["name"] for container in state.nodes(name)]
    state.write("containers", [c for c in state.read("containers") if c["cluster"] != name])
    if gone:
        say("Deleted nodes: [" + " ".join(f'"{node}"' for node in gone) + "]")


def export(name: str, target: Path) -> None:
    if target.with_name(f"{target.name}.lock").exists():
        state.fail(f"ERROR: failed to lock config file: open {target}.lock: file exists")
    if not (state.cluster_folder(name) / "kubeconfig").exists():
        state.fail(
            'ERROR: failed to get cluster internal kubeconfig: command "docker exec --privileged '
            f'{name}-control-plane cat /etc/kubernetes/admin.conf" failed with error: exit status 1'
        )
    state.kubeconfig(name, target)
    say(f'Set kubectl context to "kind-{name}"')


def load(archive: str) -> None:
    """Only an archive of one platform has all its content (kind#3795)."""
    image, platform = Path(archive).read_text().rstrip("\n").split(" ")
    if not platform:
        state.fail("ERROR: failed to load image: exit status 1", "", "Command Output: ctr: content digest: not found")
    state.write("loaded", [*state.read("loaded"), image])


if __name__ == "__main__":
    main()
