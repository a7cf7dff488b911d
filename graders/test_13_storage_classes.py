"""Lab 13-storage-classes: what claims of the learner's classes get, when, where, and what becomes of it.

Checks make claims and Pods of their own from the learner's classes and remove them with their volumes. In the learner's
volumes only a mark of a moment is written.
"""

from contextlib import contextmanager, suppress

from kindlab.api import ApiError
from kindlab.checks import CheckFailed, CouldNotGrade, check, rolled_out
from kindlab.clock import monotonic, token_hex
from kindlab.conditions import condition, is_over, is_ready
from kindlab.managed import MANAGED
from kindlab.quantities import number

CLAIM, VOLUME, CLASS, EVENT = "PersistentVolumeClaim", "PersistentVolume", "StorageClass", "Event"
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
PREFIX = "kindlab-trial-"
AT = "/volume"
STEP = int(number("16Mi"))
DEFAULT = "storageclass.kubernetes.io/is-default-class"
ZONE = "topology.kubernetes.io/zone"
LOOK, NOTICED, MADE, GROWS, GONE = 1.0, 5.0, 60.0, 150.0, 30.0
"""Seconds between looks; until a provisioner has said that it works on a claim; until a Pod runs with its volume; until
a node has enlarged one; until a volume is gone or released."""


# -- claims and Pods of the grader's own


class Trial:
    """Claims of one class, and Pods that use them."""

    def __init__(self, lab, storage_class):
        self.lab, self.storage_class = lab, storage_class
        self.claims, self.pods = [], []
        self.small = largest_free(lab, storage_class) + STEP

    def claim(self, **spec):
        """A new claim; its name."""
        name = f"{PREFIX}{token_hex(4)}"
        asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(self.small)}}}
        spec = {**asked, "storageClassName": self.storage_class, **spec}
        self.claims.append(name)
        self.lab.api.create({**_head("v1", CLAIM, name), "spec": spec}, self.lab.namespace)
        return name

    def pod(self, claim, node=""):
        """A new Pod that has the claim at AT; its name. `node`: where the scheduler must put it."""
        name = f"{PREFIX}{token_hex(4)}"
        container = {"name": "look", "image": AGNHOST, "args": ["pause"]}
        spec = {
            "terminationGracePeriodSeconds": 1,
            "activeDeadlineSeconds": 600,
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "containers": [{**container, "volumeMounts": [{"name": "volume", "mountPath": AT}]}],
            "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": claim}}],
        }
        if node:
            term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
            required = {"nodeSelectorTerms": [term]}
            spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        self.pods.append(name)
        self.lab.api.create({**_head("v1", "Pod", name), "spec": spec}, self.lab.namespace)
        return name

    def used(self, node=""):
        """(a new claim, a running Pod that uses it); else the check fails."""
        claim = self.claim()
        return claim, self.running(self.pod(claim, node), claim)

    def running(self, pod, claim):
        """The Pod once it runs; the check fails as soon as it is clear that it will not."""
        began = heard = monotonic()
        live = {}
        while monotonic() < min(began + MADE, heard + NOTICED):
            for found in self.lab.api.follow("Pod", self.lab.namespace, fields=f"metadata.name={pod}", timeout=LOOK):
                live = next(iter(found.values()), {})
                if is_ready(live):
                    return pod
            if condition(live, "PodScheduled").get("status") == "True" or is_being_made(self.lab, claim):
                heard = monotonic()
            elif has_failed(self.lab, claim) and monotonic() > began + 2 * LOOK:
                break
        why = condition(live, "PodScheduled").get("message") or last_word(self.lab, pod) or "its Pod does not start"
        raise CheckFailed(
            f"a Pod that uses a new claim of class {self.storage_class} runs",
            f"the claim is {phase(self.lab.get(CLAIM, claim))}: {last_word(self.lab, claim)}; the Pod: {why}",
            then=f"kubectl describe storageclass {self.storage_class}",
        )

    def place(self, pod):
        return self.lab.volumes.place(pod, AT)

    def remove_pods(self):
        """Not by force: a volume that is deleted before its node has unmounted it is never got free."""
        for name in self.pods:
            self.lab.api.delete("Pod", name, self.lab.namespace)
        for name in self.pods:
            self.lab.eventually("Pod", lambda found, name=name: is_missing(found, name), timeout=GONE)
        self.pods.clear()

    def end(self):
        """Remove everything, also volumes that are kept."""
        self.remove_pods()
        for name in self.claims:
            self.lab.api.delete(CLAIM, name, self.lab.namespace)
        for volume in self.lab.api.list(VOLUME):
            ref = volume["spec"].get("claimRef") or {}
            if ref.get("namespace") == self.lab.namespace and str(ref.get("name", "")).startswith(PREFIX):
                give_back(self.lab, volume)


