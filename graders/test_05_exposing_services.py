"""Lab 05-exposing-services: which doors the museum has, and to whom. Requests from outside are sent by Pods in a node's
own network to *another* node's address: kube-proxy takes them for what they are, traffic from beyond the Pods."""

from contextlib import ExitStack

import pytest

from kindlab.checks import CheckFailed, CouldNotGrade, LiveLab, Pods, Replies, check, enough, rolled_out
from kindlab.checks.makers import replace_pods
from kindlab.conditions import is_ready
from kindlab.hosts import in_url
from kindlab.managed import MANAGED

LEDGER, HOST_PORT = 30043, 8085
"""Numbers that the tasks and the start files fix."""
COMES_BACK, FOLLOWS = 60.0, 10.0
"""Seconds for a Pod in place of one that was deleted, and for the nodes to send requests to it."""
BALANCER_PATIENCE, BALANCER_LEAD, OURS = 15.0, 2.5, "kindlab-balancer"
NONE = "10.255.255.254"
"""An address that is nobody's."""


# -- nodes and clients outside


class Node:
    """A node that is ready."""

    def __init__(self, obj) -> None:
        self.name = obj["metadata"]["name"]
        self.address = next((a["address"] for a in obj["status"]["addresses"] if a["type"] == "InternalIP"), NONE)
        spec = obj["spec"]
        taints = {t["effect"] for t in spec.get("taints") or ()}
        self.works = not spec.get("unschedulable") and not taints & {"NoSchedule", "NoExecute"}

    def url(self, port: int, path: str = "") -> str:
        return f"http://{in_url(self.address)}:{port}{path}"


@pytest.fixture(scope="module")
def nodes(lab):
    """The ready nodes; those that take no ordinary Pods come first."""
    found = sorted((Node(n) for n in lab.api.list("Node") if is_ready(n)), key=lambda n: (n.works, n.name))
    if len(found) < 2 or not found[-1].works:
        raise CouldNotGrade(
            f"this lab needs two nodes or more, one of them a worker; ready here: {', '.join(n.name for n in found)}"
        )
    return found


@pytest.fixture(scope="module")
def outside(lab, nodes):
    """`outside(node)`: a client in the network of another node, each made once."""
    made = {}
    with ExitStack() as stack:

        def client_for(node: Node):
            at = next(n for n in nodes if n.name != node.name)
            if at.name not in made:
                made[at.name] = stack.enter_context(lab.visitor(node=at.name, host_network=True))
            return made[at.name]

        yield client_for


