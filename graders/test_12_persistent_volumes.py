"""Lab 12-persistent-volumes: who finds which bytes, in which volume, after Pods and claims have gone.

Files of the grader's own names are written through the learner's Pods and removed again. Whether a folder is the right
one is asked of the caretaker, who sees the disk of its node: what is written here must be read there. Only a Pod of the
bookkeeper is deleted. What becomes of a volume without its claim is tried with a copy of the photos' volume.
"""

from contextlib import contextmanager, suppress
from hashlib import sha256

import pytest

from kindlab.api import ApiError
from kindlab.checks import CheckFailed, CouldNotGrade, check, rolled_out
from kindlab.checks.volumes import claim_of
from kindlab.clock import monotonic, token_hex
from kindlab.managed import MANAGED
from kindlab.quantities import number

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
BY_A_DRIVER = "pv.kubernetes.io/provisioned-by"
DISK = "/disk"
LETTERS = {"1.txt": b"Dear Ada, the engine runs.\n", "2.txt": b"Dear Charles, I never doubted it.\n"}
HOME = b"Welcome to the wiki.\n"
SHELVES = {
    "pictures": ("2Gi", {"ReadWriteOnce"}),
    "prices": ("1Gi", {"ReadWriteOnce", "ReadOnlyMany"}),
    "receipts": ("1Gi", {"ReadWriteOnce"}),
}
"""What the volumes of the office hold, and whom they let in."""
BINDS, PROVISIONED, STARTS, ENDS = 20.0, 5.0, 60.0, 30.0
RECLAIMED = 2.0
"""Seconds after which the cluster has done with a volume what its policy says."""


def bound(lab, name):
    """A claim that is bound. One that waits is given the time of the binder's round only if there is a free volume of
    its class, for the binder looks at changed volumes by and by."""
    claim = lab.require("PersistentVolumeClaim", name)
    free = [v for v in lab.api.list("PersistentVolume") if not v["spec"].get("claimRef") or is_for(v, claim)]
    hopeful = any(fits(v, claim) for v in free)
    return lab.volumes.bound(name, timeout=BINDS if hopeful else PROVISIONED if can_be_made(lab, claim) else 0)


def can_be_made(lab, claim):
    """Whether a driver may be at work on it: no driver knows selectors."""
    name = claim["spec"].get("storageClassName")
    return name and not claim["spec"].get("selector") and lab.api.get("StorageClass.storage.k8s.io", name)


def is_for(volume, claim):
    ref, meta = volume["spec"]["claimRef"], claim["metadata"]
    same = (ref.get("namespace"), ref.get("name")) == (meta["namespace"], meta["name"])
    return same and ref.get("uid", meta["uid"]) == meta["uid"]


def fits(volume, claim):
    """Whether the volume is one that the claim may get, as far as class, modes, size and labels go."""
    spec, wanted = volume["spec"], claim["spec"]
    labels = volume["metadata"].get("labels") or {}
    asked = ((wanted.get("selector") or {}).get("matchLabels") or {}).items()
    return (
        set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ())
        and spec.get("storageClassName", "") == wanted.get("storageClassName", "")
        and number(spec["capacity"]["storage"]) >= number(wanted["resources"]["requests"]["storage"])
        and all(labels.get(key) == value for key, value in asked)
    )


def volume_of(lab, claim):
    """The volume behind a claim that is bound."""
    return lab.api.get("PersistentVolume", bound(lab, claim)["spec"]["volumeName"]) or {}


def mounted(pod, claim, *, whole=True):
    """(the container, the folder) where a Pod has a claim, the `whole` of it or any folder in it; None where it has
    not."""
    names = {v["name"] for v in pod["spec"].get("volumes") or () if claim_of(pod, v) == claim}
    for container in pod["spec"]["containers"]:
        for mount in container.get("volumeMounts") or ():
            part = mount.get("subPath") or mount.get("subPathExpr")
            if mount["name"] in names and not (whole and part):
                return container["name"], mount["mountPath"]
    return None


def places(lab, deployment, claim, least=1, *, whole=True):
    """The claim's folder in each ready Pod of the Deployment, or one in it where not the `whole` is asked for."""
    pods = lab.pods_of(deployment)
    lab.expect(
        len(pods) >= least,
        expected=f"{least} ready Pods of Deployment {deployment}" if least > 1 else f"a ready Pod of {deployment}",
        seen=f"ready are: {pods}",
        about=f"deployment/{deployment}",
    )
    found = []
    for pod in pods:
        where = mounted(pod, claim, whole=whole)
        lab.expect(
            where,
            expected=f"Pod {pod['metadata']['name']} uses {'all of ' if whole else ''}claim {claim}",
            seen="only a folder of it" if mounted(pod, claim, whole=False) else "none of its containers mounts it",
            then=f"kubectl describe pod {pod['metadata']['name']} -n {lab.namespace}",
        )
        found.append(lab.volumes.place(pod["metadata"]["name"], where[1], where[0]))
    return found