@contextmanager
def trying(lab, storage_class):
    """A Trial as long as the block lasts; the check fails when there is no such class."""
    if lab.api.get(CLASS, storage_class) is None:
        there = ", ".join(c["metadata"]["name"] for c in lab.api.list(CLASS))
        raise CheckFailed(
            f"a {CLASS} named {storage_class}", f"the classes there are: {there}", then="kubectl get storageclasses"
        )
    trial = Trial(lab, storage_class)
    sweep(lab)
    try:
        yield trial
    finally:
        trial.end()


def largest_free(lab, storage_class):
    """Bytes of the largest volume of a class that waits for a claim: who asks for more is given a new one, and not what
    the learner made by hand or has kept."""
    free = [v["spec"] for v in lab.api.list(VOLUME) if not v["spec"].get("claimRef")]
    sizes = [number(s["capacity"]["storage"]) for s in free if s.get("storageClassName") == storage_class]
    return int(max(sizes, default=0))


def sweep(lab):
    """What a grader left behind that was killed: its Pods end after ten minutes by themselves."""
    ended = [p for p in lab.list("Pod") if p["metadata"]["name"].startswith(PREFIX) and is_over(p)]
    for name in claims_of(ended):
        lab.api.delete(CLAIM, name, lab.namespace)
    for pod in ended:
        lab.api.delete("Pod", pod["metadata"]["name"], lab.namespace)


def _head(version, kind, name):
    meta = {"name": name, "labels": MANAGED}
    return {"apiVersion": version, "kind": kind, "metadata": meta}


def give_back(lab, volume):
    """A volume that is kept is deleted with its bytes, by the driver that made it."""
    if volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain":
        with suppress(ApiError):  # it has gone in between
            change = {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}
            lab.api.patch(VOLUME, volume["metadata"]["name"], None, change)


def is_missing(found, name):
    return all(o["metadata"]["name"] != name for o in found)


# -- what is known of a claim


def phase(claim):
    return ((claim or {}).get("status") or {}).get("phase", "not there")


def events_of(lab, name):
    """The events about an object of the namespace, oldest first."""
    found = [e for e in lab.list(EVENT) if e.get("involvedObject", {}).get("name") == name]
    return sorted(found, key=last_seen)


def last_seen(event):
    """When something was told last, as text that can be compared."""
    series = event.get("series") or {}
    return event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime") or ""


def last_word(lab, name):
    """The last warning about an object, or else the last event."""
    found = events_of(lab, name)
    told = [e for e in found if e.get("type") == "Warning"] or found
    return told[-1]["message"] if told else "nobody has said anything about it"


def is_being_made(lab, claim):
    """Whether a provisioner works on the volume of the claim, and has not failed since."""
    begun, failed = provisioner_of(lab, claim)
    return begun > failed


def has_failed(lab, claim):
    """Whether a provisioner has tried, and has not begun anew."""
    begun, failed = provisioner_of(lab, claim)
    return bool(failed) and failed >= begun


