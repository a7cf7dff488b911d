"""Lab 16-capstone-shop: the whole shop at work. Requests are sent by the shop's own Pods, by guests of the grader's own
and, through the ingress controller, by a client on a node; Pods of one node are evicted while pages are asked for; the
backup's Job is run twice, and what it snapshots is restored.

What takes its time begins early and is asked for late: the evictions and the load on the storefront run while the
database and the backup are looked at, and while everybody asks everybody.
"""

import threading
from contextlib import suppress
from hashlib import sha256

import pytest

from kindlab.checks import TIMED_OUT, CheckFailed, CouldNotGrade, Guest, Replies, check, enough
from kindlab.checks.accounts import Account
from kindlab.checks.autoscalers import HPA, autoscaler_of, is_hopeless, share, target_of, targets
from kindlab.checks.cronjobs import cron_runs
from kindlab.checks.evictions import evict, evict_in_turn
from kindlab.checks.makers import is_of_deployment, pods_of_set, replace_pods
from kindlab.checks.meanwhile import Meanwhile
from kindlab.checks.outside import hosts, services_for, ways_in
from kindlab.checks.reach import Reach
from kindlab.checks.schedules import is_nightly
from kindlab.checks.twin import Twin
from kindlab.checks.visitor import may_stand_outside
from kindlab.checks.volumes import claim_behind
from kindlab.clock import token_hex
from kindlab.conditions import condition, is_ready
from kindlab.hosts import in_url
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CLASS
from kindlab.rights import may

SOUTH = "south"
NORTH_HOST, SOUTH_HOST = "north.16.localhost", "south.16.localhost"
INSIDE = {"catalogue": 8080, "cart": 8080, "payment": 9090, "inventory": 8080, "auth": 8080}
"""The programs behind the storefront, and where their Pods listen."""
FRONT = ("storefront", "storefront-canary")
CALLERS = {
    "catalogue": ("storefront",),
    "cart": ("storefront",),
    "auth": ("storefront",),
    "payment": ("cart",),
    "inventory": ("catalogue", "cart"),
    "database": ("inventory",),
}
"""Who may reach whom; nobody else may."""
DATA, TOKEN = "/data", "kindlab-token"
CANARY_REQUESTS, CANARY_MOST = 120, 52
"""Of so many requests, each sent to the canary by chance with a probability of a quarter, more reach it once in a
million times."""
STARTS, EVICTED, GONE, GROWS, SLOW = 60.0, 20.0, 2.5, 120.0, 3.0


