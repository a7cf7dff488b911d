"""Lab 01-pod-networking: who reaches whom, and what address they see. Checks send requests to the addresses of Pods,
from a probe, from the Pods and from neighbour containers, and delete the Pods of the stall."""

import ipaddress
from collections.abc import Iterable

from kindlab.checks import CheckFailed, LiveLab, Pods, check


def at(pod, port: int, path: str = "") -> str:
    """The URL of a port at a Pod's own address."""
    address = pod["status"]["podIP"]
    return f"http://[{address}]:{port}{path}" if ":" in address else f"http://{address}:{port}{path}"


def name_of(pod) -> str:
    return pod["metadata"]["name"]


def ready_pods(lab: LiveLab, deployment: str) -> Pods:
    """Those of a Deployment; the check fails when there is none."""
    pods = lab.pods_of(deployment)
    if not pods:
        raise CheckFailed(f"a ready Pod of Deployment {deployment}", "there is none", about=f"deployment/{deployment}")
    return pods


def borrowed(pods: Iterable) -> list[str]:
    """Those that have their node's address instead of one of their own, each with it."""
    return sorted(
        f"{name_of(p)} has {p['status']['podIP']}" for p in pods if p["status"]["podIP"] == p["status"].get("hostIP")
    )


# -- task first-pod


@check("first-pod", "Pod hello runs and answers on port 8080 of an address of its own")
def test_hello_answers(lab):
    lab.require("Pod", "hello")
    lab.eventually("Pod", lambda pods: not any(name_of(p) == "hello" and is_starting(p) for p in pods))
    wanted = Pods(p for p in lab.pods() if name_of(p) == "hello")
    lab.eventually("Pod", lambda pods: "hello" in Pods(pods).ready.names, timeout=soon(wanted))
    pods = Pods(p for p in lab.pods() if name_of(p) == "hello")
    lab.expect(pods.ready, expected="Pod hello is ready", seen="it is not", about="pod/hello")
    lab.expect(
        not borrowed(pods),
        expected="Pod hello has an address of its own",
        seen=f"{', '.join(borrowed(pods))}: an address of a node",
        then="kubectl get nodes -o wide",
    )
    url = at(pods[0], 8080, "/hostname")
    replies = lab.probe.get_many(url, count=3)
    lab.expect(
        replies.ok and replies.bodies == {"hello"},
        expected=f"requests from another Pod to {url} answered by hello",
        seen=replies,
        hop="Container: the Pod is reached, and its program does not answer there",
        then=f"kubectl logs hello -n {lab.namespace}",
    )


SOON = 2.0
"""Seconds that a Pod whose containers run gets to become ready."""
ONE_MORE_LOOK = 12.0
"""The same where a probe of the learner's decides: without a word about it, a kubelet looks every ten seconds."""


def soon(pods: Iterable) -> float:
    probed = any(c.get("readinessProbe") for pod in pods for c in pod["spec"]["containers"])
    return ONE_MORE_LOOK if probed else SOON


def is_starting(pod) -> bool:
    """Not running yet, and nothing has gone wrong so far."""
    status = pod["status"]
    waiting = [(s.get("state") or {}).get("waiting") or {} for s in status.get("containerStatuses") or ()]
    homeless = any(c["type"] == "PodScheduled" and c["status"] == "False" for c in status.get("conditions") or ())
    fine = all(w.get("reason") in (None, "ContainerCreating", "PodInitializing") for w in waiting)
    return status.get("phase") == "Pending" and fine and not homeless


# -- task own-address


@check("own-address", "three Pods of kiosk run, each at an address of its own")
def test_kiosks_have_addresses_of_their_own(lab):
    pods = ready_pods(lab, "kiosk")
    lab.expect(
        not borrowed(pods),
        expected="each Pod of kiosk has an address of its own",
        seen=f"{', '.join(borrowed(pods))}: an address of a node",
        hop="Pod: it runs in the network of its node, with the node's address and the node's ports",
        then="kubectl get nodes -o wide",
    )
    lab.expect(
        len(pods) == 3,
        expected="three ready Pods of Deployment kiosk",
        seen=f"{len(pods)} ({pods})",
        about="deployment/kiosk",
    )


