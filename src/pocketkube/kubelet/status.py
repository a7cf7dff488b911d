"""A pod's status from what its containers are: phase, conditions, in upstream's order and words. Pure functions.

Models pkg/kubelet/status/generate.go and getPhase of pkg/kubelet/kubelet_pods.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.podphase import TERMINAL

PRESERVED = ("nominatedNodeName", "resize")
"""Fields of the status that others write."""
OWN = (
    "PodResizePending",
    "PodResizeInProgress",
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)
"""The conditions a kubelet writes; it keeps all others as they are."""


def is_sidecar(container: Obj) -> bool:
    return container.get("restartPolicy") == "Always"


def should_restart(pod: Obj, container: Obj, exit_code: int) -> bool:
    """Whether a container starts again after that exit code: by its first rule that matches, its own policy or the
    pod's."""
    policy = container.get("restartPolicy")
    if policy is not None and any(_matches(rule, exit_code) for rule in container.get("restartPolicyRules") or ()):
        return True  # Restart is the only action there is
    policy = policy or objects.spec(pod).get("restartPolicy", "Always")
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _matches(rule: Obj, exit_code: int) -> bool:
    codes = rule.get("exitCodes") or {}
    listed = exit_code in (codes.get("values") or ())
    return listed if codes.get("operator") == "In" else not listed


def phase(pod: Obj, statuses: Mapping[str, Obj], *, terminal: bool = False, initialized: bool = False) -> str:
    """`statuses` by container name. `terminal`: nothing will be started any more (the pod is being deleted).
    `initialized`: regular containers have run, so restarting sidecars do not make the pod Pending again."""
    spec = objects.spec(pod)
    pending = failed_for_good = 0
    for container in spec.get("initContainers") or ():
        kind, code = _state(statuses.get(container["name"]))
        if is_sidecar(container):
            started = bool((statuses.get(container["name"]) or {}).get("started"))
            if not initialized and (kind == "waiting" or (kind == "running" and not started)):
                pending += 1
        elif kind in ("running", "waiting"):
            pending += 1
        elif code and not should_restart(pod, container, code):
            failed_for_good += 1
    kinds = [(container, *_state(statuses.get(container["name"]))) for container in spec.get("containers") or ()]
    running = sum(kind == "running" for _, kind, _ in kinds)
    waiting = sum(kind == "waiting" for _, kind, _ in kinds)
    stopped = [(container, code) for container, kind, code in kinds if kind == "stopped"]
    if failed_for_good:
        return "Failed"
    if pending or waiting:
        return "Pending"
    if running:
        return "Running"
    if not terminal and any(should_restart(pod, container, code) for container, code in stopped):
        return "Running"
    return "Failed" if any(code for _, code in stopped) else "Succeeded"


def _state(status: Obj | None) -> tuple[str, int]:
    """("running" | "waiting" | "stopped", exit code): a restarting container counts as stopped, as upstream counts."""
    state = (status or {}).get("state") or {}
    if "running" in state:
        return "running", 0
    ended = state.get("terminated") or ((status or {}).get("lastState") or {}).get("terminated")
    return ("stopped", int(ended["exitCode"])) if ended else ("waiting", 0)


def conditions(
    pod: Obj, statuses: Mapping[str, Obj], phase: str, *, sandbox: bool, before: Iterable[Obj], now: str
) -> list[Obj]:
    """All conditions; `before` are the stored ones, whose times are kept where the status is the same."""
    stored = {condition["type"]: condition for condition in before}
    made = [condition for type_, condition in stored.items() if type_ not in OWN]
    gates = {condition["type"]: condition for condition in made}
    containers = _containers_ready(pod, statuses, phase)
    fresh = (
        ("PodReadyToStartContainers", (sandbox, "", "")),
        ("Initialized", _initialized(pod, statuses, phase)),
        ("Ready", _ready(pod, containers, gates)),
        ("ContainersReady", containers),
        ("PodScheduled", (True, "", "")),
    )
    generation = pod["metadata"].get("generation")
    for type_, (good, reason, message) in fresh:
        condition: Obj = {"type": type_}
        if generation:
            condition["observedGeneration"] = generation
        condition |= {"status": "True" if good else "False", "lastProbeTime": None, "lastTransitionTime": now}
        old = stored.get(type_)
        if old is not None and old["status"] == condition["status"] and old.get("lastTransitionTime"):
            condition["lastTransitionTime"] = old["lastTransitionTime"]
        condition |= {k: v for k, v in (("reason", reason), ("message", message)) if v}
        made.append(condition)
    return made


