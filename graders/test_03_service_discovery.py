"""Lab 03-service-discovery: who finds whom, and by what. Checks look names up in the learner's Pods and in the probe,
ask as the learner's programs do, take Pods out of the DNS and back, count who answers, delete a Pod."""

from kindlab.checks import (
    SERVICE_LABEL,
    CheckFailed,
    Client,
    CouldNotGrade,
    LiveLab,
    Pods,
    Probe,
    check,
    enough,
    ready_targets,
    rolled_out,
)
from kindlab.checks.makers import owners
from kindlab.endpoints import gets_requests
from kindlab.hosts import is_address

DEPOT = "depot"
CACHED = 35.0
"""Seconds for which a DNS server, or a cache before it, may remember what was true."""
LATE = 2.0
"""Seconds after which a controller has written down what has changed, and the nodes have followed."""
DRAINING, CATCHING_UP = "/tmp/draining", "/tmp/catching-up"


def words(found) -> str:
    return ", ".join(sorted(found)) or "nothing"


def some_pod(lab: LiveLab, deployment: str) -> Client:
    """A client that is one of the ready Pods of a Deployment."""
    pods = lab.pods_of(deployment)
    lab.expect(
        pods, expected=f"a ready Pod of Deployment {deployment}", seen="there is none", about=f"deployment/{deployment}"
    )
    return lab.client(sorted(pods.names)[0])


# -- names


def cluster_ips(lab: LiveLab, service: str) -> list[str]:
    return lab.require("Service", service)["spec"].get("clusterIPs") or []


def ready_addresses(slices) -> set[str]:
    return {address for s in slices for e in s.get("endpoints") or () if gets_requests(e) for address in e["addresses"]}


def behind(lab: LiveLab, service: str, deployment: str) -> Pods:
    """The ready Pods of a Deployment, once they are endpoints of the Service that they should stand behind."""
    pods = lab.pods_of(deployment)
    labels = f"{SERVICE_LABEL}={service}"
    lab.eventually("EndpointSlice", lambda found: pods.names <= ready_targets(found), labels=labels, timeout=LATE)
    return pods


def is_headless(lab: LiveLab, service: str) -> bool:
    live = lab.get("Service", service)
    return live is not None and live["spec"].get("clusterIP") == "None"


def patience(lab: LiveLab, service: str, wanted) -> float:
    """Seconds to wait until the name of a headless Service leads to these addresses: some, when its slices have them,
    for a DNS server learns a little late."""
    labels = f"{SERVICE_LABEL}={service}"
    coming = is_headless(lab, service) and lab.eventually(
        "EndpointSlice", lambda found: wanted <= ready_addresses(found), labels=labels, timeout=LATE
    )
    return CACHED if coming else 0


def domain(lab: LiveLab) -> str:
    """The cluster's, out of the probe's own search path."""
    path = lab.probe.host.run("cat /etc/resolv.conf").stdout.split()
    found = [entry.removeprefix("svc.") for entry in path if entry.startswith("svc.")]
    if not found:
        raise CouldNotGrade("the search path of the probe names no cluster domain")
    return found[0]


# -- task desk-across-namespaces


def prices_url(desk: Client) -> str:
    return desk.host.run('echo "$PRICES_URL"').stdout.strip().rstrip("/")


@check("desk-across-namespaces", "the prices the desk asks for come from the depot")
def test_desk_asks_the_depot(lab):
    desk = some_pod(lab, "desk")
    depot = behind(lab.beside(DEPOT), "prices", "prices")
    if not depot:
        raise CouldNotGrade(
            f"the depot has no ready Pods of Deployment prices (kubectl get pods -n {lab.space(DEPOT)})"
        )
    url = prices_url(desk)
    lab.expect(url, expected="an address in the desk's variable PRICES_URL", seen="it is empty")
    replies = lab.until(
        lambda: desk.get_many(f"{url}/hostname", count=enough(len(depot))),
        lambda found: found.ok and found.bodies == depot.names,
    )
    lab.expect(
        replies.ok and replies.bodies == depot.names,
        expected=f"the desk's requests to $PRICES_URL answered by the depot's Pods {depot}",
        seen=f"PRICES_URL is {url}; {replies}",
        hop="Name: a name leads to the namespace it says, and a short one to the client's own",
        then=f"kubectl exec -n {lab.namespace} deploy/desk -- nslookup prices",
    )


