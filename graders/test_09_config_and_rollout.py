"""Lab 09-config-and-rollout: what programs say after their configuration changed, and what clients notice of a rollout.

The learner's ConfigMaps are never touched: a twin, a Pod of the grader's own made from a Deployment's template, reads
copies of them, which are changed. A bad version is rolled out in a trial, a copy of Deployment search. Only Deployment
checkout is restarted itself, as `kubectl rollout restart` does it.
"""

import base64
import copy
import json
import re
from contextlib import contextmanager
from datetime import datetime

import pytest

from kindlab import clock
from kindlab.checks import CheckFailed, CouldNotGrade, Replies, check, enough, rolled_out
from kindlab.checks.makers import is_of_deployment
from kindlab.checks.standing import not_so
from kindlab.clock import monotonic, token_hex
from kindlab.hosts import in_url
from kindlab.managed import MANAGED, SELECTOR

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
REFERENCES = ("configMap", "configMapRef", "configMapKeyRef")
CONTROL = "kindlab-control"
STUCK = ("CreateContainerConfigError", "CreateContainerError", "ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff")
STARTS, ROLLS, LOOK_AGAIN = 60.0, 60.0, 2.0
JUDGED, FOLLOWS = 15.0, 2.0
"""Seconds within which a probe speaks about a bad version, and after which the nodes do what the slices say."""
SALE = "Sale until Sunday"
KEY_FILE = "/etc/till/key"
"""How the key begins in base64, whatever follows it."""
FIRST = "reviews 1.0"


def complete(lab, deployment):
    """Whether a Deployment's rollout is complete, or gets so; False as soon as it is clear that it does not."""

    def verdict(found):
        live = next((d for d in found if d["metadata"]["name"] == deployment), None)
        if live is None or rolled_out(live):
            return "yes" if live else "gone"
        status = live.get("status", {})
        late = any(c.get("reason") == "ProgressDeadlineExceeded" for c in status.get("conditions") or ())
        return "late" if late and status.get("observedGeneration") == live["metadata"]["generation"] else None

    deadline = monotonic() + ROLLS
    while (left := deadline - monotonic()) > 0:
        found = lab.eventually("Deployment", verdict, timeout=min(LOOK_AGAIN, left))
        mine = [pod for pod in lab.pods() if is_of_deployment(pod, deployment)]
        if found in ("yes", "gone") or any(stuck(pod) for pod in mine):
            return found == "yes"
        if found == "late" and not any(is_asked_seldom(pod) for pod in mine):
            return False
        if found == "late":
            lab.eventually("Deployment", lambda live: verdict(live) != "late", timeout=LOOK_AGAIN)
    return False


def is_asked_seldom(pod):
    """Whether a probe that takes its time has not had its second word about a Pod that is not ready yet: a slow probe
    makes a rollout late, and not wrong."""
    probes = {c["name"]: c.get("readinessProbe") or c.get("startupProbe") or {} for c in pod["spec"]["containers"]}
    for state in pod["status"].get("containerStatuses") or ():
        probe, since = probes.get(state["name"], {}), ((state.get("state") or {}).get("running") or {}).get("startedAt")
        patience = probe.get("initialDelaySeconds", 0) + 2 * probe.get("periodSeconds", 10) if probe else 0
        if since and not state.get("ready"):
            age = clock.now() - datetime.fromisoformat(since)
            if age.total_seconds() < patience:
                return True
    return False


def stuck(pod):
    """The reason why a container waits that no waiting helps against; "" for none."""
    states = [c.get("state") or {} for c in pod.get("status", {}).get("containerStatuses") or ()]
    return next((s["waiting"]["reason"] for s in states if (s.get("waiting") or {}).get("reason") in STUCK), "")


@pytest.fixture(scope="session")
def customer(lab):
    """Who asks: a client where none of the lab's Pods runs, if there is such a node."""
    with lab.visitor(node=lab.away_from(lab.pods().ready)) as found:
        yield found


def ready_pods(lab, deployment):
    """The ready Pods of a Deployment whose rollout is complete; else the check fails."""
    lab.require("Deployment", deployment)
    done = complete(lab, deployment)
    pods = lab.pods_of(deployment)
    lab.expect(
        done and pods,
        expected=f"a complete rollout of Deployment {deployment}, and ready Pods",
        seen=f"its ready Pods are {pods}; the rollout does not get complete",
        about=f"deployment/{deployment}",
    )
    return pods


