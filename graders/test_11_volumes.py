"""Lab 11-volumes: what the containers of a Pod find in its volumes, before and after a container or the Pod goes.

Containers are killed, folders filled and configuration changed in twins only: Pods of the grader's own that are made
from a Deployment's template, on the node of the learner's Pod, so that a folder of the node is no volume of the Pod.
"""

import base64
import copy
import re
from contextlib import ExitStack
from datetime import datetime

import pytest

from kindlab.checks import CheckFailed, CouldNotGrade, check, rolled_out
from kindlab.checks.standing import not_so
from kindlab.clock import monotonic, token_hex
from kindlab.managed import MANAGED, SELECTOR

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
MI = 1 << 20
UNITS = {
    "": 1,
    "m": 0.001,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "Ki": 1 << 10,
    "Mi": MI,
    "Gi": 1 << 30,
    "T": 1e12,
    "Ti": 1 << 40,
}
STUCK = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ErrImagePull", "ImagePullBackOff")
LOOPS = "CrashLoopBackOff"
BACK_OFF = 45.0
"""Seconds that a kubelet may wait before it starts a container again which a learner has killed a few times."""
STARTS, RESTARTS, EVICTS, LOOK_AGAIN = 60.0, 60.0, 240.0, 2.0
PROMPT, MEASURED = 6.0, 150.0
"""Seconds in which a cluster evicts that looks at volumes all the time; and those after which every other one has: its
kubelet measures every one to two minutes, each Pod's volumes at a moment of their own, and acts ten seconds later."""
SLACK = 3.0
"""Seconds in which a Pod must follow, when others have been evicted at once: this, and what those took besides."""
FACES = ("serif", "sans", "mono")
SERVER = 8080
FIRST = (
    "n=0; while :; do r=$(curl -s -o /dev/null -m 2 -w '%{{http_code}}' {url}); [ $r = 000 ] || break; n=$((n+1)); "
    "[ $n -lt 600 ] || exit; sleep 0.05; done; [ $n = 0 ] && echo $r too late || echo $r"
)
"""Ask until there is an answer; it counts when the first question found nobody."""
KINDS = {
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}
"""Fields of a Pod's spec that name an object of configuration."""


def ready_pods(lab, deployment, patience=0.0):
    """The ready Pods of a Deployment; the check fails when there is none. `patience`: seconds in which one whose
    container was killed a moment ago may come back."""
    pods = lab.pods_of(deployment)
    if not pods and patience:
        lab.eventually(
            "Deployment",
            lambda found: any(d["metadata"]["name"] == deployment and rolled_out(d) for d in found),
            timeout=patience,
        )
        pods = lab.pods_of(deployment)
    lab.expect(
        pods,
        expected=f"a ready Pod of Deployment {deployment}",
        seen="there is none",
        about=f"deployment/{deployment}",
    )
    return pods


def container_of(pod, name):
    """The container of that name, sidecars included, or else the first one."""
    sidecars = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    names = [c["name"] for c in (*pod["spec"]["containers"], *sidecars)]
    return name if name in names else names[0]


def statuses(pod):
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def references(spec):
    """(kind, the dict that names an object of it, by which field) of a Pod's spec."""
    if isinstance(spec, list):
        for item in spec:
            yield from references(item)
    elif isinstance(spec, dict):
        for key, value in spec.items():
            named = next((f for f in ("name", "secretName") if isinstance(value, dict) and value.get(f)), "")
            if key in KINDS and named:
                yield KINDS[key], value, named
            else:
                yield from references(value)