@check("desk-across-namespaces", "the desk asks by a name, not by an address")
def test_desk_asks_by_name(lab):
    desk = some_pod(lab, "desk")
    url = prices_url(desk)
    rest = url.partition("://")[2] or url
    host = rest.partition("/")[0]
    name = host.partition(":")[0]
    fixed = desk.host.run("grep -w -F -e %s /etc/hosts", name).stdout.strip() if name else ""
    lab.expect(
        host and not is_address(host) and not is_address(host.rpartition(":")[0]) and not fixed,
        expected="PRICES_URL in the desk's container names a Service",
        seen=f"PRICES_URL is {url or 'empty'}" + (f", and its /etc/hosts says: {fixed}" if fixed else ""),
        hop="Client: the desk does not ask for a name, and an address lasts only until the Service is made anew",
        then=f"kubectl get deployment desk -n {lab.namespace} -o yaml",
    )


@check("desk-across-namespaces", "whoever calls http://prices in this namespace still gets the practice prices")
def test_practice_prices_stay(lab):
    pods = behind(lab, "prices", "prices-practice")
    with lab.visitor(node=lab.away_from(pods)) as caller:
        lab.expect_exactly("http://prices", pods, client=caller)


# -- task courier-search-path


def expect_found(lab: LiveLab, *names: str) -> None:
    """Fail unless the courier finds each name, as the probe does."""
    courier = some_pod(lab, "courier")
    for name in names:
        wanted, seen = lab.probe.addresses(name), courier.addresses(name)
        lab.expect(
            seen and seen == wanted,
            expected=f"in the courier {name} resolves to {words(wanted)}",
            seen=f"it resolves to {words(seen)}",
            hop="Name: what is asked, and what is tried, stands in the Pod's /etc/resolv.conf",
            then=f"kubectl exec -n {lab.namespace} deploy/courier -- cat /etc/resolv.conf",
        )


@check("courier-search-path", "the courier finds the Services of its own namespace by their short names")
def test_courier_finds_a_short_name(lab):
    expect_found(lab, "basket", "ledger-entry")


@check("courier-search-path", "the courier finds Services of other namespaces by name and namespace")
def test_courier_finds_a_name_with_namespace(lab):
    expect_found(lab, f"prices.{lab.space(DEPOT)}", "kubernetes.default")


@check("courier-search-path", "the courier finds Services by their full names")
def test_courier_finds_a_full_name(lab):
    expect_found(lab, f"prices.{lab.space(DEPOT)}.svc.{domain(lab)}", f"kubernetes.default.svc.{domain(lab)}")


# -- task printer-variables


def variables(lab: LiveLab) -> dict[str, str]:
    """What the running printer's environment says of the label store."""
    text = some_pod(lab, "printer").host.run("printenv").stdout
    pairs = (line.split("=", 1) for line in text.splitlines() if line.startswith("LABEL_STORE_") and "=" in line)
    return {name: value for name, value in pairs}


def expect_variables(lab: LiveLab) -> tuple[str, str]:
    found = variables(lab)
    host, port = found.get("LABEL_STORE_SERVICE_HOST", ""), found.get("LABEL_STORE_SERVICE_PORT", "")
    lab.expect(
        host and port,
        expected="LABEL_STORE_SERVICE_HOST and LABEL_STORE_SERVICE_PORT in the environment of the running printer",
        seen=f"it has {words(found)}" if found else "it has no variable whose name begins with LABEL_STORE_",
        hop="Client: variables are given for the Services that are there when a container starts, and never later",
        then=f"kubectl get services,pods -n {lab.namespace} (compare their ages), then look at the Service's name",
    )
    return host, port