class Shop:
    """The cluster as all checks need it: the programs' Pods, the guests, and what has been found out once."""

    def __init__(self, lab, guests):
        self.lab, self.south = lab, lab.beside(SOUTH)
        self.guests = dict(guests)
        self.outside = self.guests.pop("outside")
        self.drain = Drain(self)
        self.rush = Meanwhile(Twin(lab, "storefront", GROWS).rush)
        self.reaching = Meanwhile(self._everybody_asks_everybody)
        self._answers = {}
        self._shown = {}
        self._visited = set()
        """Hosts whose visitors got their answers."""
        self._missed = set()
        """Programs whose Pods were waited for in vain: nobody waits for them a second time."""
        self._silent = {}
        """Hosts whose visitors got no answer in time, however often they asked -> their replies."""

    @property
    def door(self):
        return self.lab.door("traefik")

    def pods(self, name):
        """The ready Pods of a program; the check fails when there are none."""
        limit = 0 if name in self._missed else STARTS
        if name == "database":
            found, kind = pods_of_set(self.lab, name, timeout=limit), "statefulset"
        else:
            found, kind = self.lab.pods_of(name, timeout=limit), "deployment"
        if not found:
            self._missed.add(name)
        self.lab.expect(
            found,
            expected=f"ready Pods of {name}",
            seen="there are none",
            then=f"kindlab why {kind}/{name} -n {self.lab.namespace}",
        )
        return found

    def front(self):
        """The Pods of both versions of the storefront; the canary's may be missing."""
        there = [name for name in FRONT if self.lab.get("Deployment", name)]
        self.lab.expect("storefront" in there, expected="a Deployment storefront", seen="there is none")
        return self.lab.pods_of(*there)

    def client(self, name, whom=()):
        """A Pod of a program, to send from; one that nobody is about to evict. Where there is one on a node without
        those `whom` it asks, that one: on the same node also those get answers whom nobody else gets."""
        if name in FRONT:
            self.drain.calm.wait()
        taken = {pod["spec"]["nodeName"] for pod in whom}
        pods = sorted(self.pods(name), key=lambda pod: (pod["spec"]["nodeName"] in taken, pod["metadata"]["name"]))
        return self.lab.client(pods[0]["metadata"]["name"])

    def expect_answers(self, name):
        """Requests to a program's name, from a Pod that needs it, are answered by each of its Pods and nobody else."""
        pods, url = self.pods(name), f"http://{name}/hostname"
        client = self.client(CALLERS[name][0], pods)

        def exact(found):
            return found.ok and found.bodies == pods.names

        if name not in self._answers:
            self._answers[name] = self.ask(lambda: client.get_many(url, count=enough(len(pods))), exact)
        self.lab.expect(
            exact(self._answers[name]),
            expected=f"requests of {CALLERS[name][0]} to {url} answered, by exactly {pods}",
            seen=self._answers[name],
            then=f"kindlab why svc/{name} --from {client.pod} -n {self.lab.namespace}",
        )

    def expect_closed(self, name):
        """Nobody outside the cluster gets to a program: by no port of a node, no address of a load balancer and, but
        for the storefront, no rule of an Ingress or a route."""
        ways = ways_in(self.lab, self.pods(name), self.outside, routed=name not in FRONT)
        self.lab.expect(
            not ways,
            expected=f"no way from outside the cluster to {name}",
            seen=f"there is one: {ways[0]}" if ways else "",
            then=f"kubectl get services,ingresses -n {self.lab.namespace}",
        )

    # -- who reaches whom

    def _everybody_asks_everybody(self):
        """The shop's programs and the guests."""
        own = {f"a Pod of {name}": self.client(name) for name in ("storefront", *INSIDE)}
        if self.lab.get("Deployment", FRONT[1]) and self.lab.pods_of(FRONT[1]):
            own[f"a Pod of {FRONT[1]}"] = self.client(FRONT[1])
        urls = {}
        for name in CALLERS:
            with suppress(CheckFailed):
                address = in_url(self.pods(name)[0]["status"]["podIP"])
                urls[name] = f"http://{address}:{INSIDE.get(name, 8080)}/"
        return Reach(own | self.guests, urls)

    def expect_reach(self, whom, never):
        """The callers of a program reach it, and none of `never` does; the canary counts as the storefront."""
        reach = self.reaching.result()
        if whom not in reach.targets:
            self.pods(whom)  # says what is missing
        may, canary = {f"a Pod of {name}" for name in CALLERS[whom]}, f"a Pod of {FRONT[1]}"
        if "storefront" in CALLERS[whom] and canary in never:
            may.add(canary)
        wrong = reach.wrong(whom, may, set(never) - {f"a Pod of {whom}"})
        if not wrong:
            return
        if not reach.is_silent_somewhere:
            self.lab.need_policies()
        who = wrong[0]
        self.lab.expect(
            False,
            expected=f"{who} {'gets an answer from' if who in may else 'gets no answer (a time-out) from'} {whom}",
            seen=f"{reach.replies[who, whom]}, at {reach.targets[whom]}",
            then=f"kubectl describe networkpolicies -n {self.lab.namespace}",
        )

    # -- the door

    def ask(self, ask, right):
        """Replies that are right, or what else there is. Asked once more where somebody got no answer at all: that may
        be a machine that is slow, when the time for changes to be heard of is long over."""
        replies = self.lab.until(ask, right)
        if not right(replies) and any(reply.exit for reply in replies):
            replies = self.lab.until(ask, right, timeout=SLOW)
        return replies

    def visit(self, host, path="/hostname", count=1, tls=True):
        return self.door.ask(self.outside, host, path, tls, count=count)

    def visited(self, host, right, count):
        """Visitors' replies that are right, or what else there is. Where all of them time out nobody tries again."""
        if host not in self._silent:
            replies = self.ask(lambda: self.visit(host, count=count), right)
            if any(reply.exit != TIMED_OUT for reply in replies):
                return replies
            self._silent[host] = replies
        return self._silent[host]

    def follow(self, place, host):
        """The command that shows where visitors of a host get lost."""
        rules = {i["metadata"]["name"]: i["spec"].get("rules") or () for i in place.list("Ingress")}
        mine = [name for name, found in rules.items() if any(rule.get("host") == host for rule in found)]
        target = f"ingress/{mine[0]}" if mine else f"https://{host}/hostname"
        return f"kindlab why {target} -n {place.namespace}"

    def expect_visited(self, host, names):
        """Requests for the host are answered, and by these Pods only; `names` is asked before and after, for Pods come
        and go."""
        if host in self._visited:
            return
        before = names()
        replies = self.visited(host, lambda found: found.ok and found.bodies <= names(), 6)
        place, silent = self.lab if host == NORTH_HOST else self.south, host in self._silent
        more = "; the controller waits for Pods that do not answer it: does a policy keep it out?" if silent else ""
        self.lab.expect(
            replies.ok and replies.bodies <= before | names(),
            expected=f"requests to https://{host}/hostname answered by {', '.join(sorted(before)) or 'nobody yet'}",
            seen=f"{replies}{more}",
            about="" if silent else f"https://{host}/hostname",  # to follow silence takes as long again
            then=self.follow(place, host),
        )
        self._visited.add(host)

    def expect_verified(self, place, host):
        """A client that trusts only what the tenant's own entry brings along is satisfied; returns the certificate."""
        if host in self._shown:
            return self._shown[host]
        shown = self.lab.until(lambda: self.door.shown(self.outside, host, place.certificates()), bool)
        shown = shown or self.door.shown(self.outside, host, place.certificates())
        there = ", ".join(f"{c.secret} (for {', '.join(c.names)})" for c in place.certificates()) or "none"
        self.lab.expect(
            shown,
            expected=f"https://{host} shows a valid certificate for that name, from a Secret of {place.namespace}",
            seen=f"a client that checks it refuses what it is shown; the certificates there: {there}",
            then=f"kubectl describe ingress -n {place.namespace}",
        )
        self._shown[host] = shown
        return shown

    def north_names(self):
        return self.front().names

    def south_names(self):
        return self.south.pods_of("storefront").names


