"""Lab 04-endpointslices: who answers behind the Services, and who is left alone. Checks delete Pods, pause a member,
ask the old machines themselves and compare."""

from kindlab.checks import (
    SERVICE_LABEL,
    CheckFailed,
    CouldNotGrade,
    LiveLab,
    Pods,
    Probe,
    Replies,
    check,
    enough,
    ready_targets,
)
from kindlab.clock import monotonic, token_hex

OUTSIDE = "outside"
MACHINE_PORT = 18090
PAUSED = "/tmp/paused"
MARK = "/tmp/kindlab-mark"
CATCHING_UP = 3.0
"""Seconds the nodes may take to follow a change of the slices."""


def names(found) -> str:
    return ", ".join(sorted(found)) or "nobody"


def asked(lab: LiveLab, url: str, good, *, count: int, at_once: int = 8, client: Probe | None = None) -> Replies:
    """`count` requests that are `good` together, or the last ones when there are none such in time. After the first
    `at_once` of which one is not answered the rest is not sent."""
    deadline, tries = monotonic() + CATCHING_UP, 0
    while True:
        replies, tries = Replies(), tries + 1
        while len(replies) < count and (replies.ok or not replies):
            more = (client or lab.probe).get_many(url, count=min(at_once, count - len(replies)))
            replies = Replies(replies + more)
        if good(replies) or (tries > 1 and monotonic() > deadline):
            return replies


def some_answer(lab: LiveLab, url: str) -> Replies:
    """Requests at the same time: where half of the endpoints are silent, some are answered all the same."""
    mark = "&" if "?" in url else "?"
    return Replies(lab.probe.get_each(f"{url}{mark}n={n}" for n in range(8)).values())


def some_of(lab: LiveLab, deployment: str, least: int, service: str) -> Pods:
    """The ready Pods of a Deployment; the check fails when they are fewer."""
    pods = lab.pods_of(deployment)
    lab.expect(
        len(pods) >= least,
        expected=f"{least} ready Pods of Deployment {deployment}",
        seen=f"{len(pods) or 'none'} of its Pods {'is' if len(pods) == 1 else 'are'} ready",
        about=f"svc/{service}",
    )
    return pods


def machines(lab: LiveLab) -> frozenset[str]:
    """The names by which the old machines answer when they are asked directly."""
    outside = lab.beside(OUTSIDE)
    outside.eventually("DaemonSet", lambda found: all(map(runs_everywhere, found)), timeout=60)
    pods = outside.pods("app=old-machine").ready
    found: set[str] = set()
    for address in sorted(pods.addresses):
        found |= lab.probe.get_many(f"http://{address}:{MACHINE_PORT}/hostname", count=1).bodies
    if not found:
        raise CouldNotGrade(f"no old machine answers by itself (kubectl get pods -n {lab.space(OUTSIDE)} -o wide)")
    return frozenset(found)


def expect_their_program(lab: LiveLab, url: str) -> None:
    """Fail when another program on the machines' nodes answers in their names: what is written into a file of the old
    machines' own containers is read through the Service."""
    outside, token = lab.beside(OUTSIDE), token_hex(8)
    for pod in outside.pods("app=old-machine").ready:
        outside.host(pod["metadata"]["name"]).run("echo %s > %s", token, MARK)

    told = f"{url}/shell?shellCommand=cat%20{MARK}"
    replies = lab.until(lambda: some_answer(lab, told), lambda found: found.bodies, timeout=CATCHING_UP)
    lab.expect(
        replies.bodies and all(token in body for body in replies.bodies),
        expected=f"requests to {url} answered by the program that runs on an old machine already, at {MACHINE_PORT}",
        seen="another program on the same node answers" if replies.bodies else replies,
        about=f"svc/{url.rpartition('/')[2]}",
        then=f"kubectl get pods -n {lab.space(OUTSIDE)} -o wide; kubectl get pods -n {lab.namespace} -o wide",
    )


def runs_everywhere(daemons) -> bool:
    status = daemons.get("status") or {}
    return 0 < status.get("desiredNumberScheduled", 0) <= status.get("numberReady", 0)


# -- task stock-outside


@check("stock-outside", "an old machine, and nobody else, answers at http://stock")
def test_old_machine_answers_for_stock(lab):
    lab.require("Service", "stock")
    expected = machines(lab)
    # one of its endpoints may be the machine that does not answer: that is the next task
    replies = lab.until(
        lambda: some_answer(lab, "http://stock/hostname"),
        lambda r: r.bodies and r.bodies <= expected,
        timeout=CATCHING_UP,
    )
    lab.expect(
        replies.bodies and replies.bodies <= expected,
        expected=f"requests to http://stock answered by an old machine ({names(expected)})",
        seen=replies,
        about="svc/stock",
    )
    expect_their_program(lab, "http://stock")


# -- task stock-repair


