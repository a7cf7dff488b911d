"""Lab 15-volume-limits: which volumes a node has, which Pods run there, and whether bytes are where they should be.

The node is full while this grades, so nothing here takes a volume that is not attached already: a claim is looked at on
the node where a Pod has it, for a volume counts once there, and no Pod of the learner's is deleted, because a mailbox
that waits would take its place.
"""

import re
from collections import Counter

from kindlab.checks import Pods, check
from kindlab.checks.volumes import claim_of
from kindlab.clock import token_hex
from kindlab.conditions import is_over
from kindlab.volume_limits import limits

LIMITED, MAILBOXES = "exceed max volume count", 40
EACH = 30.0
"""Seconds that a mailbox may take to get ready: on a real cluster forty take minutes."""
FREED = 12.0
"""Seconds in which a place that came free is taken: the scheduler may let a Pod wait ten before it tries it again."""
SLACK = 3.0
"""Seconds in which a Service must lead to the Pods that are ready, and to no older one."""
DEPOTS = ("north", "south", "west")
HAD = {"depot": {*DEPOTS, "together"}, "printer": {"drawings", "previews", "scratch"}}
"""Deployment -> the claims that its Pods named when the lab began."""
MAKER = re.compile(r"(?:opened by|drawn for) (\S+)")


# -- what a node has, as the scheduler counts it


def attached(lab):
    """(node, driver) -> volumes there, each counted once: those of the Pods that were given the node, and those that
    are attached still."""
    sources = {v["metadata"]["name"]: v["spec"].get("csi") or {} for v in lab.api.list("PersistentVolume")}
    claims = {
        (c["metadata"]["namespace"], c["metadata"]["name"]): c["spec"].get("volumeName")
        for c in lab.api.list("PersistentVolumeClaim")
    }
    found = set()
    for pod in lab.api.list("Pod"):
        if pod["spec"].get("nodeName") and not is_over(pod):
            names = [claims.get((pod["metadata"]["namespace"], claim)) for claim in claims_of(pod)]
            found |= {(pod["spec"]["nodeName"], name) for name in names}
    for one in lab.api.list("VolumeAttachment"):
        found.add((one["spec"]["nodeName"], one["spec"]["source"].get("persistentVolumeName")))
    return Counter((node, sources[name]["driver"]) for node, name in found if sources.get(name))


def claims_of(pod):
    """The names of a Pod's claims, those that are made for it as well."""
    return [name for volume in pod["spec"].get("volumes") or () if (name := claim_of(pod, volume))]


def limited_claims(lab, pods):
    """The claims of these Pods whose driver limits how many a node takes."""
    drivers = {driver for _, driver in limits(lab.api)}
    sources = {v["metadata"]["name"]: v["spec"].get("csi") or {} for v in lab.api.list("PersistentVolume")}
    classes = {c["metadata"]["name"]: c["provisioner"] for c in lab.api.list("StorageClass")}
    found = set()
    for claim in {name for pod in pods for name in claims_of(pod)}:
        spec = (lab.get("PersistentVolumeClaim", claim) or {"spec": {}})["spec"]
        source = sources.get(spec.get("volumeName"))
        driver = classes.get(spec.get("storageClassName")) if source is None else source.get("driver")
        if driver in drivers:
            found.add(claim)
    return found


def drivers_of(lab, pods):
    """Those that made the volumes of these Pods."""
    claims = {name for pod in pods for name in claims_of(pod)}
    return {
        (v["spec"].get("csi") or {}).get("driver", "")
        for v in lab.api.list("PersistentVolume")
        for of in (v["spec"].get("claimRef") or {},)
        if of.get("namespace") == lab.namespace and of.get("name") in claims
    }


def claim_at(pod, path):
    """The claim that a Pod's containers have at a path or above it; "" for another kind of volume, or none."""
    volumes = {v["name"]: v for v in pod["spec"].get("volumes") or ()}
    mounts = [m for c in pod["spec"]["containers"] for m in c.get("volumeMounts") or ()]
    above = [m for m in mounts if f"{path}/".startswith(f"{m['mountPath'].rstrip('/')}/")]
    if not above:
        return ""
    volume = volumes[max(above, key=lambda m: len(m["mountPath"]))["name"]]
    return (volume.get("persistentVolumeClaim") or {}).get("claimName", "")


