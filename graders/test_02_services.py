"""Lab 02-services: what the Services of the shop do. Checks send requests from a probe Pod and from the storefront,
replace Pods, take a Pod's stock away, and look at who answers."""

from kindlab.checks import SERVICE_LABEL, LiveLab, Pods, check, enough, ready_targets
from kindlab.hosts import is_address

STOCK = "/tmp/stock-loaded"
FOLLOWS = 2.0
"""Seconds after which every node does what the EndpointSlices say."""


def names(found: frozenset[str]) -> str:
    return ", ".join(sorted(found)) or "nobody"


# -- task catalog-service


@check("catalog-service", "http://catalog answers every request")
def test_catalog_answers_by_name(lab):
    lab.expect_answers("http://catalog/hostname")


@check("catalog-service", "requests to http://catalog reach every Pod of the catalog, and no other Pod")
def test_catalog_reaches_every_pod(lab):
    lab.expect_exactly("http://catalog", lab.pods_of("catalog"))


@check("catalog-service", "the name catalog stands for one address that is no Pod's own")
def test_catalog_has_one_stable_address(lab):
    addresses = lab.probe.addresses("catalog")
    pods = lab.pods()
    lab.expect(
        len(addresses) == 1 and addresses[0] not in pods.addresses and is_address_of(lab, "catalog", addresses[0]),
        expected="the name catalog resolves to one address, the Service's own",
        seen=f"it resolves to {', '.join(addresses) or 'nothing'}",
        about="svc/catalog",
    )


def is_address_of(lab: LiveLab, service: str, address: str) -> bool:
    return address in lab.require("Service", service)["spec"].get("clusterIPs", [])


# -- task cart-selector


@check("cart-selector", "http://cart answers")
def test_cart_answers(lab):
    lab.expect_answers("http://cart/hostname")


@check("cart-selector", "requests to http://cart reach all Pods of Deployment cart and no others")
def test_cart_reaches_no_other_pod(lab):
    lab.expect_exactly("http://cart", lab.pods_of("cart"))


# -- task payment-ports


@check("payment-ports", "http://payment, that is port 80, reaches all Pods of payment")
def test_payment_answers_on_port_80(lab):
    lab.expect_exactly("http://payment", lab.pods_of("payment"))


# -- task orders-named-port


@check("orders-named-port", "no request to http://orders is refused")
def test_every_orders_request_is_answered(lab):
    lab.expect_answers("http://orders/hostname", count=30)


@check("orders-named-port", "requests to http://orders reach the Pods of both versions")
def test_orders_reaches_both_versions(lab):
    lab.expect_exactly("http://orders", lab.pods_of("orders-v1", "orders-v2"))


# -- task inventory-readiness


@check("inventory-readiness", "requests to http://inventory are answered, and reach every Pod of inventory")
def test_inventory_answers(lab):
    lab.expect_answers("http://inventory/hostname")
    pods = lab.pods_of("inventory")
    replies = lab.until(
        lambda: lab.probe.get_many("http://inventory/hostname", count=enough(len(pods)), until=pods.names),
        lambda replies: pods.names <= replies.bodies,
    )
    lab.expect(
        pods.names <= replies.bodies,
        expected=f"every Pod of inventory that has its stock gets requests: {pods}",
        seen=replies,
        about="http://inventory",
    )


@check("inventory-readiness", "a Pod whose stock is taken away gets no more requests")
def test_inventory_pod_without_stock_gets_no_request(lab):
    pods = lab.pods_of("inventory")
    lab.expect(pods, expected="ready Pods of inventory", seen="there are none", about="http://inventory")
    victim = sorted(pods.names)[0]
    patience = 10 + max(notices_after(pod) for pod in pods)
    host = lab.host(victim)
    if not host.file(STOCK).exists:
        lab.expect(False, expected=f"the file {STOCK} in Pod {victim}", seen="there is no such file")
    removed = host.run("rm %s", STOCK)
    lab.expect(
        removed.rc == 0,
        expected=f"the file {STOCK} in Pod {victim} can be removed, as when the stock is sold",
        seen=removed.stderr.strip() or f"rm ended with exit code {removed.rc}",
    )
    try:
        gone = lab.eventually(
            "EndpointSlice", lambda found: victim not in ready_targets(found), labels=SLICES, timeout=patience
        )
        replies = lab.until(
            lambda: lab.probe.get_many("http://inventory/hostname", count=enough(len(pods)), timeout=2),
            lambda replies: victim not in replies.bodies,
            timeout=FOLLOWS if gone else 0,
        )
        lab.expect(
            gone and victim not in replies.bodies,
            expected=f"Pod {victim}, whose {STOCK} was removed, is taken out of the Service",
            seen=f"it is still an endpoint; requests were answered by {names(replies.bodies)}",
            then=f"look at the readiness probe: kubectl describe pod {victim} -n {lab.namespace}",
        )
    finally:
        host.run("touch %s", STOCK)
    back = lab.eventually(
        "EndpointSlice", lambda found: victim in ready_targets(found), labels=SLICES, timeout=patience
    )
    lab.expect(
        back,
        expected=f"Pod {victim} is back in the Service now that {STOCK} exists again",
        seen="it is still not ready",
        about="http://inventory",
    )