class Drain:
    """The Pods of one node are evicted as `kubectl drain` does it, while visitors ask for pages. `calm`: nobody is
    asked to go, not yet or no longer."""

    def __init__(self, shop):
        self.shop, self.lab = shop, shop.lab
        self.leaving, self.stuck, self.kept, self.node = (), (), (), ""
        self.replies = Replies()
        self.calm = threading.Event()
        self.calm.set()
        self._work = Meanwhile(self._run)

    def begin(self):
        self.calm.clear()
        self._work.begin()

    def end(self):
        self._work.end()

    def result(self):
        return self._work.result()

    def _run(self):
        try:
            return self._drained()
        finally:
            self.calm.set()

    def _drained(self):
        pods = self.shop.front()
        nodes = {p["spec"]["nodeName"] for p in pods}
        at = {node: [p for p in pods if p["spec"]["nodeName"] == node] for node in nodes}
        self.lab.expect(at, expected="ready Pods of the storefront", seen="there are none")
        newest = {n: any(is_of_deployment(p, FRONT[1]) for p in found) for n, found in at.items()}
        self.node = max(at, key=lambda n: (newest[n], len(at[n])))
        leaving = _the_canary_first(at[self.node])
        self.leaving = [p["metadata"]["name"] for p in leaving]
        first = self.shop.visited(NORTH_HOST, lambda found: found.ok, 1)
        self.lab.expect(
            first.ok,
            expected=f"https://{NORTH_HOST}/hostname answers, also before a node is drained",
            seen=first,
            then=self.shop.follow(self.lab, NORTH_HOST),
        )
        door, api, space = self.shop.door, self.lab.api, self.lab.namespace
        to = f"-k --connect-to {NORTH_HOST}:443:{door.at}:{door.https}"
        url = f"https://{NORTH_HOST}/shell?cmd=sleep+0.5"
        with self.lab.load(url, clients=10, timeout=10, over=0.5, client=self.shop.outside, options=to) as load:
            self.kept = self._asked_to_go(leaving)
            names = [p["metadata"]["name"] for p in self.kept]
            self.stuck = evict_in_turn(api, space, names, timeout=EVICTED)
            self.calm.set()
            self.lab.until(self._left, lambda left: not left, timeout=GONE)
        self.replies = load.replies
        return self

    def is_held(self):
        """Whether a budget keeps one of the old version's Pods while others are on their way out. Where the drain has
        not shown it all Pods are asked to go."""
        if not _has_the_old(self.kept):
            self.lab.settled(FRONT[0])
            self.kept = self._asked_to_go(_the_canary_first(self.shop.front()))  # the canary's may all go
        return _has_the_old(self.kept)

    def _asked_to_go(self, pods):
        """Those that are not let go."""
        return [p for p in pods if not evict(self.lab.api, self.lab.namespace, p["metadata"]["name"])]

    def _left(self):
        return {p["metadata"]["name"] for p in self.lab.list("Pod")} & set(self.leaving)


def _the_canary_first(pods):
    return sorted(pods, key=lambda p: is_of_deployment(p, FRONT[0]))


def _has_the_old(pods):
    return any(is_of_deployment(p, FRONT[0]) for p in pods)


@pytest.fixture(scope="session")
def shop(lab, tasks):
    own, pod = lab.namespace, lab.get("Deployment", "cart") or {}
    cart = pod.get("spec", {}).get("template", {}).get("metadata", {}).get("labels") or {"app": "cart"}
    guests = {
        "outside": Guest(own, host_network=may_stand_outside(lab.api, own)),
        "a Pod without labels": Guest(own),
        "a Pod of tenant south": Guest(lab.space(SOUTH)),
        "a Pod of tenant south labelled like cart": Guest(lab.space(SOUTH), cart),
    }
    if may(lab.api, "create", "pods", "default"):
        guests[THIRD] = Guest("default", cart)
    with lab.visitors(guests) as clients:
        found = Shop(lab, clients)
        try:
            if tasks & {"internal-services", "payment-policy", "neighbours", "tenants", "strategy"}:
                replace_pods(lab, INSIDE, timeout=STARTS)
            if "autoscaling" in tasks:
                found.rush.begin()
            if "drain" in tasks:
                found.drain.begin()
            yield found
        finally:
            for begun in (found.rush, found.drain, found.reaching):
                begun.end()


# -- task database


