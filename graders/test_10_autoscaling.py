"""Lab 10-autoscaling: what the autoscalers do. The grader makes a rush of its own on the storefront and on checkout,
watches them grow, ends it, and watches the storefront shrink; of the others it looks at who answers, while the rush is
on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from kindlab.checks import SERVICE_LABEL, LiveLab, check, ready_targets, rolled_out
from kindlab.checks.autoscalers import HPA, target_of
from kindlab.checks.meanwhile import Meanwhile
from kindlab.conditions import condition
from kindlab.quantities import amounts, number
from kindlab.witness import beside

ANSWER_IN, SHRUNK_IN, JOINED_IN = 180.0, 150.0, 45.0
"""Seconds: how long metrics may take to reach an autoscaler that looks as seldom as Kubernetes' own, how long a
storefront that is to be small again within a minute may take, when metrics and looks are as late as they may be, and
how long a Pod may take to start and to become an endpoint."""
BUSY = 0.15
"""Cores that a Pod uses on average: three times what its autoscaler should bear."""
ASK = "while [ ! -e /tmp/over ]; do curl -s -o /dev/null -m 10 http://{}/; done"


@dataclass
class Course:
    """What autoscaler `hpa` did in the rush. `least`: its Pods when idle; `grown`: its most; `shrunk`: back at one;
    `complete`: whether the Deployment's rollout was, so that Pods it grows by get ready; `idle`: those that were ready
    in the rush and got none of its requests."""

    grown: int = 1
    least: int = 1
    shrunk: bool = False
    complete: bool = True
    idle: frozenset[str] = frozenset()
    seen: str = ""
    hpa: str = ""


@dataclass
class Rush:
    storefront: Course = field(default_factory=Course)
    checkout: Course = field(default_factory=Course)


@pytest.fixture(scope="session", autouse=True)
def rush(lab: LiveLab, tasks: frozenset[str]) -> Iterator[Meanwhile[Rush]]:
    """One rush for all checks that need it, begun before the others, which do not."""
    found = Meanwhile(lambda: rushed(lab, tasks))
    if tasks & {"storefront-grows", "storefront-shrinks", "checkout-grows"}:
        found.begin()
    yield found
    found.end()


def rushed(lab: LiveLab, tasks: frozenset[str]) -> Rush:
    """It ends as soon as it is plain what each autoscaler makes of it. Nobody waits for the storefront to shrink where
    that is not asked for, or while the learner's own visitors are there."""
    found = Rush()
    courses = {name: getattr(found, name) for name in ("storefront", "checkout")}
    live = lab.list(HPA)
    for name, course in courses.items():
        course.hpa, course.seen = name, nobody(live, name)
    if not any(scaler(live, name) for name in courses):
        return found
    for name, course in courses.items():
        course.complete = rolled_out(lab.settled(name))
    with load(lab, *courses):
        lab.eventually(
            HPA, lambda live: all([answered(lab, live, n, c) for n, c in courses.items()]), timeout=ANSWER_IN
        )
        for name, course in courses.items():
            course.idle = left_out(lab, name) if has_grown(course) else frozenset()
    if found.storefront.grown > 1 and "storefront-shrinks" in tasks and not visitors(lab):
        lab.eventually(HPA, lambda live: ended(live, found.storefront), timeout=SHRUNK_IN)
    return found


def visitors(lab: LiveLab) -> int:
    """How many Pods of the learner's own load are asking for pages."""
    return len(lab.pods_of("visitors")) if lab.get("Deployment", "visitors") else 0


@contextmanager
def load(lab: LiveLab, *services: str) -> Iterator[None]:
    """Four visitors of each Service, who ask for one page after the other, where none of its Pods runs."""
    with lab.visitor(node=lab.elsewhere(*services)) as crowd:
        each = " & ".join(f"({ASK.format(name)})" for name in services for _ in range(4))
        asking = threading.Thread(target=beside(crowd.host.run), args=(f"{each} & wait",), daemon=True)
        asking.start()
        try:
            yield
        finally:
            crowd.host.run("touch /tmp/over")
            asking.join(timeout=20)


