"""The path from a load to more Pods: autoscaler -> target -> Pods -> what they ask for -> what they use -> decision.

What the autoscaler's conditions say is quoted in the end; the hops before explain the usual reasons.
"""

from __future__ import annotations

from kindlab.api import Api, ApiError, Obj
from kindlab.conditions import is_over
from kindlab.trace import usage
from kindlab.trace.hops import Trace

KIND = "HorizontalPodAutoscaler"
_FIELDS = {"Resource": "resource", "ContainerResource": "containerResource"}


def trace(api: Api, namespace: str, name: str) -> Trace:
    """Trace HorizontalPodAutoscaler `name` to the first broken hop, or to what it decided."""
    path = Trace(f"hpa/{name}", namespace)
    autoscaler = api.get(KIND, name, namespace)
    if autoscaler is None:
        there = [a["metadata"]["name"] for a in api.list(KIND, namespace)]
        path.missing(KIND, name, namespace, there, "hpa")
        return path
    spec = autoscaler["spec"]
    target, least = spec["scaleTargetRef"], spec.get("minReplicas", 1)
    path.ok(KIND, f"{least} to {spec['maxReplicas']} Pods for {target['kind']}/{target['name']}, by {_aims(spec)}")
    scale = _target(api, autoscaler, path)
    if scale is None:
        return path
    pods = _pods(api, autoscaler, scale, path)
    if pods and usage.follow(api, autoscaler, scale["status"]["selector"], pods, path):
        _decision(autoscaler, scale, path)
    return path


def _aims(spec: Obj) -> str:
    """`cpu at 50% of what they request, memory at 100Mi a Pod`."""
    shown = []
    for metric in spec.get("metrics") or ():
        source = metric.get(_FIELDS.get(metric["type"], ""))
        if source is None:
            shown.append(f"a metric of type {metric['type']}")
            continue
        target = source["target"]
        of = f" of container {source['container']}" if "container" in source else ""
        if "averageUtilization" in target:
            shown.append(f"{source['name']}{of} at {target['averageUtilization']}% of what they request")
        else:
            shown.append(f"{source['name']}{of} at {target.get('averageValue')} a Pod")
    return ", ".join(shown)


def _target(api: Api, autoscaler: Obj, path: Trace) -> Obj | None:
    """The hop Target: its Scale, when it is there, has one, and is not switched off."""
    ref, namespace = autoscaler["spec"]["scaleTargetRef"], path.namespace
    group = ref.get("apiVersion", "").rpartition("/")[0]
    kind = f"{ref['kind']}.{group}" if group else f"v1/{ref['kind']}"
    look = f"kubectl edit hpa {autoscaler['metadata']['name']} -n {namespace}"
    try:
        served = api.served(kind)
    except ApiError:
        why = f"the cluster serves no kind {ref['kind']} in {ref.get('apiVersion') or 'the core group'}"
        path.fail("Target", f"{why}: look at scaleTargetRef (a Deployment's apiVersion is apps/v1)", look)
        return None
    if api.get(kind, ref["name"], namespace) is None:
        there = [found["metadata"]["name"] for found in api.list(kind, namespace)]
        path.missing(served.kind, ref["name"], namespace, there, served.plural)
        return None
    try:
        scale: Obj = api.request("GET", f"{api.path(kind, namespace, ref['name'])}/scale")
    except ApiError as error:
        why = f"a {ref['kind']} cannot be scaled ({error.message})"
        path.fail("Target", f"{why}: an autoscaler is for Deployments, StatefulSets, ReplicaSets", look)
        return None
    replicas = scale["spec"].get("replicas", 0)
    if not replicas:
        path.fail(
            "Target",
            f"{ref['kind']} {ref['name']} is scaled to 0, which an autoscaler leaves alone: 0 means switched off",
            f"kubectl scale {served.plural} {ref['name']} --replicas=1 -n {namespace}",
        )
        return None
    path.ok("Target", f"{ref['kind']} {ref['name']} asks for {replicas} and has {scale['status']['replicas']}")
    return scale