@pytest.fixture(scope="session")
def kept(shop, tasks):
    """What each Pod of the database has when all of them have been replaced: name -> what it was given, what it has."""
    lab, pods = shop.lab, shop.pods("database")
    given = {p["metadata"]["name"]: token_hex(16).encode() for p in pods}
    for name, token in given.items():
        lab.volumes.place(name, DATA).write(TOKEN, token)
    before = {p["metadata"]["uid"] for p in pods}
    for name in given:
        lab.delete_pod(name)
    lab.eventually("Pod", lambda live: not before & {p["metadata"]["uid"] for p in live}, timeout=STARTS)
    shop.pods("database")
    if tasks & {"payment-policy", "neighbours", "tenants"}:
        shop.reaching.begin()  # nobody takes the database's Pods away any more
    try:
        yield {name: (token, lab.volumes.place(name, DATA).read(TOKEN)) for name, token in given.items()}
    finally:
        for name in given:
            with suppress(CouldNotGrade, CheckFailed):
                lab.volumes.place(name, DATA).remove(TOKEN)


@check("database", "each Pod of the database has a name of its own, and the name database leads to all of them")
def test_database_pods_have_names(shop):
    pods = shop.pods("database")
    shop.lab.expect(len(pods) > 1, expected="two Pods of the database or more", seen=f"only {pods}")
    asker = shop.client("inventory")
    for pod in pods:
        name, address = f"{pod['metadata']['name']}.database", pod["status"]["podIP"]
        found = asker.addresses(f"{name}.{shop.lab.namespace}", until=[address], timeout=5)
        shop.lab.expect(
            found == [address],
            expected=f"the name {name} leads to {address}, which is that Pod's address",
            seen=f"it leads to {', '.join(found)}" if found else "it does not resolve",
            about="svc/database",
        )
    every, found = pods.addresses, asker.addresses(f"database.{shop.lab.namespace}", until=pods.addresses, timeout=5)
    shop.lab.expect(
        set(found) == every,
        expected=f"the name database leads to all of them: {', '.join(sorted(every))}",
        seen=f"it leads to {', '.join(found)}" if found else "it does not resolve",
        about="svc/database",
    )


@check("database", "what database-0 has stored is still there when its Pod has been replaced")
def test_database_keeps_its_data(shop, kept):
    given, has = kept.get("database-0", (b"-", None))
    shop.lab.expect(
        given == has,
        expected=f"a file in {DATA} of database-0 is there, to the byte, in the Pod that follows",
        seen="it is gone" if has is None else "there is another one",
        then=f"kubectl describe pod database-0 -n {shop.lab.namespace}   (Volumes: of which kind is data?)",
    )


@check("database", "the other Pods keep what they have stored, each on a volume of its own")
def test_database_pods_have_their_own_volumes(shop, kept):
    claims = {p["metadata"]["name"]: claim_behind(p, DATA) for p in shop.pods("database")}
    shop.lab.expect(
        all(claims.values()) and len(set(claims.values())) == len(claims),
        expected=f"a claim for each Pod of the database, mounted at {DATA}",
        seen=", ".join(f"{name}: {claim or 'no claim'}" for name, claim in claims.items()),
        then=f"kubectl describe pods -l app=database -n {shop.lab.namespace}   (Volumes)",
    )
    others = {name: pair for name, pair in kept.items() if name != "database-0"}
    foreign = {name: {given for other, (given, _) in kept.items() if other != name} for name in kept}
    wrong = [name for name, (given, has) in others.items() if given != has]
    wrong += [name for name, (_, has) in kept.items() if has in foreign[name]]
    shop.lab.expect(
        others and not wrong,
        expected="each Pod of the database finds its own file again, and nobody else's",
        seen=f"{wrong[0]} does not" if wrong else "there is only one Pod",
        then=f"kubectl get pvc -n {shop.lab.namespace}",
    )


@check("database", "the volume of each Pod is one that can be snapshotted")
def test_database_can_be_snapshotted(shop):
    lab = shop.lab
    snapshotted = {found["driver"] for found in lab.api.list(SNAPSHOT_CLASS)}
    for pod in shop.pods("database"):
        name, claim = pod["metadata"]["name"], claim_behind(pod, DATA)
        spec = (lab.get("PersistentVolumeClaim", claim) or {}).get("spec", {}) if claim else {}
        volume = lab.api.get("PersistentVolume", spec["volumeName"]) if spec.get("volumeName") else None
        driver = ((volume or {}).get("spec", {}).get("csi") or {}).get("driver", "")
        lab.expect(
            driver in snapshotted,
            expected=f"the volume behind {DATA} of {name} belongs to a driver that a VolumeSnapshotClass is for",
            seen=f"claim {claim} is of class {spec.get('storageClassName') or 'none'}, and no VolumeSnapshotClass is "
            "for its volumes"
            if claim
            else "no claim is mounted there",
            then="kubectl get storageclasses,volumesnapshotclasses   (PROVISIONER, DRIVER)",
        )


# -- task backup


