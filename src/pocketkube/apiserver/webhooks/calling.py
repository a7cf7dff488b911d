"""A review sent to a webhook's server, and what came back; why there is none, in client-go's words.

Models apiserver/pkg/util/webhook/client.go and client-go's rest.Request for it.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import orjson

from pocketkube import schema
from pocketkube.apiserver.calling import Answer, refused, send
from pocketkube.apiserver.services import Trusts, Unresolved, resolve
from pocketkube.apiserver.streams.dialing import Backend, Undialled
from pocketkube.apiserver.streams.runtime import Dialer
from pocketkube.errors import StatusError, from_status
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.webhooks.client_config import PORT

_JSON: Final = "application/json"


class Failed(Exception):
    """A webhook could not be asked; the text is Go's."""


class Unusable(Failed):
    """What is written down of a webhook is not enough to speak to it."""


class _Place(NamedTuple):
    host: str
    """As in a URL."""
    path: str


class Caller:
    """Speaks to the servers of webhooks. `dialer` None: there is nobody to speak to."""

    def __init__(self, registry: Registry, dialer: Dialer | None) -> None:
        self._registry = registry
        self._dialer = dialer
        self._trusts = Trusts()

    async def post(self, config: Obj, review: Obj, seconds: int) -> Obj:
        """The JSON object that a webhook (`config`: WebhookClientConfig) answers a review with. Raises Failed."""
        try:
            trust = self._trusts.of(_bundle(config))
        except Unresolved as why:
            raise Unusable(str(why)) from None
        place = _place(config)
        target = f"{place.path}?timeout={seconds}s"
        headers = [("Host", place.host), ("Accept", f"{_JSON}, */*"), ("Content-Type", _JSON)]
        headers.append(("User-Agent", "kube-apiserver-admission"))
        try:
            if self._dialer is None:
                raise Unresolved("this API server runs without nodes: there is nobody to ask")
            where = self._backend(config, place, trust)
            clock, body = self._registry.clock, orjson.dumps(review)
            answer = await send(self._dialer, where, "POST", target, headers, body, clock, seconds)
        except (Unresolved, Undialled) as why:
            raise Failed(f'Post "https://{place.host}{target}": {why}') from None
        if not 200 <= answer.status < 300:
            raise Failed(_refusal(answer).message)
        return _review(answer)

    def _backend(self, config: Obj, place: _Place, trust: Any) -> Backend:
        """Raises Unresolved."""
        service = config.get("service")
        if service is not None:
            port = service.get("port") or PORT
            return resolve(self._registry, service["namespace"], service["name"], port, trust)
        parts = urlsplit(config["url"])
        name = parts.hostname or ""
        try:
            ip_address(name)
        except ValueError:
            raise Unresolved(f"dial tcp: lookup {name}: no such host") from None
        return Backend(name, parts.port or PORT, True, trust, name)


def _bundle(config: Obj) -> str:
    return str(config.get("caBundle") or "")


def _place(config: Obj) -> _Place:
    service = config.get("service")
    if service is not None:
        host = f"{service['name']}.{service['namespace']}.svc:{service.get('port') or PORT}"
        return _Place(host, f"/{(service.get('path') or '').lstrip('/')}")
    parts = urlsplit(config["url"])
    return _Place(parts.netloc, f"/{parts.path.lstrip('/')}")


def _refusal(answer: Answer) -> StatusError:
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        told = None
    return from_status(told) if isinstance(told, dict) and told.get("kind") == "Status" else refused(answer)


def _review(answer: Answer) -> Obj:
    """Raises Failed for what is no JSON object."""
    if not answer.body:
        raise Failed(f"0-length response with status code: {answer.status} and content type: ")
    problem = "couldn't get version/kind; json parse error: "
    try:
        found = schema.loads_json(answer.body)
    except schema.ParseError as error:
        raise Failed(f"{problem}{error}") from None
    if not isinstance(found, dict):
        raise Failed(f"{problem}json: cannot unmarshal into Go value of type struct")
    return found