def node_port(lab: LiveLab, service: str) -> int:
    """The number at which a Service is open on the nodes; the check fails when there is none."""
    spec = lab.require("Service", service)["spec"]
    number = next((p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")), 0)
    lab.expect(
        number,
        expected=f"Service {service} is open at a node port",
        seen=f"it is of type {spec['type']}, and no node port leads to it",
        hop=f"Service: {service} has no way in from outside",
        then=f"kubectl get service {service} -n {lab.namespace}",
    )
    return number


def matches(labels, selector) -> bool:
    return bool(selector) and selector.items() <= (labels or {}).items()


def behind(lab: LiveLab, service: str) -> Pods:
    """The ready Pods that a Service selects, once those who make them have done so."""
    selector = lab.require("Service", service)["spec"].get("selector") or {}
    for deployment in lab.list("Deployment"):
        if matches(deployment["spec"]["template"]["metadata"].get("labels"), selector):
            lab.settled(deployment["metadata"]["name"])
    lab.eventually(
        "DaemonSet",
        lambda found: all(
            everywhere(d) for d in found if matches(d["spec"]["template"]["metadata"].get("labels"), selector)
        ),
        timeout=20,
    )
    return Pods(p for p in lab.pods().ready if matches(p["metadata"].get("labels"), selector))


def everywhere(daemonset) -> bool:
    """As `kubectl rollout status` decides."""
    status = daemonset.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    return (
        status.get("observedGeneration", 0) >= daemonset["metadata"].get("generation", 0)
        and status.get("updatedNumberScheduled", 0) >= wanted
        and status.get("numberAvailable", 0) >= wanted
    )


def answered_by(
    lab: LiveLab, client, url: str, names, *, count: int, all_of: bool = False, timeout: float | None = None
) -> Replies:
    """Requests that these Pods answer (each of them, if `all_of`), or the last ones when that does not come: a node
    learns of a new endpoint a moment after it is ready. `timeout`: seconds, after a change of the check's own."""

    def right(found: Replies) -> bool:
        return found.ok and (found.bodies == names if all_of else found.bodies <= names)

    return lab.until(lambda: client.get_many(url, count=count), right, timeout=timeout)


def complete(lab: LiveLab, name: str) -> Pods:
    """The Pods of a Deployment. Fails when they are only those of before, because the next ones do not get ready."""
    lab.expect(
        rolled_out(lab.settled(name)),
        expected=f"a complete rollout of Deployment {name}",
        seen="the next Pods do not get ready",
        about=f"deployment/{name}",
        then=f"kubectl describe pods -n {lab.namespace}",
    )
    return lab.pods_of(name)


def expect_served(lab: LiveLab, name: str, url: str, client=None) -> None:
    """Fail unless all requests to `url` are answered, by exactly the Pods of a Deployment, and by those that take their
    place: a Service that has lost its selector keeps the endpoints that it had."""
    for found in (complete, replaced):
        pods = found(lab, name)
        lab.expect(pods, expected=f"ready Pods of Deployment {name}", seen="there are none")
        asked = f"{url}/hostname", pods.names
        replies = answered_by(lab, client or lab.probe, *asked, count=enough(len(pods)), all_of=True, timeout=FOLLOWS)
        lab.expect(
            replies.ok and replies.bodies == pods.names,
            expected=f"every request to {url} answered, by exactly {pods}",
            seen=replies,
            about=f"svc/{name}",
        )


def replaced(lab: LiveLab, name: str) -> Pods:
    """New Pods in place of a Deployment's."""
    replace_pods(lab, [name], timeout=COMES_BACK)
    return lab.pods_of(name)


def on(pods: Pods, node: Node) -> Pods:
    return Pods(p for p in pods if p["spec"].get("nodeName") == node.name)


# -- task kiosk-node-port


@check("kiosk-node-port", "a client outside reaches the kiosk at port {{ port }} of every node, and nobody else there")
def test_kiosk_answers_at_every_node(lab, nodes, outside):
    pods, port = lab.pods_of("kiosk"), int(lab.variant["port"])
    lab.expect(pods, expected="ready Pods of Deployment kiosk", seen="there are none")
    for node in nodes:
        client = outside(node)
        count = max(2, enough(len(pods)))
        replies = answered_by(lab, client, node.url(port, "/hostname"), pods.names, count=count, all_of=True)
        lab.expect(
            replies.ok and replies.bodies == pods.names,
            expected=f"each request from outside to {node.url(port)} (node {node.name}) answered by {pods}",
            seen=replies,
            hop=f"Node port: {port} of node {node.name}, where {'a' if on(pods, node) else 'no'} Pod of kiosk runs",
            then=f"kubectl get service kiosk -n {lab.namespace}",
        )


@check("kiosk-node-port", "http://kiosk answers inside, as before, also when its Pods were replaced")
def test_kiosk_answers_inside(lab):
    expect_served(lab, "kiosk", "http://kiosk")


# -- task programme-load-balancer


@pytest.fixture(scope="module")
def address(lab):
    """The programme's own address outside."""
    return balanced_address(lab, "programme")


@check("programme-load-balancer", "Service programme has been given an address by a load balancer")
def test_programme_has_an_address(address):
    assert address


@check(
    "programme-load-balancer", "a client outside reaches every Pod of the programme there, also those that come later"
)
def test_programme_answers_at_its_address(lab, nodes, outside, address):
    expect_served(lab, "programme", f"http://{in_url(address)}", outside(nodes[-1]))


def address_in(service) -> str:
    given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return given[0].get("ip") or given[0].get("hostname") or ""


def balanced_address(lab: LiveLab, name: str) -> str:
    """The address a load balancer gave Service `name`. Fails when it is of another type; when it has none, a Service
    of the grader's own tells a cluster that gives none (CouldNotGrade) from a fault of the learner's."""
    service = lab.require("Service", name)
    kind = service["spec"]["type"]
    lab.expect(
        kind == "LoadBalancer",
        expected=f"Service {name} has an address of its own outside",
        seen=f"it is of type {kind}, for which no load balancer gives an address",
        hop=f"Service: {name} has no address outside the cluster",
        then=f"kubectl get service {name} -n {lab.namespace}",
    )
    if address := address_in(service):
        return address
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app.kubernetes.io/name": OURS}}
    meta = {"name": OURS, "labels": MANAGED}
    lab.api.delete("Service", OURS, lab.namespace, wait=True)  # a grader that was killed left it
    lab.api.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}, lab.namespace)
    try:
        given = lab.eventually("Service", lambda found: addresses(found) & {name, OURS}, timeout=BALANCER_PATIENCE)
        if given == {OURS}:
            given = lab.eventually("Service", lambda found: addresses(found) & {name}, timeout=BALANCER_LEAD)
            given = given or {OURS}
    finally:
        lab.api.delete("Service", OURS, lab.namespace)
    if not given:
        raise CouldNotGrade(
            f"no load balancer gave Service {name} an address within {BALANCER_PATIENCE:.0f} s, nor one of the "
            "grader's own: this cluster has none (on kind: kindlab addons install metallb)"
        )
    if name in given:
        return address_in(lab.require("Service", name))
    raise CheckFailed(
        f"Service {name} gets an address from the cluster's load balancer",
        "it stays pending, while another Service made beside it was given an address at once",
        hop=f"Service: the load balancer of this cluster does not care for {name} as it is",
        then=f"kubectl get service {name} -n {lab.namespace} -o yaml",
    )


