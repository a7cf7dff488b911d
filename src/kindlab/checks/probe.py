"""The probe: a Pod of the grader's own in the lab's namespace, from which requests are sent as a client would.

Requests run in batches, one command for many requests, so that a grade takes seconds on a far cluster too.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from urllib.parse import urlsplit

from testinfra.host import Host

from kindlab.api import Api, Obj
from kindlab.checks.host import ExecBackend, pod_host
from kindlab.checks.images import not_pulled
from kindlab.checks.verdict import CouldNotGrade
from kindlab.clock import token_hex
from kindlab.conditions import is_ready
from kindlab.hosts import is_address
from kindlab.managed import MANAGED

NAME = "kindlab-probe"
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
START_TIMEOUT = 120.0
SILENCE = 6.0
"""Seconds after which a kubelet that has not said a word of the probe is taken for dead; the cluster notices later."""
MARK = "--kindlab--"
SAID = r"\n%{http_code} %{redirect_url}"
"""What curl is to write behind each body, so that _reply can read it."""

REFUSED, TIMED_OUT = 7, 28
ASK_AGAIN = 0.5
"""Seconds between two looks at a name."""
LOST_AMONG = 20
BODY = 256 << 10
"""Bytes of an answer, after which it is broken off."""
EAGER = 4
"""So many requests for each Pod that is to answer come first: all of four have then answered in 24 of 25 cases."""
CURL_ERRORS = {
    6: "the name does not resolve",
    7: "connection refused",
    28: "no answer in time",
    52: "an empty answer",
    56: "the connection broke",
    60: "the certificate is not trusted",
    63: f"an answer of more than {BODY >> 10} KB",
}


@dataclass(frozen=True)
class Reply:
    """One request's outcome: HTTP `code` and `body`, or curl's `exit` code when there was no answer (code 0)."""

    code: int
    body: str
    exit: int
    location: str = ""
    """The URL a redirect leads to."""

    @property
    def ok(self) -> bool:
        return self.exit == 0 and 200 <= self.code < 300

    def __str__(self) -> str:
        if self.exit:
            return CURL_ERRORS.get(self.exit, f"curl failed with exit code {self.exit}")
        return f"HTTP {self.code}" + (f" {self.body.strip()[:60]!r}" if self.body.strip() else "")


class Replies(tuple[Reply, ...]):
    """The outcomes of several requests."""

    @property
    def ok(self) -> bool:
        return bool(self) and all(r.ok for r in self)

    @property
    def bodies(self) -> frozenset[str]:
        """The distinct bodies of the good answers; with a /hostname URL these are Pod names."""
        return frozenset(r.body.strip() for r in self if r.ok)

    def __str__(self) -> str:
        if not self:
            return "no request was made"
        counts = Counter(f"answered by {r.body.strip()}" if r.ok and _is_name(r.body) else str(r) for r in self)
        shown = ", ".join(f"{n} {text}" if len(counts) > 1 else text for text, n in counts.most_common(6))
        return f"{len(self)} request{'s' if len(self) > 1 else ''}: {shown}"


def _is_name(body: str) -> bool:
    """Whether an answer can be the name of who answered: a Pod's, or a word or two of a program."""
    return re.fullmatch(r"\w[\w .-]{0,77}", body.strip()) is not None


def enough(pods: int) -> int:
    """Requests after which a random balancer has missed one of so many Pods, or one more that does not belong beside
    them, with a probability below one in a million."""
    several = pods + 1
    return math.ceil(math.log(several * 1e6) / -math.log(1 - 1 / several)) if pods else 1


def _manifest(silent: list[str]) -> Obj:
    """The probe's Pod, rather not on the nodes that do not answer."""
    manifest: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "labels": MANAGED},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "enableServiceLinks": False,
            # whose DNS is out of reach learns it after seconds, not after half a minute
            "dnsConfig": {"options": [{"name": "timeout", "value": "2"}]},
            "containers": [{"name": "probe", "image": IMAGE, "args": ["pause"]}],
        },
    }
    if silent:
        other = {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": [silent[-1]]}]}
        rather = [{"weight": 100, "preference": other}]
        manifest["spec"]["affinity"] = {
            "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": rather},
        }
    return manifest