@check("stock-repair", "every request to http://stock is answered by an old machine")
def test_no_stock_request_is_lost(lab):
    lab.require("Service", "stock")
    expected = machines(lab)
    replies = asked(lab, "http://stock/hostname", lambda r: r.ok and r.bodies <= expected, count=24, at_once=4)
    lab.expect(
        replies.ok and replies.bodies <= expected,
        expected=f"every request to http://stock answered by an old machine ({names(expected)})",
        seen=replies,
        about="svc/stock",
        then=f"kubectl get endpointslices -n {lab.namespace} -l {SERVICE_LABEL}=stock -o yaml",
    )
    expect_their_program(lab, "http://stock")


# -- task bank-by-name


@check("bank-by-name", "the bank's own server answers at http://bank, also when it has moved to another address")
def test_bank_answers(lab):
    bank = lab.beside(OUTSIDE)
    before = bank.pods_of("bank")
    if not before:
        raise CouldNotGrade(f"the bank's server does not run (kubectl get pods -n {lab.space(OUTSIDE)})")
    expect_the_bank(lab, before, "")
    for name in sorted(before.names):
        bank.delete_pod(name)
    moved = bank.eventually("Pod", lambda found: Pods(found).ready.names - before.names, labels="app=bank", timeout=60)
    if not moved:
        raise CouldNotGrade(f"the bank's server does not come back (kubectl get pods -n {lab.space(OUTSIDE)})")
    expect_the_bank(lab, bank.pods_of("bank"), " after its Pod was replaced")


def expect_the_bank(lab: LiveLab, pods: Pods, when: str) -> None:
    replies = asked(lab, "http://bank/hostname", lambda r: r.ok and r.bodies <= pods.names, count=5)
    lab.expect(
        replies.ok and replies.bodies <= pods.names,
        expected=f"every request to http://bank answered by the bank's server ({pods}){when}",
        seen=replies,
        about="svc/bank",
    )


# -- task crowd-slices


@check("crowd-slices", "requests to http://crowd reach Pods of two slices")
def test_requests_reach_both_slices(lab):
    lab.settled("crowd", timeout=180)
    pods = some_of(lab, "crowd", 110, "crowd")
    slices = [ready_targets([s]) for s in lab.list("EndpointSlice", f"{SERVICE_LABEL}=crowd")]

    def reached(replies: Replies) -> int:
        return sum(1 for held in slices if held & replies.bodies)

    def good(replies: Replies) -> bool:
        return replies.ok and replies.bodies <= pods.names and reached(replies) >= 2

    with lab.visitor(node=lab.away_from(pods)) as client:
        replies = asked(lab, "http://crowd/hostname", good, count=160, at_once=40, client=client)
    lab.expect(
        good(replies),
        expected="every request to http://crowd answered by a Pod of crowd, and Pods of two slices among them",
        seen=f"{len(replies)} requests: {sum(r.ok for r in replies)} answered, by {len(replies.bodies)} names, "
        f"which stand in {reached(replies)} of {len(slices)} slices",
        about="svc/crowd",
    )


# -- task members-peers


@check("members-peers", "all members are ready, and the name members-peers stands for each of them")
def test_members_get_ready(lab):
    pods = some_of(lab, "members", 3, "members-peers")
    found = lab.probe.addresses("members-peers")
    lab.expect(
        set(found) == pods.addresses,
        expected=f"the name members-peers resolves to the members' own addresses, {names(pods.addresses)}",
        seen=f"it resolves to {names(found)}",
        about="svc/members-peers",
    )


@check("members-peers", "a member that is not ready is found by its peers, and gets no request of a client")
def test_a_paused_member_is_known_to_peers_only(lab):
    pods = some_of(lab, "members", 3, "members-peers")
    victim = min(pods, key=lambda pod: pod["metadata"]["name"])
    name, address = victim["metadata"]["name"], victim["status"]["podIP"]
    host = lab.host(name)
    made = host.run("touch %s", PAUSED)
    lab.expect(
        made.rc == 0,
        expected=f"the file {PAUSED} can be made in Pod {name}, which is how a member is paused",
        seen=made.stderr.strip() or f"touch ended with exit code {made.rc}",
    )
    try:
        lab.expect(
            lab.eventually("Pod", lambda found: name not in Pods(found).ready.names, timeout=6 + notices_after(victim)),
            expected=f"Pod {name} is not ready while it has {PAUSED}",
            seen="it stays ready",
            then=f"look at the readiness probe: kubectl describe pod {name} -n {lab.namespace}",
        )
        others = pods.names - {name}
        replies = asked(
            lab, "http://members/hostname", lambda r: r.ok and r.bodies == others, count=enough(len(others))
        )
        lab.expect(
            replies.ok and replies.bodies == others,
            expected=f"every request to http://members answered by the members that are ready ({names(others)})",
            seen=replies,
            about="svc/members",
            then=f"kubectl get endpointslices -n {lab.namespace} -l {SERVICE_LABEL}=members -o yaml",
        )
        found = lab.probe.addresses("members-peers")
        lab.expect(
            address in found,
            expected=f"the name members-peers stands for the paused member too ({address})",
            seen=f"it resolves to {names(found)}",
            about="svc/members-peers",
        )
    finally:
        host.run("rm -f %s", PAUSED)