@contextmanager
def folder(lab, deployment, claim):
    """The claim's folder, in a Pod of the Deployment that has it, or else in one of the grader's own."""
    bound(lab, claim)
    for pod in lab.pods_of(deployment) if lab.get("Deployment", deployment) else ():
        if where := mounted(pod, claim):
            yield lab.volumes.place(pod["metadata"]["name"], where[1], where[0])
            return
    with lab.volumes.claim(claim) as place:
        yield place


def on_the_disk(lab, name):
    """A folder as the caretaker sees it."""
    pods = lab.pods_of("caretaker")
    if not pods:
        raise CouldNotGrade(f"Deployment caretaker does not run (kindlab reset {lab.namespace[:2]} brings it back)")
    return lab.volumes.place(next(iter(pods))["metadata"]["name"], f"{DISK}/{name}")


def expect_the_folder(lab, place, name, claim):
    """Fail unless the place is that folder of the caretaker's node; it may be mounted for reading only."""
    lab.expect(
        on_the_disk(lab, name).shares(place),
        expected=f"claim {claim} is the folder {name} on the disk: what is written there is read through the claim",
        seen=f"another folder, with {place.files()}",
        about=f"pvc/{claim}",
        then=f"kubectl get pvc {claim} -n {lab.namespace}   (which VOLUME?)",
    )


def expect_one_folder(lab, found, claim):
    """Fail unless all these Pods see the same folder."""
    first, *others = found
    for other in others:
        lab.expect(
            first.shares(other),
            expected=f"a file that Pod {first.pod} writes is read by Pod {other.pod}",
            seen="the other Pod does not find it: each has a folder of its own",
            about=f"pvc/{claim}",
            then=f"kubectl get pods -n {lab.namespace} -o wide   (on which nodes are they?)",
        )


# -- another node


def usable_nodes(lab):
    """The nodes that ordinary Pods are put on."""
    kept_off = ("NoSchedule", "NoExecute")
    nodes = lab.api.list("Node")
    return [n for n in nodes if not any(t["effect"] in kept_off for t in n["spec"].get("taints") or ())]


@contextmanager
def elsewhere(lab, claim, users):
    """The claim's folder in a Pod on a node where none of these Pods is; None when no Pod gets there with it."""
    nodes = {p["spec"]["nodeName"] for p in lab.pods() if p["metadata"]["name"] in users}
    name = f"kindlab-elsewhere-{token_hex(4)}"
    terms = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in sorted(nodes)]
    required = {"nodeSelectorTerms": [{"matchFields": terms}]}
    look = {"name": "look", "image": AGNHOST, "args": ["pause"], "volumeMounts": [{"name": "c", "mountPath": "/c"}]}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": 600,
        "automountServiceAccountToken": False,
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
        "containers": [look],
        "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": claim}}],
    }
    meta = {"name": name, "labels": MANAGED | {"kindlab-elsewhere": name}}
    lab.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, lab.namespace)
    try:
        said = lab.eventually("Pod", where_it_is, labels=f"kindlab-elsewhere={name}", timeout=STARTS)
        yield lab.volumes.place(name, "/c") if said == "runs" else None
    finally:
        lab.api.delete("Pod", name, lab.namespace, grace=0)


def where_it_is(pods):
    for pod in pods:
        if pod["status"].get("phase") == "Running":
            return "runs"
        conditions = pod["status"].get("conditions") or ()
        if any(c["type"] == "PodScheduled" and c["status"] == "False" for c in conditions):
            return "fits nowhere"
    return None


def expect_found_everywhere(lab, found, claim):
    """Fail when a Pod that is put on another node than these places finds another folder. Where no second Pod can be
    put anywhere, the volume itself is read."""
    place = found[0]
    why = ""
    if len(usable_nodes(lab)) == 1:
        why = "this cluster has one node"
    elif "ReadWriteOncePod" in bound(lab, claim)["spec"]["accessModes"]:
        why = "the claim lets no second Pod in"
    if why:
        spec = volume_of(lab, claim)["spec"]
        lab.expect(
            spec.get("nodeAffinity") or not (spec.get("hostPath") or spec.get("local")),
            expected=f"the volume of claim {claim} says on which node its folder is",
            seen=f"it has no nodeAffinity ({why}: the volume itself was read)",
            about=f"pvc/{claim}",
        )
        return
    name, data = f"kindlab-{token_hex(8)}", token_hex(16).encode()
    place.write(name, data)
    try:
        with elsewhere(lab, claim, {p.pod for p in found}) as other:
            lab.expect(
                other is None or sha256(data).hexdigest() in other.files().values(),
                expected=f"a Pod with claim {claim} runs where the folder is, and nowhere else",
                seen="on another node a Pod ran with the claim, and found another folder there",
                about=f"pvc/{claim}",
                then=f"kubectl describe pv {volume_of(lab, claim)['metadata']['name']}   (Node Affinity)",
            )
    finally:
        place.remove(name)