def _over(pod: Obj) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) or pod["status"].get("phase") != "Running"


def _is_planted(pod: Obj) -> bool:
    """Whether somebody else has made it, to answer in the probe's place: it runs something else, or is told other
    names, files or settings than the probe is."""
    wanted = _manifest([])["spec"]
    [ours] = wanted["containers"]
    found: Obj = next((c for c in pod["spec"].get("containers") or () if c.get("name") == ours["name"]), {})
    mounts = {mount.get("mountPath") for mount in found.get("volumeMounts") or ()}
    return (
        any(found.get(key) != ours.get(key) for key in ("image", "args", "command", "env", "envFrom", "lifecycle"))
        or bool(mounts - {TOKEN})
        or any(pod["spec"].get(key) for key in ("hostAliases", "hostNetwork", "ephemeralContainers"))
        or pod["spec"].get("dnsConfig") != wanted["dnsConfig"]
    )


def _unheard(pod: Obj) -> str:
    """The node whose kubelet has not said a word of the Pod that is bound to it; "" where it has."""
    return "" if pod.get("status", {}).get("containerStatuses") else pod.get("spec", {}).get("nodeName", "")


def _answers(host: Host) -> bool:
    """Whether commands run there: the Pod of a node that has lost its power looks ready for a while."""
    try:
        return bool(host.run("true").rc == 0)
    except CouldNotGrade:
        return False


