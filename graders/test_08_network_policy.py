"""Lab 08-network-policy: who reaches whom. Guests of the grader's own, with labels and namespaces of their own, send
requests to the shop; some must be answered and some must time out. Those of all tasks are sent once, at the same time,
for silence takes its time; what is not as it should be is asked again: a network hears of a policy a little later."""

from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest

from kindlab.checks import SERVICE_LABEL, TIMED_OUT, CheckFailed, CouldNotGrade, Guest, ask_together, check
from kindlab.conditions import is_ready

PARTNER, RIVAL = "partner", "rival"
SHOP = ("storefront", "orders", "reports", "queue", "notes", "checkout", "worker", "crawler")

STRANGER = "a Pod without labels"
CHECKOUT, WORKER, CRAWLER = (f"a Pod labelled app: {app}" for app in ("checkout", "worker", "crawler"))
OUR_AUDITOR = "a Pod labelled app: auditor in this namespace"
NEW, NEXT_QUEUE, NEWCOMER = "a-new-pod", "the-next-pod-of-the-queue", "a-new-pod-of-the-partner"
"""Guests that listen; in a URL these words stand for their addresses, which no policy of yesterday can know."""
GUEST = "a Pod of the partner"
HIS_CHECKOUT, HIS_WORKER, AUDITOR, INTERN = (
    f"a Pod labelled app: {app} of the partner" for app in ("checkout", "worker", "auditor", "intern")
)
COMPETITOR = "a Pod of the rival"
HIS_AUDITOR = "a Pod labelled app: auditor of the rival"
OUTSIDE = "a client on a node, which is no Pod"

HEARD = 2.0
"""Seconds after which a network has heard of a policy and of a new Pod; the guests' first try took as long already."""


class Town:
    """The guests, and what came of their requests. A question is (who, URL); `passes` and `blocked` belong to the check
    of that name, which begins with its task."""

    def __init__(self, lab, clients, passes, blocked):
        self.lab, self.clients = lab, clients
        self.passes, self.blocked = passes, blocked
        self.must_pass = {q for asked in passes.values() for q in asked}
        self.places = {
            who: f"{clients[who].object()['status']['podIP']}:8080"
            for who in (NEW, NEXT_QUEUE, NEWCOMER)
            if who in clients
        }
        self.waited = False
        self.replies = {}
        self.ask(self.must_pass | {q for asked in blocked.values() for q in asked})

    def ask(self, questions):
        asked = {(who, url): (self.clients[who], self.address(url)) for who, url in questions}
        found = ask_together(asked.values())
        self.replies |= {question: found[sent] for question, sent in asked.items()}

    def address(self, url):
        host = urlsplit(url).netloc
        return url.replace(host, self.places.get(host, host))

    def ask_again(self):
        """What is wrong still, when all that was wrong has been asked once more, for whichever check it is."""
        self.ask(self.wrong(self.replies))
        return self.wrong(self.replies)

    def wrong(self, questions):
        return [q for q in questions if self.replies[q].exit != (0 if q in self.must_pass else TIMED_OUT)]

    def expect(self, check):
        """What passes is answered, what is blocked times out: not refused, for then nobody listened."""
        questions = [*self.passes.get(check, ()), *self.blocked.get(check, ())]
        if self.wrong(questions) and not self.waited:
            self.lab.until(self.ask_again, lambda _: not self.wrong(questions), timeout=HEARD)
            self.waited = bool(self.wrong(questions))
        wrong = self.wrong(questions)
        if not wrong:
            return
        if not any(reply.exit == TIMED_OUT for reply in self.replies.values()):
            self.lab.need_policies()  # one silence shows that they are enforced
        who, url = wrong[0]
        passes = wrong[0] in self.must_pass
        more = f"; {len(wrong) - 1} more like this, such as {wrong[-1][0]} at {wrong[-1][1]}" if len(wrong) > 1 else ""
        self.lab.expect(
            False,
            expected=f"{who} {'gets an answer from' if passes else 'gets no answer (a time-out) from'} {url}",
            seen=f"{self.replies[who, url]}{more}",
            then=(passes and self.follow(who, url)) or f"kubectl describe networkpolicies -n {self.lab.namespace}",
        )

    def expect_name(self, who, name, how, whence):
        """A name of this namespace resolves; asked by its full name, for each part of the search path takes time."""
        script = f"dig {how} +short +time=1 +tries=1 {name}.$(sed -n 's/^search \\([^ ]*\\).*/\\1/p' /etc/resolv.conf)"
        limit = 0 if self.waited else HEARD
        host = self.clients[who].host
        said = self.lab.until(lambda: host.run(script), lambda r: r.rc == 0 and r.stdout.strip(), timeout=limit)
        app = who.rpartition(" ")[2]
        self.lab.expect(
            said.rc == 0 and said.stdout.strip(),
            expected=f"{who} resolves the name {name} {whence}",
            seen="no answer" if said.rc else "an empty answer",
            then=f"kubectl exec -n {self.lab.namespace} deploy/{app} -- dig {how} +search +time=1 +tries=1 {name}",
        )

    def follow(self, who, url):
        """The command that shows which side refuses: asked by one of the lab's own Pods of that kind, if there is."""
        place, app = {
            CHECKOUT: (self.lab, "checkout"),
            WORKER: (self.lab, "worker"),
            AUDITOR: (self.lab.beside(PARTNER), "auditor"),
        }.get(who, (self.lab, ""))
        if urlsplit(url).netloc in self.places:
            return ""  # gone by the time somebody asks
        pods = sorted(place.pods(f"app={app}").names) if app else ()
        return f"kindlab why {url.removesuffix('/hostname')} -n {place.namespace} --from {pods[0]}" if pods else ""


