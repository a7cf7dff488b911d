"""`--cluster current`: a cluster of the user's kubeconfig. It is used, never made or removed.

The context is taken once: `kindlab up` keeps its name, and every later command uses that one, whatever the current
context has become in the meantime.
"""

from __future__ import annotations

from dataclasses import replace

from kindlab import naming
from kindlab.api import Api, ApiError, Obj
from kindlab.clusters import addresses
from kindlab.clusters.base import Status, Step, sentence, way_out
from kindlab.errors import Problem, in_a_line


class Current:
    """`context` "" or None: whatever is current now. `prefix`: of the learner's names there. Raises UsageProblem for
    one that cannot be."""

    kind, name = "current", ""
    consent = False

    def __init__(self, context: str | None = None, prefix: str = "") -> None:
        self.context = context or None
        self.prefix = naming.checked(prefix)

    def usable(self) -> tuple[bool, str]:
        status = self.status()
        return status.ready, status.detail

    def up(self, step: Step) -> Status:
        step("asking the cluster of your kubeconfig")
        status = self.status()
        if not status.ready:
            which = f"The context {self.context}" if self.context else "The current kubeconfig context"
            raise Problem(f"{which} cannot be used.", sentence(status.detail), way_out(status))
        notes = [f"kindlab works in context {status.context} from now on, also when your current context changes."]
        if (now := _contexts()[1]) and now != status.context:
            notes.append(f"Your current context is {now}; to work there: kindlab up --cluster current --context {now}")
        return replace(status, notes=(*notes, *status.notes))

    def down(self, step: Step) -> bool:
        return False

    def status(self) -> Status:
        known, now = _contexts()
        context = self.context or now or None
        name = context or "current"
        notes = (f"The names of your labs' namespaces begin with {self.prefix}- there.",) if self.prefix else ()

        def found(ready: bool, detail: str) -> Status:
            return Status(name, self.kind, None, context, ready, detail, notes, self.prefix)

        if self.context and known and self.context not in known:
            return found(False, f"your kubeconfig has no context {self.context} (any more); it has {', '.join(known)}")
        try:
            version = Api(None, context).request("GET", "/version", timeout=5)
        except (Problem, ApiError) as error:
            return found(False, _why(error))
        return found(True, f"Kubernetes {version['gitVersion']}")

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


def _contexts() -> tuple[list[str], str]:
    """(the contexts of the user's kubeconfig, the current one or ""); nothing where it cannot be read."""
    from kubernetes import config
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    try:
        every, now = config.list_kube_config_contexts()
        return [str(context["name"]) for context in every], str(now["name"])
    except (ConfigException, OSError, YAMLError, TypeError, KeyError, AttributeError, ValueError):
        return _named(), ""


def _named() -> list[str]:
    """The contexts of a kubeconfig whose current one is not there, which the client refuses to list."""
    import os
    from pathlib import Path

    import yaml

    names: list[str] = []
    for file in (os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")).split(os.pathsep):
        try:
            read = yaml.safe_load(Path(file).read_text(encoding="utf-8")) if file else None
            names += [str(context["name"]) for context in (read or {}).get("contexts") or ()]
        except (OSError, ValueError, yaml.YAMLError, TypeError, KeyError, AttributeError):
            continue
    return names


def _why(error: Problem | ApiError) -> str:
    """What is wrong with the cluster; what to do about it depends on the command, which says so itself."""
    if isinstance(error, Problem):
        return in_a_line(f"{error.what} {error.why}")
    return in_a_line(error)
