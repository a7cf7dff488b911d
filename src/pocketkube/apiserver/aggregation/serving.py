"""Requests for what another server answers: passed on in the name of who asks, over TLS, through the pod network.

Models kube-aggregator/pkg/apiserver/handler_proxy.go: what cannot be passed on is told as plain text.
"""

from __future__ import annotations

from aiohttp import web

from pocketkube.apiserver.aggregation.servers import identity, is_available
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.request import Request
from pocketkube.apiserver.respond import plain_text
from pocketkube.apiserver.services import Unresolved
from pocketkube.apiserver.streams import proxy
from pocketkube.errors import StatusError
from pocketkube.objects import Obj

_UNAVAILABLE = "service unavailable\n"


async def serve(api: Api, request: Request, found: Obj) -> web.StreamResponse:
    """`found`: the APIService of the request's group and version. Who asks may do so: that is checked already."""
    if not is_available(found):
        return plain_text(503, _UNAVAILABLE)
    try:
        where = api.servers.resolve(found)
    except Unresolved:
        return plain_text(503, _UNAVAILABLE)
    try:
        return await proxy.forward(api, request, where, request.path, identity=identity(request.user))
    except StatusError as error:
        return plain_text(503, f"{error.message}\n")
