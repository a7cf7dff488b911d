"""`--cluster current`: whatever the current kubeconfig context points at. It is used, never made or removed."""

from __future__ import annotations

from kindlab.api import Api, ApiError, Obj
from kindlab.clusters import addresses
from kindlab.clusters.base import Status, Step, sentence
from kindlab.errors import Problem


class Current:
    kind = "current"

    def __init__(self, context: str | None = None) -> None:
        self.context = context

    def usable(self) -> tuple[bool, str]:
        status = self.status()
        return status.ready, status.detail

    def up(self, step: Step) -> Status:
        step("asking the cluster of the current kubeconfig context")
        status = self.status()
        if not status.ready:
            raise Problem(
                "The current kubeconfig context cannot be used.",
                sentence(status.detail),
                "Check it with: kubectl get nodes. KUBECONFIG chooses the file; "
                "kindlab up --cluster pocket needs none.",
            )
        return status

    def down(self, step: Step) -> bool:
        return False

    def status(self) -> Status:
        context = self.context or _current_context()
        name = context or "current"
        try:
            version = Api(None, self.context).request("GET", "/version", timeout=5)
        except (Problem, ApiError) as error:
            return Status(name, self.kind, None, self.context, False, _why(error))
        return Status(name, self.kind, None, self.context, True, f"Kubernetes {version['gitVersion']}")

    def service_urls(self, api: Api, service: Obj) -> list[str]:
        return addresses.of_service(api, service)

    def ingress_urls(self, api: Api, ingress: Obj) -> dict[str, str]:
        return addresses.of_ingress(ingress)

    def machines(self, api: Api) -> dict[str, bool]:
        raise Problem(
            "kindlab cannot switch this cluster's machines.",
            "It knows the cluster of your kubeconfig by its API only, and somebody else may be using its nodes.",
            "Empty a node instead: kubectl drain NODE --ignore-daemonsets. A cluster whose machines you can switch: "
            "kindlab up --cluster pocket",
        )

    def switch(self, api: Api, node: str, *, on: bool) -> None:
        self.machines(api)


def _current_context() -> str:
    from kubernetes import config
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    try:
        return str(config.list_kube_config_contexts()[1]["name"])
    except (ConfigException, OSError, YAMLError, TypeError, KeyError, AttributeError):
        return ""


def _why(error: Problem | ApiError) -> str:
    """What is wrong with the cluster; what to do about it depends on the command, which says so itself."""
    if isinstance(error, Problem):
        return " ".join(filter(None, (error.what, error.why))).replace("\n", " ")
    return str(error).replace("\n", " ")