def left_out(lab: LiveLab, name: str) -> frozenset[str]:
    """The Pods of a Deployment that has grown to which the Service of its name sends nothing, though they are ready."""
    pods = lab.pods_of(name, timeout=JOINED_IN)
    labels = f"{SERVICE_LABEL}={name}"
    lab.eventually("EndpointSlice", lambda live: pods.names <= ready_targets(live), labels=labels, timeout=JOINED_IN)
    return frozenset(pods.names & lab.pods().ready.names - ready_targets(lab.list("EndpointSlice", labels)))


def has_grown(course: Course) -> bool:
    return course.grown > max(2, course.least)


def answered(lab: LiveLab, live, name: str, course: Course) -> bool:
    """Whether it is plain what an autoscaler makes of the load: it grew, or it saw the load and let it be."""
    hpa = scaler(live, name)
    if hpa is None:
        return True
    status = hpa.get("status") or {}
    course.seen, course.hpa, course.least = told(hpa), hpa["metadata"]["name"], hpa["spec"].get("minReplicas", 1)
    course.grown = max(course.grown, set_to(status))
    if has_grown(course) or is_hopeless(lab, hpa):
        return True
    return usage(status) > BUSY and status.get("desiredReplicas", 0) <= status.get("currentReplicas", 0)


def set_to(status) -> int:
    """The number that the autoscaler has set; what it calls current is that of its look before."""
    return int(status.get("desiredReplicas") or status.get("currentReplicas") or 0)


def ended(live, course: Course) -> bool:
    """Whether the storefront is at its least again, or it is plain that it will not be within a minute."""
    hpa = scaler(live, "storefront")
    if hpa is None:
        return True
    course.seen = told(hpa)
    course.shrunk = set_to(hpa["status"]) <= 1
    down = (hpa["spec"].get("behavior") or {}).get("scaleDown") or {}
    waits = condition(hpa, "AbleToScale").get("reason") == "ScaleDownStabilized"
    never = down.get("selectPolicy") == "Disabled"
    least = set_to(hpa["status"]) <= course.least
    return course.shrunk or least or never or (waits and down.get("stabilizationWindowSeconds", 300) > 60)


def scales(hpa, deployment: str) -> bool:
    return target_of(hpa) == ("Deployment", deployment)


def scaler(live, deployment: str):
    """The autoscaler for a Deployment, whatever its own name is; None for none."""
    found = sorted(
        (one for one in live if scales(one, deployment)), key=lambda one: one["metadata"]["name"] != deployment
    )
    return found[0] if found else None


def nobody(live, deployment: str) -> str:
    """What there is, where no autoscaler is for a Deployment."""
    targets = {one["metadata"]["name"]: one["spec"]["scaleTargetRef"] for one in live}
    there = ", ".join(f"{name} (for {ref['kind']} {ref['name']})" for name, ref in sorted(targets.items()))
    return f"no autoscaler is for Deployment {deployment}; those there are: {there or 'none'}"


def autoscaler(lab: LiveLab, deployment: str):
    """The one for a Deployment, else the one of its name, which is for something else; without either the check
    fails."""
    live = lab.list(HPA)
    named = next((one for one in live if one["metadata"]["name"] == deployment), None)
    found = scaler(live, deployment) or named
    lab.expect(
        found,
        expected=f"an autoscaler for Deployment {deployment}",
        seen=nobody(live, deployment),
        about=f"hpa/{deployment}",
        then=f"kubectl get hpa -n {lab.namespace}",
    )
    return found


