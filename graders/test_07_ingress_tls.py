"""Lab 07-ingress-tls: whose answers a name leads to, and which certificate is shown for it. Checks send requests
through the ingress controller as from outside, and trust nothing but certificates that the lab's Ingresses bring."""

from kindlab.checks import check, enough
from kindlab.clock import token_hex

CLASS = "traefik"
CLIENT1, CLIENT2, CLIENT3, PORTAL = "client1.localhost", "client2.localhost", "client3.localhost", "portal.localhost"
OF_SEVERAL = enough(2)
"""Requests of which some meet a Pod that does not belong there, where one of two or three behind a Service does not."""
TRUSTED = "/tmp/kindlab-trusted.crt"
OLD_KEY = "397775ec820e7935e4f119913b163bbd4a48bd6d819543ecb39ef66b6a40bdc0"
"""SHA-256 of the public key that the portal begins with."""
SEEN_KEYS = (
    OLD_KEY,
    "b4ed283b9460bacd10b0d706004a39f80f30c875397eb6e4ca58a19dfa83e04e",
    "cbccf621c6ef6ac16f113191cba493d4b1af0a1eaffe98a0b00aa9bebd43d1a3",
)
"""That one, and those of client2 and client3, which their owners have."""


def names(found) -> str:
    return ", ".join(sorted(found)) or "nobody"


def ways_in(lab, host: str) -> list[str]:
    """The names of the lab's Ingresses with a rule for exactly this host."""
    return [
        ingress["metadata"]["name"]
        for ingress in lab.list("Ingress")
        if any(rule.get("host") == host for rule in ingress["spec"].get("rules") or ())
    ]


def about(lab, host: str) -> str:
    found = ways_in(lab, host)
    return f"ingress/{found[0]}" if found else ""


def certificates(lab):
    """A controller may take Secrets of any namespace's Ingresses."""
    return [*lab.certificates(), *lab.beside("client3").certificates()]


# -- task tenants-by-name


@check("tenants-by-name", "each tenant's name leads to the Pods of that tenant")
def test_each_name_leads_to_its_own_tenant(lab):
    door = lab.door(CLASS)
    for host, tenant in ((CLIENT1, "client1"), (CLIENT2, "client2")):
        pods = lab.pods_of(tenant)
        lab.expect(pods, expected=f"ready Pods of Deployment {tenant}", seen="there are none")
        count = enough(len(pods))
        replies = lab.until(
            lambda host=host, count=count: door.ask(lab.probe, host, "/", tls=True, count=count),
            lambda replies, pods=pods: replies.ok and replies.bodies == pods.names,
        )
        lab.expect(
            replies.ok and replies.bodies == pods.names,
            expected=f"every request for {host} is answered, by exactly {pods}",
            seen=replies,
            about=about(lab, host),
            then=f"kubectl get ingress -n {lab.namespace}",
        )
        plain = door.ask(lab.probe, host, "/", tls=False, count=OF_SEVERAL)
        lab.expect(
            plain.bodies <= pods.names,
            expected=f"plain HTTP for {host} does not lead to anybody else's Pods either",
            seen=plain,
            about=about(lab, host),
        )


@check("tenants-by-name", "a name that nobody has leads to none of the tenants")
def test_an_unknown_name_leads_to_no_tenant(lab):
    door = lab.door(CLASS)
    every = lab.pods().names
    served = lab.until(lambda: door.ask(lab.probe, CLIENT1, "/", tls=True, count=1), lambda replies: replies.ok)
    lab.expect(served.ok, expected=f"{CLIENT1} is answered", seen=served, about=about(lab, CLIENT1))
    host = f"nobody-{token_hex(3)}.localhost"

    def ask():
        return [*door.ask(lab.probe, host, "/", False, count=1), *door.ask(lab.probe, host, "/", True, count=1)]

    replies = lab.until(ask, lambda replies: not any(r.body.strip() in every for r in replies))
    wrong = {r.body.strip() for r in replies if r.body.strip() in every}
    lab.expect(
        not wrong,
        expected=f"a request for {host}, which nobody has, reaches no tenant",
        seen=f"it was answered by {names(wrong)}",
        hop="Rule: some rule takes every name, or every name of an ending",
        then=f"look at the column HOSTS: kubectl get ingress -n {lab.namespace}",
    )


# -- tasks client1-https, client2-certificate, client3-secret, rotation


