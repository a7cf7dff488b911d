"""Where a webhook is: a Service or a URL, and whose certificates are trusted there.

Models apiserver/pkg/util/webhook/validation.go.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

PORT: Final = 443
_FORM: Final = "; desired format: https://host[/path]"


def default(config: Obj) -> None:
    service = config.get("service")
    if service is not None and service.get("port") is None:
        service["port"] = PORT


def validate(config: Obj, at: str) -> Iterator[Cause]:
    """Field errors of a WebhookClientConfig, its caBundle apart."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield fields.required(at, "exactly one of url or service is required")
    elif url is not None:
        yield from _url(url, f"{at}.url")
    elif service is not None:
        yield from _service(service, f"{at}.service")


def _url(url: str, at: str) -> Iterator[Cause]:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port
    except ValueError as error:
        yield fields.required(at, f'url must be a valid URL: parse "{url}": {error}{_FORM}')
        return
    if parts.scheme != "https":
        yield fields.invalid(at, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    if not host:
        yield fields.invalid(at, host, f"host must be specified{_FORM}")
    if "@" in parts.netloc:
        user = parts.netloc.rpartition("@")[0]
        yield fields.invalid(at, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield fields.invalid(at, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield fields.invalid(at, parts.query, "query parameters are not permitted in the URL")


def _service(service: Obj, at: str) -> Iterator[Cause]:
    for field in "name", "namespace":
        if not service.get(field):
            yield fields.required(f"{at}.{field}")
    port = service.get("port", PORT)
    if problems := formats.port_number(port):
        yield fields.invalid(f"{at}.port", port, f"port is not valid: {', '.join(problems)}")
    path = service.get("path")
    if path is None or path in ("", "/"):
        return
    if path == "//":
        yield fields.invalid(f"{at}.path", path, "segment[0] may not be empty")
        return
    if not path.startswith("/"):
        yield fields.invalid(f"{at}.path", path, "must start with a '/'")
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            yield fields.invalid(f"{at}.path", path, f"segment[{index}] may not be empty")
            continue
        for problem in formats.dns1123_subdomain(step):
            yield fields.invalid(f"{at}.path", path, f"segment[{index}]: {problem}")


def names_a_host(config: Obj) -> bool:
    """Whether this is a URL with a name in it, which nobody inside the cluster's network could look up."""
    try:
        host = urlsplit(config.get("url") or "").hostname
        return host is not None and not ip_address(host)
    except ValueError:
        return True


def bundle_problem(bundle: str) -> str:
    """Why a caBundle (base64 of PEM) cannot be used, "" if it can or is blank."""
    try:
        pem = base64.b64decode(bundle).decode("ascii", "replace")
        if pem.strip():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (binascii.Error, ValueError, ssl.SSLError):
        return "unable to load root certificates: unable to parse bytes as PEM block"
    return ""
