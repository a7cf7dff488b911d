"""The cluster as kindlab sees it: any kubeconfig, any kind, plain dicts, over the official `kubernetes` client.

The client brings credentials, TLS and proxies; objects stay dicts so that the code reads like manifests and
works with any version of its models. Kinds are found through discovery, so custom resources work too.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from kindlab import unanswered
from kindlab.clock import monotonic
from kindlab.discovery import Served as Served
from kindlab.discovery import discovered
from kindlab.errors import Problem
from kindlab.witness import Witness

Obj = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TIMEOUT = 30.0
CONFLICTS = 10
"""How often an object is put in place anew because a controller has written its status in between."""


class ApiError(Exception):
    """The API server's refusal: `code` (404, 409, 422, ...), `reason`, the server's own message, and the `details`
    of its Status (name, kind, causes)."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        super().__init__(f"{reason} ({code}): {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}


HERE = ("localhost", "127.0.0.0/8", "::1")
"""This machine, which no proxy is asked for whatever NO_PROXY says; as with kubectl (Go's ProxyFromEnvironment)."""


class Request(NamedTuple):
    """What is sent: `path` without the query."""

    method: str
    path: str
    body: Any
    query: dict[str, Any]
    content_type: str
    accept: str


class Unreachable(Problem):
    """Nobody answers at the API server's address, or it refuses who we are."""