class Probe:
    """Made on first use; `kindlab reset` removes it with the namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    @cached_property
    def host(self) -> Host:
        """The probe as a testinfra Host. Raises CouldNotGrade when its Pod does not get ready."""
        live = self.api.get("Pod", NAME, self.namespace)
        silent: list[str] = []
        planted = live is not None and _is_planted(live)
        if live is not None and not planted and is_ready(live) and not live["metadata"].get("deletionTimestamp"):
            host = pod_host(self.api, self.namespace, NAME)
            if _answers(host):
                return host
            silent.append(live["spec"].get("nodeName", ""))
        if live is not None and (planted or silent or _over(live)):
            self.api.delete("Pod", NAME, self.namespace, wait=True, grace=0)
            live = None
        if live is None:
            self.api.create(_manifest(silent), self.namespace)
        for patience in (SILENCE, START_TIMEOUT):
            seen: Obj = {}
            for pods in self.api.follow("Pod", self.namespace, fields=f"metadata.name={NAME}", timeout=patience):
                seen = next(iter(pods.values()), seen)
                if is_ready(seen):
                    return pod_host(self.api, self.namespace, NAME)
                if said := not_pulled(seen) if seen else "":
                    raise CouldNotGrade(f"the grader's own Pod {NAME} does not start: {said}")
            if patience == SILENCE and (node := _unheard(seen)):
                self.api.delete("Pod", NAME, self.namespace, wait=True, grace=0)
                self.api.create(_manifest([*silent, node]), self.namespace)
        raise CouldNotGrade(
            f"the grader's own Pod {NAME} was not ready within {START_TIMEOUT:.0f} s (kubectl describe pod {NAME} "
            f"-n {self.namespace})"
        )

    def answers(self, seconds: float) -> bool:
        """Whether a command of ours ends within so many seconds. Raises CouldNotGrade when the probe does not run."""
        _ = self.host
        try:
            return ExecBackend(self.api, self.namespace, NAME, timeout=seconds).execute(["true"])[0] == 0
        except CouldNotGrade:
            return False

    def could_not(self, what: str, why: str) -> CouldNotGrade:
        """The error for a script that did not do what it is for."""
        return CouldNotGrade(f"the probe could not {what}: {why}")

    def get(self, url: str, *, timeout: float = 1.5, options: str = "") -> Reply:
        """One GET with curl; `options` are further curl options."""
        return self.get_many(url, count=1, timeout=timeout, options=options)[0]

    def get_many(
        self, url: str, *, count: int, timeout: float = 1.5, options: str = "", until: Collection[str] = ()
    ) -> Replies:
        """`count` GETs, each on a connection of its own, so that each is balanced anew. After three requests in a row
        without any answer, or two that timed out, the rest is not sent: nobody waits for what is already known. Nor is
        it where all of `until` have been among the answers: who has answered needs no more proof.
        `timeout`: seconds to connect; an answer may take twice that.
        """
        first = min(count, EAGER * len(until)) if until else count
        replies = self._series(url, first, timeout, options)
        if first < count and _has_answers(replies) and not set(until) <= Replies(replies).bodies:
            replies += self._series(url, count - first, timeout, options)
        lost = [r for r in replies if r.exit == TIMED_OUT]
        if len(lost) == 1 and len(replies) >= LOST_AMONG:
            # One packet lost on the way is not the learner's fault. A Pod that really drops its share would have
            # lost more than one of so many, so nothing is hidden.
            replies[replies.index(lost[0])] = self.get(url, timeout=3 * timeout, options=options)
        return Replies(replies)

    def _series(self, url: str, count: int, timeout: float, options: str) -> list[Reply]:
        replies = self._at_once(url, count, timeout, options) if count > 1 and self._has_our_curl else []
        if len(replies) < count:
            replies += self._one_by_one(url, count - len(replies), timeout, options, replies)
        return replies

    @property
    def _has_our_curl(self) -> bool:
        """Whether the curl there is one that we know."""
        return True

    def _at_once(self, url: str, count: int, timeout: float, options: str) -> list[Reply]:
        """Those of the requests that one curl makes, up to the first without an answer: a process for each would cost
        more than the request. None where the name has several addresses, for curl asks for them once and then always
        takes the first; and none from where a server keeps a connection that it was asked to close."""
        mark = new_mark()
        write = f"-w '{SAID}\\n{mark}%{{exitcode}}-%{{num_connects}}\\n'"
        host = urlsplit(url).hostname or ""
        several = f"[ $(getent ahosts {shlex.quote(host)} | cut -d ' ' -f 1 | sort -u | wc -l) -gt 1 ]"
        script = (
            f"all=; {'' if is_address(host) else f'{several} || '}all=$(curl {_limits(timeout)} --fail-early "
            f"-H 'Connection: close' {options} {write} {_times(url, count)}); printf '%s\\n' \"$all\""
        )
        replies: list[Reply] = []
        for text, said in _parts(self.host.run(script).stdout, mark):
            code, _, connections = said.partition("-")
            if code == "0" and connections == "0":
                break
            replies.append(_reply(text, int(code)))
        return replies

    def _one_by_one(self, url: str, count: int, timeout: float, options: str, before: Sequence[Reply]) -> list[Reply]:
        """A curl for each of the requests that follow those.

        What comes is printed once, when the last request is done: each line by itself would be a message of the stream,
        encrypted by the cluster and read here, which costs more than the request.
        """
        mark = new_mark()
        script = (
            f"all=; bad={_failings(before)}; i=0; while [ $i -lt {count} ] && [ $bad -lt 3 ]; do i=$((i+1)); "
            f"body=$(curl {_words(url, timeout, options)}); code=$?; "
            f'all="$all$body\n{mark}$code\n"; '
            f"case $code in 0) bad=0;; 28) bad=$((bad+2));; *) bad=$((bad+1));; esac; done; "
            'printf %s "$all"'
        )
        result = self.host.run(script)
        replies = list(replies_of(result.stdout, mark))
        if not replies and not before:
            raise self.could_not("send requests", result.stderr.strip() or "no output")
        return replies

    def get_each(self, urls: Iterable[str], *, timeout: float = 1.5, options: str = "") -> dict[str, Reply]:
        """One GET to each URL, all at the same time: however many must time out, it takes as long as one of them."""
        asked, mark = list(dict.fromkeys(urls)), new_mark()
        parts = [
            f"(body=$(curl {_words(url, timeout, options)}); code=$?; "
            f'printf "%s\\n{mark}%s\\n" "$body" $code > "$d/{n}") &'
            for n, url in enumerate(asked)
        ]
        files = " ".join(f'"$d/{n}"' for n in range(len(asked)))
        result = self.host.run(f'd=$(mktemp -d); {" ".join(parts)} wait; cat {files}; rm -r "$d"')
        replies = list(replies_of(result.stdout, mark))
        if len(replies) != len(asked):
            raise self.could_not("send requests", result.stderr.strip() or "some have no outcome")
        return dict(zip(asked, replies, strict=True))

    def addresses(self, name: str, *, until: Collection[str] = (), timeout: float = 0.0) -> list[str]:
        """The addresses of both families a name resolves to inside the cluster, sorted, IPv4 first; none when it does
        not resolve. Asked again until they are `until`, for `timeout` seconds: a cluster's DNS, or a cache before it,
        remembers an answer for a while. Raises CouldNotGrade when the probe cannot ask."""
        wanted = shlex.quote("".join(f"{address} " for address in sorted(until)))
        script = (
            f"left={round(timeout / ASK_AGAIN)}; while :; do found=$(getent ahosts {shlex.quote(name)}); code=$?; "
            f"now=$(printf %s \"$found\" | cut -d ' ' -f 1 | LC_ALL=C sort -u | tr '\\n' ' '); "
            f'[ "$now" != {wanted} ] && [ $left -gt 0 ] || break; left=$((left-1)); sleep {ASK_AGAIN:g}; done; '
            f'echo "$found"; exit $code'
        )
        result = self.host.run(script)
        if result.rc not in (0, 2):  # 2: there is no such name
            raise self.could_not(f"resolve {name}", result.stderr.strip() or f"exit code {result.rc}")
        found = {line.split()[0] for line in result.stdout.splitlines() if line.strip()}
        return sorted(found, key=lambda address: (":" in address, address))


def _words(url: str, timeout: float, options: str) -> str:
    """What follows `curl` in a script, so that _reply can read what it prints."""
    return f"{_limits(timeout)} {options} -w '{SAID}' {shlex.quote(url)}"


def _times(url: str, count: int) -> str:
    """The URL so many times. A pattern in the fragment, which is not sent, is shorter than a list; a URL with what has
    a meaning in patterns is taken as it is."""
    if set("#[]{}") & set(url):
        return " ".join([shlex.quote(url)] * count)
    return shlex.quote(f"{url}#[1-{count}]")


def _limits(timeout: float) -> str:
    return f"-s --max-filesize {BODY} --connect-timeout {timeout:g} -m {2 * timeout:g}"


def _failings(replies: Sequence[Reply]) -> int:
    """How near a series is to its end, which three end: what failed last, in a row, a time-out twice."""
    failed = takewhile(lambda reply: reply.exit, reversed(replies))
    return sum(2 if reply.exit == TIMED_OUT else 1 for reply in failed)


def _has_answers(replies: Sequence[Reply]) -> bool:
    """Whether a series is worth going on with."""
    return _failings(replies) < 3


def new_mark() -> str:
    """What stands before the exit codes in a script's output: drawn for each script, or an answer could hold the ends
    of several, and one Pod pose as three."""
    return f"{MARK}{token_hex(8)}-"


def replies_of(output: str, mark: str) -> Replies:
    """What a script printed: of each request the body, a line with the status, `mark` and curl's exit code."""
    return Replies(_reply(text, int(code)) for text, code in _parts(output, mark))


def _parts(output: str, mark: str) -> list[tuple[str, str]]:
    """(text, what follows the mark: curl's exit code) of each request in the script's output."""
    parts, text = [], ""
    for line in output.splitlines(keepends=True):
        if line.startswith(mark):
            parts.append((text, line.removeprefix(mark).rstrip("\n")))
            text = ""
        else:
            text += line
    return parts


def _reply(text: str, code: int) -> Reply:
    body, _, last = text.rstrip("\n").rpartition("\n")
    status, _, location = last.partition(" ")
    return Reply(int(status) if status.isdigit() else 0, body, code, location)
