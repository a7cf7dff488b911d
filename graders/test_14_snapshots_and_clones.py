"""Lab 14-snapshots-and-clones: which bytes a snapshot, a restored claim and a clone hold, and which they do not.

The ledger says itself what it is: every paid sale carries a seal that is reckoned from its price and the seal before,
so that changed sales are found, and a sale that was open at the moment of a snapshot is seen as such. What the claims
must hold is read from the learner's snapshots, through claims of the grader's own. Nothing the learner could have
noted is believed. What graders write has names of their own and is removed.
"""

from dataclasses import dataclass

import pytest

from kindlab.checks import CheckFailed, check
from kindlab.checks.volumes import claim_of
from kindlab.clock import token_hex
from kindlab.kinds import SNAPSHOT_CLASS, SNAPSHOT_CONTENT

LEDGER, PRICES = "ledger.txt", "prices.txt"
BRANCHES = ("prices-north", "prices-south", "prices-west")
PROVISIONED, LOOK_AGAIN, TROUBLED = 30.0, 2.0, 3
"""Seconds that a claim has to be filled, and at how many looks something may be wrong with it."""
NEXT_SALE = 15.0
"""Seconds."""
BEFORE = "kindlab reset 14: it was taken after the migration, and only a new morning has the moment before"


def token():
    return f"kindlab-{token_hex(6)}.txt", token_hex(16).encode()


# -- what a ledger says about itself


@dataclass(frozen=True)
class Books:
    """`first` is the line that no other ledger begins with; `broken` and `open` are sales, "" for none."""

    first: str
    sales: int
    broken: str
    open: str

    @property
    def flaw(self):
        return f"sale {self.broken} is not what was written: its seal does not hold" if self.broken else ""

    def __str__(self):
        open_sale = f", and sale {self.open} was never finished" if self.open else ""
        return f"{self.flaw or 'every seal holds'}; {self.sales} sales{open_sale}"


def books(data):
    """Raises ValueError for what is no ledger."""
    lines = [line.split() for line in data.decode().splitlines()]
    if not lines or lines[0][:3] != ["0", "paid", "0"]:
        raise ValueError("no ledger")
    seal, sales, broken, open_sale = int(lines[0][3]), 0, "", ""
    for number, what, price, *rest in lines[1:]:
        if what == "open":
            open_sale = number
            continue
        seal, sales, open_sale = (seal * 31 + int(number) * 7 + int(price)) % 1000003, sales + 1, ""
        if int(rest[0]) != seal and not broken:
            broken = number
    return Books(" ".join(lines[0]), sales, broken, open_sale)


def judged(data, where, then=""):
    """The books of a file that must be a ledger. `then`: a command, for what holds none."""
    try:
        return books(data or b"")
    except (ValueError, IndexError, UnicodeDecodeError):
        seen = f"it begins with {data[:40]!r}" if data else "there is no such file, or it is empty"
        raise CheckFailed(f"the shop's ledger in {LEDGER} of {where}", seen, then=then) from None


def source_of(lab, claim):
    """The command that says what a claim was made of."""
    return f"kubectl describe pvc {claim} -n {lab.namespace} (DataSource)"


# -- what is read once


class Read:
    """Files of claims and of snapshots, each read once a grade: (name, file) -> bytes."""

    def __init__(self, lab):
        self.lab = lab
        self.found = {}

    def claim(self, name, file=LEDGER):
        return self._once(name, file, lambda: self.lab.volumes.claim(name, read_only=True))

    def snapshot(self, name, file=LEDGER):
        return self._once(f"snapshot {name}", file, lambda: self.lab.snapshots.restored(name))

    def filled(self, name):
        """Return when a claim has its volume."""
        self._kept((name, ""), lambda: provisioned(self.lab, name))

    def _once(self, name, file, opened):
        def look():
            with opened() as place:
                return place.read(file)

        return self._kept((name, file), look)

    def _kept(self, key, ask):
        if key not in self.found:
            try:
                self.found[key] = ask()
            except CheckFailed as failed:
                self.found[key] = failed
        if isinstance(self.found[key], CheckFailed):
            raise self.found[key]
        return self.found[key]