def answer(lab, customer, name):
    """What http://NAME says to everybody, one text for all requests."""
    pods = ready_pods(lab, name)
    replies = lab.until(
        lambda: customer.get_many(f"http://{name}/", count=enough(len(pods))),
        lambda found: found.ok and len(found.bodies) == 1,
        timeout=FOLLOWS,
    )
    lab.expect(
        replies.ok and len(replies.bodies) == 1,
        expected=f"every request to http://{name} answered with the same text",
        seen=replies,
        about=f"svc/{name}",
    )
    return next(iter(replies.bodies))


def ports_of(lab, service):
    """The ports of a Service that sends requests to Pods; the check fails for one that is only another name."""
    spec = lab.require("Service", service)["spec"]
    lab.expect(
        spec.get("ports"),
        expected=f"Service {service} sends requests to Pods, at a port of theirs",
        seen=f"it has no port: it is another name for {spec.get('externalName', 'nothing')}",
        about=f"svc/{service}",
    )
    return spec["ports"]


def expect_own_pods(lab, customer, service, pods):
    """Fail unless requests to a Service whose programs serve /hostname are answered, and by these Pods only."""
    replies = lab.until(
        lambda: customer.get_many(f"http://{service}/hostname", count=enough(len(pods))),
        lambda found: found.ok and found.bodies <= pods.names,
        timeout=FOLLOWS,
    )
    lab.expect(
        replies.ok and replies.bodies <= pods.names,
        expected=f"every request to http://{service} answered, by Pods of Deployment {service} ({pods})",
        seen=replies,
        about=f"svc/{service}",
    )


def references(spec):
    """The dicts of a Pod's spec that name a ConfigMap."""
    if isinstance(spec, list):
        for item in spec:
            yield from references(item)
    elif isinstance(spec, dict):
        for key, value in spec.items():
            if key in REFERENCES and isinstance(value, dict) and value.get("name"):
                yield value
            else:
                yield from references(value)


class Twin:
    """A Pod made from a Deployment's template. `copies` are its ConfigMaps by their names; `port` is where Service
    NAME would send requests."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.pod = f"kindlab-twin-{token_hex(4)}"
        self.template = copy.deepcopy(lab.require("Deployment", name)["spec"]["template"])
        self.copies = {}
        found = list(references(self.template["spec"]))
        for number, original in enumerate(sorted({r["name"] for r in found})):
            live = lab.get("ConfigMap", original)
            if live is not None:
                meta = {"name": f"{self.pod}-{number}", "labels": MANAGED}
                self.copies[original] = {k: v for k, v in live.items() if k != "metadata"} | {"metadata": meta}
        for reference in found:
            if reference["name"] in self.copies:
                reference["name"] = self.copies[reference["name"]]["metadata"]["name"]
        self.port = self._port()

    def _port(self):
        target = ports_of(self.lab, self.name)[0].get("targetPort")
        ports = [p for c in self.template["spec"]["containers"] for p in c.get("ports") or ()]
        return next((p["containerPort"] for p in ports if p.get("name") == target), target)

    def source(self, text):
        """(the copy, its key) that holds the text."""
        for found in self.copies.values():
            for key, value in (found.get("data") or {}).items():
                if value.strip() == text:
                    return found, key
        held = [
            f"{v.strip()[:40]!r} in {name}" for name, c in self.copies.items() for v in (c.get("data") or {}).values()
        ]
        raise CheckFailed(
            f"{text!r}, which http://{self.name} says, is a value of a ConfigMap that Deployment {self.name} uses",
            f"what the ConfigMaps hold that it uses: {', '.join(held[:6]) or 'nothing'}",
            then=f"kubectl get deployment {self.name} -n {self.lab.namespace} -o yaml",
        )

    def manifest(self):
        """The template with a container beside the learner's, which sees the copies whatever the learner mounts."""
        spec = self.template["spec"] | {"terminationGracePeriodSeconds": 0, "activeDeadlineSeconds": 600}
        copies = [found["metadata"]["name"] for found in self.copies.values()]
        mounts = [{"name": f"control-{n}", "mountPath": f"/{CONTROL}/{name}"} for n, name in enumerate(copies)]
        spec["containers"] = [
            *spec["containers"],
            {"name": CONTROL, "image": AGNHOST, "args": ["pause"], "volumeMounts": mounts},
        ]
        volumes = [{"name": f"control-{n}", "configMap": {"name": name}} for n, name in enumerate(copies)]
        spec["volumes"] = [*(spec.get("volumes") or ()), *volumes]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.pod, "labels": MANAGED}, "spec": spec}

    def says(self, wanted, tries):
        """What the twin answers, asked ten times a second until it is `wanted`; "" for no answer."""
        script = (
            f"n=0; while :; do r=$(curl -s -m 2 http://127.0.0.1:{self.port}/); n=$((n+1)); "
            f'[ "$r" = "$1" ] || [ $n -ge {tries} ] && break; sleep 0.1; done; printf %s "$r"'
        )
        return self.run(script, wanted).strip()

    def says_something(self):
        """What the twin answers as soon as it answers."""
        script = (
            f"n=0; until r=$(curl -s -m 2 http://127.0.0.1:{self.port}/) || [ $n -ge 50 ]; do n=$((n+1)); sleep 0.1; "
            'done; printf %s "$r"'
        )
        return self.run(script).strip()

    def run(self, script, *words):
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
        return self.lab.host(self.pod, CONTROL).run(f"set -- {quoted}; {script}").stdout