def pod_status(
    pod: Obj,
    statuses: Mapping[str, Obj],
    *,
    before: Obj,
    phase: str,
    failure: tuple[str, str] | None,
    sandbox: bool,
    node_ips: Sequence[str],
    pod_ips: Sequence[str],
    start_time: str,
    now: str,
    ended: bool,
    whole: Callable[[bool], Obj] = lambda running: {"resources": {}},
    resizing: Sequence[Obj] = (),
) -> Obj:
    """The whole status. What is final stays final; `failure` is (reason, message) of a pod the kubelet ended; `whole`
    tells what the pod as a whole has been given, and whether it runs makes a difference.

    Until it has `ended` (nothing of it can run any more) a pod keeps the phase it had, as mergePodStatus has it; its
    conditions tell already.
    """
    if before.get("phase") in TERMINAL:
        phase = before["phase"]
    final = phase
    if not ended and phase in TERMINAL:
        phase, failure = before.get("phase") or "Pending", None
    made: Obj = {field: before[field] for field in PRESERVED if field in before}
    if pod["metadata"].get("generation"):
        made["observedGeneration"] = pod["metadata"]["generation"]
    made["phase"] = phase
    stored = before.get("conditions") or ()
    told = conditions(pod, statuses, final, sandbox=sandbox, before=stored, now=now)
    made["conditions"] = [*(resizing if final not in TERMINAL else ()), *told]
    if failure is not None:
        made["reason"], made["message"] = failure
    elif before.get("phase") == phase:
        made |= {field: before[field] for field in ("reason", "message") if before.get(field)}
    made["hostIP"] = node_ips[0]
    made["hostIPs"] = [{"ip": ip} for ip in node_ips]
    addresses = pod_ips or [entry["ip"] for entry in before.get("podIPs") or ()]
    if addresses:
        made["podIP"], made["podIPs"] = addresses[0], [{"ip": ip} for ip in addresses]
    made["startTime"] = start_time
    spec = objects.spec(pod)
    if spec.get("initContainers"):
        made["initContainerStatuses"] = [statuses[c["name"]] for c in spec["initContainers"]]
    made["containerStatuses"] = sorted((statuses[c["name"]] for c in spec["containers"]), key=lambda s: str(s["name"]))
    if spec.get("ephemeralContainers"):
        debugging = (statuses[c["name"]] for c in spec["ephemeralContainers"])
        made["ephemeralContainerStatuses"] = sorted(debugging, key=lambda s: str(s["name"]))
    if before.get("qosClass"):
        made["qosClass"] = before["qosClass"]
    return made | whole(phase == "Running")


Verdict = tuple[bool, str, str]
"""(holds, reason, message)"""


def _containers_ready(pod: Obj, statuses: Mapping[str, Obj], phase: str) -> Verdict:
    if phase in TERMINAL:
        return False, "PodCompleted" if phase == "Succeeded" else "PodFailed", ""
    spec = objects.spec(pod)
    watched = [c["name"] for c in spec.get("initContainers") or () if is_sidecar(c)]
    watched += [c["name"] for c in spec.get("containers") or ()]
    unready = [name for name in watched if not (statuses.get(name) or {}).get("ready")]
    if unready:
        return False, "ContainersNotReady", f"containers with unready status: {_names(unready)}"
    return True, "", ""


def _ready(pod: Obj, containers: Verdict, conditions: Mapping[str, Obj]) -> Verdict:
    if not containers[0]:
        return containers
    wrong = []
    for gate in objects.spec(pod).get("readinessGates") or ():
        type_ = gate["conditionType"]
        found = conditions.get(type_)
        if found is None:
            wrong.append(f'corresponding condition of pod readiness gate "{type_}" does not exist.')
        elif found["status"] != "True":
            wrong.append(f'the status of pod readiness gate "{type_}" is not "True", but {found["status"]}')
    return (False, "ReadinessGatesNotReady", ", ".join(wrong)) if wrong else (True, "", "")


def _initialized(pod: Obj, statuses: Mapping[str, Obj], phase: str) -> Verdict:
    spec = objects.spec(pod)
    if phase == "Succeeded":
        return True, "PodCompleted", ""
    if any(_has_started(statuses.get(c["name"])) for c in spec.get("containers") or ()):
        return True, "", ""
    incomplete = [
        c["name"]
        for c in spec.get("initContainers") or ()
        if not (statuses.get(c["name"]) or {}).get("started" if is_sidecar(c) else "ready")
    ]
    if incomplete:
        return False, "ContainersNotInitialized", f"containers with incomplete status: {_names(incomplete)}"
    return True, "", ""


def _has_started(status: Obj | None) -> bool:
    if status is None:
        return False
    return bool(status.get("started")) or _state(status)[0] == "stopped"


def _names(names: list[str]) -> str:
    """As Go prints a slice of strings."""
    return f"[{' '.join(names)}]"