class Backups:
    """Two nights of the CronJob's Job, and one with an account that may do nothing."""

    def __init__(self, shop, runs):
        self.shop, self.lab, self.runs, self.cron = shop, shop.lab, runs, runs.cron
        self.claim = claim_behind(shop.pods("database")[0], DATA)
        self.powerless = runs.begin(account=runs.nobody())
        self.nights = [self._night(), self._night()]

    def _night(self):
        """(how the run ended, the snapshots it made of the database's claim, the token that was stored before)."""
        token = token_hex(16).encode()
        self.lab.volumes.place("database-0", DATA).write(TOKEN, token)
        before = {s["metadata"]["uid"] for s in self.lab.list(SNAPSHOT)}
        ended = self.runs.outcome(self.runs.begin(), timeout=STARTS)
        new = [s for s in self.lab.list(SNAPSHOT) if s["metadata"]["uid"] not in before]
        if not self.runs.is_due():  # else one of them is the learner's own
            self.runs.made += [(SNAPSHOT, s["metadata"]["name"]) for s in new]
        mine = [s for s in new if s["spec"]["source"].get("persistentVolumeClaimName") == self.claim]
        return ended, mine, token


def the_cron(lab):
    """The learner's CronJob: the one named backup, or else whichever there is."""
    found = lab.list("CronJob")
    lab.expect(found, expected="a CronJob", seen="there is none", then=f"kubectl get cronjobs -n {lab.namespace}")
    return next((c for c in found if c["metadata"]["name"] == "backup"), found[0])


@pytest.fixture(scope="session")
def backups(shop):
    with cron_runs(shop.lab, the_cron(shop.lab)) as runs:
        try:
            yield Backups(shop, runs)
        finally:
            with suppress(CouldNotGrade, CheckFailed):
                shop.lab.volumes.place("database-0", DATA).remove(TOKEN)


@check("backup", "it is due once a night, and not suspended")
def test_backup_is_due_every_night(shop):
    lab, cron = shop.lab, the_cron(shop.lab)
    name, schedule = cron["metadata"]["name"], cron["spec"]["schedule"]
    lab.expect(
        is_nightly(schedule) and not cron["spec"].get("suspend"),
        expected=f"CronJob {name} is due once every night, between 20:00 and 7:00",
        seen="it is suspended" if cron["spec"].get("suspend") else f"its schedule is {schedule!r}",
        then=f"kubectl get cronjob {name} -n {lab.namespace}",
    )


@check("backup", "a run makes a snapshot that is ready and holds what the database had just stored")
def test_backup_holds_the_data(shop, backups):
    ended, snapshots, token = backups.nights[0]
    shop.lab.expect(
        snapshots,
        expected="a run of the backup makes a VolumeSnapshot of the claim of database-0",
        seen=f"it makes none (its Job: {ended or 'has not ended'})",
        then=f"kubectl create job try --from=cronjob/{backups.cron['metadata']['name']} -n {shop.lab.namespace}, and "
        "then kubectl logs job/try",
    )
    with shop.lab.snapshots.restored(snapshots[0]["metadata"]["name"]) as place:
        # in whatever folder of the volume the database keeps its data
        has = {digest for name, digest in place.files().items() if name.rpartition("/")[2] == TOKEN}
    shop.lab.expect(
        sha256(token).hexdigest() in has,
        expected="a claim restored from the snapshot has the file that database-0 had stored before",
        seen="the file is another one" if has else "the file is not there",
        then=f"kubectl describe volumesnapshots -n {shop.lab.namespace}",
    )


@check("backup", "the next run makes another snapshot, and leaves the first one as it is")
def test_backup_of_the_next_night_is_another(shop, backups):
    (_, first, _), (ended, second, _) = backups.nights
    shop.lab.expect(
        first and second,
        expected="two runs of the backup make two snapshots",
        seen=f"the {'second' if first else 'first'} run makes none (its Job: {ended or 'has not ended'})",
        then=f"kubectl get volumesnapshots -n {shop.lab.namespace}",
    )
    left = shop.lab.get(SNAPSHOT, first[0]["metadata"]["name"])
    shop.lab.expect(left, expected="the first snapshot is still there after the second run", seen="it is gone")


@check("backup", "a run that gets no snapshot is seen to have failed")
def test_backup_that_fails_is_seen(shop, backups):
    ended, snapshots, _ = backups.nights[0]
    shop.lab.expect(
        snapshots and ended == "Complete",
        expected="a run that makes its snapshot is Complete",
        seen=f"{len(snapshots)} snapshots; its Job: {ended or 'has not ended'}",
    )
    how = backups.runs.outcome(backups.powerless, timeout=15)
    shop.lab.expect(
        how != "Complete",
        expected="the same Job, run by an account that may make no snapshot, does not end as Complete",
        seen="it is Complete: for a month of nights nobody would notice",
        then="what does curl end with when the API server refuses?",
    )