class Twin:
    """A Pod made from the template of a Deployment. `values`: (kind, key) -> what that key holds in the copies that it
    reads instead of the learner's ConfigMaps and Secrets."""

    def __init__(self, lab, deployment, node="", values=None):
        self.lab, self.deployment = lab, deployment
        self.name = f"kindlab-twin-{token_hex(4)}"
        live = lab.require("Deployment", deployment)
        self.spec = copy.deepcopy(live["spec"]["template"]["spec"])
        self.spec |= {"terminationGracePeriodSeconds": 0, "activeDeadlineSeconds": 900}
        node = node or self._node_of(live)
        if node:
            term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
            required = {"nodeSelectorTerms": [term]}
            self.spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        self.copies = {}
        for kind, reference, field in list(references(self.spec)) if values else ():
            reference[field] = self._copy(kind, reference[field], values)

    def _node_of(self, live):
        labels = ",".join(f"{k}={v}" for k, v in (live["spec"]["selector"].get("matchLabels") or {}).items())
        return next((p["spec"]["nodeName"] for p in self.lab.pods(labels) if p["spec"].get("nodeName")), "")

    def _copy(self, kind, name, values):
        """The name of the copy of an object, or its own where there is none."""
        live = self.lab.get(kind, name)
        if live is None:
            return name
        if (kind, name) not in self.copies:
            meta = {"name": f"{self.name}-{len(self.copies)}", "labels": MANAGED}
            found = {k: v for k, v in live.items() if k not in ("metadata", "immutable")} | {"metadata": meta}
            for (of, key), value in values.items():
                if of == kind and key in (found.get("data") or {}):
                    found["data"][key] = base64.b64encode(value.encode()).decode() if kind == "Secret" else value
            self.copies[kind, name] = found
        return self.copies[kind, name]["metadata"]["name"]

    def create(self):
        for found in self.copies.values():
            self.lab.api.create(found, self.lab.namespace)
        meta = {"name": self.name, "labels": MANAGED}
        self.lab.api.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": self.spec}, self.lab.namespace
        )
        return self

    def remove(self, wait=False):
        self.lab.api.delete("Pod", self.name, self.lab.namespace, grace=0, wait=wait)
        for (kind, _), found in self.copies.items():
            self.lab.api.delete(kind, found["metadata"]["name"], self.lab.namespace)
        self.copies = {}

    def pod(self):
        found = self.lab.get("Pod", self.name)
        if found is None:
            raise CouldNotGrade(f"Pod {self.name}, made from the template of {self.deployment}, is gone")
        return found

    def once(self, holds, timeout):
        """What `holds(pod)` says as soon as it says something; None when it says nothing."""

        def look(pods):
            mine = next((p for p in pods if p["metadata"]["name"] == self.name), None)
            return holds(mine) if mine else None

        return self.lab.eventually("Pod", look, labels=SELECTOR, timeout=timeout)

    def started(self):
        """The Pod, once its containers run; the check fails when something keeps them from it."""
        deadline = monotonic() + STARTS
        while (left := deadline - monotonic()) > 0:
            state = self.once(state_of, min(LOOK_AGAIN, left))
            why = state if state and state != "runs" else self._not_mounted()
            if why:
                raise CheckFailed(
                    f"a new Pod of Deployment {self.deployment} starts",
                    f"one that was made from its template does not: {why}",
                    about=f"deployment/{self.deployment}",
                )
            if state:
                return self.pod()
        raise not_so(f"a Pod made from the template of Deployment {self.deployment} starts", [self.pod()])

    def _not_mounted(self):
        """Why a volume cannot be mounted, when the kubelet has tried more than once; "" otherwise."""
        events = [e for e in self.lab.list("Event") if e["involvedObject"].get("name") == self.name]
        failed = [e for e in events if e.get("reason") == "FailedMount" and (e.get("count") or 1) > 1]
        return failed[-1]["message"] if failed else ""

    def place(self, path, container=""):
        return self.lab.volumes.place(self.name, path, container_of(self.pod(), container))

    def run(self, script, container=""):
        return self.lab.host(self.name, container_of(self.pod(), container)).run(script)

    def begin(self, script, container=""):
        """Start it in the background: the container may not live to see its end."""
        self.run(f"({script}) > /dev/null 2>&1 &", container)