def addresses(services) -> set[str]:
    """The names of those that have one."""
    return {s["metadata"]["name"] for s in services if address_in(s)}


# -- task turnstile-client-address


@check("turnstile-client-address", "the turnstile sees the address of a client outside, not one of the cluster's")
def test_turnstile_sees_the_client(lab, nodes, outside):
    number, pods = node_port(lab, "turnstile"), behind(lab, "turnstile")
    asked = [n for n in nodes if on(pods, n)]
    lab.expect(asked, expected="ready Pods behind Service turnstile", seen="there are none", about="svc/turnstile")
    for node in asked:
        client = outside(node)
        reply = client.get_many(node.url(number, "/clientip"), count=4)
        own = {a["ip"] for a in client.object()["status"].get("podIPs") or ()}
        seen = {body.rpartition(":")[0].strip("[]") for body in reply.bodies}
        lab.expect(
            reply.ok and seen <= own,
            expected=f"the turnstile sees the client's own address, {' or '.join(sorted(own))}",
            seen=f"it sees {', '.join(sorted(seen))}" if seen else reply,
            hop=f"Node port: {number} of node {node.name}; the request arrives, its source address does not"
            if seen
            else f"Node port: {number} of node {node.name} does not answer",
            then=f"kubectl get service turnstile -n {lab.namespace} -o yaml",
        )


@check("turnstile-client-address", "http://turnstile answers inside, as before, wherever the client runs")
def test_turnstile_answers_inside(lab):
    with lab.visitor(node=lab.away_from(behind(lab, "turnstile"))) as client:
        lab.expect_answers("http://turnstile/hostname", client=client)


# -- task turnstile-every-node