# -- task keep-the-photos; the trial begins here, and is ready when the other checks are done


class Trial:
    """A copy of the photos' volume whose claim was deleted. Its folder is one that a deleter of the cluster's own
    removes at once, and in which nothing is."""

    def __init__(self, lab):
        self.lab, self.began = lab, monotonic()
        self.name = lab.own(f"kindlab-{token_hex(4)}")
        self.problem = None

    def begin(self):
        try:
            live = volume_of(self.lab, "photos")
            if live["spec"]["persistentVolumeReclaimPolicy"] == "Recycle":
                what = "the photos' volume is kept as it is when its claim is deleted"
                raise CheckFailed(what, "its policy is Recycle: all files in it are removed", then="kubectl get pv")
        except CheckFailed as problem:
            self.problem = problem
            return
        spec = {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": self.name,
            "persistentVolumeReclaimPolicy": live["spec"]["persistentVolumeReclaimPolicy"],
            "claimRef": {"namespace": self.lab.namespace, "name": self.name},
            "hostPath": {"path": f"/tmp/{self.name}", "type": "DirectoryOrCreate"},
        }
        asked = {
            "storageClassName": self.name,
            "volumeName": self.name,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        }
        meta = {"name": self.name, "labels": MANAGED}
        self.lab.api.create({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec})
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": asked}
        self.lab.api.create(claim, self.lab.namespace)
        if not self.gets_to("Bound"):
            raise CouldNotGrade("a copy of the photos' volume was not bound to its claim")
        self.lab.api.delete("PersistentVolumeClaim", self.name, self.lab.namespace, wait=True)
        self.began = monotonic()

    def gets_to(self, phase):
        return self.lab.eventually(
            "PersistentVolumeClaim",
            lambda found: any(
                c["metadata"]["name"] == self.name and (c.get("status") or {}).get("phase") == phase for c in found
            ),
            timeout=BINDS,
        )

    def phase(self):
        live = self.lab.api.get("PersistentVolume", self.name)
        return live["status"].get("phase", "Pending") if live else "deleted"

    def end(self):
        with suppress(ApiError):
            self.lab.api.delete("PersistentVolumeClaim", self.name, self.lab.namespace)
            self.lab.api.delete("PersistentVolume", self.name)


@pytest.fixture(scope="module")
def trial(lab):
    made = Trial(lab)
    try:
        made.begin()
        yield made
    finally:
        made.end()


@check("keep-the-photos", "claim photos still has the volume lab12-photos")
def test_the_photos_are_where_they_were(lab, trial):
    name = volume_of(lab, "photos").get("metadata", {}).get("name")
    lab.expect(
        name == lab.own("photos"),
        expected=f"claim photos bound to {lab.own('photos')}",
        seen=f"it is bound to {name}",
        about="pvc/photos",
    )
    with lab.volumes.claim("photos", read_only=True) as place:
        expect_the_folder(lab, place, "photos", "photos")


# -- task first-volume


@check("first-volume", "claim ledger is bound to a volume that was made by hand, and the bookkeeper runs with it")
def test_the_ledger_has_its_volume(lab):
    volume = volume_of(lab, "ledger")
    lab.expect(
        BY_A_DRIVER not in (volume["metadata"].get("annotations") or {}),
        expected="the volume of claim ledger was made by hand",
        seen=f"{volume['metadata']['name']} was made by {volume['metadata'].get('annotations', {}).get(BY_A_DRIVER)}",
        then="kubectl get pv",
    )
    places(lab, "bookkeeper", "ledger", whole=False)


@check("first-volume", "what one Pod of the bookkeeper wrote, the next one reads")
def test_the_ledger_outlives_the_pod(lab):
    bound(lab, "ledger")
    place = places(lab, "bookkeeper", "ledger", whole=False)[0]
    name, data = f"kindlab-{token_hex(8)}", token_hex(16).encode()
    place.write(name, data)
    lab.delete_pod(place.pod)
    lab.eventually("Pod", lambda found: all(p["metadata"]["name"] != place.pod for p in found), timeout=ENDS)
    after = places(lab, "bookkeeper", "ledger", whole=False)[0]
    try:
        lab.expect(
            after.read(name) == data,
            expected=f"Pod {after.pod} reads what Pod {place.pod} wrote before it was deleted",
            seen="the file is not there",
            about="pvc/ledger",
            then=f"kubectl get pods -n {lab.namespace} -o wide   (on which node is it now?)",
        )
    finally:
        after.remove(name)