def state_of(pod):
    """ "runs", why that will not be, or None while it may still be."""
    found = statuses(pod)
    for status in found:
        waiting = (status.get("state") or {}).get("waiting") or {}
        ended = (status.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason") in STUCK:
            return f"container {status['name']}: {waiting.get('message') or waiting['reason']}"
        if waiting.get("reason") == LOOPS or status.get("restartCount", 0) > 1:
            return f"container {status['name']} ends with exit code {ended.get('exitCode', '?')} again and again"
    mains = (pod.get("status") or {}).get("containerStatuses") or ()
    return "runs" if mains and all("running" in (s.get("state") or {}) for s in mains) else None


def evicted(pod):
    """The kubelet's reason for it, or None."""
    status = pod.get("status") or {}
    return status.get("message") if status.get("reason") == "Evicted" else None


NEEDED = {
    "press-shares": ["press"],
    "desk-keeps-notes": ["desk"],
    "samples-before-the-server": ["samples"],
    "proofs-in-memory": ["proofs"],
    "scanner-limit": ["scanner", "scanner again"],
    "window-one-file": ["window"],
    "binder-ticket": ["binder"],
}
"""Task -> its twins, by the names of the Deployments."""


class Twins:
    """Made together when the grade begins, so that they start while other checks are at work."""

    def __init__(self, lab):
        self.lab, self.made, self.noted = lab, {}, f"/tmp/kindlab-{token_hex(4)}"
        self.values = {
            ("ConfigMap", "welcome"): f"kindlab {token_hex(4)}",
            ("ConfigMap", "paper"): f"paper {token_hex(4)}",
            ("Secret", "seal"): f"seal {token_hex(4)}",
        }

    def begin(self, tasks):
        """Those that these tasks need."""
        for left in self.lab.list("Pod", SELECTOR):  # by a grader that was killed
            if left["metadata"]["name"].startswith("kindlab-twin-"):
                self.lab.api.delete("Pod", left["metadata"]["name"], self.lab.namespace, grace=0)
        names = [name for task, names in NEEDED.items() if task in tasks for name in names]
        there = {d["metadata"]["name"] for d in self.lab.list("Deployment")}
        if "samples" in names and "samples" in there:
            self.made["samples"] = twin = Twin(self.lab, "samples").create()
            host = self.lab.probe.host
            address = twin.once(lambda pod: (pod.get("status") or {}).get("podIP"), STARTS)
            host.run(f"({FIRST.format(url=url_of(address, SERVER, FACES[-1]))}) > {self.noted} 2> /dev/null &")
        for name in names:
            deployment = name.partition(" ")[0]
            if deployment in there and name not in self.made:
                values = self.values if deployment in ("window", "binder") else None
                self.made[name] = Twin(self.lab, deployment, values=values).create()

    def first_answer(self):
        """What the server of samples answered first, when it was asked before it listened; "" otherwise."""
        host = self.lab.probe.host
        return self.lab.until(lambda: host.run(f"cat {self.noted}").stdout.strip(), bool, timeout=SLACK)

    def of(self, name):
        """A twin whose containers run."""
        if name not in self.made:
            self.lab.require("Deployment", name.partition(" ")[0])
            raise CouldNotGrade(f"Deployment {name} came while the grade was running")
        self.made[name].started()
        return self.made[name]

    def another(self, name):
        """The twin goes, and a new one takes its place on the same node."""
        old = self.made[name]
        node = old.pod()["spec"].get("nodeName", "")
        old.remove(wait=True)
        self.made[name] = Twin(self.lab, old.deployment, node).create()
        return self.of(name)

    def end(self):
        for twin in self.made.values():
            twin.remove()


@pytest.fixture(scope="module")
def twins(lab, tasks):
    found = Twins(lab)
    try:
        found.begin(tasks)
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def customers(lab):
    """`customers("press")`: a client on another node than that Deployment's Pods, each made once."""
    made = {}
    with ExitStack() as stack:

        def customer_of(deployment: str):
            if deployment not in made:
                made[deployment] = stack.enter_context(lab.visitor(node=lab.elsewhere(deployment)))
            return made[deployment]

        yield customer_of


def token():
    return f"kindlab-{token_hex(6)}", token_hex(32).encode()


# -- task press-shares


@check("press-shares", "a file that the setter writes into /out is handed out by http://press")
def test_the_server_shows_what_the_setter_writes(lab, twins, customers):
    name, data = token()
    outs = [folder_of(lab, pod, "/out", "setter") for pod in ready_pods(lab, "press")]
    customer = customers("press")
    for out in outs:
        out.write(name, data)
    try:
        reply = lab.until(lambda: customer.get(f"http://press/{name}"), lambda found: found.ok)
        lab.expect(
            reply.ok and reply.body.encode() == data,
            expected=f"http://press/{name} answered with the file that was just written into {outs[0]}",
            seen=reply,
            hop="Volume: what one container writes, the other one does not find",
            then=f"kubectl get deployment press -n {lab.namespace} -o yaml   (volumes and volumeMounts)",
        )
    finally:
        for out in outs:
            out.remove(name)


def folder_of(lab, pod, path, container):
    """In one of the learner's Pods."""
    return lab.volumes.place(pod["metadata"]["name"], path, container_of(pod, container))


@check("press-shares", "the setter can write into /out, the server only reads what is in /www")
def test_the_server_only_reads(lab, twins):
    pod = ready_pods(lab, "press")[0]
    out = folder_of(lab, pod, "/out", "setter")
    lab.expect(not out.writable(), expected=f"the setter can write into {out}", seen=out.writable())
    www = folder_of(lab, pod, "/www", "server")
    lab.expect(
        www.filesystem() is not None and www.writable(),
        expected=f"the server has {www}, and cannot write into it",
        seen="a file could be made there" if www.filesystem() else "there is no such folder",
        then=f"kubectl exec deploy/press -c server -n {lab.namespace} -- touch /www/x",
    )


@check("press-shares", "the sheets belong to their Pod: another Pod on the same node finds none of them")
def test_a_new_press_has_no_sheet_of_another(lab, twins):
    other = twins.of("press")
    pod = ready_pods(lab, "press")[0]
    name, data = token()
    out = folder_of(lab, pod, "/out", "setter")
    out.write(name, data)
    try:
        lab.expect(
            other.place("/out", "setter").read(name) is None,
            expected="a file in /out of one Pod is in no other Pod",
            seen="a new Pod on the same node has it as well: the folder belongs to the node, or to a claim",
            then=f"kubectl get deployment press -n {lab.namespace} -o yaml   (volumes)",
        )
    finally:
        out.remove(name)


# -- task desk-keeps-notes


@check("desk-keeps-notes", "what is noted in /desk is there, byte for byte, after the container was killed")
def test_notes_outlive_the_container(lab, twins):
    twin = twins.of("desk")
    ready_pods(lab, "desk", BACK_OFF)
    name, data = token()
    twin.place("/desk", "clerk").write(name, data)
    container = container_of(twin.pod(), "clerk")
    twin.begin("sleep 0.1; kill 1; sleep 2; kill -9 -1", container)
    back = twin.once(lambda pod: restarted(pod, container), RESTARTS)
    if back is None:
        raise not_so(f"container {container} of a Pod of desk comes back after it was killed", [twin.pod()])
    lab.expect(
        twin.place("/desk", "clerk").read(name) == data,
        expected=f"a file in /desk is the same after container {container} was killed and restarted",
        seen="it is gone, though the Pod is still the same",
        hop="Volume: /desk belongs to the container, and a restarted container begins with what its image has",
        then=f"kubectl get deployment desk -n {lab.namespace} -o yaml   (volumes and volumeMounts)",
    )


def restarted(pod, container):
    found = next((s for s in statuses(pod) if s["name"] == container), {})
    return bool(found.get("restartCount") and "running" in (found.get("state") or {})) or None


@check("desk-keeps-notes", "and it goes with its Pod: the next Pod on the same node begins with an empty /desk")
def test_notes_go_with_the_pod(lab, twins):
    name, data = token()
    twins.of("desk").place("/desk", "clerk").write(name, data)
    kept = twins.another("desk").place("/desk", "clerk").read(name)
    lab.expect(
        kept is None,
        expected="a file in /desk is gone when its Pod was deleted",
        seen="the next Pod on the same node has it: the folder belongs to the node, or to a claim, and not to the Pod",
        then=f"kubectl get deployment desk -n {lab.namespace} -o yaml   (volumes)",
    )


# -- task proofs-in-memory


@check("proofs-in-memory", "/proofs lies in memory: no byte of it is on a disk")
def test_proofs_lie_in_memory(lab, twins):
    place = twins.of("proofs").place("/proofs", "reader")
    ready_pods(lab, "proofs")
    found = place.filesystem()
    lab.expect(
        found is not None and found.type == "tmpfs",
        expected="/proofs in the container is a file system in memory (tmpfs)",
        seen=f"it is on {found.type}" if found else "there is no such folder",
        then=f"kubectl exec deploy/proofs -n {lab.namespace} -- df /proofs",
    )


@check("proofs-in-memory", "6 MiB have room in /proofs, 9 MiB have not, and the Pod runs on")
def test_proofs_have_a_size(lab, twins):
    twin = twins.of("proofs")
    first = twin.run("dd if=/dev/zero of=/proofs/kindlab-1 bs=1M count=6", "reader")
    lab.expect(
        first.rc == 0,
        expected="a file of 6 MiB can be written into /proofs",
        seen=first.stderr.strip() or f"exit code {first.rc}",
        then=f"kubectl exec deploy/proofs -n {lab.namespace} -- df -h /proofs",
    )
    second = twin.run("dd if=/dev/zero of=/proofs/kindlab-2 bs=1M count=3", "reader")
    lab.expect(
        second.rc != 0 and "No space left" in second.stderr,
        expected="another 3 MiB are refused: No space left on device",
        seen="they were written" if second.rc == 0 else second.stderr.strip() or f"exit code {second.rc}",
        then=f"kubectl exec deploy/proofs -n {lab.namespace} -- df -h /proofs",
    )
    pod = twin.pod()
    lab.expect(
        pod["status"].get("phase") == "Running" and not any(s.get("restartCount") for s in statuses(pod)),
        expected="the Pod runs on",
        seen=pod["status"].get("message") or "its container was killed",
    )


# -- task window-one-file


def url_of(address, port, path):
    return f"http://{f'[{address}]' if ':' in address else address}:{port}/{path}"


def open_window(lab):
    """Return when Service window leads to the Pods of Deployment window that are there now, and to no older one."""
    pods = ready_pods(lab, "window")

    def only_these(slices):
        found = [e for s in slices for e in s.get("endpoints") or () if (e.get("conditions") or {}).get("ready", True)]
        return {(e.get("targetRef") or {}).get("name") for e in found} <= pods.names

    lab.eventually("EndpointSlice", only_these, labels="kubernetes.io/service-name=window", timeout=SLACK)


def ask_window(lab, twin, path):
    """What a twin answers at the port that Service window sends requests to."""
    target = lab.require("Service", "window")["spec"]["ports"][0].get("targetPort")
    pod = twin.pod()
    ports = [p for c in pod["spec"]["containers"] for p in c.get("ports") or ()]
    port = next((p["containerPort"] for p in ports if p.get("name") == target), target)
    return lab.probe.get(url_of(pod["status"]["podIP"], port, path))


@check("window-one-file", "http://window/ shows what the key welcome of the ConfigMap holds")
def test_the_window_welcomes(lab, twins, customers):
    twin = twins.of("window")
    open_window(lab)
    passer_by = customers("window")
    config = lab.require("ConfigMap", "window")
    text = (config.get("data") or {}).get("welcome", "").strip()
    reply = lab.until(lambda: passer_by.get("http://window/"), lambda found: found.ok and found.body.strip() == text)
    lab.expect(
        reply.ok and text and reply.body.strip() == text,
        expected=f"http://window/ answered with {text!r}",
        seen=reply,
        about="svc/window",
        then=f"kubectl exec deploy/window -n {lab.namespace} -- ls -l /usr/share/nginx/html",
    )
    wanted = twins.values["ConfigMap", "welcome"]
    other = lab.until(lambda: ask_window(lab, twin, ""), lambda found: found.body.strip() == wanted, timeout=SLACK)
    lab.expect(
        other.body.strip() == wanted,
        expected=f"a new Pod of window shows what welcome holds, when that is {wanted!r}",
        seen=other,
        then=f"kubectl get deployment window -n {lab.namespace} -o yaml",
    )


@check("window-one-file", "the rest of the folder is as the image has it, and nobody outside reads the prices")
def test_the_window_hides_nothing_and_shows_no_prices(lab, twins, customers):
    open_window(lab)
    passer_by = customers("window")
    reply = lab.until(lambda: passer_by.get("http://window/50x.html"), lambda found: found.ok)
    lab.expect(
        reply.ok and "error" in reply.body.lower(),
        expected="http://window/50x.html is still the image's own page",
        seen=reply,
        hop="Volume: it is mounted over a folder of the image, and hides what is in there",
        then=f"kubectl exec deploy/window -n {lab.namespace} -- ls -l /usr/share/nginx/html",
    )
    page = reply.body.strip()
    texts = {c["metadata"]["name"]: (c.get("data") or {}).values() for c in lab.list("ConfigMap")}
    copies = sorted(name for name, found in texts.items() if page in map(str.strip, found))
    lab.expect(
        not copies,
        expected="http://window/50x.html is still the image's own page",
        seen=f"it is a text of ConfigMap {', '.join(copies)}: a page written anew, where the image's own is hidden",
        then=f"kubectl get deployment window -n {lab.namespace} -o yaml   (volumes and volumeMounts)",
    )
    url = "http://window/prices-for-staff"
    prices = lab.until(lambda: passer_by.get(url), lambda found: found.code == 404)
    lab.expect(
        prices.code == 404,
        expected="http://window/prices-for-staff is not found (404)",
        seen=prices,
        then=f"kubectl exec deploy/window -n {lab.namespace} -- ls -l /usr/share/nginx/html",
    )


# -- task binder-ticket


@check("binder-ticket", "/ticket has the paper, the seal and the Pod's own name, each from where it is kept")
def test_the_ticket_says_what_its_sources_say(lab, twins):
    twin = twins.of("binder")
    ready_pods(lab, "binder")
    place = twin.place("/ticket", "machine")
    wanted = {
        "paper": twins.values["ConfigMap", "paper"],
        "seal": twins.values["Secret", "seal"],
        "pod": twin.name,
    }
    for name, text in wanted.items():
        seen = place.read(name)
        lab.expect(
            seen is not None and seen.decode(errors="replace").strip() == text,
            expected=f"/ticket/{name} of a new Pod holds {text!r}"
            + (", its own name" if name == "pod" else f", when that is what the key {name} holds"),
            seen="there is no such file" if seen is None else f"it holds {seen.decode(errors='replace')!r}",
            then=f"kubectl exec deploy/binder -n {lab.namespace} -- ls -lL /ticket",
        )


@check("binder-ticket", "only the owner may read the seal, and the other keys stay where they are")
def test_the_ticket_says_no_more_than_it_must(lab, twins):
    twin = twins.of("binder")
    mode = twin.run("stat -L -c %a /ticket/seal", "machine").stdout.strip()
    lab.expect(
        mode and int(mode, 8) & 0o077 == 0 and int(mode, 8) & 0o400,
        expected="/ticket/seal is readable for its owner and for nobody else",
        seen=f"its permissions are {mode}" if mode else "there is no such file",
        then=f"kubectl exec deploy/binder -n {lab.namespace} -- ls -lL /ticket",
    )
    names = {n for n in twin.run("ls -A /ticket", "machine").stdout.split() if not n.startswith("..")}
    lab.expect(
        names == {"paper", "seal", "pod"},
        expected="three files in /ticket: paper, pod, seal",
        seen=", ".join(sorted(names)) or "none",
        then=f"kubectl exec deploy/binder -n {lab.namespace} -- ls -lL /ticket",
    )


# -- task samples-before-the-server


@check("samples-before-the-server", "every new Pod of samples has made its samples before the server starts")
def test_samples_are_there_when_the_server_starts(lab, twins, customers):
    twin = twins.of("samples")
    live = ready_pods(lab, "samples")
    late = came_late(twin)
    first = late and twins.first_answer()
    lab.expect(
        not late or first == "200",
        expected=f"{', '.join(FACES)} are in /www of a new Pod when its server starts",
        seen=f"{late}; the first request was answered with {first or 'nothing'}",
        hop="Container: the setter works beside the server, and not before it",
        then=f"kubectl describe pods -n {lab.namespace}   (Init Containers, State, Started)",
    )
    names = live.names
    customer = customers("samples")
    for face in FACES:
        reply = lab.until(
            lambda face=face: customer.get(f"http://samples/{face}"),
            lambda found: found.ok and found.body.split()[-1:] and found.body.split()[-1] in names,
            timeout=SLACK,
        )
        words = reply.body.split()
        lab.expect(
            reply.ok and words and words[0] == f"{face}," and words[-1] in names,
            expected=f"http://samples/{face} answered with the sample that the Pod itself has set: {names}",
            seen=reply,
            about="svc/samples",
        )


def came_late(twin):
    """Which of the samples were not made before the server's container started, in words."""
    server = container_of(twin.pod(), "server")
    started = next(s for s in statuses(twin.pod()) if s["name"] == server)["state"]["running"]["startedAt"]
    since = int(datetime.fromisoformat(started).timestamp())
    late = []
    for face in FACES:
        made = twin.run(f"stat -c %Y /www/{face}", server).stdout.strip()
        if not made or int(made) > since:
            when = f"came {int(made) - since} s after the start of container {server}" if made else "is missing"
            late.append(f"{face} {when}")
    return ", ".join(late)


# -- task scanner-limit; last, for a real kubelet measures volumes about once a minute


@check("scanner-limit", "a Pod with more than 32 MiB of scans on its disk is evicted, one with less is not")
def test_too_many_scans_evict_the_pod(lab, twins, scale):
    more, less = twins.of("scanner"), twins.of("scanner again")
    ready_pods(lab, "scanner")
    more.begin("dd if=/dev/zero of=/scans/kindlab bs=1M count=40", "scanner")
    less.begin("dd if=/dev/zero of=/scans/kindlab bs=1M count=24", "scanner")
    said = scale.follow(more)
    lab.expect(
        said and "EmptyDir" in said,
        expected="a Pod made from the template of scanner is evicted when 40 MiB are in its /scans",
        seen=said or "it runs on, and may fill the disk of its node",
        then=f"kubectl get deployment scanner -n {lab.namespace} -o yaml   (volumes)",
    )
    lab.expect(
        limit_in(said) >= 24 * MI and not evicted(less.pod()),
        expected="a Pod with 24 MiB in its /scans runs on",
        seen=f"for another one the kubelet said: {said}",
    )
    size = lab.until(
        lambda: less.run("stat -c %s /scans/kindlab", "scanner").stdout.strip(),
        lambda found: found == str(24 * MI),
        timeout=SLACK,
    )
    lab.expect(size == str(24 * MI), expected="24 MiB can be written into /scans", seen=f"{size or 'no'} bytes were")


def limit_in(message):
    """Bytes, as the kubelet says which limit was exceeded."""
    number, unit = re.fullmatch(r'.*limit "([0-9.e]+)([A-Za-z]*)".*', message, re.DOTALL).groups()
    return float(number) * UNITS[unit]


class Scale:
    """How long this cluster takes to evict a Pod: tried with Pods that have written twice their limit."""

    def __init__(self, lab):
        self.lab, self.name = lab, ""

    def create(self):
        self.name = f"kindlab-twin-{token_hex(4)}"
        mounts = [{"name": "limited", "mountPath": "/limited"}]
        write = "dd if=/dev/zero of=/limited/file bs=1M count=2; exec sleep 900"
        spec = {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": AGNHOST, "command": ["sh", "-c", write], "volumeMounts": mounts}],
            "volumes": [{"name": "limited", "emptyDir": {"sizeLimit": "1Mi"}}],
        }
        meta = {"name": self.name, "labels": MANAGED}
        self.lab.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, self.lab.namespace)

    def remove(self):
        self.lab.api.delete("Pod", self.name, self.lab.namespace, grace=0)

    def follow(self, twin):
        """Why the twin was evicted, or None when it should have been by now. One Pod of ours that goes at once may have
        been measured at a lucky moment; when the next one goes as fast, so does the twin."""
        first = monotonic()
        for _ in range(2):
            began = monotonic()
            said = self._first(twin)
            if said:
                return said
            if monotonic() - began > PROMPT:
                return twin.once(evicted, MEASURED)
            self.remove()
            self.create()
        return twin.once(evicted, SLACK + monotonic() - first)

    def _first(self, twin):
        """Why the twin was evicted, None when ours was before."""
        ours, wanted = self.name, twin.name

        def look(pods):
            found = {p["metadata"]["name"]: evicted(p) for p in pods}
            return (found.get(wanted), found.get(ours)) if found.get(wanted) or found.get(ours) else None

        seen = self.lab.eventually("Pod", look, labels=SELECTOR, timeout=EVICTS)
        if seen is None:
            raise CouldNotGrade("this cluster evicts no Pod that outgrows the limit of its emptyDir")
        return seen[0]


@pytest.fixture(scope="module")
def scale(lab):
    made = Scale(lab)
    try:
        made.create()
        yield made
    finally:
        made.remove()