@check("turnstile-every-node", "every worker node answers at the turnstile's node port, with a Pod of its own")
def test_turnstile_answers_at_every_worker(lab, nodes, outside):
    number, pods = node_port(lab, "turnstile"), behind(lab, "turnstile")
    others = {p["metadata"]["name"] for p in lab.pods() if p["metadata"].get("labels", {}).get("app") in OTHERS}
    for node in (n for n in nodes if n.works):
        there = Pods(p for p in on(pods, node) if p["metadata"]["name"] not in others)
        own = set(there.names)
        if any(p["spec"].get("hostNetwork") for p in there):
            own.add(node.name)  # what such a Pod calls itself
        replies = answered_by(lab, outside(node), node.url(number, "/hostname"), own, count=enough(len(pods)))
        lab.expect(
            own and replies.ok and replies.bodies <= own,
            expected=f"requests from outside to {node.url(number)} answered by a turnstile on that node ({node.name})",
            seen=replies,
            hop=f"Node {node.name}: "
            + ("its own turnstile is there, and others answer too" if own else "no turnstile of its own runs there"),
            then=f"kubectl get pods -n {lab.namespace} -o wide",
        )


OTHERS = {"cloakroom", "kiosk", "ledger", "programme", "recorder"}
"""What the label app of the museum's other Pods says."""


# -- task recorder-own-node


@check("recorder-own-node", "a Pod on a worker node reaches the recorder of its own node and no other")
def test_recorder_of_the_own_node_answers(lab, nodes):
    pods = behind(lab, "recorder")
    for node in (n for n in nodes if n.works):
        own = on(pods, node)
        lab.expect(own, expected=f"a ready recorder on node {node.name}", seen="there is none", about="svc/recorder")
        with lab.visitor(node=node.name) as client:
            replies = answered_by(lab, client, "http://recorder/hostname", own.names, count=enough(len(pods)))
        lab.expect(
            replies.ok and replies.bodies <= own.names,
            expected=f"a Pod on node {node.name} reaches {own}, the recorder there, with every request",
            seen=replies,
            hop=f"Service: recorder sends requests of Pods on node {node.name} to other nodes" if replies.ok else "",
            about="" if replies.ok else "svc/recorder",
            then=f"kubectl describe service recorder -n {lab.namespace}",
        )


@check("recorder-own-node", "where no recorder runs, no other node's recorder is told anything")
def test_recorder_of_another_node_is_told_nothing(lab, nodes):
    pods = behind(lab, "recorder")
    lab.expect(pods, expected="ready recorders", seen="there are none", about="svc/recorder")
    bare = [n for n in nodes if not on(pods, n)]
    if not bare:  # nobody can be asked there: only the rule itself says what happens when a recorder is missing
        policy = lab.require("Service", "recorder")["spec"].get("internalTrafficPolicy")
        lab.expect(
            policy == "Local",
            expected="requests of Pods stay on their node also while its recorder is missing",
            seen="every node has a recorder now, and nothing forbids to ask another node's when one is replaced",
            hop="Service: recorder may send requests to other nodes",
            then=f"kubectl describe service recorder -n {lab.namespace}",
        )
        return
    with lab.visitor(node=bare[0].name) as client:
        reply = client.get("http://recorder/hostname", timeout=1)
    lab.expect(
        not reply.code,
        expected=f"a Pod on node {bare[0].name}, where no recorder runs, gets no answer",
        seen=reply,
        hop=f"Service: recorder lets requests of node {bare[0].name} go to another node",
        then=f"kubectl describe service recorder -n {lab.namespace}",
    )


# -- task cloakroom-host-port


@pytest.fixture(scope="module")
def cloakroom(lab):
    """Its ready Pods."""
    pods = lab.pods_of("cloakroom")
    lab.expect(pods, expected="ready Pods of Deployment cloakroom", seen="there are none")
    return pods