def expect_verified(lab, host: str, tenant: str):
    """Fail unless the host is answered over TLS by the tenant, with a certificate that convinces a client which trusts
    only what the lab's Ingresses bring; returns that certificate."""
    door = lab.door(CLASS)
    shown = lab.until(lambda: door.shown(lab.probe, host, certificates(lab)), bool)
    expected = f"https://{host} shows a valid certificate for {host}, from a Secret that an Ingress names"
    there = ", ".join(f"{c.secret} (for {names(c.names)})" for c in certificates(lab)) or "none"
    ways = ways_in(lab, host)
    lab.expect(
        shown or ways,
        expected=expected,
        seen=f"no Ingress of namespace {lab.namespace} has a rule for that host",
        hop=f"Rule: there is none for {host}",
        then=f"kubectl get ingress -n {lab.namespace}",
    )
    lab.expect(
        shown,
        expected=expected,
        seen=f"a client that checks it refuses what it is shown; the Secrets that Ingresses name: {there}",
        about=about(lab, host),
        then=f"kubectl describe ingress {next(iter(ways), '')} -n {lab.namespace}",
    )
    lab.expect(
        shown.covers(host),
        expected=f"{host} is one of the certificate's alternative names, which are all that browsers look at",
        seen=f"the alternative names in {shown} are: {names(shown.names)}",
        then="openssl x509 -in FILE.crt -noout -text",
    )
    lab.probe.host.run(f"cat > {TRUSTED} <<'end'\n{shown.pem}\nend")
    pods = lab.pods_of(tenant)
    replies = lab.until(
        lambda: door.ask(lab.probe, host, "/hostname", tls=True, count=OF_SEVERAL, trust=TRUSTED),
        lambda replies: replies.ok and replies.bodies <= pods.names,
    )
    lab.expect(
        pods and replies.ok and replies.bodies <= pods.names,
        expected=f"a client that trusts {shown} gets its answers at https://{host} from Pods of {tenant}",
        seen=replies,
        about=about(lab, host),
    )
    return shown


@check(
    "client1-https", "a client that checks the certificate of client1.localhost is satisfied, and gets client1's answer"
)
def test_client1_is_verified(lab):
    expect_verified(lab, CLIENT1, "client1")


@check("client2-certificate", "a client that checks the certificate of client2.localhost is satisfied")
def test_client2_is_verified(lab):
    expect_verified(lab, CLIENT2, "client2")


@check("client3-secret", "a client that checks the certificate of client3.localhost is satisfied")
def test_client3_is_verified(lab):
    expect_verified(lab, CLIENT3, "client3")


@check("rotation", "a client that checks the certificate of portal.localhost is satisfied")
def test_portal_is_verified(lab):
    expect_verified(lab, PORTAL, "portal")


@check("rotation", "the portal proves itself with a key that nobody else has seen")
def test_portal_has_a_new_key(lab):
    door = lab.door(CLASS)
    shown = lab.until(
        lambda: door.shown(lab.probe, PORTAL, certificates(lab)),
        lambda shown: shown is not None and shown.key not in SEEN_KEYS,
    )
    lab.expect(
        shown is not None and shown.key not in SEEN_KEYS,
        expected=f"https://{PORTAL} shows a valid certificate with a key of its own, not the one that got around",
        seen=f"{shown} belongs to {'the old key' if shown.key == OLD_KEY else 'the key of a tenant'}"
        if shown
        else "no valid certificate of this lab is shown",
        about="" if shown else about(lab, PORTAL),
        then=f"kubectl describe ingress -n {lab.namespace} (which Secret is shown? is it the one you changed?)",
    )


# -- task redirect


@check("redirect", "who comes to client1.localhost over plain HTTP is sent to the same page over HTTPS")
def test_plain_http_is_sent_to_https(lab):
    door = lab.door(CLASS)
    page = "/orders?id=7"
    wanted = {f"https://{CLIENT1}{page}", f"https://{CLIENT1}:443{page}"}

    def ask():
        return door.ask(lab.probe, CLIENT1, page, tls=False, count=1)[0]

    reply = lab.until(ask, lambda reply: reply.code in (301, 302, 303, 307, 308) and reply.location in wanted)
    lab.expect(
        reply.code in (301, 302, 303, 307, 308) and reply.location in wanted,
        expected=f"http://{CLIENT1}{page} is answered with a redirect to https://{CLIENT1}{page}",
        seen=f"{reply}{f', to {reply.location}' if reply.location else ''}",
        about="" if reply.ok else about(lab, CLIENT1),
        then=f"kubectl describe ingress {next(iter(ways_in(lab, CLIENT1)), '')}".rstrip() + f" -n {lab.namespace}",
    )
    pods = lab.pods_of("client1")
    followed = door.ask(lab.probe, CLIENT1, page, tls=True, count=1)
    lab.expect(
        followed.ok and followed.bodies <= pods.names,
        expected="who follows the redirect gets an answer of client1",
        seen=followed,
        about=about(lab, CLIENT1),
    )