@contextmanager
def running(twin):
    """The twin on the cluster while the block lasts, with the learner's container running or stuck for a reason."""
    api, space = twin.lab.api, twin.lab.namespace
    try:
        for found in twin.copies.values():
            api.create(found, space)
        api.create(twin.manifest(), space)
        state = twin.lab.eventually("Pod", lambda found: state_of(found, twin.pod), labels=SELECTOR, timeout=STARTS)
        if state is None:
            made = [pod for pod in [twin.lab.get("Pod", twin.pod)] if pod]
            raise not_so(f"a Pod made from the template of Deployment {twin.name} starts", made)
        if state != "runs":
            raise CheckFailed(f"a Pod made from the template of Deployment {twin.name} starts", state)
        yield
    finally:
        api.delete("Pod", twin.pod, space, grace=0)
        for found in twin.copies.values():
            api.delete("ConfigMap", found["metadata"]["name"], space)


def state_of(pods, name):
    """ "runs", the reason why a container is stuck, or None while the Pod is being started."""
    pod = next((p for p in pods if p["metadata"]["name"] == name), {})
    if stuck(pod):
        return f"it is stuck: {stuck(pod)}"
    states = [c.get("state") or {} for c in pod.get("status", {}).get("containerStatuses") or ()]
    return "runs" if states and all("running" in s for s in states) else None


def expect_said_by_a_config(lab, customer, name):
    """With another value in the ConfigMap, a new Pod says another text."""
    said = answer(lab, customer, name)
    twin = Twin(lab, name)
    found, key = twin.source(said)
    other = f"kindlab {token_hex(4)}"
    found["data"][key] = other
    with running(twin):
        seen = twin.says(other, 50)
    lab.expect(
        seen == other,
        expected=f"a new Pod of {name} says what {key} of the ConfigMap holds, when that is {other!r}",
        seen=f"it says {seen!r}",
        then=f"kubectl get deployment {name} -n {lab.namespace} -o yaml",
    )


# -- task search-guard; the trial is begun here, and is ready when the other checks are done