@check("backup", "its account may make snapshots here, and nothing beyond the backup's work")
def test_backup_may_do_no_more(shop, backups):
    lab, asked = shop.lab, backups.cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    account = asked.get("serviceAccountName") or asked.get("serviceAccount") or "default"
    lab.expect(
        backups.nights[0][1],
        expected="a run of the backup makes a VolumeSnapshot",
        seen=f"account {account} makes none",
    )
    others = {p["spec"].get("serviceAccountName", "default") for p in shop.pods("storefront")}
    lab.expect(
        account not in others,
        expected="an account of the backup's own: what it may do the storefront may not",
        seen=f"both run as ServiceAccount {account}",
        then=f"kubectl get cronjobs,pods -n {lab.namespace} -o yaml | grep serviceAccountName",
    )
    here, there = f"namespaces/{lab.namespace}", f"namespaces/{lab.space(SOUTH)}"
    forbidden = {
        "read the Secrets": ("GET", f"/api/v1/{here}/secrets"),
        "make Pods": ("POST", f"/api/v1/{here}/pods?dryRun=All"),
        "delete Pods": ("DELETE", f"/api/v1/{here}/pods/kindlab-nothing"),
        "delete claims": ("DELETE", f"/api/v1/{here}/persistentvolumeclaims/kindlab-nothing"),
        "see snapshots of the other tenant": ("GET", f"/apis/snapshot.storage.k8s.io/v1/{there}/volumesnapshots"),
        "make snapshots of the other tenant": (
            "POST",
            f"/apis/snapshot.storage.k8s.io/v1/{there}/volumesnapshots?dryRun=All",
        ),
        "delete snapshots of the other tenant": (
            "DELETE",
            f"/apis/snapshot.storage.k8s.io/v1/{there}/volumesnapshots/kindlab-nothing",
        ),
    }
    asked_as = Account(lab, account, shop.outside)
    for what, (verb, url) in forbidden.items():
        code = asked_as.code(verb, url)
        lab.expect(
            code == 403,
            expected=f"ServiceAccount {account} may not {what} (403)",
            seen=f"the API server answers {code}",
            then=f"kubectl describe rolebindings,roles -n {lab.namespace}",
        )


# -- task payment-policy


SHOP_PODS = tuple(f"a Pod of {name}" for name in (*FRONT, *INSIDE))
STRANGER = "a Pod without labels"
THIRD = "a Pod of namespace default labelled like cart"
SOUTHERNERS = ("a Pod of tenant south", "a Pod of tenant south labelled like cart")


@check("payment-policy", "cart reaches payment; the shop's other programs do not")
def test_only_cart_of_the_shop_reaches_payment(shop):
    shop.expect_reach("payment", SHOP_PODS)


@check("payment-policy", "cart reaches payment; a new Pod that nobody knows does not")
def test_a_stranger_does_not_reach_payment(shop):
    shop.expect_reach("payment", (STRANGER,))


@check("payment-policy", "cart reaches payment; a Pod of another namespace that calls itself cart does not")
def test_a_false_cart_does_not_reach_payment(shop):
    shop.expect_reach("payment", (*SOUTHERNERS, THIRD))


# -- task neighbours


@check("neighbours", "the storefront reaches catalogue, cart and auth; nobody else does")
def test_only_the_storefront_reaches_its_programs(shop):
    for name in ("catalogue", "cart", "auth"):
        shop.expect_reach(name, (*SHOP_PODS, STRANGER))


@check("neighbours", "catalogue and cart reach inventory; nobody else does")
def test_only_catalogue_and_cart_reach_inventory(shop):
    shop.expect_reach("inventory", (*SHOP_PODS, STRANGER))


@check("neighbours", "inventory reaches the database; nobody else does")
def test_only_inventory_reaches_the_database(shop):
    shop.expect_reach("database", (*SHOP_PODS, STRANGER))


# -- task internal-services


def expect_internal(shop, name):
    """The name leads to the program's Pods, for those that need it, and nobody gets there from outside."""
    shop.expect_answers(name)
    shop.expect_closed(name)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=check("internal-services", f"http://{name} answers inside the cluster, and only there")
        )
        for name in INSIDE
    ],
)
def test_internal(shop, name):
    expect_internal(shop, name)


# -- task drain


@check("drain", "the storefront's Pods are on two nodes or more")
def test_storefront_is_spread(shop):
    """After the evictions: when somebody has just drained a node, all Pods are on the other one until they are new."""
    usable = [n for n in shop.lab.api.list("Node") if is_ready(n) and not n["spec"].get("taints")]
    if len(usable) < 2 and not any(n["spec"].get("unschedulable") for n in shop.lab.api.list("Node")):
        raise CouldNotGrade("this cluster has one node for Pods only: nothing can be on two")
    with suppress(CheckFailed):
        shop.drain.result()
    nodes = {p["spec"]["nodeName"] for p in shop.pods("storefront")}
    shop.lab.expect(
        len(nodes) > 1,
        expected="ready Pods of the storefront on two nodes or more",
        seen=f"all of them are on {', '.join(nodes)}",
        then=f"kubectl get pods -o wide -n {shop.lab.namespace}",
    )


def expect_drained(shop):
    drain = shop.drain.result()
    shop.lab.expect(
        not drain.stuck,
        expected=f"the storefront's Pods on {drain.node} can be evicted one after the other",
        seen=f"for {EVICTED:.0f} s a budget forbids it for {', '.join(drain.stuck)}",
        then=f"kubectl get poddisruptionbudgets -n {shop.lab.namespace}   (ALLOWED DISRUPTIONS)",
    )
    return drain