def provisioner_of(lab, claim):
    """When the provisioner of a claim that waits has begun last, and when it has failed last; "" for never."""
    live = lab.get(CLAIM, claim)
    times = {"Provisioning": "", "ProvisioningFailed": ""}
    for event in events_of(lab, claim) if phase(live) == "Pending" else ():
        if event["reason"] in times and event["involvedObject"].get("uid") == live["metadata"]["uid"]:
            times[event["reason"]] = max(times[event["reason"]], last_seen(event))
    return times["Provisioning"], times["ProvisioningFailed"]


def expect_bound(lab, name, holds, expected):
    """The claim once it is Bound and `holds(claim)`; the check fails when it does not get so."""
    deadline = monotonic() + MADE
    live = lab.until(lambda: lab.get(CLAIM, name), lambda found: phase(found) == "Bound")
    while phase(live) == "Pending" and monotonic() < deadline and is_being_made(lab, name):
        lab.eventually(CLAIM, lambda found: any(phase(c) == "Bound" and _named(c, name) for c in found), timeout=LOOK)
        live = lab.get(CLAIM, name)
    bound = phase(live) == "Bound"
    lab.expect(
        bound and holds(live),
        expected=expected,
        seen=f"it is {phase(live)}, of class {class_of(live)}" + ("" if bound else f": {last_word(lab, name)}"),
        about=f"pvc/{name}" if live and not bound else "",
        then="" if live and not bound else f"kubectl get pvc -n {lab.namespace}",
    )
    return live


def _named(obj, name):
    return obj["metadata"]["name"] == name


def class_of(claim):
    return ((claim or {}).get("spec") or {}).get("storageClassName") or "none"


def volume_of(lab, claim):
    found = lab.api.get(VOLUME, claim["spec"]["volumeName"])
    if found is None:
        raise CheckFailed(f"the volume of claim {claim['metadata']['name']}", "it is gone")
    return found


# -- what a Deployment writes, and where


def ready_pod(lab, deployment):
    """A ready Pod of a Deployment whose rollout is complete; else the check fails. Waits as long as its volume is being
    made."""
    live = lab.until(lambda: lab.require("Deployment", deployment), rolled_out)
    labels = ",".join(f"{k}={v}" for k, v in (live["spec"]["selector"].get("matchLabels") or {}).items())
    began, heard = monotonic(), 0.0
    while not rolled_out(live):
        if any(is_coming(lab, pod) for pod in lab.pods(labels)):
            heard = monotonic()
        if monotonic() > min(began + MADE, heard + NOTICED):
            break
        lab.eventually(
            "Deployment", lambda found: any(_named(d, deployment) and rolled_out(d) for d in found), timeout=LOOK
        )
        live = lab.require("Deployment", deployment)
    pods = lab.pods(labels).ready
    waits = [p["metadata"]["name"] for p in lab.pods(labels)]
    about = next(iter(claims_of(lab.pods(labels))), "")
    lab.expect(
        rolled_out(live) and pods,
        expected=f"Deployment {deployment} runs",
        seen=f"its Pods do not get ready: {last_word(lab, waits[0]) if waits else 'there are none'}",
        about=f"pvc/{about}" if about else "",
        then="" if about else f"kubectl describe pods -n {lab.namespace}",
    )
    return pods[0]


def is_coming(lab, pod):
    """Whether a Pod has a node and starts there, or its volume is being made."""
    if condition(pod, "PodScheduled").get("status") == "True":
        return True
    return any(is_being_made(lab, claim) for claim in claims_of([pod]))


def claims_of(pods):
    volumes = [v for pod in pods for v in pod["spec"].get("volumes") or ()]
    return [v["persistentVolumeClaim"]["claimName"] for v in volumes if v.get("persistentVolumeClaim")]


def expect_written(lab, name):
    """What a Pod of Deployment `name` writes into /`name` lies in claim `name`, also in a folder there. Returns the
    Pod."""
    pod = ready_pod(lab, name)
    with lab.volumes.claim(name, timeout=LOOK) as root:
        there = lab.volumes.place(pod["metadata"]["name"], f"/{name}").is_within(root)
    lab.expect(
        there,
        expected=f"what the Pod of Deployment {name} writes into /{name} is written to claim {name}",
        seen="claim and folder are different places",
        then=f"kubectl describe pod {pod['metadata']['name']} -n {lab.namespace}",
    )
    return pod