@pytest.fixture(scope="module")
def read(lab):
    return Read(lab)


def provisioned(lab, claim):
    """Return when the claim is Bound; the check fails as soon as its provisioner has said long enough why it is not."""
    what, said, looks, live = f"a claim {claim} that gets its volume", "", 0, None
    for _ in range(int(PROVISIONED / LOOK_AGAIN)):
        one = f"metadata.name={claim}"
        for found in lab.api.follow("PersistentVolumeClaim", lab.namespace, fields=one, timeout=LOOK_AGAIN):
            live = next(iter(found.values()), None)
            lab.expect(live, expected=what, seen="there is none", about=f"pvc/{claim}")
            if (live.get("status") or {}).get("phase") == "Bound":
                return
        events = [e for e in lab.list("Event") if e["involvedObject"].get("uid") == live["metadata"]["uid"]]
        failed = [e["message"] for e in events if e["reason"] in ("ProvisioningFailed", "WaitForFirstConsumer")]
        said, looks = (failed or [""])[-1], looks + bool(failed)
        if looks >= TROUBLED:
            break
    raise CheckFailed(what, said or "it is not Bound", about=f"pvc/{claim}")


def expect_whole(lab, found, where, then=""):
    lab.expect(not found.broken, expected=f"the ledger in {where} is as the shop wrote it", seen=found.flaw, then=then)


# -- task keep-class


@check("keep-class", "what a snapshot of class lab14-keep stored is still there after the snapshot was deleted")
def test_what_was_stored_outlives_its_snapshot(lab):
    keep = lab.own("keep")
    found = lab.api.get(SNAPSHOT_CLASS, keep)
    lab.expect(found, expected=f"a VolumeSnapshotClass {keep}", seen="there is none")
    volume = lab.api.get("PersistentVolume", lab.volumes.bound("ledger")["spec"]["volumeName"])
    driver = (volume["spec"].get("csi") or {}).get("driver")
    lab.expect(  # asked for, such a snapshot would wait for ever, and could not even be deleted
        found["driver"] == driver,
        expected=f"a class of the driver that made the volume of claim ledger: {driver}",
        seen=f"its driver is {found['driver']}",
        then=f"kubectl describe volumesnapshotclass {keep}",
    )
    name, before = token()
    with lab.volumes.claim("ledger") as ledger:
        try:
            ledger.write(name, before)
            lab.host(ledger.pod).run("sync")
            with lab.snapshots.taken("ledger", keep) as snapshot:
                ledger.write(name, b"changed after the snapshot")
                content = lab.snapshots.content_of(snapshot)
                lab.snapshots.delete(snapshot["metadata"]["name"])
                left = lab.api.get(SNAPSHOT_CONTENT, content["metadata"]["name"])
                lab.expect(
                    left and not left["metadata"].get("deletionTimestamp"),
                    expected=f"the VolumeSnapshotContent of a deleted snapshot of class {keep} stays",
                    seen=f"it went with its snapshot; its deletionPolicy was {content['spec']['deletionPolicy']}",
                    then=f"kubectl describe volumesnapshotclass {keep}",
                )
                with lab.snapshots.again(left, lab.own("")) as again, lab.snapshots.restored(again) as place:
                    seen = place.read(name)
        finally:
            ledger.remove(name)
    lab.expect(
        seen == before,
        expected="a claim made of what was left has the bytes of the moment of the snapshot",
        seen="it has others" if seen else "the file is not there",
    )


# -- task noon