def guests(lab):
    own, partner, rival = lab.namespace, lab.space(PARTNER), lab.space(RIVAL)
    return {
        STRANGER: Guest(own),
        CHECKOUT: Guest(own, {"app": "checkout"}),
        WORKER: Guest(own, {"app": "worker"}),
        CRAWLER: Guest(own, {"app": "crawler"}),
        OUR_AUDITOR: Guest(own, {"app": "auditor"}),
        NEW: Guest(own, serves=8080),
        NEXT_QUEUE: Guest(own, labels_of(lab, "queue"), serves=8080),
        NEWCOMER: Guest(partner, serves=8080),
        GUEST: Guest(partner),
        HIS_CHECKOUT: Guest(partner, {"app": "checkout"}),
        HIS_WORKER: Guest(partner, {"app": "worker"}),
        AUDITOR: Guest(partner, {"app": "auditor"}),
        INTERN: Guest(partner, {"app": "intern"}),
        COMPETITOR: Guest(rival),
        HIS_AUDITOR: Guest(rival, {"app": "auditor"}),
        OUTSIDE: Guest(own, node=another_node(lab), host_network=True),
    }


def labels_of(lab, app):
    """The labels that the next Pod of a Deployment will have, whatever a learner has added to them."""
    deployment = lab.api.get("Deployment", app, lab.namespace) or {}
    return deployment.get("spec", {}).get("template", {}).get("metadata", {}).get("labels") or {}


def another_node(lab):
    """A node without the storefront: from its own node a Pod can always be reached. "" when there is none, or nobody
    may be put into its network."""
    if not (lab.can("nodes") and lab.can("host-network")):
        return ""
    taken = {p["spec"].get("nodeName") for p in lab.pods() if p["metadata"]["name"].startswith("storefront-")}
    free = [n for n in lab.api.list("Node") if n["metadata"]["name"] not in taken and is_ready(n)]
    free.sort(key=lambda n: "node-role.kubernetes.io/control-plane" in n["metadata"].get("labels", {}))
    return free[0]["metadata"]["name"] if free else ""


@pytest.fixture(scope="session")
def town(lab, tasks):
    for place, names in ((lab, SHOP), (lab.beside(PARTNER), ("lobby",))):
        for name in names:
            with suppress(CheckFailed):  # a Deployment that is gone is missed by the checks that need it
                place.settled(name)
    here = {name: f"http://{name}.{lab.namespace}/hostname" for name in SHOP}
    admin = f"http://storefront.{lab.namespace}:9090/hostname"
    lobby, relay = (f"http://lobby.{lab.space(PARTNER)}{port}/hostname" for port in ("", ":53"))
    lobbies = [f"http://{ip}:8080/hostname" for ip in lab.beside(PARTNER).pods("app=lobby").addresses]
    # a policy that lets somebody in may have opened more than one Pod
    strangers = (STRANGER, CHECKOUT, AUDITOR, GUEST, COMPETITOR)
    anybody = (STRANGER, GUEST, COMPETITOR, OUTSIDE) if another_node(lab) else (STRANGER, GUEST, COMPETITOR)
    passes = {
        "default-deny sending": [(STRANGER, lobby), (NEW, lobby)],
        "storefront-open": [(who, here["storefront"]) for who in anybody],
        "orders-clients": [(CHECKOUT, here["orders"])],
        "reports-partner": [(AUDITOR, here["reports"])],
        "worker-egress queue": [(WORKER, "http://queue/hostname"), (WORKER, f"http://{NEXT_QUEUE}/hostname")],
        "crawler-outside world": [(CRAWLER, url) for url in api_server(lab)] if "crawler-outside" in tasks else [],
    }
    blocked = {
        "default-deny": [(who, url) for who in strangers for url in (here["notes"], f"http://{NEW}/hostname")],
        "storefront-open admin": [(who, admin) for who in anybody],
        "orders-clients": [(who, here["orders"]) for who in (STRANGER, OUR_AUDITOR, HIS_CHECKOUT)],
        "reports-partner": [(who, here["reports"]) for who in (STRANGER, OUR_AUDITOR, INTERN, HIS_AUDITOR)],
        "worker-egress prison": [(WORKER, url) for url in (lobby, relay, here["storefront"])],
        "worker-egress others": [(who, here["queue"]) for who in (STRANGER, CHECKOUT, HIS_WORKER, AUDITOR)],
        "crawler-outside pods": [
            (CRAWLER, url) for url in (here["storefront"], lobby, relay, *lobbies, f"http://{NEWCOMER}/hostname")
        ],
    }
    passes, blocked = (
        {name: asked for name, asked in table.items() if name.split()[0] in tasks} for table in (passes, blocked)
    )
    asked = {q for table in (passes, blocked) for questions in table.values() for q in questions}
    invited = {name for who, url in asked for name in (who, urlsplit(url).netloc)}
    with lab.visitors({who: guest for who, guest in guests(lab).items() if who in invited}) as clients:
        yield Town(lab, clients, passes, blocked)


