"""Lab 16-capstone-shop: the whole shop at work. Requests are sent by the shop's own Pods, by guests of the grader's own
and, through the ingress controller, by a client on a node; Pods of one node are evicted while pages are asked for; the
backup's Job is run twice, and what it snapshots is restored.

What takes its time begins early and is asked for late: the evictions run while the database and the backup are looked
at, the load on the storefront while everybody asks everybody.
"""

import copy
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from kindlab.api import ApiError
from kindlab.checks import TIMED_OUT, CheckFailed, CouldNotGrade, Guest, Replies, ask_together, check, enough
from kindlab.checks.schedules import is_nightly
from kindlab.conditions import condition, is_ready

SOUTH = "16-capstone-shop-south"
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
HPA, SNAPSHOT = "HorizontalPodAutoscaler", "VolumeSnapshot.snapshot.storage.k8s.io"
OURS = {"app.kubernetes.io/managed-by": "kindlab"}
LABEL, IMAGE = "kindlab-twin", "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
CALM = 150
"""Percent of the request at which an autoscaler that lets it be will let it be for good."""
DATA, TOKEN = "/data", "kindlab-token"
CANARY_REQUESTS, CANARY_MOST = 120, 52
"""Of so many requests, each sent to the canary by chance with a probability of a quarter, more reach it once in a
million times."""
STARTS, EVICTED, GONE, GROWS, SLOW = 60.0, 20.0, 2.5, 120.0, 3.0
JUST_NOW = timedelta(minutes=3)
AGAIN = 0.5
"""Seconds between two tries of an eviction that a budget forbids for now."""


# -- the shop, and who may be asked


def addressed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