@check("own-address", "each kiosk reaches each other one, which sees the caller's own address: there is no NAT between")
def test_kiosks_see_who_calls(lab):
    pods = ready_pods(lab, "kiosk")
    lab.expect(len(pods) > 1, expected="several ready Pods of kiosk", seen=f"one ({pods})", about="deployment/kiosk")
    for caller in pods:
        own = caller["status"]["podIP"]
        client = lab.client(name_of(caller))
        for callee in (p for p in pods if p is not caller):
            answer = client.get(at(callee, 8080, "/hostname"))
            lab.expect(
                answer.ok and answer.body.strip() == name_of(callee),
                expected=f"{name_of(callee)} answers {name_of(caller)} at {at(callee, 8080)}",
                seen=answer,
                then=f"kubectl get pods -o wide -n {lab.namespace}",
            )
            seen = caller_address(client.get(at(callee, 8080, "/clientip")).body)
            lab.expect(
                seen == own,
                expected=f"{name_of(callee)} sees {name_of(caller)} come from that Pod's own address, {own}",
                seen=seen or "no answer",
                then=f"kubectl get pods -o wide -n {lab.namespace}",
            )


def caller_address(text: str) -> str:
    """The address in an answer of /clientip, which is ADDRESS:PORT; "" when there is none."""
    return text.strip().rpartition(":")[0].strip("[]")


# -- task localhost


CUP = "/tmp/cup"
REFILL = (
    f"cat {CUP}; echo ---; rm -f {CUP}; i=0; "
    f"while [ $i -lt 50 ] && [ ! -s {CUP} ]; do i=$((i+1)); sleep 0.1; done; cat {CUP}"
)
"""What is in the cup; then empty it, and wait for what the waiter, who asks every second, puts into it."""


def two_cups(lab: LiveLab, pod: str) -> tuple[str, str]:
    """Two answers, one after the other; "" where none came. Each request has a port of its own, but chance may give
    two the same."""
    was = now = ""
    for _ in range(3):
        first, _, last = lab.host(pod, "waiter").run(REFILL).stdout.partition("---")
        was, now = (first or now).strip(), last.strip()
        if not now or (was and was != now):
            break
    return was, now


@check("localhost", "the waiter gets the kettle's answers, and the kettle sees it come from localhost")
def test_the_waiter_reaches_its_kettle_over_localhost(lab):
    for pod in ready_pods(lab, "tearoom"):
        need(lab, pod, "waiter")
        was, got = two_cups(lab, name_of(pod))
        logs = f"kubectl logs {name_of(pod)} -c waiter -n {lab.namespace}"
        lab.expect(
            got,
            expected=f"the waiter puts an answer of the kettle into {CUP} every second",
            seen="nothing came within five seconds",
            hop="Client: the waiter's request reaches no kettle",
            then=logs,
        )
        lab.expect(
            is_loopback(caller_address(got)),
            expected="the kettle is asked over localhost, so it sees the caller at a loopback address",
            seen=f"it was asked from {got[:60]}",
            hop="Client: the request leaves the Pod's localhost",
            then=logs,
        )
        lab.expect(
            was != got,
            expected="a new request every second, each from a port of its own",
            seen=f"the cup always says {got[:60]}",
            hop="Client: what is in the cup does not come from the kettle",
            then=logs,
        )


@check("localhost", "the kettle still answers other Pods on port 9000")
def test_the_kettle_stays_at_its_port(lab):
    for pod in ready_pods(lab, "tearoom"):
        url = at(pod, 9000, "/hostname")
        reply = lab.probe.get(url)
        lab.expect(
            reply.ok and reply.body.strip() == name_of(pod),
            expected=f"the kettle answers at {url}",
            seen=reply,
            then=f"kubectl logs {name_of(pod)} -c kettle -n {lab.namespace}",
        )


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def need(lab: LiveLab, pod, container: str) -> None:
    names = [c["name"] for c in pod["spec"]["containers"]]
    lab.expect(
        container in names,
        expected=f"a container {container} in Pod {name_of(pod)}",
        seen=f"its containers are: {', '.join(names)}",
    )


# -- task port-clash