@check("drain", "when one node is drained no visitor's request fails")
def test_no_request_fails_in_a_drain(shop):
    drain = expect_drained(shop)
    lost = [r for r in drain.replies if not r.ok]
    shop.lab.expect(
        not lost,
        expected=f"every request to https://{NORTH_HOST} is answered while {', '.join(drain.leaving)} are evicted "
        f"from {drain.node}",
        seen=f"{len(lost)} of {drain.replies}",
        then=f"kubectl get deployments -n {shop.lab.namespace} -o yaml   (readinessProbe, lifecycle, both versions)",
    )


@check("drain", "a budget keeps the storefront from being evicted as a whole")
def test_not_all_at_once(shop):
    drain = expect_drained(shop)
    shop.lab.expect(
        drain.is_held(),
        expected="of the storefront's Pods some may not be evicted while others are on their way out",
        seen="all of them may be evicted at the same moment",
        then=f"kubectl get poddisruptionbudgets -n {shop.lab.namespace}",
    )


# -- task canary


@pytest.fixture(scope="session")
def versions(shop):
    """How many of the visitors' requests each version answered."""
    stable, canary = shop.pods(FRONT[0]).names, shop.pods(FRONT[1]).names
    replies = shop.visited(NORTH_HOST, lambda found: found.ok, CANARY_REQUESTS)
    stable, canary = stable | shop.pods(FRONT[0]).names, canary | shop.pods(FRONT[1]).names
    stable -= canary  # a selector may find both
    shop.lab.expect(
        replies.ok and replies.bodies <= stable | canary,
        expected=f"every request to https://{NORTH_HOST} answered by one of the two versions",
        seen=replies,
        then=shop.follow(shop.lab, NORTH_HOST),
    )
    return {v: sum(r.body.strip() in names for r in replies) for v, names in zip(FRONT, (stable, canary), strict=True)}


@check("canary", "visitors of tenant north see both versions of the storefront")
def test_both_versions_are_seen(shop, versions):
    shop.lab.expect(
        all(versions.values()),
        expected=f"of {CANARY_REQUESTS} requests some are answered by each version",
        seen=", ".join(f"{n} by {v}" for v, n in versions.items()),
        then=f"kubectl get services,endpointslices -n {shop.lab.namespace}",
    )


@check("canary", "the new version gets a share, and not more than about a quarter")
def test_the_canary_gets_few(shop, versions):
    shop.lab.expect(
        0 < versions[FRONT[1]] <= CANARY_MOST,
        expected=f"at least one and at most about a quarter of {CANARY_REQUESTS} requests answered by {FRONT[1]}",
        seen=f"{versions[FRONT[1]]} of them",
        then=f"kubectl get deployments -n {shop.lab.namespace}",
    )


# -- task autoscaling


@check(
    "autoscaling", "an autoscaler sees the CPU of the storefront as a share of what its Pods request, and aims at half"
)
def test_storefront_is_measured(shop):
    lab = shop.lab

    def measured(live):
        found = [h for h in live if target_of(h) == ("Deployment", "storefront")]
        return not found or share(found[0]) is not None or is_hopeless(lab, found[0])

    lab.eventually(HPA, measured, timeout=GROWS)
    hpa = autoscaler_of(lab, "storefront")
    lab.expect(
        hpa,
        expected="an autoscaler for Deployment storefront",
        seen="there is none",
        then=f"kubectl get hpa -n {lab.namespace}",
    )
    name = hpa["metadata"]["name"]
    aims = targets(hpa)
    lab.expect(
        share(hpa) is not None and condition(hpa, "ScalingActive").get("status") == "True",
        expected=f"autoscaler {name} knows how much of their CPU request the storefront's Pods use",
        seen=condition(hpa, "ScalingActive").get("message") or "it does not know yet",
        about=f"hpa/{name}",
    )
    lab.expect(
        any(a.get("name") == "cpu" and a["target"].get("averageUtilization") == 50 for a in aims),
        expected="it aims at 50% of the CPU that is requested",
        seen=", ".join(f"{a.get('name')}: {a.get('target')}" for a in aims),
        then=f"kubectl get hpa {name} -n {lab.namespace}",
    )


@check("autoscaling", "under load it asks for more Pods")
def test_storefront_grows(shop):
    rush, hpa = shop.rush.result(), autoscaler_of(shop.lab, "storefront")
    shop.lab.expect(
        rush.grown,
        expected="when a Pod like the storefront's computes as fast as it can, an autoscaler like yours asks for more",
        seen=rush.seen or "there is no autoscaler that goes by the CPU of Deployment storefront",
        about=f"hpa/{hpa['metadata']['name']}" if hpa else "",
        then=f"kubectl describe hpa -n {shop.lab.namespace}",
    )


# -- tasks public-entry and tenants


@check("public-entry", f"https://{NORTH_HOST} is the storefront, with a valid certificate")
def test_north_is_served(shop):
    shop.expect_verified(shop.lab, NORTH_HOST)
    shop.expect_visited(NORTH_HOST, shop.north_names)