@check("printer-variables", "the running printer has the variables of a Service that exists, as Kubernetes writes them")
def test_printer_has_the_variables(lab):
    host, port = expect_variables(lab)
    services = [s for s in lab.list("Service") if host in (s["spec"].get("clusterIPs") or ())]
    lab.expect(
        services and given(host, port).items() <= variables(lab).items(),
        expected="the address of a Service that is there now, and the other variables Kubernetes gives with it",
        seen=f"LABEL_STORE_SERVICE_HOST is {host}, LABEL_STORE_SERVICE_PORT is {port}; "
        + ("no Service has that address" if not services else "the other variables of that Service are missing"),
        hop="Client: what is written by hand, or comes from a Service that is gone, nobody keeps up to date",
        then=f"kubectl exec -n {lab.namespace} deploy/printer -- printenv",
    )


def given(host: str, port: str) -> dict[str, str]:
    """What the kubelet writes beside the two."""
    url, one = f"tcp://{host}:{port}", f"LABEL_STORE_PORT_{port}_TCP"
    return {"LABEL_STORE_PORT": url, one: url, f"{one}_PROTO": "tcp", f"{one}_PORT": port, f"{one}_ADDR": host}


@check("printer-variables", "the printer reaches the Pods of Deployment labels through these variables")
def test_printer_reaches_the_labels(lab):
    host, port = expect_variables(lab)
    at = [s for s in lab.list("Service") if host in (s["spec"].get("clusterIPs") or ())]
    labels = behind(lab, at[0]["metadata"]["name"], "labels") if at else lab.pods_of("labels")
    printer = some_pod(lab, "printer")
    replies = lab.until(
        lambda: printer.get_many(f"http://{host}:{port}/hostname", count=enough(len(labels))),
        lambda found: found.ok and found.bodies <= labels.names,
    )
    lab.expect(
        replies.ok and replies.bodies and replies.bodies <= labels.names,
        expected=f"the printer's requests to http://{host}:{port} answered by Pods of labels ({labels})",
        seen=replies,
        about=f"http://{host}:{port}",
    )


# -- task cache-headless


@check("cache-headless", "the name cache stands for the addresses of all ready Pods of Deployment cache, and no others")
def test_cache_is_every_ready_pod(lab):
    expect_cache(lab, cache_pods(lab))


def cache_pods(lab: LiveLab) -> Pods:
    """The ready Pods; one that has just stopped draining is waited for."""
    lab.eventually(
        "Deployment", lambda found: any(rolled_out(d) for d in found if d["metadata"]["name"] == "cache"), timeout=LATE
    )
    return lab.pods_of("cache")


def expect_cache(lab: LiveLab, pods: Pods) -> None:
    wanted = pods.addresses
    seen = set(lab.probe.addresses("cache", until=wanted, timeout=patience(lab, "cache", wanted)))
    lab.expect(
        wanted and seen == wanted,
        expected=f"the name cache resolves to the addresses of its ready Pods, {words(wanted)}",
        seen=f"it resolves to {words(seen)}",
        about="svc/cache",
        then=f"kubectl get service cache -n {lab.namespace}; kubectl get pods -o wide -n {lab.namespace}",
    )


def records(lab: LiveLab, port: str) -> set[tuple[int, str]]:
    """(port, host) of the SRV records; asked for a while when the endpoints have a port of that name."""
    slices = lab.list("EndpointSlice", f"{SERVICE_LABEL}=cache")
    coming = any((p.get("name"), p.get("protocol")) == (port, "TCP") for s in slices for p in s.get("ports") or ())
    left = round(CACHED * 2) if coming else 0
    text = lab.probe.host.run(
        f"left={left}; while :; do found=$(dig +search +short SRV _{port}._tcp.cache); "
        '[ -z "$found" ] && [ $left -gt 0 ] || break; left=$((left-1)); sleep 0.5; done; echo "$found"'
    ).stdout
    parts = (line.split() for line in text.splitlines() if not line.startswith(";"))
    return {(int(part[2]), part[3]) for part in parts if len(part) == 4 and part[2].isdigit()}


