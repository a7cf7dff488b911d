"""Proxy variables. Our own requests go to 127.0.0.1, which no proxy can reach for us; and kind passes the variables
into its nodes, adding the cluster's ranges to NO_PROXY itself (kind@v0.33.0: providers/common/proxy.go), but a proxy on
this machine's 127.0.0.1 is not there inside a node."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok

LOCAL = ("127.0.0.1", "localhost")


def look(facts: Facts) -> Iterator[Finding]:
    names = [name for name in ("HTTP_PROXY", "HTTPS_PROXY") if _value(facts, name)]
    if not names:
        return
    exempt = [entry.strip() for entry in _value(facts, "NO_PROXY").split(",") if entry.strip()]
    missing = [name for name in LOCAL if not _exempted(name, exempt)]
    if missing:
        now = _value(facts, "NO_PROXY")
        fixed = ",".join(filter(None, (now, *missing)))
        yield note(
            f"{' and '.join(names)} set, and NO_PROXY does not have {' and '.join(missing)}",
            "kubectl, curl and browsers ask the proxy for this machine's own addresses: the API server, lab 05 to 07's"
            " pages",
            f"export NO_PROXY={fixed} no_proxy={fixed}",
            only=("kind", "pocket"),
        )
    here = next((name for name in names if urlsplit(_url(_value(facts, name))).hostname in (*LOCAL, "::1")), "")
    if here:
        yield note(
            f"{here} is a proxy on this machine ({_shown(_value(facts, here))})",
            "kind's nodes get that variable, too, and their own 127.0.0.1 has no proxy: they pull no images",
            "env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy kindlab up --cluster kind; or name the"
            " proxy by an address of this machine that containers reach",
            only=("kind",),
        )
    if not missing and not here:
        yield ok(f"{' and '.join(names)} set, and NO_PROXY has {' and '.join(LOCAL)}")


def _value(facts: Facts, name: str) -> str:
    return facts.environment.get(name) or facts.environment.get(name.lower(), "")


def _url(text: str) -> str:
    return text if "://" in text else f"http://{text}"


def _shown(text: str) -> str:
    """Without the password that may be in it."""
    parts = urlsplit(_url(text))
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _exempted(name: str, exempt: list[str]) -> bool:
    return "*" in exempt or name in exempt or (name == "127.0.0.1" and "127.0.0.0/8" in exempt)


CHECK = Check("proxy", 60, ("kind", "pocket"), look)