def running(lab, deployment):
    """The ready Pods of a Deployment whose rollout is complete; else the check fails."""
    live = lab.settled(deployment)
    pods = lab.pods_of(deployment)
    status = live.get("status", {})
    complete = status.get("updatedReplicas") == status.get("replicas") == len(pods)
    waits = [p["metadata"]["name"] for p in lab.pods() if p["metadata"]["name"].startswith(f"{deployment}-")]
    stuck = sorted(set(waits) - pods.names)
    lab.expect(
        pods and complete,
        expected=f"Deployment {deployment} has a ready Pod, and its rollout is complete",
        seen=f"ready: {pods}; not ready: {', '.join(stuck) or 'none'}",
        about=f"pod/{stuck[0]}" if stuck else f"deployment/{deployment}",
    )
    return pods


def expect_kept(lab, pod, *paths):
    """Fail unless what a Pod writes below the paths is found in the claims that are there, by another Pod."""
    name, file = pod["metadata"]["name"], f"kindlab-{token_hex(8)}"
    tokens = {path: token_hex(16).encode() for path in paths}
    places = {path: lab.volumes.place(name, path) for path in paths}
    try:
        for path, place in places.items():
            place.write(file, tokens[path])
        claims = {path: lasting(lab, pod, path) for path in paths}
        for claim in sorted(set(claims.values())):
            with lab.volumes.claim(claim, read_only=True) as root:
                found = {root.read(f) for f in root.files() if f.rpartition("/")[2] == file}
            lost = [path for path in paths if claims[path] == claim and tokens[path] not in found]
            lab.expect(
                not lost,
                expected=f"what Pod {name} writes to {', '.join(lost)} is in claim {claim}, in a folder of its own",
                seen="another Pod that mounts the claim does not find it",
                about=f"pvc/{claim}",
            )
    finally:
        for place in places.values():
            place.remove(file)


def lasting(lab, pod, path):
    """The claim that a Pod has at a path, which must outlive the Pod; else the check fails."""
    name, claim = pod["metadata"]["name"], claim_at(pod, path)
    lab.expect(
        claim,
        expected=f"{path} of Pod {name} lies in a PersistentVolumeClaim that is there without the Pod",
        seen="it does not: what is written there is lost, or goes with the Pod",
        then=f"kubectl describe pod {name} -n {lab.namespace}   (Volumes, Mounts)",
    )
    return claim


def expect_apart(lab, pod, kept, *passing):
    """Fail when what a Pod writes to a folder whose bytes may go lies in the one whose bytes are kept: there it writes
    over them. What is not mounted is the container's own."""
    name = pod["metadata"]["name"]
    mounted = {m["mountPath"].rstrip("/") for c in pod["spec"]["containers"] for m in c.get("volumeMounts") or ()}
    for path in sorted(mounted & {*passing}):
        lab.expect(
            not lab.volumes.place(name, path).shares(lab.volumes.place(name, kept)),
            expected=f"{path} and {kept} of Pod {name} are two folders",
            seen=f"what is written to {path} is in {kept} as well",
            then=f"kubectl describe pod {name} -n {lab.namespace}   (Volumes, Mounts)",
        )


def expect_in_use(lab, pods, claim):
    """Fail unless the Pods name the claim: only then it is looked at, for it is attached already."""
    names = sorted({name for pod in pods for name in claims_of(pod)})
    lab.expect(
        claim in names,
        expected=f"claim {claim} in use by {pods}",
        seen=f"the claims there: {', '.join(names) or 'none'}",
        then=f"kubectl describe pod {min(pods.names)} -n {lab.namespace}   (Volumes)",
    )


def expect_old(lab, deployment, text, claim):
    """Fail when a Pod of a later template made this, as they do where they find nothing: each thing names the Pod that
    made it, and the name of a Pod begins with that of its ReplicaSet."""
    named = MAKER.search(text)
    maker = named[1].rpartition("-")[0] if named else ""
    lab.expect(
        maker not in later(lab, deployment),
        expected=f"claim {claim} holds what was there before the change",
        seen=f"it was empty, and a new Pod began anew: {text!r}",
        then=f"kubectl get pvc -n {lab.namespace}   (which claim is as old as the lab, and has the old bytes?)",
    )


def later(lab, deployment):
    """The ReplicaSets of a Deployment whose Pods do not name all the claims that it had when the lab began."""
    found = set()
    for one in lab.list("ReplicaSet"):
        volumes = one["spec"]["template"]["spec"].get("volumes") or ()
        names = {(v.get("persistentVolumeClaim") or {}).get("claimName") for v in volumes}
        owners = {o["name"] for o in one["metadata"].get("ownerReferences") or ()}
        if deployment in owners and not names >= HAD[deployment]:
            found.add(one["metadata"]["name"])
    return found