@check("public-entry", "plain HTTP is sent to the same page over HTTPS")
def test_plain_http_is_sent_on(shop):
    shop.expect_visited(NORTH_HOST, shop.north_names)
    page = "/hostname?sale=1"
    wanted = {f"https://{NORTH_HOST}{page}", f"https://{NORTH_HOST}:443{page}"}
    reply = shop.ask(lambda: shop.visit(NORTH_HOST, page, tls=False), lambda found: found[0].location in wanted)[0]
    shop.lab.expect(
        reply.code in (301, 302, 303, 307, 308) and reply.location in wanted,
        expected=f"http://{NORTH_HOST}{page} answered with a redirect to https://{NORTH_HOST}{page}",
        seen=f"{reply}{f', to {reply.location}' if reply.location else ''}",
        then=f"kubectl describe ingress -n {shop.lab.namespace}",
    )


@check("public-entry", "it is the only way in: no other name, path or port leads to any program of the shop")
def test_there_is_one_entry(shop):
    shop.expect_visited(NORTH_HOST, shop.north_names)
    label = f"nobody-{token_hex(3)}"
    others = {host.replace("*", label) for host in hosts(shop.lab) - {NORTH_HOST}}
    for host, tls in ((host, tls) for host in (f"{label}.16.localhost", *sorted(others)) for tls in (True, False)):
        replies = shop.visit(host, tls=tls)
        every = shop.lab.pods().names
        shop.lab.expect(
            not replies.bodies & every,
            expected=f"http{'s' if tls else ''}://{host}, another name, leads to none of the shop's Pods",
            seen=replies,
            then=f"kubectl get ingress -n {shop.lab.namespace}   (column HOSTS)",
        )
    canary = [FRONT[1]] if shop.lab.get("Deployment", FRONT[1]) and shop.lab.pods_of(FRONT[1]) else []
    for name in ("storefront", *canary, *INSIDE):
        shop.expect_closed(name)


@check("tenants", f"https://{SOUTH_HOST} is the storefront of tenant south, with a valid certificate of its own")
def test_south_is_served(shop):
    shop.expect_verified(shop.south, SOUTH_HOST)
    shop.expect_visited(SOUTH_HOST, shop.south_names)


@check("tenants", "the two have different keys, and neither name leads to the other tenant")
def test_tenants_are_told_apart(shop):
    keys = {shop.expect_verified(place, host).key for place, host in ((shop.lab, NORTH_HOST), (shop.south, SOUTH_HOST))}
    shop.lab.expect(len(keys) == 2, expected="a key for each tenant", seen="both prove themselves with the same key")
    for host, names, others in (
        (NORTH_HOST, shop.north_names, shop.south_names),
        (SOUTH_HOST, shop.south_names, shop.north_names),
    ):
        shop.expect_visited(host, names)
        plain = shop.visit(host, count=4, tls=False)
        shop.lab.expect(not plain.bodies & others(), expected=f"http://{host} not answered by the other", seen=plain)


@check("tenants", "no Pod of tenant south reaches what is behind the storefront of tenant north")
def test_south_does_not_reach_north(shop):
    for name in CALLERS:
        shop.expect_reach(name, SOUTHERNERS)


# -- task strategy

WORDS = {"internal": "clusterip", "cluster-ip": "clusterip", "gateway": "ingress", "httproute": "ingress"}


def word(shop, name):
    """The learner's answer about a program."""
    data = shop.lab.require("ConfigMap", "strategy").get("data") or {}
    said = str(data.get(name, "")).strip().strip("?").lower()
    shop.lab.expect(
        said,
        expected=f"a word for {name} in ConfigMap strategy",
        seen="there is none",
        then=f"kubectl get configmap strategy -n {shop.lab.namespace} -o yaml",
    )
    return WORDS.get(said, said)


def expect_word(shop, name, right):
    said = word(shop, name)
    shop.lab.expect(
        said == right,
        expected=f"the kind of exposure that fits {name}: who asks it, from where, and may any of its Pods answer?",
        seen=f"your answer is {said}",
    )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=check("strategy", f"the answer for {name} is right, and the cluster does so"))
        for name in INSIDE
    ],
)
def test_strategy_inside(shop, name):
    expect_word(shop, name, "clusterip")
    expect_internal(shop, name)


@check("strategy", "the answer for storefront is right, and the cluster does so")
def test_strategy_of_the_storefront(shop):
    expect_word(shop, "storefront", "ingress")
    shop.expect_visited(NORTH_HOST, shop.north_names)
    shop.expect_closed("storefront")


@check("strategy", "the answer for database is right, and the cluster does so")
def test_strategy_of_the_database(shop):
    expect_word(shop, "database", "headless")
    test_database_pods_have_names(shop)
    shop.expect_closed("database")


@check("strategy", "the answer for backup is right, and the cluster does so")
def test_strategy_of_the_backup(shop):
    expect_word(shop, "backup", "none")
    found = shop.lab.list("CronJob")
    shop.lab.expect(found, expected="a CronJob that makes the backup", seen="there is none")
    for cron in found:
        labels = (cron["spec"]["jobTemplate"]["spec"]["template"].get("metadata") or {}).get("labels") or {}
        services = services_for(shop.lab, labels)
        shop.lab.expect(
            not services, expected="no Service for the backup's Pods", seen=f"Service {', '.join(services)}"
        )
