"""`--cluster kind`: Kubernetes in Docker from cluster-config/kind.yaml, by the `kind` binary.

First form: create, reuse, delete, wait for all nodes. Left out for now: add-ons, repair of a half-made cluster,
other engines than those kind detects itself, installing the binary.
"""

from __future__ import annotations

import shutil
import subprocess

from kindlab import paths
from kindlab.api import Api, ApiError, Obj
from kindlab.clusters import addresses
from kindlab.clusters.base import Status, Step
from kindlab.conditions import is_ready
from kindlab.errors import Problem

NODES_TIMEOUT = 300.0
HOST_PORTS = {30080: 8080, 30443: 8443}
"""Node port -> port of 127.0.0.1, as cluster-config/kind.yaml maps them."""


def _engine() -> str | None:
    return next((engine for engine in ("docker", "podman", "nerdctl") if shutil.which(engine)), None)


class Kind:
    kind = "kind"

    def __init__(self, name: str = "kindlab", *, ip_family: str | None = None) -> None:
        self.name = name
        self.ip_family = ip_family
        self.kubeconfig = paths.home() / "clusters" / f"kind-{name}" / "kubeconfig"

    def usable(self) -> tuple[bool, str]:
        """Looks at binaries and asks the engine; a few tens of milliseconds when there is no engine."""
        engine = _engine()
        if engine is None:
            return False, "no container engine (docker, podman or nerdctl) is installed"
        if shutil.which("kind") is None:
            return False, "the kind binary is not on the PATH"
        answer = subprocess.run([engine, "info"], capture_output=True, text=True, timeout=20, check=False)
        if answer.returncode != 0:
            return False, f"{engine} does not answer: {(answer.stderr or answer.stdout).strip().splitlines()[-1]}"
        return True, f"{engine} and kind are usable"

    def up(self, step: Step) -> Status:
        usable, why = self.usable()
        if not usable:
            raise Problem(
                "kind cannot be used here.", why, "Use the embedded cluster instead: kindlab up --cluster pocket"
            )
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.name in self._run("get", "clusters").split():
            step(f"using the kind cluster {self.name}, which exists already")
            self._run("export", "kubeconfig", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
        else:
            step(f"creating the kind cluster {self.name} (a minute or two)")
            self._run(
                "create", "cluster", "--name", self.name, "--config", "-",
                "--kubeconfig", str(self.kubeconfig), "--wait", "120s", given=self._config(),
            )  # fmt: skip
        step("waiting for all nodes")
        self._wait_nodes()
        return self.status()

    def _config(self) -> str:
        """cluster-config/kind.yaml, with the family of addresses that was asked for."""
        text = (paths.course() / "cluster-config" / "kind.yaml").read_text(encoding="utf-8")
        if self.ip_family is None:
            return text
        return text.replace("networking:\n", f"networking:\n  ipFamily: {self.ip_family}\n", 1)

    def _wait_nodes(self) -> None:
        for nodes in Api(self.kubeconfig).follow("Node", timeout=NODES_TIMEOUT):
            if nodes and all(is_ready(node) for node in nodes.values()):
                return
        raise Problem(
            f"The nodes of kind cluster {self.name} were not all ready within {NODES_TIMEOUT:.0f} s.",
            "",
            f"Look with: kubectl --kubeconfig {self.kubeconfig} describe nodes",
        )

    def service_urls(self, api: Api, service: Obj) -> list[str]:
        """Of node ports, those that cluster-config/kind.yaml maps; of load balancers, their addresses."""
        ports = [p.get("nodePort") for p in service["spec"].get("ports") or ()]
        mapped = [f"http://127.0.0.1:{HOST_PORTS[port]}" for port in ports if port in HOST_PORTS]
        balanced = (service.get("status") or {}).get("loadBalancer") or {}
        return mapped or (addresses.of_service(api, service) if balanced.get("ingress") else [])

    def ingress_urls(self, api: Api, ingress: Obj) -> dict[str, str]:
        return {"http": f"http://127.0.0.1:{HOST_PORTS[30080]}", "https": f"https://127.0.0.1:{HOST_PORTS[30443]}"}

    def machines(self, api: Api) -> dict[str, bool]:
        """The cluster's containers, which are its machines."""
        label = f"label=io.x-k8s.kind.cluster={self.name}"
        listed = self._ask_engine("ps", "--all", "--filter", label, "--format", "{{.Names}}\t{{.Status}}")
        rows = (line.split("\t", 1) for line in listed.splitlines() if "\t" in line)
        return {name: status.startswith("Up") for name, status in rows if not name.endswith("external-load-balancer")}

    def switch(self, api: Api, node: str, *, on: bool) -> None:
        self._ask_engine(*(["start"] if on else ["stop", "-t", "0"]), node)

    def _ask_engine(self, *args: str) -> str:
        engine = _engine()
        if engine is None:
            raise Problem(
                "The machines of this cluster cannot be reached.",
                "They are containers, and no container engine (docker, podman or nerdctl) is installed here.",
                "Run this where kind runs.",
            )
        answer = subprocess.run([engine, *args], capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise Problem(
                f"{engine} {args[0]} failed.",
                answer.stderr.strip()[-800:],
                f"Look with: {engine} ps --all",
            )
        return answer.stdout

    def down(self, step: Step) -> bool:
        if shutil.which("kind") is None or self.name not in self._run("get", "clusters").split():
            return False
        step(f"deleting the kind cluster {self.name}")
        self._run("delete", "cluster", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
        self.kubeconfig.unlink(missing_ok=True)
        return True

    def status(self) -> Status:
        kubeconfig, context = str(self.kubeconfig), f"kind-{self.name}"
        if not self.kubeconfig.is_file():
            return Status(self.name, self.kind, kubeconfig, context, False, "not created by kindlab")
        try:
            version = Api(self.kubeconfig).request("GET", "/version", timeout=5)
        except (Problem, ApiError) as error:
            return Status(self.name, self.kind, kubeconfig, context, False, str(error).replace("\n", " "))
        return Status(self.name, self.kind, kubeconfig, context, True, f"Kubernetes {version['gitVersion']}")

    def _run(self, *args: str, given: str | None = None) -> str:
        answer = subprocess.run(["kind", *args], input=given, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise Problem(
                f"kind {args[0]} {args[1]} failed.",
                answer.stderr.strip()[-800:],
                "See the known issues of kind, or use the embedded cluster: kindlab up --cluster pocket",
            )
        return answer.stdout