class Trial:
    """A copy of Deployment search and of its Service, with labels of its own."""

    def __init__(self, lab):
        self.lab = lab
        self.name = f"kindlab-trial-{token_hex(4)}"
        self.labels = {"kindlab-trial": self.name}
        live, service = lab.require("Deployment", "search"), lab.require("Service", "search")
        spec = copy.deepcopy(live["spec"])
        spec["selector"] = {"matchLabels": self.labels}
        spec["template"]["metadata"] = {"labels": self.labels}
        spec["paused"] = False
        self.container = spec["template"]["spec"]["containers"][0]["name"]
        ports = [{k: v for k, v in p.items() if k != "nodePort"} for p in ports_of(lab, "search")]
        meta = {"name": self.name, "labels": MANAGED}
        self.deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
        given = {k: v for k, v in service["spec"].items() if k == "publishNotReadyAddresses"}
        asked = {**given, "selector": self.labels, "ports": ports}
        self.service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": asked}

    def begin(self):
        for left in self.lab.list("Deployment", SELECTOR):  # by a grader that was killed
            self.lab.api.delete("Deployment", left["metadata"]["name"], self.lab.namespace)
        self.lab.api.create(self.service, self.lab.namespace)
        self.lab.api.create(self.deployment, self.lab.namespace)

    def end(self):
        self.lab.api.delete("Deployment", self.name, self.lab.namespace)
        self.lab.api.delete("Service", self.name, self.lab.namespace)

    def roll_out_what_never_listens(self):
        """agnhost's pause runs and listens nowhere."""
        bad = {"name": self.container, "image": AGNHOST, "command": ["/agnhost", "pause"], "args": []}
        change = {"spec": {"template": {"spec": {"containers": [bad]}}}}
        strategic = "application/strategic-merge-patch+json"
        self.lab.api.patch("Deployment", self.name, self.lab.namespace, change, how=strategic)

    def follow_the_bad_version(self):
        """Return when a Pod of it is taken for ready, or a probe has found that it is not: whether it may get requests,
        now or as soon as the nodes have heard of it."""
        labels = f"kindlab-trial={self.name}"
        if self.lab.eventually("Pod", self.bad_pods, labels=labels, timeout=STARTS) is None:
            raise not_so("a Pod of a new version starts", self.lab.list("Pod", labels))
        self.lab.until(lambda: self._judged(labels), bool, timeout=JUDGED)
        taken = any(self.bad_pods(self.lab.list("Pod", labels)).values())
        return taken or bool(self.service["spec"].get("publishNotReadyAddresses"))

    def _judged(self, labels):
        pods = self.bad_pods(self.lab.list("Pod", labels))
        events = [e for e in self.lab.list("Event") if e.get("reason") == "Unhealthy"]
        return any(pods.values()) or any(e["involvedObject"].get("name") in pods for e in events)

    def bad_pods(self, pods):
        """Running Pods of the new version -> whether they are ready."""
        return {
            p["metadata"]["name"]: any(s.get("ready") for s in p["status"].get("containerStatuses") or ())
            for p in pods
            if "pause" in (p["spec"]["containers"][0].get("command") or ()) and p["status"].get("phase") == "Running"
        }


@pytest.fixture(scope="module")
def trial(lab):
    made = Trial(lab)
    try:
        made.begin()
        yield made
    finally:
        made.end()


@check("search-guard", "the Pods of search answer at http://search, and its rollout is complete")
def test_search_answers(lab, customer, trial):
    expect_own_pods(lab, customer, "search", ready_pods(lab, "search"))


# -- task greeter-from-config


@check(
    "greeter-from-config", "what http://greeter says comes from a ConfigMap: with another value it says something else"
)
def test_greeter_says_what_the_config_holds(lab, customer):
    expect_said_by_a_config(lab, customer, "greeter")


# -- task banner-new-text


@check("banner-new-text", f"all Pods of the banner say: {SALE}")
def test_every_banner_says_the_new_text(lab, customer):
    said = answer(lab, customer, "banner")
    lab.expect(
        said == SALE,
        expected=f"http://banner says {SALE!r}",
        seen=f"it says {said!r}",
        then=f"kubectl get configmaps,pods -n {lab.namespace}   (which is older, the text or the Pods?)",
    )


@check("banner-new-text", "the banner's text still comes from a ConfigMap")
def test_banner_text_comes_from_the_config(lab, customer):
    said = answer(lab, customer, "banner")
    lab.expect(said == SALE, expected=f"http://banner says {SALE!r}", seen=f"it says {said!r}")
    expect_said_by_a_config(lab, customer, "banner")


# -- task menu-follows