class Api:
    """`kubeconfig` None means the user's own (KUBECONFIG or ~/.kube/config); `context` None means the current one."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        from kubernetes import client, config
        from kubernetes.config.config_exception import ConfigException
        from yaml import YAMLError

        self.kubeconfig = kubeconfig
        self.context = context
        settings = type.__call__(client.Configuration)  # of this client, not the process' default
        settings.no_proxy = ",".join(filter(None, (settings.no_proxy, *HERE)))
        try:
            self.client = config.new_client_from_config(
                str(kubeconfig) if kubeconfig else None, context, client_configuration=settings
            )
        except (ConfigException, OSError, YAMLError, TypeError, AttributeError, ValueError) as error:
            raise Unreachable(
                "There is no usable kubeconfig.",
                f"{str(error).rstrip('.')}.",
                "Start a cluster with kindlab up, or point KUBECONFIG at yours.",
            ) from error

    @property
    def server(self) -> str:
        return str(self.client.configuration.host)

    @property
    def authority(self) -> str:
        """A digest of the certificates by which the server is known for the right one; "" where the machine's own are
        taken, "none" where nobody looks."""
        known_by = self.client.configuration
        if not known_by.verify_ssl:
            return "none"
        try:
            return sha256(Path(known_by.ssl_ca_cert).read_bytes()).hexdigest() if known_by.ssl_ca_cert else ""
        except OSError:
            return ""

    # -- verbs

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = TIMEOUT,
        stream: bool = False,
    ) -> Any:
        """One request; returns the decoded JSON, or the response itself when `stream`. Raises ApiError, Unreachable."""
        response = self.respond(
            Request(method, path, body, query or {}, content_type, accept), timeout=timeout, stream=stream
        )
        if stream:
            return response
        return json.loads(response.data) if response.data else {}

    def respond(self, asked: Request, *, timeout: float, stream: bool) -> Any:
        """The response to a request: its `data` is read later where it is a `stream`. All requests come through here.
        Raises ApiError, Unreachable."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return self.client.call_api(
                asked.path,
                asked.method,
                {},
                list(asked.query.items()),
                {"Accept": asked.accept, "Content-Type": asked.content_type},
                body=asked.body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=timeout,
            )
        except ApiException as error:
            raise self._refusal(error) from error
        except (HTTPError, OSError) as error:
            raise Unreachable(
                f"The cluster at {self.server} does not answer.",
                unanswered.why(error),
                "kindlab status shows what is running; kindlab up starts a cluster.",
            ) from error

    def witness(self) -> Witness | None:
        """Who keeps what a grading of this cluster sees; None: nobody does."""
        return None

    def exchange(self, what: Obj, ask: Callable[[], Obj]) -> Obj:
        """Ask the cluster for something in another way than by a request: a command in a container, for one. `what`
        and the answer are JSON, and bytes. Here so that whoever keeps what was asked hears of that, too."""
        return ask()

    def _refusal(self, error: Any) -> ApiError | Unreachable:
        try:
            status = json.loads(error.body)
            reason, message = status.get("reason", error.reason), status.get("message", "")
            details = status.get("details")
        except (TypeError, ValueError, AttributeError):
            reason, message, details = str(error.reason), str(error.body or ""), None
        if error.status == 401:
            return Unreachable(
                f"The cluster at {self.server} does not accept these credentials.",
                "It answered 401 Unauthorized.",
                "Check the kubeconfig (kubectl config current-context), or start a cluster with kindlab up.",
            )
        return ApiError(int(error.status or 0), reason, message, details)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        """One object by kind (`Service`, `Deployment.apps`, a plural, ...); None when there is none."""
        try:
            return self.request("GET", self.path(kind, namespace, name))  # type: ignore[no-any-return]
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = "") -> list[Obj]:
        query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        found = self.request("GET", self.path(kind, namespace), query=query)
        return found.get("items") or []

    def live(self, obj: Obj, namespace: str | None = None) -> Obj | None:
        """What is there under the kind and the name of `obj`; None when there is nothing."""
        meta = obj["metadata"]
        return self.get(_type_of(obj), meta["name"], meta.get("namespace") or namespace)

    def create(self, obj: Obj, namespace: str | None = None) -> Obj:
        space = obj.get("metadata", {}).get("namespace") or namespace
        return self.request("POST", self.path(_type_of(obj), space), obj)  # type: ignore[no-any-return]

    def replace(self, obj: Obj, namespace: str | None = None) -> Obj:
        """Create the object, or put it in place of the one that is there; one that may not change is made anew.

        Unlike `kubectl apply` nothing of the old object stays, which is what a reference solution must do.
        """
        put = self.put_over(obj, namespace, lambda live: obj)
        if put is not None:
            return put
        meta = obj["metadata"]
        space = meta.get("namespace") or namespace
        self.delete(_type_of(obj), meta["name"], space, wait=True)
        return self.create(obj, space)

    def put_over(self, obj: Obj, namespace: str | None, over: Callable[[Obj], Obj | None]) -> Obj | None:
        """Create the object, or put `over(live)` in place of the one that is there, again when that has changed in
        between. None: it may not change so, or `over` had nothing to put there."""
        meta = obj["metadata"]
        space = meta.get("namespace") or namespace
        path = self.path(_type_of(obj), space, meta["name"])
        for _ in range(CONFLICTS):
            live = self.live(obj, space)
            if live is None:
                return self.create(obj, space)
            if (wanted := over(live)) is None:
                return None
            fresh = {**wanted, "metadata": {**meta, "resourceVersion": live["metadata"]["resourceVersion"]}}
            try:
                return self.request("PUT", path, fresh)  # type: ignore[no-any-return]
            except ApiError as error:
                if error.code == 422:
                    return None
                if error.code != 409:
                    raise
        return None

    def patch(self, kind: str, name: str, namespace: str | None, change: Any, *, how: str = MERGE_PATCH) -> Obj:
        return self.request("PATCH", self.path(kind, namespace, name), change, content_type=how)  # type: ignore[no-any-return]

    def delete(
        self, kind: str, name: str, namespace: str | None = None, *, wait: bool = False, grace: int | None = None
    ) -> None:
        """Delete an object; one that is gone already is fine. `wait` returns when it is no longer there."""
        options: Obj = {"propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        before = self.get(kind, name, namespace) if wait else None
        try:
            self.request("DELETE", self.path(kind, namespace, name), options)
        except ApiError as error:
            if error.code != 404:
                raise
            return
        if wait and before is not None:
            self.wait_gone(kind, name, namespace, uid=before["metadata"]["uid"])

    def wait_gone(self, kind: str, name: str, namespace: str | None, *, uid: str, timeout: float = 60.0) -> None:
        """Return when the object with that uid is gone. Raises Problem after `timeout` seconds."""
        for live in self.follow(kind, namespace, fields=f"metadata.name={name}", timeout=timeout):
            if not any(o["metadata"]["uid"] == uid for o in live.values()):
                return
        raise Problem(
            f"{kind} {name} is still there after {timeout:.0f} s.",
            "Something holds it: a finalizer, or Pods with a long grace period.",
            f"kubectl describe {kind.lower()} {name} shows what; then try again.",
        )

    def follow(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = "", timeout: float = 60.0
    ) -> Iterator[dict[str, Obj]]:
        """The matching objects by namespace/name, now and again after every change, until `timeout` s.

        List, then watch from the list's version: nothing is missed and nothing is polled.
        """
        deadline = monotonic() + timeout
        path = self.path(kind, namespace)
        query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        while True:
            listed = self.request("GET", path, query=query)
            live = {_key(o): o for o in listed.get("items") or []}
            yield dict(live)
            version = listed["metadata"]["resourceVersion"]
            left = deadline - monotonic()
            if left <= 0:
                return
            for event in self._watch(path, {**query, "resourceVersion": version}, left):
                if event["type"] == "ERROR":
                    break  # the history is gone: list again
                if event["type"] == "DELETED":
                    live.pop(_key(event["object"]), None)
                elif event["type"] in ("ADDED", "MODIFIED"):
                    live[_key(event["object"])] = event["object"]
                yield dict(live)
            if monotonic() >= deadline:
                return

    def _watch(self, path: str, query: dict[str, Any], seconds: float) -> Iterator[Obj]:
        from urllib3.exceptions import HTTPError

        query = {**query, "watch": "true", "timeoutSeconds": max(1, int(seconds))}
        response = self.request("GET", path, query=query, stream=True, timeout=seconds + 1)
        rest = b""
        try:
            for chunk in response.stream(amt=None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line.strip())
        except HTTPError:
            return  # the time is up, or the connection broke: the caller looks at the clock and lists again
        finally:
            response.close()

    # -- kinds

    def path(self, kind: str, namespace: str | None = None, name: str = "") -> str:
        """The URL path of a kind's collection or object. Raises ApiError 404 for a kind that is not served."""
        found = self.served(kind)
        where = f"/namespaces/{_segment(namespace, 'namespace')}" if found.namespaced and namespace else ""
        return f"{found.prefix}{where}/{found.plural}" + (f"/{_segment(name, 'object')}" if name else "")

    def namespaced(self, kind: str) -> bool:
        return self.served(kind).namespaced

    def served(self, kind: str) -> Served:
        """What the cluster says about a kind, in any spelling. Raises ApiError 404 for one it does not serve."""
        found = self._kinds.get(kind.lower())
        if found is None:
            self.__dict__.pop("_kinds", None)  # a CustomResourceDefinition may have brought it since
            found = self._kinds.get(kind.lower())
        if found is None:
            raise ApiError(404, "NotFound", f'the cluster serves no kind "{kind}"')
        return found

    def category(self, name: str) -> builtins.list[Served]:
        """The kinds of a category (`all`), in the order of discovery."""
        return [served for served in self.kinds() if name in served.categories]

    def kinds(self) -> builtins.list[Served]:
        """Every kind, in its group's preferred version, in the order of discovery."""
        every = self._kinds
        return [s for s in dict.fromkeys(every.values()) if s == every.get(f"{s.plural}.{s.group}".rstrip("."))]

    @cached_property
    def _kinds(self) -> dict[str, Served]:
        return self.discovered()

    def discovered(self) -> dict[str, Served]:
        """Every spelling of a kind -> where it lives (discovery.py)."""
        return discovered(self.request, ApiError)


def _segment(name: str, what: str) -> str:
    """A name in a path. Raises ApiError 404 for one that nothing can have and that would lead to other objects."""
    if name in (".", "..") or "/" in name or "%" in name:
        raise ApiError(404, "NotFound", f"no {what} can be called {name!r}")
    return quote(name, safe=":")


def _type_of(obj: Obj) -> str:
    return f"{obj['apiVersion']}/{obj['kind']}"


def _key(obj: Obj) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