@check("cloakroom-host-port", "three Pods of the cloakroom are ready, and none waits for a node")
def test_cloakroom_has_three_pods(lab, cloakroom):
    selector = lab.require("Deployment", "cloakroom")["spec"]["selector"].get("matchLabels")
    waiting = Pods(p for p in lab.pods() if matches(p["metadata"].get("labels"), selector) and not Pods([p]).ready)
    lab.expect(
        len(cloakroom) >= 3 and not waiting,
        expected="three ready Pods of Deployment cloakroom, and none that waits",
        seen=f"{len(cloakroom)} ready ({cloakroom}), not ready: {waiting}",
        hop="Pod: one waits, for no node has what it asks for" if waiting else "",
        then=f"kubectl describe pods -l app=cloakroom -n {lab.namespace}",
    )


@check("cloakroom-host-port", "a client outside reaches all Pods of the cloakroom at Service cloakroom's node port")
def test_cloakroom_answers_at_a_node_port(lab, nodes, outside, cloakroom):
    number, pods = node_port(lab, "cloakroom"), cloakroom
    for node, count in ((nodes[0], 3), (nodes[-1], enough(len(pods)))):
        url, whole = node.url(number, "/hostname"), count != 3
        replies = answered_by(lab, outside(node), url, pods.names, count=count, all_of=whole)
        lab.expect(
            replies.ok and (replies.bodies == pods.names if whole else replies.bodies <= pods.names),
            expected=f"each request from outside to {node.url(number)} answered, by exactly {pods}",
            seen=replies,
            about="svc/cloakroom",
        )


@check("cloakroom-host-port", "no node gives a port of its own to the cloakroom")
def test_cloakroom_takes_no_port_of_a_node(lab, nodes, outside, cloakroom):
    pods = cloakroom
    for node in (n for n in nodes if on(pods, n)):
        for port in sorted({HOST_PORT, *taken(on(pods, node))}):
            reply = outside(node).get(node.url(port, "/hostname"), timeout=1)
            lab.expect(
                reply.body.strip() not in {*pods.names, node.name},
                expected=f"port {port} of node {node.name} does not lead to the cloakroom",
                seen=reply,
                hop=f"Pod: {on(pods, node)} takes port {port} of its node, so no second one can run there",
                then=f"kubectl describe pods -l app=cloakroom -n {lab.namespace}",
            )


def taken(pods: Pods) -> set[int]:
    """The ports of their nodes that Pods ask for; with a node's own network those they name."""
    return {
        port["containerPort"] if pod["spec"].get("hostNetwork") else port["hostPort"]
        for pod in pods
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
        if port.get("hostPort") or pod["spec"].get("hostNetwork")
    }


# -- task ledger-inside-only


@check("ledger-inside-only", "http://ledger answers inside, also when its Pods were replaced")
def test_ledger_answers_inside(lab):
    expect_served(lab, "ledger", "http://ledger")


@check("ledger-inside-only", "no client outside reaches the ledger, neither at a node port nor at another address")
def test_ledger_is_closed_to_the_outside(lab, nodes, outside):
    pods = lab.pods_of("ledger")
    lab.expect(pods, expected="ready Pods of Deployment ledger", seen="there are none", about="deployment/ledger")
    services = [s for s in lab.list("Service") if leads_to(s, pods)]
    ports = {LEDGER, *(p["nodePort"] for s in services for p in s["spec"].get("ports") or () if p.get("nodePort"))}
    urls = [(node, node.url(port, "/hostname")) for node in nodes for port in sorted(ports | taken(pods))]
    for service in services:
        for address in {address_in(service), *(service["spec"].get("externalIPs") or ())} - {""}:
            for port in service["spec"].get("ports") or ():
                urls.append((nodes[-1], f"http://{in_url(address)}:{port['port']}/hostname"))
    for node, url in urls:
        reply = outside(node).get(url, timeout=1)
        lab.expect(
            reply.body.strip() not in {*pods.names, node.name},
            expected=f"a client outside does not reach the ledger at {url}",
            seen=reply,
            hop=f"Service: the ledger is open to the outside at {url.rpartition('/')[0]}",
            then=f"kubectl get services -n {lab.namespace}",
        )


def leads_to(service, pods: Pods) -> bool:
    selector = service["spec"].get("selector") or {}
    return any(matches(p["metadata"].get("labels"), selector) for p in pods)
