"""Closing nodes and emptying them: what `kubectl cordon`, `uncordon` and `drain` do, in its words (pkg/drain).
Left out: --chunk-size, --skip-wait-for-delete-timeout."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kindlab.api import STRATEGIC_PATCH, ApiError, Obj
from kindlab.conditions import is_over
from kindlab.kubectl import options
from kindlab.kubectl.session import Refused, Session

RETRY = 5.0
"""Seconds after which an eviction that a budget refused is tried again."""
LOOK = 0.2
"""Seconds between two looks whether a Pod is gone."""
DAEMON = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
DAEMON_IGNORED = "ignoring DaemonSet-managed Pods"
LOCAL = "Pods with local storage (use --delete-emptydir-data to override)"
UNMANAGED = "Pods that declare no controller (use --force to override)"
UNMANAGED_DELETED = "deleting Pods that declare no controller"


class NotEmptied(Exception):
    """Why a node could not be drained, each reason once; printed as Go prints an aggregate."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = tuple(dict.fromkeys(reasons))
        super().__init__(self.reasons[0] if len(self.reasons) == 1 else f"[{', '.join(self.reasons)}]")


@dataclass(frozen=True)
class Plan:
    """How to drain; `grace` -1 leaves it to each Pod, `timeout` 0 waits for ever."""

    force: bool = False
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    disable_eviction: bool = False
    grace: int = -1
    timeout: str = "0s"
    pod_selector: str = ""
    dry_run: str = "none"


def nodes(session: Session, verb: str, names: Sequence[str], labels: str) -> list[Obj]:
    """The nodes meant. Raises Refused, ApiError."""
    if not names and not labels:
        raise Refused(f"error: USAGE: {verb} NODE [flags]\nSee 'kubectl {verb} -h' for help and examples")
    if names and labels:
        text = "error: cannot specify both a node name and a --selector option"
        raise Refused(f"{text}\nSee 'kubectl {verb} -h' for help and examples")
    served = session.served("nodes")
    if labels:
        return session.list(served, labels)
    return [session.get(served, name.removeprefix("node/").removeprefix("nodes/")) for name in names]


def close(session: Session, found: Obj, *, closed: bool, dry_run: str = "none") -> None:
    """Cordon a node, or open it again."""
    name, verb = found["metadata"]["name"], "cordoned" if closed else "uncordoned"
    if bool(found["spec"].get("unschedulable")) == closed:
        session.say(f"node/{name} already {verb}{options.DRY_RUN[dry_run]}")
        return
    if dry_run != "client":
        change = {"spec": {"unschedulable": True if closed else None}}
        query = {"dryRun": "All"} if dry_run == "server" else {}
        url = session.url(session.served("nodes"), name)
        session.request("PATCH", url, change, query=query, content_type=STRATEGIC_PATCH)
    session.say(f"node/{name} {verb}{options.DRY_RUN[dry_run]}")


def drain(session: Session, found: Sequence[Obj], plan: Plan) -> None:
    """Close the nodes, then empty one after the other. Raises Refused when one could not be."""
    for node in found:
        close(session, node, closed=True, dry_run=plan.dry_run)
    failed: dict[str, NotEmptied] = {}
    for node in found:
        name = node["metadata"]["name"]
        try:
            _empty(session, name, plan)
            session.say(f"node/{name} drained{options.DRY_RUN[plan.dry_run]}")
        except NotEmptied as error:
            session.err.write(f'error: unable to drain node "{name}" due to error: {error}, continuing command...\n')
            failed[name] = error
    if failed:
        session.err.write("There are pending nodes to be drained:\n" + "".join(f" {name}\n" for name in failed))
        raise Refused("\n".join(reason for error in failed.values() for reason in error.reasons))


def _empty(session: Session, node: str, plan: Plan) -> None:
    going = _chosen(session, node, plan, warn=True)
    if plan.dry_run == "client":
        for pod in going:
            session.say(f"evicting pod {_path(pod)} (dry run)")
        return
    try:
        _delete(session, going, plan) if plan.disable_eviction else _evict(session, going, plan)
    except NotEmptied as error:
        left = _chosen(session, node, plan, warn=False)
        if left:
            session.err.write(f'There are pending pods in node "{node}" when an error occurred: {error}\n')
            session.err.write("".join(f"pod/{pod['metadata']['name']}\n" for pod in left))
        raise


# -- who goes


def _chosen(session: Session, node: str, plan: Plan, *, warn: bool) -> list[Obj]:
    """The Pods to be taken away. Raises NotEmptied when some may not be."""
    everywhere = replace(session, everywhere=True)
    pods = everywhere.list(session.served("v1/pod"), plan.pod_selector, f"spec.nodeName={node}")
    errors, warnings, going = defaultdict(list), defaultdict(list), []
    for pod in pods:
        goes, error, warning = _verdict(session, pod, plan)
        if error:
            errors[f"cannot delete {error}"].append(_path(pod))
        if warning:
            warnings[warning].append(_path(pod))
        if goes:
            going.append(pod)
    if errors:
        raise NotEmptied(*(f"{text}: {', '.join(names)}" for text, names in errors.items()))
    if warnings and warn:
        listed = "; ".join(f"{text}: {', '.join(names)}" for text, names in warnings.items())
        session.err.write(f"Warning: {listed}\n")
    return going


