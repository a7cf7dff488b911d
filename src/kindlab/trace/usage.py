"""What an autoscaler goes by: what its Pods request, whether they are measured, and what came of it.

Without requests there is nothing to take a percentage of; without a metrics API nobody measures; a Pod that has just
started, or is not Ready, does not count for its CPU.
"""

from __future__ import annotations

from urllib.parse import quote

from kindlab.api import Api, ApiError, Obj
from kindlab.conditions import is_ready
from kindlab.trace.hops import Trace

API = "/apis/metrics.k8s.io/v1beta1"
_APISERVICE = "v1beta1.metrics.k8s.io"


def follow(api: Api, autoscaler: Obj, selector: str, pods: list[Obj], path: Trace) -> bool:
    """Add the hops Pods, Requests, Metrics API, Metrics and Load; False when one of them is broken."""
    sources = _sources(autoscaler, path)
    return (
        bool(sources)
        and _requests(sources, autoscaler, pods, path)
        and _served(api, path)
        and _measured(api, selector, pods, path)
        and _ready(sources, selector, pods, path)
        and _load(autoscaler, path)
    )


def _sources(autoscaler: Obj, path: Trace) -> list[Obj]:
    """The resource metrics; others need a server of their own."""
    found: list[Obj] = []
    others: list[str] = []
    for metric in autoscaler["spec"].get("metrics") or ():
        source = metric.get("resource") or metric.get("containerResource")
        (found if source else others).append(source or metric["type"])
    if others:
        where = "external" if others[0] == "External" else "custom"
        path.fail(
            "Metrics API",
            f"a metric of type {others[0]} needs a server for {where}.metrics.k8s.io, and the cluster's own "
            "metrics-server measures cpu and memory of Pods only",
            f"kubectl get apiservices; or use type Resource: kubectl edit hpa {autoscaler['metadata']['name']} "
            f"-n {path.namespace}",
        )
        return []
    return found


def _requests(sources: list[Obj], autoscaler: Obj, pods: list[Obj], path: Trace) -> bool:
    """The hop Requests, where a percentage of them is aimed at."""
    aimed = [source for source in sources if "averageUtilization" in source["target"]]
    for source in aimed:
        resource, only = source["name"], source.get("container", "")
        for pod in pods:
            spec, name = pod["spec"], pod["metadata"]["name"]
            if resource in ((spec.get("resources") or {}).get("requests") or {}) and not only:
                continue
            inits = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
            containers = [c for c in [*spec["containers"], *inits] if only in ("", c["name"])]
            if not containers:
                there = ", ".join(c["name"] for c in spec["containers"])
                why = f"the metric is of container {only}, and Pod {name} has none of that name; it has: {there}"
                path.fail("Requests", why, f"kubectl edit hpa {autoscaler['metadata']['name']} -n {path.namespace}")
                return False
            bare = [
                c["name"] for c in containers if not ((c.get("resources") or {}).get("requests") or {}).get(resource)
            ]
            if bare:
                ref = autoscaler["spec"]["scaleTargetRef"]
                amount = "100m" if resource == "cpu" else "64Mi"
                path.fail(
                    "Requests",
                    f"container {bare[0]} of Pod {name} requests no {resource}, and "
                    f"{source['target']['averageUtilization']}% of nothing cannot be told",
                    f"kubectl set resources {ref['kind'].lower()}/{ref['name']} -c {bare[0]} "
                    f"--requests={resource}={amount} -n {path.namespace}",
                )
                return False
    if aimed:
        names = " and ".join(dict.fromkeys(source["name"] for source in aimed))
        path.ok("Requests", f"every container says how much {names} it requests")
    return True


def _served(api: Api, path: Trace) -> bool:
    """The hop Metrics API."""
    look = "kubectl get pods,svc -n kube-system -l k8s-app=metrics-server"
    try:
        api.request("GET", API)
    except ApiError as error:
        if error.code == 404:
            why = "the cluster has no metrics API: nobody measures what Pods use (metrics-server is not installed)"
            path.fail("Metrics API", why, "kubectl get apiservices; kind and others need it installed: kindlab doctor")
        else:
            path.fail("Metrics API", f"the metrics API is there but does not answer{_why_not(api, error)}", look)
        return False
    path.ok("Metrics API", "metrics.k8s.io answers")
    return True


def _why_not(api: Api, error: ApiError) -> str:
    try:
        found = api.get("APIService.apiregistration.k8s.io", _APISERVICE)
    except ApiError:
        found = None
    for condition in ((found or {}).get("status") or {}).get("conditions") or ():
        if condition["type"] == "Available" and condition["status"] != "True":
            return f": {condition.get('message') or condition.get('reason')}"
    return f": {error.message}"


def _measured(api: Api, selector: str, pods: list[Obj], path: Trace) -> bool:
    """The hop Metrics: which of the Pods have numbers."""
    url = f"{API}/namespaces/{path.namespace}/pods?labelSelector={quote(selector, safe='')}"
    try:
        found = {item["metadata"]["name"] for item in api.request("GET", url).get("items") or ()}
    except ApiError as error:
        path.fail(
            "Metrics", f"the metrics of the Pods cannot be read: {error.message}", f"kubectl top pods -l {selector}"
        )
        return False
    names = [pod["metadata"]["name"] for pod in pods]
    known = [name for name in names if name in found]
    look = f"kubectl top pods -l {selector} -n {path.namespace}"
    if not known:
        path.fail(
            "Metrics",
            f"none of the {len(names)} Pods has been measured yet: after a Pod has started that takes up to a minute",
            f"wait, then: {look}",
        )
        return False
    path.ok("Metrics", f"{len(known)} of {len(names)} Pods are measured")
    return True


def _ready(sources: list[Obj], selector: str, pods: list[Obj], path: Trace) -> bool:
    """The hop Ready, where CPU is aimed at: Pods that are not count for nothing."""
    if not any(source["name"] == "cpu" for source in sources) or any(is_ready(pod) for pod in pods):
        return True
    name = pods[0]["metadata"]["name"]
    why = f"none of the Pods {selector} is Ready, and the CPU of a Pod that is not Ready does not count"
    path.fail("Ready", why, f"kubectl describe pod {name} -n {path.namespace}")
    return False


def _load(autoscaler: Obj, path: Trace) -> bool:
    """The hop Load: what the autoscaler has seen, when it has seen anything."""
    shown = []
    for metric in (autoscaler.get("status") or {}).get("currentMetrics") or ():
        source = metric.get("resource") or metric.get("containerResource")
        if source:
            current = source["current"]
            share = f" ({current['averageUtilization']}% of requests)" if "averageUtilization" in current else ""
            shown.append(f"{source['name']} {current.get('averageValue')} a Pod{share}")
    if shown:
        path.ok("Load", ", ".join(shown))
    return True