@check("noon", "snapshot noon holds the shop's ledger as the shop wrote it, with the sale that was open then")
def test_noon_holds_the_ledger_as_it_was(lab, read):
    found = judged(read.snapshot("noon"), "snapshot noon")
    expect_whole(lab, found, "snapshot noon", BEFORE)
    lab.expect(  # else it is closed by another name, and to restore the one or the other would be the same
        found.open,
        expected="a sale is open in the ledger of snapshot noon: the shop was selling",
        seen=f"every sale is finished ({found.sales} sales): the shop was closed",
        about="vs/noon",
        then="kubectl delete volumesnapshot noon, and take it anew while the shop is open",
    )
    expect_of_this_shop(lab, read, found, "noon")


def expect_of_this_shop(lab, read, found, snapshot):
    live = judged(read.claim("ledger"), "claim ledger")
    lab.expect(
        found.first == live.first,
        expected=f"snapshot {snapshot} is one of claim ledger: both begin with the line {live.first!r}",
        seen=f"it begins with {found.first!r}",
        about=f"vs/{snapshot}",
    )


# -- task closed-books


@check("closed-books", "snapshot closed was taken before the migration and while no sale was open")
def test_closed_was_taken_between_two_sales(lab, read):
    found = judged(read.snapshot("closed"), "snapshot closed")
    expect_whole(lab, found, "snapshot closed", BEFORE)
    lab.expect(
        found.sales and not found.open,
        expected="in the ledger of snapshot closed every sale is finished, and there is one at least",
        seen=found,
        about="vs/closed",
    )
    expect_of_this_shop(lab, read, found, "closed")


@check("closed-books", "the shop sells on after the snapshot")
def test_the_shop_sells_on(lab, read):
    closed = judged(read.snapshot("closed"), "snapshot closed")
    pods = lab.pods_of("ledger")
    lab.expect(pods, expected="a ready Pod of Deployment ledger", seen="there is none", about="deployment/ledger")
    with lab.volumes.claim("ledger", read_only=True) as place:
        live = lab.until(
            lambda: judged(place.read(LEDGER), "claim ledger"), lambda found: found.open, timeout=NEXT_SALE
        )
    lab.expect(
        live.open and live.sales >= closed.sales,
        expected="a sale is open in claim ledger, after those of snapshot closed",
        seen=live,
        about="deployment/ledger",
    )


# -- task restore


@check("restore", "claim ledger-restored holds exactly the ledger of snapshot closed")
def test_restored_claim_holds_the_closed_ledger(lab, read):
    read.filled("ledger-restored")
    data = read.claim("ledger-restored")
    found = judged(data, "claim ledger-restored", source_of(lab, "ledger-restored"))
    expect_whole(lab, found, "claim ledger-restored", source_of(lab, "ledger-restored"))
    lab.expect(not found.open, expected="every sale in claim ledger-restored is finished", seen=found)
    closed = read.snapshot("closed")
    lab.expect(
        data == closed,
        expected=f"the bytes of snapshot closed: {len(closed)} of them, {books(closed).sales} sales",
        seen=f"{len(data)} bytes, {found.sales} sales",
        about="pvc/ledger-restored",
    )


@check("restore", "http://archive/ledger.txt shows what is on claim ledger-restored")
def test_archive_shows_the_restored_claim(lab, read):
    read.filled("ledger-restored")
    pods = lab.pods_of("archive")
    lab.expect(pods, expected="a ready Pod of Deployment archive", seen="there is none", about="deployment/archive")
    with lab.visitor(node=lab.away_from(pods)) as reader:
        expect_archive_shows(lab, read, reader)


def expect_archive_shows(lab, read, reader):
    """What the archive shows to a reader is what lies on claim ledger-restored."""
    lab.expect_answers(f"http://archive/{LEDGER}", client=reader)
    shown = reader.get(f"http://archive/{LEDGER}").body
    wanted = (read.claim("ledger-restored") or b"").decode()
    lab.expect(
        wanted and shown.strip() == wanted.strip(),
        expected="the ledger of claim ledger-restored at http://archive/ledger.txt",
        seen=f"another one, which ends with {(shown.strip().splitlines() or [''])[-1]!r}",
        about="deployment/archive",
    )
    name, data = token()
    with lab.volumes.claim("ledger-restored") as place:
        try:
            place.write(name, data)
            seen = reader.get(f"http://archive/{name}")
        finally:
            place.remove(name)
    lab.expect(
        seen.body.strip() == data.decode(),
        expected="a file that is put on claim ledger-restored is at http://archive, too",
        seen=f"{seen}: what the archive shows is not that claim",
        about="deployment/archive",
    )