# -- task orders-default


@check("orders-default", "the orders are written to claim orders")
def test_the_orders_are_written_to_the_claim(lab):
    expect_written(lab, "orders")


@check("orders-default", "claim orders has a volume of the default class")
def test_the_claim_orders_has_the_default_class(lab):
    noted = {c["metadata"]["name"]: (c["metadata"].get("annotations") or {}).get(DEFAULT) for c in lab.api.list(CLASS)}
    default = [name for name, note in noted.items() if note == "true"]
    if not default:
        raise CouldNotGrade("this cluster has no default class")
    expected = f"claim orders is Bound to a volume of the default class, {' or '.join(default)}"
    expect_bound(lab, "orders", lambda claim: class_of(claim) in default, expected)


# -- task reserve-at-once


@check("reserve-at-once", "a claim of class lab13-eager is Bound without a Pod")
def test_a_claim_of_lab13_eager_is_bound_without_a_pod(lab):
    with trying(lab, lab.own("eager")) as trial:
        claim, began = trial.claim(), monotonic()
        bound = False
        while not bound and (monotonic() < began + NOTICED or is_being_made(lab, claim)):
            if monotonic() > began + MADE or waits_or_failed(lab, claim):
                break
            bound = lab.eventually(
                CLAIM, lambda found: any(_named(c, claim) and phase(c) == "Bound" for c in found), timeout=LOOK
            )
        lab.expect(
            bound,
            expected="a new claim of class lab13-eager is Bound, and no Pod uses it",
            seen=f"it is {phase(lab.get(CLAIM, claim))}: {last_word(lab, claim)}",
            then="kubectl describe storageclass lab13-eager",
        )


def waits_or_failed(lab, claim):
    return {"WaitForFirstConsumer", "ProvisioningFailed"} & {e["reason"] for e in events_of(lab, claim)}


@check("reserve-at-once", "claim reserve is Bound to a volume of class lab13-eager")
def test_reserve_has_a_volume_of_that_class(lab):
    expected = "claim reserve is Bound to a volume of class lab13-eager"
    expect_bound(lab, "reserve", lambda claim: class_of(claim) == lab.own("eager"), expected)


# -- task scans-near


@check("scans-near", "the Pod of the scans runs in zone-b and writes to claim scans")
def test_the_scans_are_written_in_zone_b(lab):
    zones = {n["metadata"]["name"]: (n["metadata"].get("labels") or {}).get(ZONE, "none") for n in lab.api.list("Node")}
    if "zone-b" not in zones.values():
        raise CouldNotGrade(f"no node of this cluster is in zone-b (label {ZONE})")
    pod = expect_written(lab, "scans")
    zone = zones.get(pod["spec"]["nodeName"], "none")
    lab.expect(
        zone == "zone-b",
        expected="the Pod of Deployment scans runs in zone-b, where the camera is",
        seen=f"it runs on {pod['spec']['nodeName']}, in zone {zone}",
        then=f"kubectl get pods -o wide -n {lab.namespace}",
    )


@check("scans-near", "a claim of class lab13-near waits for a Pod")
def test_a_claim_of_lab13_near_waits(lab):
    with trying(lab, lab.own("near")) as trial:
        claim = trial.claim()

        def told(found):
            reasons = {e["reason"] for e in found if e["involvedObject"].get("name") == claim}
            return reasons & {"WaitForFirstConsumer", "Provisioning"}

        reasons = lab.eventually(EVENT, told, timeout=NOTICED) or ()
        seen = phase(lab.get(CLAIM, claim))
        lab.expect(
            "WaitForFirstConsumer" in reasons and seen == "Pending",
            expected="a new claim of class lab13-near waits until a Pod uses it",
            seen=f"it is {seen}: {last_word(lab, claim)}",
            then="kubectl describe storageclass lab13-near",
        )