class Shop:
    """The cluster as all checks need it: the programs' Pods, the guests, and what has been found out once."""

    def __init__(self, lab, guests):
        self.lab, self.south = lab, lab.beside(SOUTH)
        self.outside, self.guests = guests["outside"], guests
        self.drain = Drain(self)
        self.rush = Rush(lab)
        self._replies, self._answers = None, {}
        self._asked_again = False

    @property
    def door(self):
        return self.lab.door("traefik")

    def renew(self):
        """Delete the Pods of the programs inside: what goes by today's Pods and addresses is no answer, and one that
        nobody brings back is none either."""
        there = [name for name in INSIDE if self.lab.get("Deployment", name)]
        before = {p["metadata"]["uid"]: p["metadata"]["name"] for name in there for p in self.lab.pods_of(name)}
        for name in before.values():
            self.lab.delete_pod(name)

        def as_many(live):
            ours = [p for p in live if any(is_named(p, name) for name in INSIDE)]
            new = [p for p in ours if p["metadata"]["uid"] not in before and is_ready(p) and not is_going(p)]
            return len(new) >= len(before)

        self.lab.eventually("Pod", as_many, timeout=STARTS)

    def pods(self, name):
        """The ready Pods of a program; the check fails when there are none."""
        found = self.database() if name == "database" else self.lab.pods_of(name)
        self.lab.expect(
            found,
            expected=f"ready Pods of {name}",
            seen="there are none",
            then=f"kubectl get pods -n {self.lab.namespace}",
        )
        return found

    def front(self):
        """The Pods of both versions of the storefront; the canary's may be missing."""
        there = [name for name in FRONT if self.lab.get("Deployment", name)]
        self.lab.expect("storefront" in there, expected="a Deployment storefront", seen="there is none")
        return self.lab.pods_of(*there)

    def client(self, name):
        """A Pod of a program, to send from."""
        return self.lab.client(sorted(self.pods(name).names)[0])

    def database(self):
        """The Pods of StatefulSet database, ready, in order."""
        self.lab.require("StatefulSet", "database")

        def all_ready(found):
            wanted = self.lab.require("StatefulSet", "database")["spec"].get("replicas", 1)
            mine = sorted((p for p in found if is_made_by(p, "database")), key=lambda p: p["metadata"]["name"])
            return mine if len(mine) >= wanted and all(is_ready(p) and not is_going(p) for p in mine) else None

        ready = self.lab.eventually("Pod", all_ready, timeout=0 if self._stuck() else STARTS)
        return type(self.lab.pods())(ready or ())

    def _stuck(self):
        """Whether no waiting helps: a claim that nothing can provide for, an image that is not there."""
        lost = [e for e in self.lab.list("Event") if e.get("reason") in ("ProvisioningFailed", "FailedBinding")]
        waiting = [c for c in self.lab.list("PersistentVolumeClaim") if c.get("status", {}).get("phase") == "Pending"]
        return bool(lost and waiting)

    def expect_answers(self, name):
        """Requests to a program's name, from a Pod that needs it, are answered by each of its Pods and nobody else."""
        pods, url = self.pods(name), f"http://{name}/hostname"
        client = self.client(CALLERS[name][0])

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

    # -- ways in from outside

    def services_of(self, labels):
        """The Services of the namespace that select Pods with these labels."""
        return [s for s in self.lab.list("Service") if selects(s, labels)]

    def expect_closed(self, name):
        """Nobody outside the cluster gets to a program: by no port of a node, no address of a load balancer and no
        rule of an Ingress or a route."""
        pods = self.pods(name)
        services = {s["metadata"]["name"]: s for s in self.lab.list("Service") if selects(s, labels_of(pods[0]))}
        ways = [way for service in services.values() for way in self._ways(service)]
        ways += [f"host port {port}" for pod in pods for port in host_ports(pod)]
        if name not in FRONT:
            ways += [f"{route}, which leads to Service {to}" for route, to in self.routes() if to in services]
        self.lab.expect(
            not ways,
            expected=f"no way from outside the cluster to {name}",
            seen=f"there is one: {ways[0]}" if ways else "",
            then=f"kubectl get services,ingresses -n {self.lab.namespace}",
        )

    def _ways(self, service):
        name, spec = service["metadata"]["name"], service["spec"]
        for port in spec.get("ports") or ():
            if port.get("nodePort"):
                url = f"http://{addressed(self._node())}:{port['nodePort']}/hostname"
                yield f"Service {name} opens port {port['nodePort']} of every node ({url}: {self.outside.get(url)})"
        for address in spec.get("externalIPs") or ():
            yield f"Service {name} has the external address {address}"

    def _node(self):
        found = [a["address"] for n in self.lab.api.list("Node") for a in n["status"]["addresses"]]
        return found[0]

    def routes(self):
        """(a rule of the namespace in words, the Service it leads to)."""
        for ingress in self.lab.list("Ingress"):
            spec, name = ingress["spec"], f"Ingress {ingress['metadata']['name']}"
            if spec.get("defaultBackend", {}).get("service"):
                yield f"the default backend of {name}", spec["defaultBackend"]["service"]["name"]
            for rule in spec.get("rules") or ():
                for path in (rule.get("http") or {}).get("paths") or ():
                    if path["backend"].get("service"):
                        yield f"path {path.get('path', '/')} of {name}", path["backend"]["service"]["name"]
        with suppress(ApiError):  # a cluster without the Gateway API
            for route in self.lab.list("HTTPRoute.gateway.networking.k8s.io"):
                for rule in route["spec"].get("rules") or ():
                    for backend in rule.get("backendRefs") or ():
                        yield f"HTTPRoute {route['metadata']['name']}", backend["name"]

    # -- who reaches whom

    def askers(self):
        """Who sends, by what they are called in messages."""
        own = {name: self.client(name) for name in ("storefront", *INSIDE)}
        if self.lab.get("Deployment", FRONT[1]) and self.lab.pods_of(FRONT[1]):
            own[FRONT[1]] = self.client(FRONT[1])
        return {f"a Pod of {name}": one for name, one in own.items()} | {
            who: one for who, one in self.guests.items() if who != "outside"
        }

    def replies(self):
        """Everybody has asked everybody, once, at the same time: (who, whom) -> reply."""
        if self._replies is None:
            self.askers_of = self.askers()
            self.targets = {}
            for name in CALLERS:
                with suppress(CheckFailed):
                    self.targets[name] = self._url(name)
            self._replies = self._ask([(who, whom) for who in self.askers_of for whom in self.targets])
        return self._replies

    def _url(self, name):
        address = self.pods(name)[0]["status"]["podIP"]
        return f"http://{addressed(address)}:{INSIDE.get(name, 8080)}/"

    def _ask(self, questions):
        sent = {(who, whom): (self.askers_of[who], self.targets[whom]) for who, whom in questions}
        found = ask_together(sent.values(), timeout=3 if self._asked_again else 1)
        return {question: found[one] for question, one in sent.items()}

    def expect_reach(self, whom, never):
        """The callers of a program reach it, and none of `never` does."""
        self.replies()
        if whom not in self.targets:
            self.pods(whom)  # says what is missing
        may = [f"a Pod of {name}" for name in CALLERS[whom]]
        canary = f"a Pod of {FRONT[1]}"
        if "storefront" in CALLERS[whom] and canary in self.askers_of and canary in never:
            may.append(canary)
        questions = [
            (who, whom) for who in self.askers_of if who in may or (who in never and who != f"a Pod of {whom}")
        ]

        def wrong():
            return [q for q in questions if self._replies[q].exit != (0 if q[0] in may else TIMED_OUT)]

        if wrong() and not self._asked_again:  # a network hears of a policy a little later
            self._asked_again = True
            self._replies |= self._ask([q for q in self._replies if self._replies[q].exit == 0 or q[0] in may])
        if not wrong():
            return
        if not any(reply.exit == TIMED_OUT for reply in self._replies.values()):
            self.lab.need_policies()
        who, _ = wrong()[0]
        self.lab.expect(
            False,
            expected=f"{who} {'gets an answer from' if who in may else 'gets no answer (a time-out) from'} {whom}",
            seen=f"{self._replies[who, whom]}, at {self.targets[whom]}",
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

    def expect_visited(self, host, names):
        """Requests for the host are answered, and by these Pods only; `names` is asked before and after, for Pods come
        and go."""
        before = names()
        replies = self.ask(lambda: self.visit(host, count=6), lambda found: found.ok and found.bodies <= names())
        lab = self.lab
        lab.expect(
            replies.ok and replies.bodies <= before | names(),
            expected=f"requests to https://{host}/hostname answered by {', '.join(sorted(before)) or 'nobody yet'}",
            seen=replies,
            about=f"https://{host}/hostname",
            then=f"kubectl get ingress,services -n {lab.namespace}",
        )

    def expect_verified(self, place, host):
        """A client that trusts only what the tenant's own entry brings along is satisfied; returns the certificate."""
        shown = self.lab.until(lambda: self.door.shown(self.outside, host, place.certificates()), bool)
        shown = shown or self.door.shown(self.outside, host, place.certificates())
        there = ", ".join(f"{c.secret} (for {', '.join(c.names)})" for c in place.certificates()) or "none"
        self.lab.expect(
            shown,
            expected=f"https://{host} shows a valid certificate for that name, from a Secret of {place.namespace}",
            seen=f"a client that checks it refuses what it is shown; the certificates there: {there}",
            then=f"kubectl describe ingress -n {place.namespace}",
        )
        return shown

    def north_names(self):
        return self.front().names

    def south_names(self):
        return self.south.pods_of("storefront").names


def owners(obj):
    return obj["metadata"].get("ownerReferences") or ()


def is_made_by(pod, owner):
    return any(o["name"] == owner for o in owners(pod))


def is_going(pod):
    return bool(pod["metadata"].get("deletionTimestamp"))


def labels_of(pod):
    return pod["metadata"].get("labels") or {}


def selects(service, labels):
    wanted = service["spec"].get("selector") or {}
    return bool(wanted) and wanted.items() <= labels.items()


def host_ports(pod):
    if pod["spec"].get("hostNetwork"):
        yield "of the node itself (hostNetwork)"
    for container in pod["spec"]["containers"]:
        yield from (p["hostPort"] for p in container.get("ports") or () if p.get("hostPort"))


# -- what takes its time


class Drain:
    """The Pods of one node are evicted as `kubectl drain` does it, while visitors ask for pages. Then an eviction of
    all Pods at once is tried, which a budget must not allow."""

    def __init__(self, shop):
        self.shop, self.lab = shop, shop.lab
        self.thread = None
        self.error = None
        self.leaving, self.stuck, self.refused, self.node = (), (), 0, ""
        self.replies = Replies()

    def begin(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def result(self):
        if self.thread is None:
            self._run()
        else:
            self.thread.join()
        if self.error:
            raise self.error
        return self

    def _run(self):
        try:
            self._carry_out()
        except Exception as error:  # it belongs to the checks that ask for the result
            self.error = error

    def _carry_out(self):
        pods = self.shop.front()
        nodes = {p["spec"]["nodeName"] for p in pods}
        at = {node: [p for p in pods if p["spec"]["nodeName"] == node] for node in nodes}
        self.lab.expect(at, expected="ready Pods of the storefront", seen="there are none")
        newest = {n: any(is_named(p, FRONT[1]) for p in found) for n, found in at.items()}
        self.node = max(at, key=lambda n: (newest[n], len(at[n])))
        self.leaving = [p["metadata"]["name"] for p in at[self.node]]
        first = self.shop.ask(lambda: self.shop.visit(NORTH_HOST), lambda found: found.ok)
        self.lab.expect(
            first.ok,
            expected=f"https://{NORTH_HOST}/hostname answers, also before a node is drained",
            seen=first,
            then=f"kubectl get ingress,services -n {self.lab.namespace}",
        )
        door = self.shop.door
        to = f"-k --connect-to {NORTH_HOST}:443:{door.at}:{door.https}"
        url = f"https://{NORTH_HOST}/shell?cmd=sleep+0.5"
        with self.lab.load(url, clients=10, timeout=10, over=0.5, client=self.shop.outside, options=to) as load:
            self._evict_in_turn(list(self.leaving))
            self.lab.eventually("Pod", lambda live: not self._left(live), timeout=GONE)
        self.replies = load.replies
        self.lab.settled("storefront")
        self.refused = sum(not self._evict(name) for name in sorted(self.shop.front().names))

    def _left(self, live):
        return {p["metadata"]["name"] for p in live} & set(self.leaving)

    def _evict_in_turn(self, names):
        deadline = monotonic() + EVICTED
        while names and monotonic() < deadline:
            names = [name for name in names if not self._evict(name)]
            if names:
                self.lab.eventually("Pod", lambda live: None, timeout=AGAIN)
        self.stuck = names

    def _evict(self, name):
        """Whether the API server lets the Pod go."""
        meta = {"name": name, "namespace": self.lab.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        try:
            self.lab.api.request("POST", self.lab.api.path("Pod", self.lab.namespace, name) + "/eviction", body)
        except ApiError as error:
            if error.code in (429, 500):  # 500: two budgets for one Pod
                return False
            if error.code != 404:
                raise
        return True


def is_named(pod, deployment):
    """Whether the Deployment made it."""
    return any(o["name"].rpartition("-")[0] == deployment for o in owners(pod))


class Rush:
    """A sale day for a twin: a Pod like the storefront's that computes as fast as it can, under an autoscaler like the
    learner's with as much room. The storefront itself is left alone, for it would stay grown for minutes."""

    def __init__(self, lab):
        self.lab, self.name = lab, f"kindlab-twin-{secrets.token_hex(3)}"
        self.thread, self.error, self.grown, self.seen = None, None, False, ""

    def begin(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def result(self):
        self.thread.join()
        if self.error:
            raise self.error
        return self

    def _run(self):
        """It ends as soon as it is plain what comes of it: whoever computes as fast as he can slows the others down."""
        try:
            if self._begin():
                self.grown = self.lab.eventually(HPA, self._wants_more, timeout=GROWS) == "yes"
        except Exception as error:  # it belongs to the check that asks for the result
            self.error = error
        finally:
            for kind in (HPA, "Deployment"):
                self.lab.api.delete(kind, self.name, self.lab.namespace)
            for pod in self.lab.list("Pod", f"kindlab-twin={self.name}"):
                self.lab.api.delete("Pod", pod["metadata"]["name"], self.lab.namespace, grace=0)

    def _begin(self):
        """Whether there is an autoscaler to be tried."""
        hpa, live = scaler(self.lab), self.lab.get("Deployment", "storefront")
        for kind in (HPA, "Deployment"):
            for left in self.lab.list(kind, LABEL):  # by a grader that was killed
                self.lab.api.delete(kind, left["metadata"]["name"], self.lab.namespace)
        if hpa is None or live is None or not by_cpu(hpa):
            return False
        meta = {"name": self.name, "labels": {**OURS, "kindlab-twin": self.name}}
        pod = copy.deepcopy(live["spec"]["template"]["spec"])
        first = pod["containers"][0]
        for key in ("args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
            first.pop(key, None)
        first |= {"image": IMAGE, "command": ["sh", "-c", "while true; do :; done"]}
        pod["terminationGracePeriodSeconds"] = 0
        template = {"metadata": {"labels": meta["labels"]}, "spec": pod}
        spec = {"replicas": 1, "selector": {"matchLabels": {"kindlab-twin": self.name}}, "template": template}
        self._create("apps/v1", "Deployment", meta, spec)
        least = hpa["spec"].get("minReplicas", 1)
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name}
        room = {"minReplicas": 1, "maxReplicas": min(2, 1 + hpa["spec"]["maxReplicas"] - least)}
        self._create("autoscaling/v2", HPA, meta, {**hpa["spec"], **room, "scaleTargetRef": ref})
        return True

    def _create(self, version, kind, meta, spec):
        self.lab.api.create({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}, self.lab.namespace)

    def _wants_more(self, live):
        mine = [h for h in live if h["metadata"]["name"] == self.name]
        if not mine:
            return "no"
        status, used = mine[0].get("status") or {}, share(mine[0])
        wanted = status.get("desiredReplicas") or 0
        self.seen = f"it sees {used}% of the request, and asks for {wanted} Pods"
        if wanted > 1:
            return "yes"
        limited = condition(mine[0], "ScalingLimited").get("reason") == "TooManyReplicas"
        return "no" if limited or is_hopeless(self.lab, mine[0]) or (used or 0) > CALM else None


def scaler(lab):
    """The autoscaler for Deployment storefront; None for none."""
    return next((h for h in lab.list(HPA) if target_of(h) == ("Deployment", "storefront")), None)


def by_cpu(hpa):
    sources = [m.get("resource") or m.get("containerResource") or {} for m in hpa["spec"].get("metrics") or ()]
    return any(source.get("name") == "cpu" for source in sources)


def target_of(hpa):
    ref = hpa["spec"]["scaleTargetRef"]
    return ref["kind"], ref["name"]


def share(hpa):
    """The percentage of the request that the autoscaler has worked out; None when it could not."""
    for metric in (hpa.get("status") or {}).get("currentMetrics") or ():
        for kind in ("resource", "containerResource"):
            if "averageUtilization" in (metric.get(kind) or {}).get("current", {}):
                return metric[kind]["current"]["averageUtilization"]
    return None


@pytest.fixture(scope="session")
def shop(lab, tasks):
    own, pod = lab.namespace, lab.get("Deployment", "cart") or {}
    cart = pod.get("spec", {}).get("template", {}).get("metadata", {}).get("labels") or {"app": "cart"}
    guests = {
        "outside": Guest(own, host_network=True),
        "a Pod without labels": Guest(own),
        "a Pod of tenant south": Guest(SOUTH),
        "a Pod of tenant south labelled like cart": Guest(SOUTH, cart),
    }
    with lab.visitors(guests) as clients:
        found = Shop(lab, clients)
        try:
            if tasks & {"internal-services", "payment-policy", "neighbours", "tenants", "strategy"}:
                found.renew()
            if "autoscaling" in tasks:
                found.rush.begin()
            if "drain" in tasks:
                found.drain.begin()
            yield found
        finally:
            for one in (found.rush.thread, found.drain.thread):
                if one:
                    one.join()


# -- task database


@pytest.fixture(scope="session")
def kept(shop):
    """What each Pod of the database has when all of them have been replaced: name -> what it was given, what it has."""
    lab, pods = shop.lab, shop.pods("database")
    given = {p["metadata"]["name"]: secrets.token_hex(16).encode() for p in pods}
    for name, token in given.items():
        lab.volumes.place(name, DATA).write(TOKEN, token)
    before = {p["metadata"]["uid"] for p in pods}
    for name in given:
        lab.delete_pod(name)
    lab.eventually("Pod", lambda live: not before & {p["metadata"]["uid"] for p in live}, timeout=STARTS)
    shop.pods("database")
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
    claims = {p["metadata"]["name"]: claim_of(p) for p in shop.pods("database")}
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


# -- task backup


class Backups:
    """Two nights: the CronJob's Job, run twice as `kubectl create job --from=cronjob/...` does it, and once with an
    account that may do nothing."""

    def __init__(self, shop):
        self.shop, self.lab = shop, shop.lab
        self.made = []  # (kind, name), removed at the end

    def run(self):
        self.cron = self._cron()
        self.claim = claim_of(self.shop.pods("database")[0])
        self.powerless = self._begin(account=self._nobody())
        self.nights = [self._night(), self._night()]

    def _cron(self):
        found = self.lab.list("CronJob")
        named = [c for c in found if c["metadata"]["name"] == "backup"]
        self.lab.expect(
            found, expected="a CronJob", seen="there is none", then=f"kubectl get cronjobs -n {self.lab.namespace}"
        )
        return (named or found)[0]

    def _nobody(self):
        name = f"kindlab-nobody-{secrets.token_hex(3)}"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": OURS}}
        self.made.append(("ServiceAccount", name))
        self.lab.api.create(account, self.lab.namespace)
        return name

    def _begin(self, account=""):
        """A Job of the CronJob's template; its name."""
        template = self.cron["spec"]["jobTemplate"]
        name = f"kindlab-backup-{secrets.token_hex(3)}"
        meta = {**(template.get("metadata") or {}), "name": name}
        meta["labels"] = {**(meta.get("labels") or {}), **OURS}
        spec = {**template["spec"], "backoffLimit": 0, "suspend": False}
        pod = {**spec["template"], "spec": dict(spec["template"]["spec"])}
        if account:
            pod["spec"].pop("serviceAccount", None)
            pod["spec"]["serviceAccountName"] = account
        self.made.append(("Job", name))
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {**spec, "template": pod}}
        self.lab.api.create(job, self.lab.namespace)
        return name

    def outcome(self, job, timeout=STARTS):
        """Complete, Failed, or "" when it does not end in time."""

        def ended(live):
            mine = [j for j in live if j["metadata"]["name"] == job]
            return next(
                (k for j in mine for k in ("Complete", "Failed") if condition(j, k).get("status") == "True"), ""
            )

        return self.lab.eventually("Job", ended, timeout=timeout) or ""

    def _night(self):
        """(how the run ended, the snapshots it made of the database's claim, the token that was stored before)."""
        token = secrets.token_hex(16).encode()
        self.lab.volumes.place("database-0", DATA).write(TOKEN, token)
        before = {s["metadata"]["uid"] for s in self.lab.list(SNAPSHOT)}
        ended = self.outcome(self._begin())
        new = [s for s in self.lab.list(SNAPSHOT) if s["metadata"]["uid"] not in before]
        if not self._is_due():  # else one of them is the learner's own
            self.made += [(SNAPSHOT, s["metadata"]["name"]) for s in new]
        mine = [s for s in new if s["spec"]["source"].get("persistentVolumeClaimName") == self.claim]
        return ended, mine, token

    def _is_due(self):
        """Whether a real run of a CronJob is under way, or was a moment ago."""
        by_cron = [j for j in self.lab.list("Job") if any(o["kind"] == "CronJob" for o in owners(j))]
        ages = [datetime.now(UTC) - datetime.fromisoformat(j["metadata"]["creationTimestamp"]) for j in by_cron]
        return any(age < JUST_NOW for age in ages)

    def end(self):
        for kind, name in reversed(self.made):
            with suppress(ApiError):
                self.lab.api.delete(kind, name, self.lab.namespace)
        with suppress(CouldNotGrade, CheckFailed):
            self.lab.volumes.place("database-0", DATA).remove(TOKEN)


def claim_of(pod):
    """The claim behind the Pod's /data; "" when it is no claim."""
    mounts = {
        m["name"] for c in pod["spec"]["containers"] for m in c.get("volumeMounts") or () if m["mountPath"] == DATA
    }
    volumes = [v for v in pod["spec"].get("volumes") or () if v["name"] in mounts]
    return next((v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v), "")


@pytest.fixture(scope="session")
def backups(shop):
    found = Backups(shop)
    try:
        found.run()
        yield found
    finally:
        found.end()


@check("backup", "it is due once a night, and not suspended")
def test_backup_is_due_every_night(shop):
    lab = shop.lab
    found = lab.list("CronJob")
    lab.expect(found, expected="a CronJob", seen="there is none", then=f"kubectl get cronjobs -n {lab.namespace}")
    cron = next((c for c in found if c["metadata"]["name"] == "backup"), found[0])
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
        has = place.read(TOKEN)
    shop.lab.expect(
        has == token,
        expected="a claim restored from the snapshot has the file that database-0 had stored before",
        seen="the file is not there" if has is None else "the file is another one",
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
    how = backups.outcome(backups.powerless, timeout=15)
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
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    path = lab.api.path("ServiceAccount", lab.namespace, account)
    token = lab.api.request("POST", f"{path}/token", body)["status"]["token"]
    others = {p["spec"].get("serviceAccountName", "default") for p in shop.pods("storefront")}
    lab.expect(
        account not in others,
        expected="an account of the backup's own: what it may do the storefront may not",
        seen=f"both run as ServiceAccount {account}",
        then=f"kubectl get cronjobs,pods -n {lab.namespace} -o yaml | grep serviceAccountName",
    )
    here, there = f"namespaces/{lab.namespace}", f"namespaces/{SOUTH}"
    forbidden = {
        "read the Secrets": ("GET", f"/api/v1/{here}/secrets"),
        "delete Pods": ("DELETE", f"/api/v1/{here}/pods/kindlab-nothing"),
        "delete claims": ("DELETE", f"/api/v1/{here}/persistentvolumeclaims/kindlab-nothing"),
        "see snapshots of the other tenant": ("GET", f"/apis/snapshot.storage.k8s.io/v1/{there}/volumesnapshots"),
        "delete snapshots of the other tenant": (
            "DELETE",
            f"/apis/snapshot.storage.k8s.io/v1/{there}/volumesnapshots/kindlab-nothing",
        ),
    }
    for what, (verb, url) in forbidden.items():
        code = shop.outside.get(
            f"https://kubernetes.default.svc{url}", options=f"-k -X {verb} -H 'Authorization: Bearer {token}'"
        ).code
        lab.expect(
            code == 403,
            expected=f"ServiceAccount {account} may not {what} (403)",
            seen=f"the API server answers {code}",
            then=f"kubectl describe rolebindings,roles -n {lab.namespace}",
        )


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
        expected=f"the storefront's Pods on {drain.node} can be evicted one after the other, within {EVICTED:.0f} s",
        seen=f"a budget forbids it all the time for {', '.join(drain.stuck)}",
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
        drain.refused,
        expected="of the storefront's Pods some may not be evicted while others are on their way out",
        seen="all of them may be evicted at the same moment",
        then=f"kubectl get poddisruptionbudgets -n {shop.lab.namespace}",
    )


# -- task canary


@pytest.fixture(scope="session")
def versions(shop):
    """How many of the visitors' requests each version answered."""
    stable, canary = shop.pods(FRONT[0]).names, shop.pods(FRONT[1]).names
    replies = shop.ask(lambda: shop.visit(NORTH_HOST, count=CANARY_REQUESTS), lambda found: found.ok)
    stable, canary = stable | shop.pods(FRONT[0]).names, canary | shop.pods(FRONT[1]).names
    shop.lab.expect(
        replies.ok and replies.bodies <= stable | canary,
        expected=f"every request to https://{NORTH_HOST} answered by one of the two versions",
        seen=replies,
        then=f"kubectl get ingress,services -n {shop.lab.namespace}",
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
    hpa = scaler(lab)
    lab.expect(
        hpa,
        expected="an autoscaler for Deployment storefront",
        seen="there is none",
        then=f"kubectl get hpa -n {lab.namespace}",
    )
    name = hpa["metadata"]["name"]
    aims = [m.get("resource") or m.get("containerResource") or {} for m in hpa["spec"].get("metrics") or ()]
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


def is_hopeless(lab, hpa):
    """A request that is missing, or something that cannot be scaled: no waiting helps. What the autoscaler says may be
    older than the learner's mend, so what it speaks of is looked at, too."""
    active, target = condition(hpa, "ScalingActive"), lab.get(*target_of(hpa))
    if target is None or condition(hpa, "AbleToScale").get("status") == "False":
        return target is None
    containers = target["spec"]["template"]["spec"]["containers"]
    asked = [(c.get("resources") or {}) for c in containers]
    without = any("cpu" not in {**(r.get("limits") or {}), **(r.get("requests") or {})} for r in asked)
    return "missing request" in active.get("message", "") and without


@check("autoscaling", "under load it asks for more Pods")
def test_storefront_grows(shop):
    rush, hpa = shop.rush.result(), scaler(shop.lab)
    shop.lab.expect(
        rush.grown,
        expected="when a Pod like the storefront's computes as fast as it can, an autoscaler like yours asks for more",
        seen=rush.seen or "there is no autoscaler that goes by the CPU of Deployment storefront",
        about=f"hpa/{hpa['metadata']['name']}" if hpa else "",
        then=f"kubectl describe hpa -n {shop.lab.namespace}",
    )


# -- task payment-policy


SHOP_PODS = tuple(f"a Pod of {name}" for name in (*FRONT, *INSIDE))
STRANGER = "a Pod without labels"
SOUTHERNERS = ("a Pod of tenant south", "a Pod of tenant south labelled like cart")


@check("payment-policy", "cart reaches payment; the shop's other programs do not")
def test_only_cart_of_the_shop_reaches_payment(shop):
    shop.expect_reach("payment", SHOP_PODS)


@check("payment-policy", "cart reaches payment; a new Pod that nobody knows does not")
def test_a_stranger_does_not_reach_payment(shop):
    shop.expect_reach("payment", (STRANGER,))


@check("payment-policy", "cart reaches payment; a Pod of another namespace that calls itself cart does not")
def test_a_false_cart_does_not_reach_payment(shop):
    shop.expect_reach("payment", SOUTHERNERS)


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
    host = f"nobody-{secrets.token_hex(3)}.16.localhost"
    for tls in (True, False):
        replies = shop.visit(host, tls=tls)
        every = shop.lab.pods().names
        shop.lab.expect(
            not replies.bodies & every,
            expected=f"http{'s' if tls else ''}://{host}, a name that nobody has, leads to none of the shop's Pods",
            seen=replies,
            then=f"kubectl get ingress -n {shop.lab.namespace}   (column HOSTS)",
        )
    for name in ("storefront", *INSIDE):
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


def expect_word(shop, name, right, why):
    said = word(shop, name)
    shop.lab.expect(
        said == right, expected=f"the kind of exposure that fits {name}: {why}", seen=f"your answer is {said}"
    )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=check("strategy", f"the answer for {name} is right, and the cluster does so"))
        for name in INSIDE
    ],
)
def test_strategy_inside(shop, name):
    expect_word(shop, name, "clusterip", "other programs ask it by one name, and nobody outside does")
    expect_internal(shop, name)


@check("strategy", "the answer for storefront is right, and the cluster does so")
def test_strategy_of_the_storefront(shop):
    expect_word(shop, "storefront", "ingress", "visitors come with a browser, by a host name and TLS, through one door")
    shop.expect_visited(NORTH_HOST, shop.north_names)
    shop.expect_closed("storefront")


@check("strategy", "the answer for database is right, and the cluster does so")
def test_strategy_of_the_database(shop):
    expect_word(shop, "database", "headless", "who asks must choose the Pod, for each has other data")
    test_database_pods_have_names(shop)
    shop.expect_closed("database")


@check("strategy", "the answer for backup is right, and the cluster does so")
def test_strategy_of_the_backup(shop):
    expect_word(shop, "backup", "none", "it asks, and nobody asks it")
    found = shop.lab.list("CronJob")
    shop.lab.expect(found, expected="a CronJob that makes the backup", seen="there is none")
    for cron in found:
        labels = (cron["spec"]["jobTemplate"]["spec"]["template"].get("metadata") or {}).get("labels") or {}
        services = [s["metadata"]["name"] for s in shop.services_of(labels)]
        shop.lab.expect(
            not services, expected="no Service for the backup's Pods", seen=f"Service {', '.join(services)}"
        )