@check("cache-headless", "SRV records of _store._tcp.cache tell where each ready Pod answers")
def test_cache_tells_its_port(lab):
    pods = cache_pods(lab)
    found = records(lab, "store")
    answers = {lab.probe.get(f"http://{host.rstrip('.')}:{port}/hostname") for port, host in sorted(found)[:9]}
    lab.expect(
        found and all(a.ok for a in answers) and {a.body.strip() for a in answers} == pods.names,
        expected=f"one SRV record of _store._tcp.cache for each of {pods}, and an answer where it points",
        seen=f"{words(f'{host} port {port}' for port, host in found)}: {words(map(str, answers))}"
        if found
        else "there is no such record",
        about="svc/cache",
        then=f"kubectl exec -n {lab.namespace} deploy/desk -- dig +search +short SRV _store._tcp.cache",
    )


@check("cache-headless", "a Pod of the cache that is not ready disappears from the name")
def test_cache_leaves_out_who_is_not_ready(lab):
    pods = cache_pods(lab)
    expect_cache(lab, pods)
    victim = sorted(pods.names)[0]
    rest = Pods(p for p in pods if p["metadata"]["name"] != victim)
    host = lab.host(victim)
    touch(host, DRAINING, victim)
    try:
        gone = leaves(lab, "cache", victim)
        seen = set(lab.probe.addresses("cache", until=rest.addresses, timeout=CACHED if gone else 0))
        lab.expect(
            seen == rest.addresses,
            expected=f"while Pod {victim} is not ready, cache resolves to {words(rest.addresses)}",
            seen=f"it resolves to {words(seen)}",
            about="svc/cache",
            then=f"kubectl get service cache -n {lab.namespace} -o yaml",
        )
    finally:
        host.run("rm -f %s", DRAINING)


def leaves(lab: LiveLab, service: str, pod: str) -> bool:
    """Whether the Pod stops being a ready endpoint of the Service."""
    labels = f"{SERVICE_LABEL}={service}"
    return bool(
        lab.eventually("EndpointSlice", lambda found: pod not in ready_targets(found), labels=labels, timeout=8)
    )


def touch(host, file: str, pod: str) -> None:
    made = host.run("touch %s", file)
    if made.rc != 0:
        raise CheckFailed(
            f"the file {file} can be made in Pod {pod}, which is how it is told to step aside",
            made.stderr.strip() or f"touch ended with exit code {made.rc}",
        )


# -- task ledger-peers

MEMBERS = frozenset({"ledger-0", "ledger-1", "ledger-2"})
"""Those that look for each other; there may be more."""


def members(lab: LiveLab) -> Pods:
    return Pods(p for p in lab.pods() if any(o["name"] == "ledger" for o in owners(p)))


def can_get_ready(lab: LiveLab) -> bool:
    """Whether waiting helps: the members are published before they are ready, or they are being started or replaced."""
    service, owner = lab.get("Service", "ledger"), lab.get("StatefulSet", "ledger")
    published = service is not None and service["spec"].get("publishNotReadyAddresses", False)
    starting = any(pod["status"].get("phase") == "Pending" for pod in members(lab))
    return published or starting or (owner is not None and is_rolling(owner))


def is_rolling(stateful_set) -> bool:
    status = stateful_set.get("status") or {}
    seen = status.get("observedGeneration", 0) >= stateful_set["metadata"].get("generation", 0)
    return not seen or status.get("currentRevision") != status.get("updateRevision")


def ready_members(lab: LiveLab) -> Pods:
    """The Pods of the ledger that are ready, the three among them; waited for where they can get so."""
    timeout = CACHED if can_get_ready(lab) else LATE
    lab.eventually("Pod", lambda found: Pods(found).ready.names >= MEMBERS, timeout=timeout)
    found = members(lab).ready
    lab.expect(
        found.names >= MEMBERS,
        expected=f"{', '.join(sorted(MEMBERS))} are ready: each has found the names of all",
        seen=f"ready are: {found}" if found else "none of them is ready",
        hop="Name: a Pod that is not ready is not in the DNS, and who waits for its name waits for ever",
        then=f"kubectl describe pod ledger-0 -n {lab.namespace}; kubectl get service ledger -n {lab.namespace} -o yaml",
    )
    return found