@check("scans-near", "volumes of class lab13-near are made on the nodes of their Pods")
def test_volumes_of_lab13_near_follow_their_pods(lab):
    with trying(lab, lab.own("near")) as trial:
        made = []
        for node in workers(lab)[:2]:
            claim = trial.claim()
            made.append((trial.pod(claim, node), claim))
        for pod, claim in made:
            trial.running(pod, claim)


def workers(lab):
    """The nodes on which any Pod may run."""
    nodes = [n for n in lab.api.list("Node") if is_ready(n) and not n["spec"].get("unschedulable")]
    free = [n for n in nodes if all(t["effect"] == "PreferNoSchedule" for t in n["spec"].get("taints") or ())]
    if not free:
        raise CouldNotGrade("no node of this cluster takes Pods")
    return sorted(n["metadata"]["name"] for n in free)


# -- task archive-stays


@check("archive-stays", "a volume of class lab13-archive is there, with its bytes, after its claim was deleted")
def test_volumes_of_lab13_archive_stay(lab):
    with trying(lab, lab.own("archive")) as trial:
        claim, pod = trial.used()
        token = token_hex(16).encode()
        trial.place(pod).write("paper", token)
        volume = volume_of(lab, lab.get(CLAIM, claim))["metadata"]["name"]
        trial.remove_pods()
        lab.api.delete(CLAIM, claim, lab.namespace, wait=True)
        lab.expect(
            is_kept(lab, volume),
            expected="a volume of class lab13-archive stays when its claim is deleted",
            seen="it was deleted with its claim",
            then="kubectl describe storageclass lab13-archive",
        )
        lab.api.patch(VOLUME, volume, None, {"spec": {"claimRef": None}})
        for found in lab.api.follow(VOLUME, fields=f"metadata.name={volume}", timeout=NOTICED):
            if any(phase(live) == "Available" for live in found.values()):  # a claim that comes before waits 15 s
                break
        again = trial.claim(volumeName=volume)
        pod = trial.running(trial.pod(again), again)
        lab.expect(
            trial.place(pod).read("paper") == token,
            expected="the bytes in the volume are those written before its claim was deleted",
            seen="they are not",
        )


