"""Where curl connects: --connect-to sends it to another host and port, --resolve gives a host its addresses."""

from __future__ import annotations

import re
from dataclasses import replace

from pocketkube.images.net.curl_options import Options
from pocketkube.images.net.curl_url import Url

_HOST = r"(\[[^\]]*\]|[^:\[\]]*)"
_CONNECT_TO = re.compile(rf"{_HOST}:(\d*):{_HOST}:(\d*)\Z")


def destination(options: Options, url: Url) -> Url:
    """The URL with the host and port of the first --connect-to that fits; an empty part fits, or keeps, everything."""
    for rule in options.connects:
        found = _CONNECT_TO.match(rule)
        if found is None:
            continue
        host, port, other, number = found.groups()
        if host.lower() in ("", url.host.lower()) and port in ("", str(url.port)):
            return replace(url, host=other or url.host, port=int(number or url.port))
    return url


def badly_pinned(options: Options) -> str:
    """The first --resolve that is not HOST:PORT:ADDRESS, or empty."""
    good = re.compile(r"-.+:\d+|\+?[^:]+:\d+:[0-9A-Fa-f.:,\[\]]+")
    return next((rule for rule in options.resolves if not good.fullmatch(rule)), "")


def pinned(options: Options, url: Url) -> list[str]:
    """The addresses --resolve gives for the host and port; none when it says nothing about them."""
    for rule in options.resolves:
        host, port, address = [*rule.lstrip("+").split(":", 2), "", ""][:3]
        if port == str(url.port) and host.lower() in (url.host.lower(), "*"):
            return [a.strip("[]") for a in address.split(",") if a]
    return []