def is_hopeless(lab: LiveLab, hpa) -> bool:
    """Nothing will come of waiting: no scale to set, scaling off, a request that is missing, or a second autoscaler
    for the same target. An autoscaler looks every 15 seconds, so what it says may be older than the learner's mend:
    what it speaks of is looked at, too."""
    ref = hpa["spec"]["scaleTargetRef"]
    known = (ref["kind"], ref.get("apiVersion")) == ("Deployment", "apps/v1")
    target = lab.get("Deployment", ref["name"]) if known else None
    if condition(hpa, "AbleToScale").get("status") == "False":
        return target is None
    if sum(one["spec"]["scaleTargetRef"] == ref for one in lab.list(HPA)) > 1:
        return True
    active = condition(hpa, "ScalingActive")
    if active.get("status") != "False":
        return False
    if active.get("reason") == "ScalingDisabled":
        return target is None or target["spec"].get("replicas", 1) == 0
    missing = active.get("message", "").partition("missing request for ")[2].split()
    return bool(missing) and (target is None or lacks_request(lab, ref["name"], missing[0]))


def lacks_request(lab: LiveLab, deployment: str, resource: str) -> bool:
    """Whether some container of the Deployment's Pods still says nothing of it (cpu, memory)."""
    containers = [c for pod in lab.pods_of(deployment) for c in pod["spec"]["containers"]]
    return any(resource not in (c.get("resources") or {}).get("requests", {}) for c in containers)


def usage(status) -> float:
    """Cores per Pod that the autoscaler has seen; 0 before it has."""
    return max((number(one.get("averageValue", "0")) for one in cpu_seen(status)), default=0.0)


def cpu_seen(status) -> list:
    """What the autoscaler has seen of the CPU; it may look at the memory, too."""
    metrics = [m.get("resource") or m.get("containerResource") or {} for m in status.get("currentMetrics") or ()]
    return [metric["current"] for metric in metrics if metric.get("name") == "cpu"]


def told(hpa) -> str:
    """An autoscaler's state in a clause."""
    status = hpa.get("status") or {}
    current = cpu_seen(status)
    percent = [f"{c['averageUtilization']}% of the request" for c in current if "averageUtilization" in c]
    used = percent or [c["averageValue"] for c in current if "averageValue" in c] or ["<unknown>"]
    why = [
        f"{c['type']} is {c['status']}: {c['reason']}"
        for c in status.get("conditions") or ()
        if (c["type"], c["status"])
        in {("AbleToScale", "False"), ("ScalingActive", "False"), ("ScalingLimited", "True")}
        or c["reason"] == "ScaleDownStabilized"
    ]
    pods = status.get("currentReplicas") or 0
    return "; ".join([f"{pods} Pod{'' if pods == 1 else 's'}, CPU per Pod {', '.join(used)}", *why])


# -- the quiet ones


@check("reports-requests", "the autoscaler reports knows how much of their request the Pods use")
def test_reports_are_measured(lab):
    lab.settled("reports")

    def measured(live) -> bool:
        hpa = scaler(live, "reports")
        return hpa is None or is_hopeless(lab, hpa) or condition(hpa, "ScalingActive").get("status") == "True"

    lab.eventually(HPA, measured, timeout=ANSWER_IN)
    hpa = autoscaler(lab, "reports")
    name, mine = hpa["metadata"]["name"], scales(hpa, "reports")
    lab.expect(
        mine and share(hpa) is not None and condition(hpa, "ScalingActive").get("status") == "True",
        expected="an autoscaler sees the CPU of reports' Pods as a percentage of what they request",
        seen=told(hpa) if mine else nobody(lab.list(HPA), "reports"),
        about=f"hpa/{name}" if mine else "",
        hop="" if mine else f"Target: autoscaler {name} is for something else",
        then=f"kubectl describe hpa {name}",
    )


def share(hpa) -> int | None:
    """The percentage an autoscaler has worked out, of the Pod or of one container; None when it could not."""
    for metric in (hpa.get("status") or {}).get("currentMetrics") or ():
        for kind in ("resource", "containerResource"):
            if "averageUtilization" in (metric.get(kind) or {}).get("current", {}):
                return metric[kind]["current"]["averageUtilization"]
    return None