def is_kept(lab, volume):
    """Whether a volume whose claim was deleted stays as it is."""
    for live in lab.api.follow(VOLUME, fields=f"metadata.name={volume}", timeout=GONE):
        found = next(iter(live.values()), None)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return False
        if phase(found) == "Released":
            return found["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    return False


@check("archive-stays", "the volume of claim archive is to stay, too")
def test_the_volume_of_archive_is_to_stay(lab):
    live = lab.require(CLAIM, "archive")
    expected = "claim archive has a volume that stays when the claim is deleted"
    waits = (lab.api.get(CLASS, class_of(live)) or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
    if waits and phase(live) == "Pending" and not claims_used(lab, "archive"):
        policy = (lab.api.get(CLASS, class_of(live)) or {}).get("reclaimPolicy")
        seen = f"it has no volume yet, and its class {class_of(live)} says {policy}"
        lab.expect(policy == "Retain", expected=expected, seen=seen, then="kubectl get storageclasses")
        return
    claim = expect_bound(lab, "archive", lambda claim: True, expected)
    policy = volume_of(lab, claim)["spec"]["persistentVolumeReclaimPolicy"]
    lab.expect(
        policy == "Retain",
        expected=expected,
        seen=f"the reclaim policy of its volume is {policy}, its class {class_of(claim)}",
        then="kubectl get pv",
    )


def claims_used(lab, name):
    return name in claims_of(lab.pods())


# -- task ledger-grows


@check("ledger-grows", "claim ledger has 2Gi, and the ledger is written to it")
def test_the_ledger_has_grown(lab):
    expect_written(lab, "ledger")
    enough = number("2Gi")
    claim = lab.require(CLAIM, "ledger")
    asked = number(claim["spec"]["resources"]["requests"]["storage"])
    if asked >= enough > capacity(claim):
        grown(lab, "ledger", enough)
        claim = lab.require(CLAIM, "ledger")
    lab.expect(
        capacity(claim) >= enough,
        expected="claim ledger has a capacity of 2Gi or more",
        seen=f"it has {claim['status']['capacity']['storage']}, "
        f"and asks for {claim['spec']['resources']['requests']['storage']}",
        then=f"kubectl describe pvc ledger -n {lab.namespace}",
    )


@check("ledger-grows", "the first page of the ledger is in claim ledger, and the ledger's Pod finds it")
def test_the_first_page_of_the_ledger_is_there(lab):
    expect_bound(lab, "ledger", lambda claim: True, "claim ledger is Bound")
    with lab.volumes.claim("ledger", read_only=True) as root:
        expect_first_page(lab, root.read("page-1"), "in claim ledger")
    pod = ready_pod(lab, "ledger")["metadata"]["name"]
    expect_first_page(lab, lab.volumes.place(pod, "/ledger").read("page-1"), f"in /ledger of Pod {pod}")


def expect_first_page(lab, page, where):
    lab.expect(
        page is not None and page.startswith(b"page 1: opened by Ada"),
        expected=f"page-1 of the ledger, as Pod clerk wrote it, {where}",
        seen="there is no such file" if page is None else "the file holds something else",
        then=f"kubectl exec -n {lab.namespace} deploy/ledger -- ls -l /ledger",
    )


@check("ledger-grows", "a claim of class lab13-ledger grows while a Pod uses it, and keeps its bytes")
def test_claims_of_lab13_ledger_grow(lab):
    with trying(lab, lab.own("ledger")) as trial:
        claim, pod = trial.used()
        token = token_hex(16).encode()
        trial.place(pod).write("page", token)
        large = trial.small + STEP
        try:
            lab.api.patch(CLAIM, claim, lab.namespace, {"spec": {"resources": {"requests": {"storage": str(large)}}}})
        except ApiError as error:
            if error.code not in (403, 422):
                raise
            raise CheckFailed(
                "a claim of class lab13-ledger may ask for more", error.message, then="kubectl get storageclasses"
            ) from error
        lab.expect(
            grown(lab, claim, large),
            expected=f"a claim of class lab13-ledger that asks for more gets it: {large >> 20}Mi",
            seen=f"it still has {lab.get(CLAIM, claim)['status']['capacity']['storage']}: {last_word(lab, claim)}",
            then="kubectl describe storageclass lab13-ledger",
        )
        lab.expect(
            trial.place(pod).read("page") == token,
            expected="what was written before is there after the volume has grown",
            seen="it is not",
        )


def capacity(claim):
    return number(((claim.get("status") or {}).get("capacity") or {}).get("storage", "0"))


def grown(lab, name, size):
    """Whether the claim gets so large; no long wait for one that nobody enlarges."""

    def begun(found):
        return any(
            _named(c, name) and (capacity(c) >= size or (c.get("status") or {}).get("allocatedResources"))
            for c in found
        )

    def done(found):
        return any(_named(c, name) and capacity(c) >= size for c in found)

    return lab.eventually(CLAIM, begun, timeout=2 * NOTICED) and lab.eventually(CLAIM, done, timeout=GROWS)


# -- task labels-volume


@check("labels-volume", "the printer of labels writes to claim labels")
def test_the_labels_are_written_to_the_claim(lab):
    expect_written(lab, "labels")


# -- task stamps-class


@check("stamps-class", "a new claim of class lab13-stamps gets a volume when a Pod uses it")
def test_lab13_stamps_gives_volumes(lab):
    with trying(lab, lab.own("stamps")) as trial:
        trial.used()


@check("stamps-class", "the stamp machine writes to claim stamps")
def test_the_stamps_are_written_to_the_claim(lab):
    expect_written(lab, "stamps")
