"""The program behind a provisioner or CSI driver, when it does not run: a Deployment or StatefulSet without ready Pods.

Found by convention, for nothing in the API says who serves what: a container's image ends in the program's role, and
labels, arguments, environment or image name the driver, as the charts of drivers do. What is not found is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from kindlab.api import Api, ApiError, Obj


@dataclass(frozen=True)
class Stopped:
    """`text`: who it is and that it does not run; `next`: the command to try."""

    text: str
    next: str


def stopped(api: Api, role: str, driver: str = "") -> Stopped | None:
    """Why nothing is heard of the `role` ("provisioner", "attacher", ...) of a driver, or of the one that serves all
    drivers. None: it runs, or nobody knows."""
    found: list[tuple[str, Obj]] = []
    for kind in ("Deployment", "StatefulSet"):
        try:
            found += [(kind, obj) for obj in api.list(kind) if _serves(obj, role, driver)]
        except ApiError:
            return None  # on a cluster that is shared not everybody may look into every namespace
    if not found or any((obj.get("status") or {}).get("readyReplicas") for _, obj in found):
        return None
    kind, obj = found[0]
    meta, wanted = obj["metadata"], obj["spec"].get("replicas", 1)
    where = f"-n {meta['namespace']}"
    text = f"{kind} {meta['name']} in namespace {meta['namespace']} has no ready Pod"
    if wanted == 0:
        then = f"kubectl scale {kind.lower()} {meta['name']} {where} --replicas=1"
        return Stopped(f"{text}: it is scaled to 0", then)
    return Stopped(text, f"kubectl describe {kind.lower()} {meta['name']} {where}; kubectl get pods {where}")


def _serves(workload: Obj, role: str, driver: str) -> bool:
    template = workload["spec"]["template"]
    labels = {**(workload["metadata"].get("labels") or {}), **(template["metadata"].get("labels") or {})}
    for container in template["spec"].get("containers") or ():
        image = container["image"].rpartition("/")[2].partition("@")[0].partition(":")[0]
        if not image.endswith(role):
            continue
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        words += [str(variable.get("value", "")) for variable in container.get("env") or ()]
        if (
            not driver
            or driver in labels.values()
            or any(driver in word for word in words)
            or image.startswith(_short(driver))
        ):
            return True
    return False


def _short(driver: str) -> str:
    """`rancher.io/local-path` is made by an image named local-path-provisioner."""
    return f"{driver.rpartition('/')[2]}-"