def _verdict(session: Session, pod: Obj, plan: Plan) -> tuple[bool, str, str]:
    """(whether it goes, why it may not, what to warn of); of emptyDir volumes kubectl does not warn in the end."""
    if is_over(pod):
        return True, "", ""
    owner = next((o for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    if owner is not None and (owner["apiVersion"], owner["kind"]) == ("apps/v1", "DaemonSet"):
        if session.api.get("apps/v1/DaemonSet", owner["name"], pod["metadata"]["namespace"]) is not None:
            return (False, "", DAEMON_IGNORED) if plan.ignore_daemonsets else (False, DAEMON, "")
        if not plan.force:
            return False, f'daemonsets.apps "{owner["name"]}" not found', ""
    if "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {}):
        return False, "", ""
    if any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()) and not plan.delete_emptydir_data:
        return False, LOCAL, ""
    if owner is None:
        return (True, "", UNMANAGED_DELETED) if plan.force else (False, UNMANAGED, "")
    return True, "", ""


# -- how they go


def _evict(session: Session, pods: Sequence[Obj], plan: Plan) -> None:
    """Ask for each eviction until it is granted, and wait until all are gone. Raises NotEmptied."""
    end = time.monotonic() + (options.seconds(plan.timeout) or float("inf"))
    due = dict.fromkeys((_path(pod) for pod in pods), 0.0)
    by_path, leaving, errors = {_path(pod): pod for pod in pods}, list[Obj](), list[str]()
    while due or leaving:
        for path in [path for path, at in due.items() if at <= time.monotonic()]:
            pod = by_path[path]
            name, space = pod["metadata"]["name"], pod["metadata"]["namespace"]
            server = " (server dry run)" if plan.dry_run == "server" else ""
            session.say(f"evicting pod {path}{server}")
            where = f'error when evicting pods/"{name}" -n "{space}"'
            if time.monotonic() >= end:
                errors.append(f"{where}: global timeout reached: {plan.timeout}")
                del due[path]
                continue
            try:
                session.request("POST", f"/api/v1/namespaces/{space}/pods/{name}/eviction", _eviction(pod, plan))
            except ApiError as error:
                if error.code == 429:
                    session.err.write(f"{where} (will retry after 5s): {error.message}\n")
                    due[path] = time.monotonic() + RETRY
                    continue
                if error.code != 404:
                    errors.append(f"{where}: {error.message}")
                del due[path]
                continue
            del due[path]
            if plan.dry_run != "server":
                leaving.append(pod)
        leaving = _still_there(session, leaving, "evicted")
        if leaving and time.monotonic() >= end:
            errors += [
                f'error when waiting for pod "{pod["metadata"]["name"]}" in namespace '
                f'"{pod["metadata"]["namespace"]}" to terminate: global timeout reached: {plan.timeout}'
                for pod in leaving
            ]
            leaving = []
        if due or leaving:
            time.sleep(LOOK)
    if errors:
        raise NotEmptied(*errors)


def _delete(session: Session, pods: Sequence[Obj], plan: Plan) -> None:
    """Delete them, budgets or not. Raises NotEmptied."""
    end = time.monotonic() + (options.seconds(plan.timeout) or float("inf"))
    for pod in pods:
        url = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        try:
            session.request("DELETE", url, _delete_options(plan))
        except ApiError as error:
            if error.code != 404:
                raise NotEmptied(error.message) from error
    left = [] if plan.dry_run == "server" else list(pods)
    while left := _still_there(session, left, "deleted"):
        if time.monotonic() >= end:
            raise NotEmptied("context deadline exceeded")
        time.sleep(LOOK)


def _still_there(session: Session, pods: Sequence[Obj], verb: str) -> list[Obj]:
    left = []
    for pod in pods:
        found = session.api.get("v1/Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        if found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]:
            left.append(pod)
        else:
            session.say(f"pod/{pod['metadata']['name']} {verb}")
    return left


def _eviction(pod: Obj, plan: Plan) -> Obj:
    meta = {field: pod["metadata"][field] for field in ("name", "namespace")}
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta, "deleteOptions": _delete_options(plan)}


def _delete_options(plan: Plan) -> Obj:
    grace = {"gracePeriodSeconds": plan.grace} if plan.grace >= 0 else {}
    return {**grace, **({"dryRun": ["All"]} if plan.dry_run == "server" else {})}


def _path(pod: Obj) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
