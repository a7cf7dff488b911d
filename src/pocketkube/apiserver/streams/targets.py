"""Which container of which pod a log, exec or attach request means, and who may begin a session.

Models validateContainer and streamLocation of pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import objects
from pocketkube.apiserver import authorization
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request, Target
from pocketkube.apiserver.streams.runtime import PodRuntime
from pocketkube.errors import BadRequest, ServiceUnavailable
from pocketkube.objects import Obj


def choose_container(pod: Obj, asked: str) -> str:
    """Raises BadRequest with upstream's text when the pod leaves a choice, or has no such container."""
    name = objects.name(pod)
    if asked:
        if asked not in _names(pod):
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    containers = objects.spec(pod).get("containers") or []
    if len(containers) == 1:
        return str(containers[0]["name"])
    if not containers:
        raise BadRequest(f"a container name must be specified for pod {name}")
    choices = " ".join(_names(pod))
    raise BadRequest(f"a container name must be specified for pod {name}, choose one of: [{choices}]")


def _names(pod: Obj) -> Iterator[str]:
    spec = objects.spec(pod)
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            yield container["name"]


def require_create(api: Api, request: Request, target: Target) -> None:
    """Who may only get pods/exec and the like may not begin a session: a WebSocket handshake is a GET. Raises
    Forbidden."""
    authorization.check(api.policy, request.user, authorization.of_target("create", target))


def find_pod(api: Api, target: Target) -> Obj:
    return api.registry.get("pods", target.namespace, target.name)


def runtime_of(api: Api) -> PodRuntime:
    if api.runtime is None:
        raise ServiceUnavailable("this API server runs without nodes: there are no containers to reach")
    return api.runtime
