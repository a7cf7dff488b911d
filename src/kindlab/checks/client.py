"""Who sends requests: the probe, or any other Pod, whose labels, node and environment then count."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from functools import cached_property

from testinfra.host import Host

from kindlab.api import Api, Obj
from kindlab.checks.host import pod_host
from kindlab.checks.probe import NAME as PROBE
from kindlab.checks.probe import Probe, Replies, Reply
from kindlab.checks.trouble import is_own
from kindlab.checks.verdict import ContainerAtFault, CouldNotGrade
from kindlab.errors import UsageProblem

_WGET = (("bad address", 6), ("unable to resolve", 6), ("refused", 7), ("timed out", 28), ("unreachable", 7))
"""What wget prints on the way to curl's exit code."""


class Client(Probe):
    """The probe of `namespace`, or the running Pod `pod` there (in `container`, else its first). Raises UsageProblem
    when there is no such Pod."""

    def __init__(self, api: Api, namespace: str, pod: str = "", container: str = "") -> None:
        super().__init__(api, namespace)
        self.pod = pod or PROBE
        self.container = container
        self.found = self._existing(pod) if pod else None
        """The Pod, as it was when this was made; None: it is the probe."""

    def _existing(self, pod: str) -> Obj:
        found = self.api.get("Pod", pod, self.namespace)
        if found is None:
            there = ", ".join(p["metadata"]["name"] for p in self.api.list("Pod", self.namespace)) or "none"
            raise UsageProblem(
                f"There is no Pod {pod} in namespace {self.namespace} to send from.",
                f"The Pods there are: {there}.",
                "Name one of those after --from, or leave --from out: then kindlab's own probe sends.",
            )
        if found["status"].get("phase") != "Running":
            raise UsageProblem(
                f"Pod {pod} cannot send: it is {found['status'].get('phase', 'Pending')}.",
                "Requests are sent by a command run in it.",
                f"See why with: kubectl describe pod {pod} -n {self.namespace}",
            )
        return found

    @cached_property
    def host(self) -> Host:
        return super().host if self.pod == PROBE else pod_host(self.api, self.namespace, self.pod, self.container)

    def object(self) -> Obj:
        """The Pod as it is, made when it is the probe and not there yet. Raises CouldNotGrade."""
        _ = self.host
        found = self.api.get("Pod", self.pod, self.namespace)
        if found is None:
            raise CouldNotGrade(f"Pod {self.pod} in namespace {self.namespace} is gone")
        return found

    def get_many(
        self, url: str, *, count: int, timeout: float = 1.5, options: str = "", until: Collection[str] = ()
    ) -> Replies:
        """As Probe.get_many; a Pod without curl asks with wget, and takes no `options` then."""
        if self._with_curl:
            return super().get_many(url, count=count, timeout=timeout, options=options, until=until)
        if not self._has("wget"):
            raise self.could_not("send requests", "it has neither curl nor wget in its system folders")
        replies: list[Reply] = []
        while len(replies) < count and sum(r.exit != 0 for r in replies[-2:]) < 2:
            replies.append(self._wget(url, timeout))
        return Replies(replies)

    def get_each(self, urls: Iterable[str], *, timeout: float = 1.5, options: str = "") -> dict[str, Reply]:
        """As Probe.get_each; a Pod without curl asks one after the other."""
        if self._with_curl:
            return super().get_each(urls, timeout=timeout, options=options)
        return {url: self.get(url, timeout=timeout) for url in urls}

    def families(self, addresses: list[str]) -> dict[str, str]:
        """Words for each IP family of a name's addresses -> the option that asks by it; one without words or option
        where there is no choice: a name of one family, or a Pod without curl."""
        if len({":" in address for address in addresses}) < 2 or not self._with_curl:
            return {"": ""}
        return {" over IPv4": "-4", " over IPv6": "-6"}

    def could_not(self, what: str, why: str) -> CouldNotGrade:
        """In a learner's Pod it is that one's doing."""
        said = f"Pod {self.pod} could not {what}: {why}"
        if is_own(self.pod):
            return CouldNotGrade(said)
        then = f"kubectl exec -it {self.pod} -n {self.namespace}{f' -c {self.container}' * bool(self.container)} -- sh"
        return ContainerAtFault(said, expected=f"Pod {self.pod} can {what}", seen=why, then=then)

    @property
    def _has_our_curl(self) -> bool:
        return is_own(self.pod)

    @cached_property
    def _with_curl(self) -> bool:
        return is_own(self.pod) or self._has("curl")

    def _has(self, command: str) -> bool:
        return bool(self.host.run(f"command -v {command}").rc == 0)

    def _wget(self, url: str, timeout: float) -> Reply:
        result = self.host.run(f"wget -T {max(1, round(timeout))} -O - {shlex.quote(url)}")
        if result.rc == 0:
            return Reply(200, result.stdout, 0)
        said = result.stderr.lower()
        status = said.rpartition("server returned error: http/1.")[2].split()[1:2]
        if status and status[0].isdigit():
            return Reply(int(status[0]), "", 0)
        return Reply(0, result.stdout, next((code for text, code in _WGET if text in said), 1))