@check(
    "reports-requests",
    "at http://reports the Pods of reports answer, and its log still has somebody who looks after it",
)
def test_reports_answer(lab):
    with lab.visitor(node=lab.elsewhere("reports")) as reader:
        lab.expect_exactly("http://reports", lab.pods_of("reports"), client=reader)
    for pod in lab.pods_of("reports"):
        status = pod["status"]
        states = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
        running = [one["name"] for one in states if "running" in (one.get("state") or {})]
        lab.expect(
            len(running) > 1,
            expected="two programs in each Pod of reports: the server, and the one that looks after its log",
            seen=f"in Pod {pod['metadata']['name']} runs {', '.join(running)}",
            then="kubectl describe deployment reports",
        )


def expect_two_pods(lab: LiveLab, name: str) -> None:
    """The autoscaler of that name keeps two Pods of the Deployment, and both answer."""
    hpa = autoscaler(lab, name)
    two = lab.eventually(
        "Deployment",
        lambda live: any(
            (d.get("status") or {}).get("readyReplicas", 0) == 2 for d in live if d["metadata"]["name"] == name
        ),
        timeout=0 if is_hopeless(lab, hpa) else 30,
    )
    hpa = autoscaler(lab, name)
    lab.expect(
        two and condition(hpa, "AbleToScale").get("status") == "True" and not is_hopeless(lab, hpa),
        expected=f"two Pods of Deployment {name}, because its autoscaler says so",
        seen=told(hpa),
        about=f"hpa/{hpa['metadata']['name']}",
        then=f"kubectl describe hpa {hpa['metadata']['name']}",
    )
    lab.expect_exactly(f"http://{name}", lab.pods_of(name))


@check("api-target", "two Pods of Deployment api answer, because its autoscaler says so")
def test_two_pods_of_api_answer(lab):
    expect_two_pods(lab, "api")


@check("newsletter-awake", "two Pods of Deployment newsletter answer, because its autoscaler says so")
def test_two_pods_of_newsletter_answer(lab):
    expect_two_pods(lab, "newsletter")


@check("api-target", "when somebody takes a Pod of api away by hand, the autoscaler brings it back")
def test_api_is_scaled_back(lab):
    expect_scaled_back(lab, "api")


@check("newsletter-awake", "when somebody takes a Pod of newsletter away by hand, the autoscaler brings it back")
def test_newsletter_is_scaled_back(lab):
    expect_scaled_back(lab, "newsletter")


def expect_scaled_back(lab: LiveLab, name: str) -> None:
    """Scaled to one by hand, the Deployment has two again: nobody but an autoscaler at work does that."""
    hpa = autoscaler(lab, name)
    lab.expect(
        not is_hopeless(lab, hpa),
        expected="an autoscaler that can scale",
        seen=told(hpa),
        then=f"kubectl describe hpa {hpa['metadata']['name']}",
    )
    before = lab.require("Deployment", name)["spec"].get("replicas", 1)
    lab.api.patch("Deployment", name, lab.namespace, {"spec": {"replicas": 1}})
    back = lab.eventually(
        "Deployment",
        lambda live: any(d["spec"].get("replicas", 1) == 2 for d in live if d["metadata"]["name"] == name),
        timeout=45,
    )
    if not back:
        lab.api.patch("Deployment", name, lab.namespace, {"spec": {"replicas": before}})
    lab.expect(
        back,
        expected=f"Deployment {name}, scaled to one Pod by hand, is brought back to two by its autoscaler",
        seen=told(autoscaler(lab, name)),
        about=f"hpa/{hpa['metadata']['name']}",
        then=f"kubectl describe hpa {hpa['metadata']['name']}",
    )


# -- the rush