def _pods(api: Api, autoscaler: Obj, scale: Obj, path: Trace) -> list[Obj]:
    """The hop Pods: those that the target selects, when no other autoscaler has them, too."""
    selector = scale["status"].get("selector", "")
    name, namespace = autoscaler["metadata"]["name"], path.namespace
    ambiguous = _condition(autoscaler, "ScalingActive")
    rivals = [other["metadata"]["name"] for other in api.list(KIND, namespace) if _same_target(autoscaler, other)]
    if rivals or ambiguous.get("reason") == "AmbiguousSelector":
        who = f"of hpa/{', hpa/'.join(rivals)}" if rivals else "of another autoscaler"
        said = "" if rivals else f" ({ambiguous['message']})"
        spare = rivals[0] if rivals else "NAME"
        path.fail(
            "Pods",
            f"the Pods {selector} are those {who}, too: neither scales them{said}",
            f"keep one of them: kubectl get hpa -n {namespace}; kubectl delete hpa {spare} -n {namespace}",
        )
        return []
    pods = [
        pod
        for pod in api.list("v1/Pod", namespace, labels=selector)
        if not pod["metadata"].get("deletionTimestamp") and not is_over(pod)
    ]
    if not pods:
        ref = autoscaler["spec"]["scaleTargetRef"]
        look = f"kubectl describe {ref['kind'].lower()} {ref['name']} -n {namespace}"
        path.fail("Pods", f"there is no Pod {selector} yet, so nothing can be measured for {name}", look)
    return pods


def _same_target(one: Obj, other: Obj) -> bool:
    refs = [found["spec"]["scaleTargetRef"] for found in (one, other)]
    return one["metadata"]["uid"] != other["metadata"]["uid"] and all(
        refs[0].get(field) == refs[1].get(field) for field in ("kind", "name")
    )


def _condition(autoscaler: Obj, type_: str) -> Obj:
    found = (autoscaler.get("status") or {}).get("conditions") or []
    return next((condition for condition in found if condition["type"] == type_), {})


def _decision(autoscaler: Obj, scale: Obj, path: Trace) -> None:
    """The hop Decision: what it wants, and what keeps it from that."""
    name, namespace = autoscaler["metadata"]["name"], path.namespace
    look = f"kubectl describe hpa {name} -n {namespace}"
    able, active, limited = (
        _condition(autoscaler, type_) for type_ in ("AbleToScale", "ScalingActive", "ScalingLimited")
    )
    if not active:
        path.fail("Decision", "no controller has looked at it yet: that takes up to 15 seconds", look)
        return
    for condition in (able, active):
        if condition.get("status") == "False":
            path.fail("Decision", f"{condition.get('reason')}: {condition.get('message')}", look)
            return
    spec, replicas = autoscaler["spec"], scale["spec"].get("replicas", 0)
    change = f"kubectl patch hpa {name} -n {namespace} --type=merge -p"
    least = spec.get("minReplicas", 1)
    at_minimum = able.get("reason") == "ScaleDownStabilized" and replicas <= least
    if limited.get("reason") == "TooFewReplicas" or at_minimum:
        path.ok("Decision", f"the load asks for fewer Pods, but minReplicas is {least}")
    elif limited.get("reason") == "TooManyReplicas":
        path.fail(
            "Decision",
            f"the load asks for more Pods than maxReplicas ({spec['maxReplicas']}) allows",
            f'{change} \'{{"spec":{{"maxReplicas":{spec["maxReplicas"] * 2}}}}}\'',
        )
    elif able.get("reason") in ("ScaleDownStabilized", "ScaleUpStabilized"):
        down = able["reason"] == "ScaleDownStabilized"
        direction, few = ("scaleDown", "fewer") if down else ("scaleUp", "more")
        rules = (spec.get("behavior") or {}).get(direction) or {}
        seconds = rules.get("stabilizationWindowSeconds", 300 if down else 0)
        path.fail(
            "Decision",
            f"{few} Pods would do by now; it waits until that has been so for {seconds} seconds, so that a short "
            "change of the load does not move it",
            f'wait, or shorten the window: {change} \'{{"spec":{{"behavior":{{"{direction}":'
            '{"stabilizationWindowSeconds":10}}}}\'',
        )
    elif limited.get("reason") in ("ScaleUpLimit", "ScaleDownLimit"):
        direction = "scaleUp" if limited["reason"] == "ScaleUpLimit" else "scaleDown"
        rules = (spec.get("behavior") or {}).get(direction) or {}
        if rules.get("selectPolicy") == "Disabled":
            why = f"it would change the number of Pods, but behavior.{direction}.selectPolicy is Disabled"
            path.fail("Decision", why, f"kubectl edit hpa {name} -n {namespace}")
        else:
            path.ok("Decision", f"it is on its way from {replicas}: a step may only be so large, the next one follows")
    else:
        many = "1 Pod is" if replicas == 1 else f"{replicas} Pods are"
        path.ok("Decision", f"{many} what the load asks for (within a tenth of the target nothing changes)")