def expect_asked(lab, deployment, pods):
    """Fail unless the Service of that name leads to the Pods of the Deployment that are there now, and to no other."""
    asked = set()

    def only_these(slices):
        ends = [e for s in slices for e in s.get("endpoints") or () if (e.get("conditions") or {}).get("ready", True)]
        asked.clear()
        asked.update((e.get("targetRef") or {}).get("name") or e["addresses"][0] for e in ends)
        return asked and asked <= pods.names

    led = lab.eventually("EndpointSlice", only_these, labels=f"kubernetes.io/service-name={deployment}", timeout=SLACK)
    lab.expect(
        led,
        expected=f"http://{deployment} is answered by the Pods of Deployment {deployment}: {pods}",
        seen=f"the Service leads to {', '.join(sorted(asked)) or 'no ready Pod'}",
        about="" if asked else f"svc/{deployment}",
        then=f"kubectl get service {deployment} -n {lab.namespace} -o wide   (SELECTOR)",
    )


# -- task read-the-limit


@check("read-the-limit", "ConfigMap facts names the driver of the mailboxes' volumes, and how many the node takes")
def test_the_limit_is_written_down(lab):
    facts = {key: str(value).strip() for key, value in (lab.require("ConfigMap", "facts").get("data") or {}).items()}
    driver, limit = facts.get("driver", ""), facts.get("limit", "")
    nodes = {p["spec"].get("nodeName") for p in lab.pods() if is_mailbox(p)}
    theirs = drivers_of(lab, [p for p in lab.pods() if is_mailbox(p)])
    true = {(d, str(count)) for (node, d), count in limits(lab.api).items() if node in nodes and d in theirs}
    lab.expect(
        (driver, limit) in true,
        expected="a driver and its limit as the CSINode of the mailboxes' node has them",
        seen=f"driver {driver or '(nothing)'}, limit {limit or '(nothing)'}",
        then="kubectl get csinodes -o yaml   (spec.drivers)",
    )


def expect_one_volume(lab, deployment):
    claims = limited_claims(lab, running(lab, deployment))
    lab.expect(
        len(claims) <= 1,
        expected=f"the Pod of Deployment {deployment} names one claim of the driver with the limit",
        seen=f"it names {len(claims)}: {', '.join(sorted(claims))}",
        then=f"kubectl describe pod -l app={deployment} -n {lab.namespace}   (Volumes)",
    )


# -- task depot-one-volume


@check("depot-one-volume", "the depot has one volume of the driver")
def test_the_depot_has_one_volume(lab):
    expect_one_volume(lab, "depot")


@check("depot-one-volume", "http://depot serves the three books that were copied into claim together")
def test_the_books_are_those_in_the_claim(lab):
    pods = running(lab, "depot")
    expect_in_use(lab, pods, "together")
    expect_asked(lab, "depot", pods)
    with lab.volumes.claim("together", read_only=True) as root, lab.visitor(node=lab.away_from(pods)) as reader:
        for depot in DEPOTS:
            book = (root.read(f"{depot}/book.txt") or b"").decode(errors="replace").strip()
            url = f"http://depot/{depot}/book.txt"
            reply = reader.get(url)
            lab.expect(
                reply.ok and book and reply.body.strip() == book,
                expected=f"{url} is answered with {depot}/book.txt of claim together",
                seen=f"{reply}; the claim has {book[:60]!r}" if book else f"{reply}; the claim has no such file",
                about="" if reply.ok else url,
                then=f"kubectl exec deploy/depot -n {lab.namespace} -- ls -lR /depots",
            )
            lab.expect(
                book.startswith(f"book of the depot {depot}, opened by "),
                expected=f"{depot}/book.txt of claim together is the book of depot {depot}, as it was in claim {depot}",
                seen=f"it says {book[:60]!r}",
                then=f"kubectl exec deploy/depot -n {lab.namespace} -- sh -c 'head -n 3 /depots/*/book.txt'",
            )
            expect_old(lab, "depot", book, "together")


@check("depot-one-volume", "what is written into each depot's folder stays in a claim")
def test_the_depots_folders_last(lab):
    for pod in running(lab, "depot"):
        expect_kept(lab, pod, *(f"/depots/{depot}" for depot in DEPOTS))


# -- task printer-scratch


@check("printer-scratch", "the printer has one volume of the driver")
def test_the_printer_has_one_volume(lab):
    expect_one_volume(lab, "printer")