# -- task clone


def trial(lab):
    """(the folder /data of the testers' Pod, the name of the claim behind it)."""
    pods = lab.pods_of("trial")
    lab.expect(pods, expected="a ready Pod of Deployment trial", seen="there is none", about="deployment/trial")
    pod = pods[0]
    container = pod["spec"]["containers"][0]
    volume = next((m["name"] for m in container.get("volumeMounts") or () if m["mountPath"].rstrip("/") == "/data"), "")
    claim = next((claim_of(pod, v) for v in pod["spec"].get("volumes") or () if v["name"] == volume), "")
    lab.expect(
        claim,
        expected="the folder /data of Deployment trial lies on a claim",
        seen="what it shows goes with its Pod",
        then=f"kubectl describe pod {pod['metadata']['name']} -n {lab.namespace}",
    )
    return lab.volumes.place(pod["metadata"]["name"], "/data", container["name"]), claim


@check("clone", "the testers have the restored ledger")
def test_trial_has_the_restored_ledger(lab, read):
    read.filled("ledger-restored")
    place, claim = trial(lab)
    wanted = read.claim("ledger-restored")
    found = judged(wanted, "claim ledger-restored", source_of(lab, "ledger-restored"))
    expect_whole(lab, found, "claim ledger-restored", source_of(lab, "ledger-restored"))
    data = place.read(LEDGER)
    if data is None or not data.startswith(wanted):  # what the testers add is theirs, and need be no sale
        lab.expect(
            False,
            expected=f"the ledger of claim ledger-restored in /data of Deployment trial ({found})",
            seen=judged(data, "/data of Deployment trial", source_of(lab, claim)),
            about=f"pvc/{claim}",
        )


@check("clone", "what the testers write reaches nobody else, and they see nothing that others write")
def test_trial_is_on_its_own(lab, read):
    read.filled("ledger-restored")
    place, claim = trial(lab)
    lab.expect(
        claim not in ("ledger-restored", "ledger"),
        expected="the testers have a claim of their own",
        seen=f"they work on claim {claim}",
        then=f"kubectl describe pvc {claim} -n {lab.namespace} (Used By)",
    )
    with lab.volumes.claim("ledger-restored") as restored, lab.volumes.claim("ledger") as ledger:
        for other, name in ((restored, "ledger-restored"), (ledger, "ledger")):
            lab.expect(
                not place.shares(other) and not other.shares(place),
                expected=f"claim {name} and the ledger of the testers are two volumes",
                seen="what is written into one is read in the other",
                about=f"pvc/{claim}",
            )
    name, data = token()
    try:
        place.write(name, data)
        with lab.volumes.claim(claim, read_only=True) as own:
            lab.expect(
                own.read(name) == data,
                expected=f"what the testers write is on claim {claim}",
                seen="it is not there",
                about=f"pvc/{claim}",
            )
    finally:
        place.remove(name)


# -- task copies


@check("copies", "each branch's claim is Bound and holds the price list of claim prices")
def test_each_branch_has_the_prices(lab, read):
    for branch in BRANCHES:
        read.filled(branch)
    wanted = read.claim("prices", PRICES)
    lab.expect(wanted, expected=f"{PRICES} on claim prices", seen="it is not there", about="deployment/prices")
    for branch in BRANCHES:
        data = read.claim(branch, PRICES)
        lab.expect(
            data == wanted,
            expected=f"claim {branch} holds the bytes of claim prices",
            seen="it is empty" if not data else "it holds others",
            about=f"pvc/{branch}",
        )