def answers(lab: LiveLab, deployment: str, port: int, text: str) -> None:
    """Every ready Pod of the Deployment answers with the text on the port of its own address."""
    pods = ready_pods(lab, deployment)
    lab.expect(
        not borrowed(pods),
        expected=f"the Pods of {deployment} have addresses of their own",
        seen=f"{', '.join(borrowed(pods))}: an address of a node",
        then="kubectl get nodes -o wide",
    )
    for pod in pods:
        replies = lab.probe.get_many(at(pod, port), count=2)
        lab.expect(
            replies.ok and replies.bodies == {text},
            expected=f"{text!r} at {at(pod, port)}",
            seen=replies,
            hop=f"Container: at port {port} of Pod {name_of(pod)}",
            then=f"kubectl logs {name_of(pod)} --all-containers -n {lab.namespace}",
        )


@check("port-clash", "the counter answers on port 8080 of the bakery's Pod")
def test_the_counter_answers(lab):
    answers(lab, "bakery", 8080, "counter")


@check("port-clash", "the oven answers on port 8081 of the same Pod")
def test_the_oven_answers(lab):
    answers(lab, "bakery", 8081, "oven")


# -- task other-pods


def book(lab):
    """What the ledger's book says."""
    return f"sold today: {lab.variant['sold']}"


@check("other-pods", "another Pod reads the book on port 9000 of the ledger's own address")
def test_other_pods_read_the_ledger(lab):
    answers(lab, "ledger", 9000, book(lab))


@check("other-pods", "the clerk reads it over localhost as before")
def test_the_clerk_reads_over_localhost(lab):
    for pod in ready_pods(lab, "ledger"):
        need(lab, pod, "clerk")
        reply = lab.client(name_of(pod), "clerk").get("http://localhost:9000")
        lab.expect(
            reply.ok and reply.body.strip() == book(lab),
            expected="the clerk's request to http://localhost:9000 answered by the book beside it",
            seen=reply,
            then=f"kubectl logs {name_of(pod)} -c book -n {lab.namespace}",
        )


# -- task comes-back; last, because it replaces the stall's Pods


@check("comes-back", "after the Pods of the stall are deleted, two new ones answer on port 8080")
def test_the_stall_comes_back(lab):
    there = lab.pods(STALL)
    old = Pods(p for p in there if is_owned(p))
    lab.expect(
        old,
        expected="Pods with the label app=stall that somebody replaces when they go",
        seen=f"nobody is in charge of {there}, so nothing was deleted" if there else "there is no such Pod",
        then=f"kubectl describe pods -l app=stall -n {lab.namespace}",
    )
    for name in sorted(old.names):
        lab.delete_pod(name)
    gone = {p["metadata"]["uid"] for p in old}
    lab.eventually("Pod", lambda pods: len(comers(pods, gone)) >= 2, labels=STALL, timeout=REPLACED)
    lab.eventually("Pod", lambda pods: not any(is_starting(p) for p in comers(pods, gone)), labels=STALL)
    patience = soon(comers(lab.pods(STALL), gone))
    lab.eventually("Pod", lambda pods: len(Pods(comers(pods, gone)).ready) >= 2, labels=STALL, timeout=patience)
    new = Pods(comers(lab.pods(STALL), gone)).ready
    lab.expect(
        len(new) == 2,
        expected=f"after {old} were deleted, two ready Pods in their place",
        seen=f"{len(new)} ({new})",
        then=f"kubectl get pods -l app=stall -n {lab.namespace}",
    )
    for pod in new:
        reply = lab.probe.get(at(pod, 8080, "/hostname"))
        lab.expect(
            reply.ok and reply.body.strip() == name_of(pod),
            expected=f"the new Pod {name_of(pod)} answers at {at(pod, 8080)}",
            seen=reply,
            then=f"kubectl logs {name_of(pod)} -n {lab.namespace}",
        )


STALL = "app=stall"
REPLACED = 4.0
"""Seconds within which whoever is in charge of deleted Pods has created others; it takes milliseconds."""


def is_owned(pod) -> bool:
    """Whether a controller is in charge of it."""
    return any(owner.get("controller") for owner in pod["metadata"].get("ownerReferences") or ())


def comers(pods, gone: set[str]) -> list:
    """The Pods with an owner that are not to go and were not there before."""
    return [
        p
        for p in pods
        if is_owned(p) and not p["metadata"].get("deletionTimestamp") and p["metadata"]["uid"] not in gone
    ]