@check("printer-scratch", "the drawings are and stay in claim drawings, and http://printer shows them")
def test_the_drawings_last(lab):
    pods = running(lab, "printer")
    expect_in_use(lab, pods, "drawings")
    for pod in pods:
        expect_kept(lab, pod, "/drawings")
        expect_apart(lab, pod, "/drawings", "/previews", "/scratch")
    with lab.volumes.claim("drawings", read_only=True) as root:
        drawing = (root.read("stork.txt") or b"").decode(errors="replace").strip()
    expect_asked(lab, "printer", pods)
    with lab.visitor(node=lab.away_from(pods)) as reader:
        reply = reader.get("http://printer/stork.txt")
    lab.expect(
        reply.ok and drawing and reply.body.strip() == drawing,
        expected="http://printer/stork.txt is answered with the drawing in claim drawings",
        seen=f"{reply}; the claim has {drawing[:60]!r}" if drawing else f"{reply}; the claim has no stork.txt",
        about="" if reply.ok else "http://printer",
    )
    expect_old(lab, "printer", drawing, "drawings")


# -- task archive-elsewhere


@check("archive-elsewhere", "the archive runs on a node without mailboxes")
def test_the_archive_runs_elsewhere(lab):
    nodes = {p["spec"]["nodeName"] for p in running(lab, "archive")}
    full = {p["spec"]["nodeName"] for p in lab.pods() if is_mailbox(p) and p["spec"].get("nodeName")}
    lab.expect(
        full and not nodes & full,
        expected=f"the archive runs on another node than the mailboxes, which are on {', '.join(sorted(full))}",
        seen=f"it runs on {', '.join(sorted(nodes))}",
        then=f"kubectl get pods -o wide -n {lab.namespace}",
    )


@check("archive-elsewhere", "what the archive writes outlives its Pod")
def test_the_archive_lasts(lab):
    for pod in running(lab, "archive"):
        expect_kept(lab, pod, "/shelf")


# -- task fill-the-node; last, for what the other tasks set free is taken by mailboxes


def is_mailbox(pod):
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(o["kind"] == "StatefulSet" and o["name"] == "mailbox" for o in owners)


def refusal(pod):
    """What the scheduler says of a Pod without a node."""
    conditions = pod["status"].get("conditions") or ()
    return next(
        (c.get("message", "") for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False"), ""
    )


def stuck(pod):
    """Whether a Pod waits for more than its claim to be bound."""
    said = refusal(pod)
    return said and "unbound immediate" not in said


def full(lab):
    """Mailboxes once they get no further, or none has got ready for a while: (ready, waiting)."""
    wanted = lab.require("StatefulSet", "mailbox")["spec"].get("replicas", 1)

    def stands(mine):
        return any(map(stuck, mine)) or len(mine.ready) >= wanted

    def further_than(known):
        def holds(found):
            mine = Pods(p for p in found if is_mailbox(p))
            return mine if stands(mine) or len(mine.ready) > known else None

        return holds

    mine = Pods(p for p in lab.pods() if is_mailbox(p))
    while not stands(mine):
        more = lab.eventually("Pod", further_than(len(mine.ready)), timeout=EACH)
        if more is None:
            break
        mine = more
    return mine.ready, [p for p in mine if stuck(p)]


@check("fill-the-node", "forty mailboxes are wanted, and the next one waits because the node takes no more volumes")
def test_the_next_mailbox_waits(lab):
    wanted = lab.require("StatefulSet", "mailbox")["spec"].get("replicas", 1)
    ready, waiting = full(lab)
    said = [refusal(p) for p in waiting]
    lab.expect(
        wanted >= MAILBOXES and ready and any(LIMITED in text for text in said),
        expected=f"{MAILBOXES} mailboxes are wanted, and one waits with '{LIMITED}'",
        seen=f"{wanted} are wanted, {len(ready)} are ready, {len(waiting)} waiting" + (f": {said[0]}" if said else ""),
        about=f"pod/{waiting[0]['metadata']['name']}" if waiting and wanted >= MAILBOXES else "",
        then=f"kubectl get statefulset mailbox -n {lab.namespace}",
    )


@check("fill-the-node", "the node of the mailboxes has as many volumes as it takes, and no node has more")
def test_the_node_is_full(lab):
    ready, waiting = full(lab)
    most = limits(lab.api)
    nodes = {p["spec"]["nodeName"] for p in ready}

    def count(_):
        now = attached(lab)
        over = {key: n for key, n in now.items() if n > most.get(key, n)}
        return not over and any(now[key] == n for key, n in most.items() if key[0] in nodes)

    good = lab.eventually("Pod", count, timeout=FREED if waiting else 0.1)
    while not good and waiting and len(full(lab)[0]) > len(ready):  # places that came free are taken one by one
        ready, waiting = full(lab)
        good = lab.eventually("Pod", count, timeout=FREED)
    now = attached(lab)
    shown = [f"{node} has {now[node, driver]} of {n} of {driver}" for (node, driver), n in sorted(most.items())]
    lab.expect(
        good,
        expected="a node with mailboxes has as many volumes as its CSINode allows, and no node has more",
        seen="; ".join(shown),
        then="kubectl get volumeattachments",
    )