@check("first-volume", "the next Pod finds the ledger on whichever node there is room: it goes where the folder is")
def test_the_ledger_is_found_everywhere(lab):
    bound(lab, "ledger")
    found = places(lab, "bookkeeper", "ledger", whole=False)
    expect_one_folder(lab, found, "ledger")
    expect_found_everywhere(lab, found, "ledger")


# -- task three-claims


def expect_shelf(lab, name):
    """The claim has the folder that it is called after, and the volume promises no more than the shelf can hold."""
    size, modes = SHELVES[name]
    spec = volume_of(lab, name)["spec"]
    lab.expect(
        number(spec["capacity"]["storage"]) <= number(size) and set(spec["accessModes"]) <= modes,
        expected=f"the volume of claim {name} is as it stood on the shelf: {size}, {', '.join(sorted(modes))}",
        seen=f"its volume was changed: {spec['capacity']['storage']}, {', '.join(spec['accessModes'])}",
        then="kubectl get pv -l holds -L holds",
    )
    with folder(lab, "office", name) as place:
        expect_the_folder(lab, place, name, name)


@check("three-claims", "claim pictures is bound to the volume with the pictures")
def test_the_pictures_are_found(lab):
    expect_shelf(lab, "pictures")


@check("three-claims", "claim prices is bound to the volume with the prices")
def test_the_prices_are_found(lab):
    expect_shelf(lab, "prices")


@check("three-claims", "claim receipts is bound to the volume with the receipts")
def test_the_receipts_are_found(lab):
    expect_shelf(lab, "receipts")


@check("three-claims", "the office runs, and has all three")
def test_the_office_runs(lab):
    names = ("pictures", "prices", "receipts")
    for name in names:
        bound(lab, name)
    for name in names:
        expect_the_folder(lab, places(lab, "office", name)[0], name, name)
    lab.expect(
        rolled_out(lab.settled("office")),
        expected="a complete rollout of Deployment office",
        seen="the Pod that runs is the old one: the next one does not get ready",
        about="deployment/office",
    )


# -- task old-letters


@check("old-letters", "claim letters is the folder with the old letters")
def test_the_letters_are_found(lab):
    with folder(lab, "reading-room", "letters") as place:
        expect_the_folder(lab, place, "letters", "letters")


@check("old-letters", "the reading room reads the old letters, byte by byte")
def test_the_letters_are_read(lab):
    bound(lab, "letters")
    place = places(lab, "reading-room", "letters")[0]
    for name, data in LETTERS.items():
        seen = place.read(name)
        lab.expect(
            seen == data,
            expected=f"{name} in {place} is the old letter",
            seen="there is no such file" if seen is None else f"it says {seen[:60].decode(errors='replace')!r}",
            about="pvc/letters",
        )


# -- task two-writers


@check("two-writers", "both Pods of the wiki are ready, and what one writes the other reads")
def test_both_write_into_one_folder(lab):
    bound(lab, "wiki")
    expect_one_folder(lab, places(lab, "wiki", "wiki", least=2), "wiki")


@check("two-writers", "the old page is still in the wiki")
def test_the_old_page_is_there(lab):
    with folder(lab, "wiki", "wiki") as place:
        expect_the_folder(lab, place, "wiki", "wiki")
        lab.expect(
            place.read("home.txt") == HOME,
            expected=f"home.txt in {place} is the old page",
            seen=f"there are {place.files()}",
            about="pvc/wiki",
        )


# -- task one-folder


@check("one-folder", "both Pods of the diary are ready, and what one writes the other reads")
def test_the_diary_is_one(lab):
    bound(lab, "diary")
    expect_one_folder(lab, places(lab, "diary", "diary", least=2, whole=False), "diary")


@check("one-folder", "no Pod that has the diary finds another folder, on whatever node there is room")
def test_the_diary_is_found_everywhere(lab):
    bound(lab, "diary")
    expect_found_everywhere(lab, places(lab, "diary", "diary", whole=False), "diary")


# -- task keep-the-photos, its end


@check("keep-the-photos", "a volume with this policy stays, Released, when its claim is deleted")
def test_the_photos_outlive_their_claim(lab, trial):
    if trial.problem is not None:
        raise trial.problem
    left = max(0.0, RECLAIMED - (monotonic() - trial.began))
    phase = lab.until(trial.phase, lambda seen: seen not in ("Bound", "Released"), timeout=left)
    lab.expect(
        phase == "Released",
        expected="a copy of the photos' volume is kept, Released, after its claim was deleted",
        seen="it was deleted together with the claim" if phase == "deleted" else f"it is {phase}",
        then="kubectl get pv   (column RECLAIM POLICY)",
    )
