"""One file over HTTP onto the disk, by as many tries as it takes: what came stays, and the next try asks for the rest.

Only https, and no redirect to anything else; plain http to this machine itself is for tests. The environment's proxy
(HTTPS_PROXY, NO_PROXY) and certificates (REQUESTS_CA_BUNDLE) are taken as the requests library takes them.
Who calls this checks the file's content: nothing here knows what it should be.
"""

from __future__ import annotations

import ipaddress
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from kindlab.errors import Problem

if TYPE_CHECKING:
    import requests

    from kindlab.clusters.base import Step

CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 30.0
"""Seconds until a connection must stand, and that a server may be silent."""
PAUSES = (1.0, 2.0, 4.0)
"""Seconds before each further try; they begin anew when a try has brought the file further than all before it."""
LONGEST_PAUSE = 30.0
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses worth another try: the server is busy or broken, which says nothing of the file."""
CHUNK = 64 * 1024
MOST = 500_000_000
"""Bytes of one file, several times those of the largest that is pinned: a server that never ends fills no disk."""
REDIRECTS = 10


@dataclass(frozen=True)
class Came:
    """`kind` is the content type the server gave; `resumed`, that the part was there before its last piece."""

    kind: str
    resumed: bool


class _Interrupted(Exception):
    """This try is over; another may do better. `pause` is what the server asks for, in seconds."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


def complete(url: str, name: str, part: Path, step: Step) -> Came:
    """Make the file `part` whole. Raises Problem; OSError when the disk will not have it."""
    pauses, furthest = list(PAUSES), _size(part)
    while True:
        try:
            return _receive(url, name, part, step)
        except _Interrupted as error:
            if _size(part) > furthest:
                pauses, furthest = list(PAUSES), _size(part)
            if not pauses:
                kept = f" What came so far ({amount(_size(part))}) is kept." if _size(part) else ""
                raise Problem(
                    f"{name} could not be downloaded.",
                    f"{error}; the last of {len(PAUSES) + 1} tries in a row that got no further.\n"
                    f"From {url}{by_way_of(url)}",
                    f"See whether a browser on this machine can open that address, then run this again.{kept} "
                    "Where the internet is reached by a proxy, HTTPS_PROXY must name it.",
                ) from error
            pause = max(pauses.pop(0), error.pause)
            step(f"{name}: {error}; trying again in {pause:.0f} s")
            time.sleep(pause)


def by_way_of(url: str) -> str:
    """A line on the proxy that requests takes for this address, without its password; empty when there is none."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    return f"\nBy way of the proxy {without_password(proxy)} (from HTTPS_PROXY or HTTP_PROXY)." if proxy else ""


def without_password(address: str) -> str:
    """An address without the user and the password that may be in it, also one that is written wrongly: without
    http://, or with a / or an @ in the password."""
    return re.sub(r"^([A-Za-z0-9]+://)?.*@", r"\1", address, flags=re.DOTALL)


def amount(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _receive(url: str, name: str, part: Path, step: Step) -> Came:
    """One try: ask for what is missing and append it. Raises _Interrupted, Problem."""
    import requests
    from requests.exceptions import ChunkedEncodingError, RequestException, SSLError

    at = _size(part)
    try:
        with _session() as session, _ask(session, url, name, at) as response:
            if at and response.status_code == requests.codes.requested_range_not_satisfiable:
                return Came("", resumed=True)  # there is no more: stopped just before the end, or the file is shorter
            _check_status(url, name, response)
            whole = response.status_code != requests.codes.partial  # the server knows no ranges, or none was asked for
            if not whole and _first(response) != at:
                part.unlink(missing_ok=True)
                raise _Interrupted("the server sent another part of the file than was asked for")
            at = 0 if whole else at
            _store(response, url, name, part, at, step)
            return Came(response.headers.get("Content-Type", "").partition(";")[0].strip(), resumed=at > 0)
    except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError) as error:
        why = _reason(error)
        if isinstance(error, SSLError) and "certificate" in why.lower():
            raise Problem(
                f"{name} could not be downloaded: the server's certificate is not trusted.",
                f"{why}.\nFrom {url}{by_way_of(url)}",
                "Look at this machine's clock. If your network looks into its traffic (a company's proxy), set "
                "REQUESTS_CA_BUNDLE to a file with its certificates.",
            ) from error
        raise _Interrupted(why) from error
    except RequestException as error:  # an address or a proxy that cannot be used at all
        raise Problem(
            f"{name} could not be downloaded.",
            f"{_reason(error)}.\nFrom {url}{by_way_of(url)}",
            "If HTTPS_PROXY or HTTP_PROXY is set, check it: a proxy is written http://host:port.",
        ) from error