def notices_after(pod) -> int:
    """Seconds that the readiness probes of a Pod may take to notice a change, by their own numbers."""
    probes = [c["readinessProbe"] for c in pod["spec"]["containers"] if c.get("readinessProbe")]
    return max((min(p["periodSeconds"] * p["failureThreshold"], 60) for p in probes), default=0)


# -- task billing-both


@check("billing-both", "requests to http://billing reach its Pods and an old machine, and nobody else")
def test_billing_is_shared(lab):
    share(lab, some_of(lab, "billing", 2, "billing"))


@check("billing-both", "they are shared after a Pod of billing was replaced, too")
def test_billing_is_shared_after_a_replacement(lab):
    before = some_of(lab, "billing", 2, "billing")
    victim = min(before.names)
    labels = ",".join(
        f"{k}={v}" for k, v in lab.require("Deployment", "billing")["spec"]["selector"]["matchLabels"].items()
    )
    lab.delete_pod(victim)

    def replaced(found) -> bool:
        live = {p["metadata"]["name"] for p in Pods(found).ready if not p["metadata"].get("deletionTimestamp")}
        return victim not in live and len(live) >= len(before)

    if not lab.eventually("Pod", replaced, labels=labels, timeout=60):
        raise CheckFailed(f"a new Pod in place of {victim}", "it does not get ready", about="svc/billing")
    share(lab, lab.pods(labels).ready)


def share(lab: LiveLab, pods: Pods) -> None:
    old = machines(lab)

    def good(replies: Replies) -> bool:
        return replies.ok and pods.names < replies.bodies <= pods.names | old

    replies = asked(lab, "http://billing/hostname", good, count=enough(len(pods) + len(old)))
    lab.expect(
        good(replies),
        expected=f"every request to http://billing answered, by each of {pods} and by an old machine ({names(old)})",
        seen=replies,
        about="svc/billing",
        then=f"kubectl get endpointslices -n {lab.namespace} -l {SERVICE_LABEL}=billing --show-labels",
    )


# -- task checkout-leaves; last, because its Pods take their time to leave


@check("checkout-leaves", "a deleted Pod of checkout still finishes a request that takes its time")
def test_a_leaving_pod_still_answers(lab):
    victim = min(some_of(lab, "checkout", 2, "checkout"), key=lambda pod: pod["metadata"]["name"])
    name, url = victim["metadata"]["name"], f"http://{victim['status']['podIP']}:8080"
    control = lab.probe.get(f"{url}/hostname")
    lab.expect(control.ok, expected=f"Pod {name} answers at its port 8080", seen=control, about="svc/checkout")
    lab.delete_pod(name)
    reply = lab.probe.get(f"{url}/shell?shellCommand=sleep%202.4", timeout=3)
    lab.expect(
        reply.ok,
        expected=f"Pod {name} answers for three seconds after it was deleted, also a request that takes its time",
        seen=f"its request ended so: {reply}",
        hop="Pod: its container ends before those who are still asking it have their answers",
        then=f"kubectl get deployment checkout -n {lab.namespace} -o yaml",
    )


@check("checkout-leaves", "a Pod of checkout that is leaving gets no new request through the Service")
def test_a_leaving_pod_gets_nothing_new(lab):
    before = some_of(lab, "checkout", 2, "checkout")
    with lab.visitor(node=lab.elsewhere("checkout")) as client:
        expect_nothing_new(lab, client, before)


def expect_nothing_new(lab: LiveLab, client: Probe, before: Pods) -> None:
    """Delete one of the Pods of checkout, to which its Service has sent requests until then."""
    url = "http://checkout/hostname"
    replies = asked(lab, url, lambda r: r.ok and r.bodies <= before.names, count=enough(len(before)), client=client)
    lab.expect(
        replies.ok and replies.bodies <= before.names,
        expected=f"requests to http://checkout answered by the Pods of checkout ({before})",
        seen=replies,
        about="svc/checkout",
    )
    victim = min(before.names)
    lab.delete_pod(victim)
    lab.eventually(
        "EndpointSlice",
        lambda found: victim not in ready_targets(found),
        labels=f"{SERVICE_LABEL}=checkout",
        timeout=1,
    )
    replies = asked(lab, url, lambda r: r.ok and victim not in r.bodies, count=enough(len(before) + 1), client=client)
    lab.expect(
        replies.ok and victim not in replies.bodies,
        expected=f"requests to http://checkout answered by others than Pod {victim}, which was deleted",
        seen=replies,
        about="svc/checkout",
        then=f"kubectl get endpointslices -n {lab.namespace} -l {SERVICE_LABEL}=checkout -o yaml",
    )
