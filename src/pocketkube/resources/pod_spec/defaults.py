"""What a pod spec is filled up with.

Models SetDefaults_Pod*, SetDefaults_Container, SetDefaults_Volume and the like (pkg/apis/core/v1/defaults.go). Fields
that the Go types always write (`resources: {}`) are filled in too, for objects that components build.
"""

from __future__ import annotations

from typing import Any, Final

from pocketkube import podamounts, quantity
from pocketkube.objects import Obj
from pocketkube.resources import volume_sources
from pocketkube.resources.persistentvolume_spec import defaults
from pocketkube.resources.pod_spec import visiting

PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE: Final = 0o644
_GATED_PROJECTIONS: Final = ("clusterTrustBundle", "podCertificate")
"""v1.36 drops these unless it is told otherwise."""
_PROBE: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def template(obj: Obj) -> None:
    """A pod template: metadata and spec."""
    obj.setdefault("metadata", {})
    pod_spec(obj.setdefault("spec", {}))


def pod(obj: Obj) -> None:
    """A whole Pod, which is filled up a little more than a template."""
    spec = obj.setdefault("spec", {})
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.setdefault("resources", {})
        if "limits" in resources:
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
            if not resources["requests"]:
                del resources["requests"]
    _whole(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            for port in container.get("ports") or ():
                port["hostPort"] = port.get("hostPort") or port.get("containerPort", 0)
    pod_spec(spec)


def _whole(spec: Obj) -> None:
    """What the pod as a whole may use and asks for, if it says anything of that: huge pages as many as its containers;
    requests, where there are limits, as its containers have, else as much as it may use."""
    resources = spec.get("resources")
    if not resources or not (resources.get("limits") or resources.get("requests")):
        return
    limits, requests = dict(resources.get("limits") or {}), dict(resources.get("requests") or {})
    for name, total in podamounts.of_containers(spec, "limits").items():
        if name.startswith(podamounts.HUGE) and name not in requests:
            limits.setdefault(name, str(total))
    if not limits:
        return
    for name, total in podamounts.of_containers(spec, "requests").items():
        if name in podamounts.OF_PODS:
            requests.setdefault(name, str(total))
    for name, limit in limits.items():
        if podamounts.is_of_pods(name):
            requests.setdefault(name, limit)
    resources |= {"limits": limits, **({"requests": requests} if requests else {})}


def pod_spec(spec: Obj) -> None:
    """The part of a Pod and of a template that is called spec."""
    if spec.get("containers") is None:
        spec["containers"] = None  # the field is always there
    _fill(spec, "dnsPolicy", "ClusterFirst")
    _fill(spec, "restartPolicy", "Always")
    _fill(spec, "schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.pop("schedulingGroup", None)  # v1.36 drops it unless it is told otherwise
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:  # two names for one field
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes") or ():
        _volume(volume)
    _canonical(spec.get("resources") or {})
    for _, container in visiting.containers("spec", spec):
        _container(container)


def pull_policy(image: str) -> str:
    """Always for `:latest`, said or implied, else IfNotPresent."""
    name, at, _ = image.partition("@")
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    latest = tag == "latest" or (not tag and not at and bool(name))
    return "Always" if latest else "IfNotPresent"


def _fill(obj: Obj, name: str, value: Any) -> None:
    if not obj.get(name):
        obj[name] = value


def _container(container: Obj) -> None:
    container.setdefault("name", "")
    _fill(container, "imagePullPolicy", pull_policy(container.get("image", "")))
    _fill(container, "terminationMessagePath", "/dev/termination-log")
    _fill(container, "terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        _fill(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if source.get("fieldRef") is not None:
            _fill(source["fieldRef"], "apiVersion", "v1")
        if source.get("resourceFieldRef") is not None:
            source["resourceFieldRef"].setdefault("divisor", "0")
        if source.get("fileKeyRef") is not None:
            source["fileKeyRef"].setdefault("optional", False)
    _canonical(container.setdefault("resources", {}))
    for name in PROBES:
        if container.get(name) is not None:
            _probe(container[name])
    lifecycle = container.get("lifecycle") or {}
    if lifecycle.pop("stopSignal", None) is not None and not lifecycle:
        del container["lifecycle"]
    for hook in lifecycle.values():
        if isinstance(hook, dict) and hook.get("httpGet") is not None:
            _http(hook["httpGet"])


def _canonical(resources: Obj) -> None:
    for name in ("limits", "requests"):
        if resources.get(name):
            resources[name] = quantity.resource_list(resources[name])


def _probe(probe: Obj) -> None:
    for name, value in _PROBE.items():
        _fill(probe, name, value)
    if probe.get("httpGet") is not None:
        _http(probe["httpGet"])
    if probe.get("grpc") is not None:
        _fill(probe["grpc"], "service", "")


def _http(action: Obj) -> None:
    _fill(action, "path", "/")
    _fill(action, "scheme", "HTTP")


def _volume(volume: Obj) -> None:
    if not any(value is not None for name, value in volume.items() if name != "name"):
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(name) is not None:
            volume[name].setdefault("defaultMode", _MODE)
    volume_sources.default(volume)
    if volume.get("image") is not None:
        _fill(volume["image"], "pullPolicy", pull_policy(volume["image"].get("reference", "")))
    if volume.get("ephemeral") is not None:
        claim = volume["ephemeral"].get("volumeClaimTemplate")
        if claim is not None:
            claim.setdefault("metadata", {})
            defaults.claim_spec(claim.setdefault("spec", {}))
    if volume.get("downwardAPI") is not None:
        _downward(volume["downwardAPI"])
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("downwardAPI") is not None:
            _downward(source["downwardAPI"])
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        for name in _GATED_PROJECTIONS:
            source.pop(name, None)


def _downward(volume: Obj) -> None:
    for item in volume.get("items") or ():
        if item.get("fieldRef") is not None:
            _fill(item["fieldRef"], "apiVersion", "v1")
        if item.get("resourceFieldRef") is not None:
            item["resourceFieldRef"].setdefault("divisor", "0")