@check("ledger-peers", "ledger-0, ledger-1 and ledger-2 find each other and get ready")
def test_ledger_gets_ready(lab):
    ready_members(lab)


@check("ledger-peers", "each Pod of the ledger has a name of its own, and the name ledger stands for all of them")
def test_ledger_has_names(lab):
    pods = members(lab)
    expect_names(lab, pods, "")


def expect_names(lab: LiveLab, pods: Pods, when: str) -> None:
    own = {p["metadata"]["name"]: {p["status"].get("podIP", "")} for p in pods}
    wanted = {**{f"{name}.ledger": address for name, address in own.items()}, "ledger": set(pods.addresses)}
    late = patience(lab, "ledger", pods.addresses)
    seen = {name: set(lab.probe.addresses(name, until=found, timeout=late)) for name, found in wanted.items()}
    wrong = [name for name in sorted(wanted) if seen[name] != wanted[name]]
    lab.expect(
        pods.names >= MEMBERS and not wrong,
        expected=f"{'; '.join(f'{name} resolves to {words(wanted[name])}' for name in wrong) or 'three Pods'}{when}",
        seen="; ".join(f"{name} resolves to {words(seen[name])}" for name in wrong) or f"the Pods are {pods}",
        about="svc/ledger",
        then=f"kubectl get service ledger -n {lab.namespace} -o yaml",
    )


@check("ledger-peers", "a Pod that is not ready keeps its name, and gets no requests at http://ledger-entry")
def test_ledger_keeps_names_and_spares_clients(lab):
    pods = ready_members(lab)
    victim = "ledger-1"
    host = lab.host(victim)
    touch(host, CATCHING_UP, victim)
    try:
        gone = leaves(lab, "ledger-entry", victim)
        expect_names(lab, members(lab), f", while {victim} is not ready")
        others = members(lab).names - {victim}
        with lab.visitor(node=lab.away_from(pods)) as client:
            replies = lab.until(
                lambda: client.get_many("http://ledger-entry/hostname", count=enough(len(pods))),
                lambda found: found.ok and found.bodies <= others,
                timeout=LATE if gone else 0,
            )
        lab.expect(
            gone and replies.ok and replies.bodies <= others,
            expected=f"while {victim} has {CATCHING_UP}, http://ledger-entry is answered by {words(others)}",
            seen=replies if gone else f"{victim} is still a ready endpoint; {replies}",
            about="http://ledger-entry",
            then=f"look at the readiness probe and the two Services: kubectl describe pod {victim} -n {lab.namespace}",
        )
    finally:
        host.run("rm -f %s", CATCHING_UP)


# -- task rates-alias


@check("rates-alias", "the name rates leads to the address of the depot's Service rates")
def test_rates_is_an_alias(lab):
    wanted = set(cluster_ips(lab.beside(DEPOT), "rates"))
    spec = lab.require("Service", "rates")["spec"]
    alias = (spec.get("type"), spec.get("externalName", "").rstrip("."))
    coming = alias == ("ExternalName", f"rates.{lab.space(DEPOT)}.svc.{domain(lab)}")
    seen = set(lab.probe.addresses("rates", until=wanted, timeout=CACHED if coming else 0))
    lab.expect(
        wanted and seen == wanted,
        expected=f"rates resolves to {words(wanted)}, as rates.{lab.space(DEPOT)} does",
        seen=f"it resolves to {words(seen)}",
        hop="Name: an alias leads to a whole name, or nowhere",
        then=f"kubectl exec -n {lab.namespace} deploy/desk -- dig +search +short rates",
    )
    answer = [line for line in lab.probe.host.run("dig +search +short rates").stdout.split() if line[0] != ";"]
    lab.expect(
        not all(map(is_address, answer)),
        expected="rates is an alias: asked for it, the DNS names another name first",
        seen=f"it answers with {words(answer)} only",
        hop="Name: an address that is written down lasts only until the depot makes its Service anew",
        then=f"kubectl exec -n {lab.namespace} deploy/desk -- dig +search +short rates",
    )


