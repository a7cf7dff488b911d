"""The words that name objects: `TYPE`, `TYPE,TYPE`, `TYPE NAME...`, `TYPE/NAME...`, `all`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kindlab.api import Obj, Served
from kindlab.conditions import is_ready
from kindlab.kubectl.session import Refused, Session

SEPARATE = (
    "error: there is no need to specify a resource type as a separate argument when passing arguments in "
    "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource "
    "resource/<resource_name>'"
)


@dataclass(frozen=True)
class Target:
    """One kind, and the name of one object of it or "" for all."""

    served: Served
    name: str = ""


def parse(session: Session, words: Sequence[str]) -> list[Target]:
    """What the words name. Raises Refused in kubectl's words."""
    if not words:
        return []
    if any("/" in word for word in words):
        if not all(word.count("/") == 1 and all(word.split("/")) for word in words):
            raise Refused(SEPARATE)
        return [Target(session.served(kind), name) for kind, name in (word.split("/") for word in words)]
    kinds: list[Served] = []
    for kind in words[0].split(","):
        kinds += session.api.category(kind) or [session.served(kind)]
    if len(words) == 1:
        return [Target(kind) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in words[1:]]


def named(session: Session, words: Sequence[str], labels: str = "", *, everything: bool = False) -> list[Target]:
    """As `parse`, with every object named: a bare kind stands for those with `labels`, or for all of them under
    `everything`. Raises Refused."""
    found: list[Target] = []
    for target in parse(session, words):
        if target.name:
            if labels or everything:
                raise Refused("error: name cannot be provided when a selector is specified")
            found.append(target)
        elif labels or everything:
            found += [Target(target.served, o["metadata"]["name"]) for o in session.list(target.served, labels)]
        else:
            raise Refused("error: resource(s) were provided, but no name was specified")
    return found


def pod(session: Session, word: str, *, say_which: bool = False) -> Obj:
    """The Pod a word names: `POD`, `pod/POD`, or one behind `deploy/NAME`, `svc/NAME` and the like."""
    kind, slash, name = word.partition("/")
    if not slash:
        return session.get(session.served("pods"), word)
    served = session.served(kind)
    owner = session.get(served, name)
    if served.plural == "pods":
        return owner
    labels = selector(owner)
    if not labels:
        raise Refused(f"error: cannot attach to *unstructured.Unstructured: no Pods can be found through {word}")
    pods = session.list(session.served("pods"), labels)
    if not pods:
        raise Refused(f"error: timed out waiting for the condition: no Pod of {word} is there")
    chosen = _best(pods)
    if say_which and len(pods) > 1:
        session.err.write(f"Found {len(pods)} pods, using pod/{chosen['metadata']['name']}\n")
    return chosen


def attachable(session: Session, word: str, limit: float) -> tuple[Obj, Obj]:
    """What a word names, and the Pod it stands for (itself, when it is one), waiting up to `limit` s for there to be
    one. Raises Refused."""
    kind, slash, name = word.partition("/")
    served = session.served(kind if slash else "pods")
    owner = {"kind": served.kind, **session.get(served, name if slash else word)}
    if served.plural == "pods":
        return owner, owner
    labels = selector(owner)
    if not labels and owner["kind"] == "Service":
        text = f"invalid service '{name}': Service is defined without a selector"
        raise Refused(f"error: cannot attach to *v1.Service: {text}")
    if not labels:
        kind = f"*{owner['apiVersion'].rpartition('/')[2]}.{owner['kind']}"
        raise Refused(f"error: cannot attach to {kind}: selector for {kind} not implemented")
    for live in session.api.follow("v1/Pod", session.namespace, labels=labels, timeout=limit):
        if live:
            return owner, _best(list(live.values()))
    raise Refused("error: timed out waiting for the condition")


def _best(pods: list[Obj]) -> Obj:
    """The Pod most able to answer: running, ready, not about to go."""

    def rank(pod: Obj) -> tuple[bool, bool, bool]:
        status = pod.get("status") or {}
        return bool(pod["metadata"].get("deletionTimestamp")), status.get("phase") != "Running", not is_ready(pod)

    return min(pods, key=rank)


def selector(owner: Obj) -> str:
    """The label selector of a Service or a workload, as a query; "" when it has none."""
    found = owner.get("spec", {}).get("selector") or {}
    labels = found.get("matchLabels", {}) if "matchLabels" in found or "matchExpressions" in found else found
    terms = [f"{k}={v}" for k, v in labels.items()] if isinstance(labels, dict) else []
    for term in found.get("matchExpressions") or []:
        key, values = term["key"], ",".join(term.get("values") or [])
        terms.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
                term["operator"], f"!{key}"
            )
        )
    return ",".join(terms)


def container(session: Session, found: Obj, name: str) -> str:
    """The container to act on: the one named, else the default one, which is then said as kubectl says it."""
    spec = found["spec"]
    names: list[str] = [c["name"] for part in ("containers", "initContainers") for c in spec.get(part) or []]
    if name:
        if name not in names:
            who, listed = found["metadata"]["name"], ", ".join(names)
            raise Refused(f"error: container {name} is not valid for pod {who} out of: {listed}")
        return name
    chosen = (found["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if chosen in names:
        return str(chosen)
    if len(names) > 1:
        inits = {c["name"] for c in spec.get("initContainers") or []}
        listed = ", ".join(f"{n} (init)" if n in inits else n for n in names)
        session.err.write(f'Defaulted container "{names[0]}" out of: {listed}\n')
    return names[0]