def _session() -> requests.Session:
    import requests

    session = requests.Session()
    # Else requests sends what ~/.netrc has for that host, and these files are for everybody.
    session.auth = lambda request: request
    return session


def _ask(session: requests.Session, url: str, name: str, at: int) -> requests.Response:
    """The answer at the end of the redirects, its body not yet read. Bytes are asked for as they are (no gzip), so that
    the parts fit together. Raises Problem, and what requests raises."""
    import requests

    headers = {"Accept-Encoding": "identity", "User-Agent": "kindlab"} | ({"Range": f"bytes={at}-"} if at else {})
    here = url
    for _ in range(REDIRECTS):
        _check_address(url, here, name)
        timeouts = (CONNECT_TIMEOUT, READ_TIMEOUT)
        response = session.get(here, headers=headers, stream=True, allow_redirects=False, timeout=timeouts)
        if not response.is_redirect:
            return response
        here = urljoin(here, response.headers["Location"])
        response.close()
    raise requests.TooManyRedirects(f"the server sends from one address to the next, {REDIRECTS} times")


def _check_address(first: str, url: str, name: str) -> None:
    """Only https; http to this machine only when that was asked for in the first place. Raises Problem."""
    scheme = urlsplit(url).scheme
    if scheme == "https" or (scheme == "http" and _is_here(url) and _is_here(first) and first.startswith("http:")):
        return
    raise Problem(
        f"{name} was not downloaded: that is done over https only.",
        f"The address is {url}" + ("" if url == first else f"\n{first} sends there."),
        "If your network rewrites addresses (a login page does), use another one; "
        "if the address is written in cluster-config/, it must be mended there.",
    )


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_status(url: str, name: str, response: requests.Response) -> None:
    """Raises _Interrupted for what passes, Problem for what stays."""
    status = f"{response.status_code} {response.reason or ''}".strip()
    if response.status_code in PASSING:
        asked = response.headers.get("Retry-After", "")
        pause = min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else 0.0
        raise _Interrupted(f"the server answered {status}", pause)
    if response.status_code not in (200, 206):
        raise Problem(
            f"{name} could not be downloaded: the server answered {status}.",
            f"From {url}{by_way_of(url)}",
            "Open that address in a browser. If it is gone, the version that cluster-config/ pins is no longer there: "
            "tell the people who run this course.",
        )


def _store(response: requests.Response, url: str, name: str, part: Path, at: int, step: Step) -> None:
    """Write what comes behind the first `at` bytes of the part. Raises Problem when there is no end of it."""
    length = response.headers.get("Content-Length", "")
    total = at + int(length) if length.isdecimal() else 0
    said = ""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(part, flags, 0o600), "ab") as file:  # a link that somebody has put there leads to a file of ours
        file.truncate(at)
        for chunk in response.iter_content(CHUNK):
            at += len(chunk)
            if at > MOST:
                file.truncate(0)
                raise Problem(
                    f"{name} was not downloaded: the server sends more than {amount(MOST)}, and no file here is so "
                    "large.",
                    f"From {url}{by_way_of(url)}",
                    "Nothing of it was kept. Try again, from another network if you can; if it stays so, tell the "
                    "people who run this course.",
                )
            file.write(chunk)
            done = f"{amount(at)} of {amount(total)} ({100 * at // total}%)" if total else amount(at)
            if done != said:
                said = done
                step(f"downloading {name}: {done}")


def _first(response: requests.Response) -> int:
    """Number of the first byte in a partial answer; -1 when it does not say."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _reason(error: BaseException) -> str:
    """What is at the bottom of an exception of requests, which wraps urllib3's, which wraps the system's."""
    text = str(error)
    inner: BaseException | None = error
    while inner is not None:
        text = str(inner) or type(inner).__name__
        further = (getattr(inner, "reason", None), *inner.args)
        inner = next((found for found in further if isinstance(found, BaseException)), None)
    return re.sub(r"^(<[^>]*>|\w+\([^)]*\)):\s*", "", text.strip()).rstrip(".")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