def api_server(lab):
    """An address that is no Pod's and has a listener on every cluster; any answer will do, for it passed. None where it
    lies among the Pods."""
    slices = lab.api.list("EndpointSlice", "default", labels=f"{SERVICE_LABEL}=kubernetes")
    found = [(a, s["ports"][0]["port"]) for s in slices for e in s["endpoints"] for a in e["addresses"]]
    ranges = [ip_network(c) for n in lab.api.list("Node") for c in n["spec"].get("podCIDRs") or ()]
    outside = [(a, p) for a, p in found if ":" not in a and not any(ip_address(a) in r for r in ranges)]
    return [f"https://{address}:{port}/" for address, port in outside[:1]]


# -- task default-deny


@check("default-deny", "Pods that nothing opens cannot be reached, from this namespace or another, also new ones")
def test_namespace_is_closed(town):
    town.expect("default-deny")


@check("default-deny", "the closed Pods can still send and resolve names")
def test_closed_pods_still_send(town):
    town.expect("default-deny sending")


# -- task storefront-open


@check("storefront-open", "everybody reaches http://storefront: Pods of all namespaces, and a client that is no Pod")
def test_everybody_reaches_the_storefront(town):
    town.expect("storefront-open")


@check("storefront-open", "nobody reaches port 9090 of the storefront")
def test_nobody_reaches_the_admin_port(town):
    town.expect("storefront-open admin")


# -- task orders-clients


@check("orders-clients", "a new checkout reaches orders; other Pods, and a checkout of another namespace, do not")
def test_only_checkout_reaches_orders(town):
    town.expect("orders-clients")


# -- task reports-partner


@check("reports-partner", "an auditor of the partner reaches reports; our auditors, its interns and the rival do not")
def test_only_the_partners_auditors_reach_reports(town):
    town.expect("reports-partner")


# -- task worker-egress


@check("worker-egress", "the worker reaches http://queue by its name")
def test_worker_reaches_the_queue(town):
    town.expect("worker-egress queue")


@check("worker-egress", "the worker can ask the cluster's DNS over TCP too")
def test_worker_resolves_over_tcp(town):
    town.expect_name(WORKER, "queue", "+tcp", "over TCP, as it must when an answer is too long for UDP")


@check("worker-egress", "the worker reaches nobody else, whatever the port")
def test_worker_reaches_nothing_else(town):
    town.expect("worker-egress prison")


@check("worker-egress", "nobody but the worker reaches the queue")
def test_queue_is_for_the_worker_alone(town):
    town.expect("worker-egress others")


# -- task crawler-outside


@check("crawler-outside", "the crawler reaches an address outside the Pods' range")
def test_crawler_reaches_the_outside(town):
    if not town.passes["crawler-outside world"]:
        raise CouldNotGrade("this cluster's API server has no IPv4 address outside the Pods' ranges to try")
    town.expect("crawler-outside world")


@check("crawler-outside", "the crawler resolves names")
def test_crawler_resolves_names(town):
    town.expect_name(CRAWLER, "storefront", "+notcp", "from the cluster's DNS")


@check("crawler-outside", "the crawler reaches no Pods, neither here nor in another namespace")
def test_crawler_reaches_no_pods(town):
    town.expect("crawler-outside pods")