def expect_help(lab: LiveLab, name: str, course: Course) -> None:
    """The Pods by which a Deployment grows get ready, and get requests."""
    lab.expect(
        course.complete,
        expected=f"a complete rollout of Deployment {name}",
        seen="the Pods that run are old ones: the next do not get ready",
        about=f"deployment/{name}",
    )
    lab.expect(
        not course.idle,
        expected=f"every Pod by which Deployment {name} grows gets requests to http://{name}",
        seen=f"no request goes to {', '.join(sorted(course.idle))}",
        about=f"svc/{name}",
        then=f"kubectl describe service {name}",
    )


def expect_growth(lab: LiveLab, name: str, course: Course) -> None:
    lab.expect(
        has_grown(course),
        expected=f"under load Deployment {name} grows beyond two Pods, by its autoscaler",
        seen=course.seen,
        about=f"hpa/{course.hpa}",
        then=f"kubectl describe hpa {course.hpa}",
    )
    expect_help(lab, name, course)


@check("storefront-grows", "under load the storefront grows beyond two Pods")
def test_storefront_grows(lab, rush):
    expect_growth(lab, "storefront", rush.result().storefront)


@check("storefront-grows", "its target is half of the CPU that a Pod requests, and five Pods its most")
def test_storefront_target(lab):
    """The two fields that are read: no load that can be made anywhere tells 50% from 60%, and five Pods from ten."""
    hpa = autoscaler(lab, "storefront")
    name = hpa["metadata"]["name"]
    lab.expect(
        scales(hpa, "storefront"),
        expected="an autoscaler for Deployment storefront",
        seen=nobody(lab.list(HPA), "storefront"),
        hop=f"Target: autoscaler {name} is for something else",
        then=f"kubectl describe hpa {name}",
    )
    found = [half(lab, metric) for metric in hpa["spec"].get("metrics") or ()]
    lab.expect(
        any(found),
        expected="the autoscaler storefront aims at half of the CPU that a Pod requests",
        seen="its targets are " + ", ".join(aimed(metric) for metric in hpa["spec"].get("metrics") or ()),
        hop="Metric: the target is another one",
        then=f"kubectl describe hpa {name}",
    )
    lab.expect(
        hpa["spec"]["maxReplicas"] == 5,
        expected="the autoscaler storefront makes five Pods at most",
        seen=f"its most are {hpa['spec']['maxReplicas']}",
        hop="Limits: maxReplicas is another number",
        then=f"kubectl get hpa {name}",
    )


def aimed(metric) -> str:
    """A metric with its target, in words."""
    source = metric.get("resource") or metric.get("containerResource") or {}
    target = source.get("target", {})
    share = target.get("averageUtilization")
    return f"{source.get('name', metric['type'])} {f'{share}%' if share else target.get('averageValue', '')}"


def half(lab: LiveLab, metric) -> bool:
    """Whether a metric's target is half of a storefront Pod's request, as a share or as an amount."""
    source = metric.get("resource") or metric.get("containerResource") or {}
    if source.get("name") != "cpu":
        return False
    asked = amounts(lab.require("Deployment", "storefront")["spec"]["template"]["spec"], "requests").get("cpu", "0")
    target = source["target"]
    return target.get("averageUtilization") == 50 or number(target.get("averageValue", "0")) * 2 == number(asked) > 0


@check("storefront-shrinks", "when the load has ended the storefront is back at one Pod within a minute")
def test_storefront_shrinks(lab, rush):
    course = rush.result().storefront
    asking = visitors(lab)
    lab.expect(
        course.grown > 2 and course.shrunk,
        expected="the storefront grows under load, and is back at one Pod a minute after it has ended",
        seen=course.seen + (f"; {asking} Pods of visitors are still asking for pages" if asking else ""),
        about="" if course.shrunk else f"hpa/{course.hpa}",
        then="kubectl scale deployment visitors --replicas=0" if asking else f"kubectl describe hpa {course.hpa}",
    )


@check("checkout-grows", "under load checkout grows beyond two Pods")
def test_checkout_grows(lab, rush):
    expect_growth(lab, "checkout", rush.result().checkout)