@check("menu-follows", "a page changed in the ConfigMap is served by Pods that were running before")
def test_menu_follows_its_config(lab, customer):
    pods = ready_pods(lab, "menu")
    twin = Twin(lab, "menu")
    replies = lab.until(
        lambda: customer.get_many("http://menu/", count=enough(len(pods))),
        lambda found: found.ok and found.bodies <= pages(lab, pods, twin.port),
        timeout=FOLLOWS,
    )
    lab.expect(
        replies.ok and replies.bodies <= pages(lab, pods, twin.port),
        expected=f"every request to http://menu answered, by Pods of Deployment menu ({pods})",
        seen=replies,
        about="svc/menu",
    )
    other = f"kindlab {token_hex(4)}"
    with running(twin):
        found, key = twin.source(twin.says_something())
        name = found["metadata"]["name"]
        if found.get("immutable"):
            raise CheckFailed("a ConfigMap that can be changed", "it is immutable: nothing can be changed in it")
        lab.api.patch("ConfigMap", name, lab.namespace, {"data": {key: other}})
        wait_for_the_kubelet(twin, f"{name}/{key}", other)
        seen = twin.says(other, 20)
    lab.expect(
        seen == other,
        expected="a Pod of the menu serves the page as it is in the ConfigMap now, without a restart",
        seen=f"the kubelet has brought the new value to the Pod, and it still serves {seen!r}",
        then=f"kubectl get deployment menu -n {lab.namespace} -o yaml   (how does the page get into the container?)",
    )


def pages(lab, pods, port):
    """What these Pods say when they are asked themselves."""
    asked = lab.probe.get_each(f"http://{in_url(address)}:{port}/" for address in sorted(pods.addresses))
    return Replies(asked.values()).bodies


def wait_for_the_kubelet(twin, file, value):
    """Return when the control container sees the value: then every mount of the Pod that follows does so too. A
    kubelet looks again about once a minute, and at once when an annotation of the Pod changes."""
    script = (
        f'n=0; until [ "$(cat /{CONTROL}/{file})" = "$1" ] || [ $n -ge 30 ]; do n=$((n+1)); sleep 0.1; done; echo $n'
    )
    for attempt in range(40):
        kick = {"metadata": {"annotations": {"kindlab/look": str(attempt)}}}
        twin.lab.api.patch("Pod", twin.pod, twin.lab.namespace, kick)
        if twin.run(script, value).strip() != "30":
            return
    raise CouldNotGrade("the kubelet did not bring a changed ConfigMap into a running Pod within two minutes")


# -- task till-secret


@check("till-secret", f"the till finds the new key in {KEY_FILE}, to the letter")
def test_till_finds_its_key(lab):
    key = lab.variant["token"]
    for pod in ready_pods(lab, "till"):
        name = pod["metadata"]["name"]
        result = lab.host(name).run(f"cat {KEY_FILE} && echo .")
        seen = repr(result.stdout[:-2]) if result.rc == 0 else result.stderr.strip()
        lab.expect(
            result.rc == 0 and result.stdout == f"{key}.\n",
            expected=f"{KEY_FILE} in Pod {name} holds {key!r} and not a character more",
            seen=seen,
            then=f"kubectl exec {name} -n {lab.namespace} -- ls -lR /etc/till",
        )


@check("till-secret", "only the owner of the key's file may read it")
def test_key_is_for_its_owner_only(lab):
    for pod in ready_pods(lab, "till"):
        name = pod["metadata"]["name"]
        result = lab.host(name).run(f"stat -L -c %a {KEY_FILE}")
        mode = result.stdout.strip()
        lab.expect(
            result.rc == 0 and re.fullmatch("[0-7]+", mode) and int(mode, 8) & 0o077 == 0,
            expected=f"no permissions for group and others on {KEY_FILE} in Pod {name}",
            seen=f"its mode is {mode}" if mode else result.stderr.strip(),
            then=f"kubectl exec {name} -n {lab.namespace} -- ls -lL /etc/till",
        )