def notices_after(pod) -> int:
    """Seconds that the readiness probes of a Pod may take to notice a change, by their own numbers."""
    probes = [c["readinessProbe"] for c in pod["spec"]["containers"] if c.get("readinessProbe")]
    slowest = (p["periodSeconds"] * max(p["failureThreshold"], p["successThreshold"]) for p in probes)
    return min(max(slowest, default=0), 60)


SLICES = f"{SERVICE_LABEL}=inventory"


# -- task catalog-scale


@check("catalog-scale", "four Pods of the catalog answer at http://catalog")
def test_four_catalog_pods_answer(lab):
    pods = lab.pods_of("catalog")
    replies = lab.until(
        lambda: lab.probe.get_many("http://catalog/hostname", count=enough(len(pods)), until=pods.names),
        lambda replies: len(replies.bodies & pods.names) == 4,
    )
    seen = replies.bodies & pods.names
    lab.expect(
        len(seen) == 4,
        expected="four different Pods of Deployment catalog answer at http://catalog",
        seen=f"{len(seen)} of its {len(pods)} Pods answer ({replies})",
        about="http://catalog",
    )


# -- task storefront-by-name; last, because it replaces the catalog's Pods


BETWEEN = "--next answer--"
ASK_CATALOG = f"""
for n in 1 2 3 4 5 6 7 8; do curl -sS -m 2 "${{CATALOG_URL%/}}/hostname" || exit; echo '{BETWEEN}'; done
"""


def ask_catalog(lab: LiveLab, pods: Pods) -> tuple[str | None, str]:
    """Requests from the storefront to the address in its own environment, up to the first without an answer: one of
    `pods` that answered, or else None; and all that was seen. More than one request, because a Service may choose a
    Pod that is not the catalog's: whether it ever should is another task's question."""
    storefront = lab.pods_of("storefront")
    lab.expect(storefront, expected="a ready Pod of Deployment storefront", seen="there is none")
    result = lab.host(sorted(storefront.names)[0]).run(ASK_CATALOG)
    answers = [answer for part in result.stdout.split(BETWEEN) if (answer := part.strip())]
    seen = names(frozenset(answers)) if answers else result.stderr.strip() or f"curl ended with exit code {result.rc}"
    return next((answer for answer in answers if answer in pods.names), None), seen


@check("storefront-by-name", "the storefront asks for the catalog by a name, not by an address")
def test_storefront_asks_by_name(lab):
    pods = lab.pods_of("storefront")
    lab.expect(pods, expected="a ready Pod of Deployment storefront", seen="there is none")
    storefront = lab.host(sorted(pods.names)[0])
    url = storefront.run('echo "$CATALOG_URL"').stdout.strip()
    place = (url.partition("://")[2] or url).partition("/")[0]
    host = place.rpartition(":")[0] or place
    fixed = storefront.run("grep -w -F -e %s /etc/hosts", host).stdout.strip() if host else ""
    lab.expect(
        host and not is_address(host) and not fixed,
        expected="CATALOG_URL in the storefront's container names the Service",
        seen=f"CATALOG_URL is {url or 'empty'}" + (f", and its /etc/hosts says: {fixed}" if fixed else ""),
        hop="Client: the storefront does not ask for a name, so no Service can stand between it and the Pods",
        then=f"kubectl get deployment storefront -n {lab.namespace} -o yaml",
    )


@check("storefront-by-name", "the storefront reaches the catalog")
def test_storefront_reaches_the_catalog(lab):
    catalog = lab.pods_of("catalog")
    answered, seen = lab.until(lambda: ask_catalog(lab, catalog), lambda found: found[0])
    lab.expect(
        answered,
        expected="the storefront's request to $CATALOG_URL is answered by a Pod of the catalog",
        seen=seen,
        about="http://catalog",
    )


@check("storefront-by-name", "the storefront still reaches the catalog after all of the catalog's Pods were replaced")
def test_storefront_survives_replaced_pods(lab):
    old = lab.pods_of("catalog")
    for name in sorted(old.names):
        lab.delete_pod(name)
    # the Deployment's own numbers are a moment behind: the Pods themselves say when they are replaced
    owned = lab.require("Deployment", "catalog")["spec"]["selector"].get("matchLabels") or {}
    labels = ",".join(f"{key}={value}" for key, value in owned.items())
    lab.eventually("Pod", lambda found: len(ready_names(found) - old.names) >= len(old), labels=labels, timeout=60)
    new = lab.pods_of("catalog")
    answered, seen = lab.until(lambda: ask_catalog(lab, new), lambda found: found[0], timeout=FOLLOWS)
    lab.expect(
        answered,
        expected=f"after all Pods of the catalog were replaced, one of the new ones answers the storefront ({new})",
        seen=seen,
        about="http://catalog",
    )


def ready_names(pods) -> frozenset[str]:
    return Pods(p for p in pods if not p["metadata"].get("deletionTimestamp")).ready.names