@check("rates-alias", "http://rates is answered by the depot's Pods")
def test_rates_answers_from_the_depot(lab):
    lab.expect_exactly("http://rates", behind(lab.beside(DEPOT), "rates", "rates"))


# -- task basket-affinity; its last check deletes a Pod

BASKET = "http://basket/hostname"


def expect_one_pod(lab: LiveLab, client: Probe, url: str, pods: Pods, count: int) -> str:
    def right(found) -> bool:
        return found.ok and len(found.bodies) == 1 and found.bodies <= pods.names

    replies = lab.until(lambda: client.get_many(url, count=count), right)
    lab.expect(
        right(replies),
        expected=f"{count} requests of one client answered by one and the same Pod of basket",
        seen=replies,
        about="http://basket",
        then=f"kubectl describe service basket -n {lab.namespace}",
    )
    return next(iter(replies.bodies))


@check("basket-affinity", "a hundred requests of one client to http://basket are answered by the same Pod")
def test_a_client_stays_with_its_pod(lab):
    pods = behind(lab, "basket", "basket")
    with lab.visitor(node=lab.away_from(pods)) as client:
        expect_one_pod(lab, client, BASKET, pods, 100)


@check("basket-affinity", "a client of another namespace stays with one Pod, too")
def test_a_client_from_the_depot_stays_too(lab):
    expect_one_pod(lab, lab.beside(DEPOT).probe, f"http://basket.{lab.namespace}/hostname", lab.pods_of("basket"), 30)


@check("basket-affinity", "all three Pods of basket stand behind the name")
def test_three_baskets_stand_behind_the_name(lab):
    pods = lab.pods_of("basket")
    labels = f"{SERVICE_LABEL}=basket"
    there = lab.eventually("EndpointSlice", lambda found: ready_targets(found) == pods.names, labels=labels, timeout=5)
    behind = ready_targets(lab.list("EndpointSlice", labels))
    lab.expect(
        there and len(pods) >= 3,
        expected="three ready Pods of Deployment basket or more, each an endpoint of Service basket",
        seen=f"the ready Pods are {pods}; endpoints are {words(behind)}",
        about="svc/basket",
    )


@check("basket-affinity", "a client that was silent for 600 seconds may be sent elsewhere")
def test_basket_forgets_after_ten_minutes(lab):
    """Nobody waits ten minutes for a grade: the one field this lab reads."""
    config = lab.require("Service", "basket")["spec"].get("sessionAffinityConfig") or {}
    seconds = (config.get("clientIP") or {}).get("timeoutSeconds")
    lab.expect(
        seconds == 600,
        expected="Service basket remembers a client for 600 seconds after its last request",
        seen=f"it remembers a client for {seconds} seconds" if seconds else "it remembers no client",
        about="svc/basket",
        then=f"kubectl get service basket -n {lab.namespace} -o yaml",
    )


@check("basket-affinity", "when a client's Pod goes, the client is sent to another one and stays there")
def test_a_client_whose_pod_goes_moves_once(lab):
    pods = behind(lab, "basket", "basket")
    lost = expect_one_pod(lab, lab.probe, BASKET, pods, 30)
    lab.delete_pod(lost)
    leaves(lab, "basket", lost)
    # a node's rules follow the slices within a second or two; the first request may come too early
    first = lab.probe.get(BASKET, options="--retry 8 --retry-delay 1 --retry-connrefused")
    replies = lab.probe.get_many(BASKET, count=30)
    lab.expect(
        first.ok and replies.ok and len(replies.bodies) == 1 and lost not in replies.bodies,
        expected=f"after Pod {lost} was deleted, its client's requests are answered by one other Pod",
        seen=replies,
        about="http://basket",
    )