@check("till-secret", "nothing but a Secret gives the key away, and no environment does")
def test_key_is_in_a_secret_only(lab):
    key = lab.variant["token"]
    spellings = (key, base64.b64encode(key[:12].encode()).decode())
    for kind in ("ConfigMap", "Deployment", "ReplicaSet", "Pod"):
        known = [o["metadata"]["name"] for o in lab.list(kind) if any(k in json.dumps(o) for k in spellings)]
        lab.expect(
            not known,
            expected="the new key stands in a Secret and nowhere else",
            seen=f"everybody who may read {kind}s finds it in {', '.join(known)}",
            then=f"kubectl get {kind.lower()} {known[0] if known else ''} -n {lab.namespace} -o yaml",
        )
    full = [s["metadata"]["name"] for s in lab.list("Secret") if s.get("data")]
    lab.expect(
        full,
        expected="a Secret that holds the key",
        seen="there is no Secret with anything in it",
        then=f"kubectl get secrets -n {lab.namespace}",
    )
    for pod in ready_pods(lab, "till"):
        env = lab.host(pod["metadata"]["name"]).run("env").stdout
        lab.expect(
            key not in env,
            expected="the key is in a file, and not in the till's environment as well",
            seen=f"it is in the environment of Pod {pod['metadata']['name']}",
        )


# -- task reviews-rollback


@check("reviews-rollback", f"every request to http://reviews is answered by version 1.0: {FIRST}")
def test_reviews_are_back_at_the_first_version(lab, customer):
    pods = ready_pods(lab, "reviews")
    replies = lab.until(
        lambda: customer.get_many("http://reviews/", count=enough(len(pods))),
        lambda found: found.ok and found.bodies == {FIRST},
        timeout=FOLLOWS,
    )
    lab.expect(
        replies.ok and replies.bodies == {FIRST},
        expected=f"every request to http://reviews answered with {FIRST!r}",
        seen=replies,
        then=f"kubectl rollout history deployment/reviews -n {lab.namespace}",
    )


# -- task search-guard, its middle; what comes of it is looked at after the next check


@check("search-guard", "a copy of search gets ready as search did, and then a version is rolled out that never listens")
def test_search_gets_ready_again(lab, trial):
    ready_pods(lab, "search")
    if not complete(lab, trial.name):
        raise not_so("a copy of Deployment search gets ready", lab.list("Pod", f"kindlab-trial={trial.name}"))
    trial.roll_out_what_never_listens()


# -- task checkout-no-lost-order: here a rollout of the learner's own Deployment is begun


@check("checkout-no-lost-order", "no order gets lost while all Pods of the checkout are replaced")
def test_no_order_is_lost_during_a_rollout(lab, customer):
    before = ready_pods(lab, "checkout")
    expect_own_pods(lab, customer, "checkout", before)
    stamp = {"kubectl.kubernetes.io/restartedAt": clock.now().isoformat(timespec="seconds")}
    stamp["kindlab/restart"] = token_hex(4)  # two restarts within a second are two
    change = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    with lab.load("http://checkout/shell?cmd=sleep+0.5", clients=10, timeout=10, over=0.5) as load:
        lab.api.patch("Deployment", "checkout", lab.namespace, change)
        done = complete(lab, "checkout")
        # who ends disorderly late is seen, who takes minutes to drain is not waited for
        lab.eventually("Pod", lambda found: not before.names & {p["metadata"]["name"] for p in found}, timeout=1)
    lab.expect(
        done,
        expected="a restart of Deployment checkout gets complete",
        seen="it does not",
        about="deployment/checkout",
    )
    lost = [r for r in load.replies if not r.ok]
    lab.expect(
        not lost,
        expected="every order that is sent while Deployment checkout is restarted is answered",
        seen=f"{len(lost)} of {load.replies}",
        then=f"kubectl get deployment checkout -n {lab.namespace} -o yaml   (strategy, readinessProbe, lifecycle)",
    )


# -- task search-guard, its end


@check("search-guard", "a version of search that never listens gets no request: the old Pods go on answering")
def test_a_bad_version_of_search_gets_no_request(lab, trial):
    ready_pods(lab, "search")
    late = trial.follow_the_bad_version()
    replies = lab.until(
        lambda: lab.probe.get_many(f"http://{trial.name}/hostname", count=40),
        lambda found: not found.ok,
        timeout=FOLLOWS if late else 0,
    )
    lab.expect(
        replies.ok,
        expected="while a version that never listens is rolled out, every request is answered by the old Pods "
        "(tried with a copy of Deployment search)",
        seen=replies,
        then=f"kubectl get deployment search -n {lab.namespace} -o yaml   (how does Kubernetes know that it listens?)",
    )
