"""Which rule serves a request: rules indexed by host, in the order of precedence of `routes`.

All listeners of a port share one table, as in Traefik: the most specific host of any rule is taken first, and only then
the rest of a match. (A Gateway's listeners are not isolated from each other, which is an extended feature there.)
Regular expressions are Go's, by RE2: in a path they match anywhere, as Traefik's do; in headers and queries the whole
value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pocketkube import regex
from pocketkube.network.ingress.request import Request
from pocketkube.network.ingress.routes import Match, PathKind, Rule, ValueMatch

Test = Callable[[Request], bool]


class BadPattern(ValueError):
    """A regular expression that cannot be compiled."""


class Hosts:
    """Values by host pattern: "" for every host, a name, `*.example.com` of one label or (`wide`) of several."""

    def __init__(self) -> None:
        self._exact: dict[str, list[int]] = {}
        self._one: dict[str, list[int]] = {}
        self._more: dict[str, list[int]] = {}

    def add(self, pattern: str, value: int, *, wide: bool) -> None:
        """Values must be added in order of precedence."""
        if pattern.startswith("*."):
            self._one.setdefault(pattern[2:], []).append(value)
            if wide:
                self._more.setdefault(pattern[2:], []).append(value)
        else:
            self._exact.setdefault(pattern, []).append(value)

    def find(self, host: str) -> Iterator[list[int]]:
        """The values for a host, the most specific pattern first."""
        found = self._exact.get(host)
        if found and host:
            yield found
        if self._one:
            table, rest = self._one, host
            while True:
                label, dot, rest = rest.partition(".")
                if not dot:
                    break
                if label and (found := table.get(rest)):
                    yield found
                table = self._more
        if found := self._exact.get(""):
            yield found


class Routes:
    """The rules of one port. `broken` are those whose patterns do not compile; they serve nothing."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.broken: list[tuple[Rule, str]] = []
        self._rules: list[tuple[Rule, Test]] = []
        self._first, self._last = Hosts(), Hosts()
        for rule in sorted(rules, key=precedence):
            try:
                test = compiled(rule.match)
            except BadPattern as error:
                self.broken.append((rule, str(error)))
                continue
            hosts = self._last if rule.fallback else self._first
            for host in rule.hosts or ("",):
                hosts.add(host, len(self._rules), wide=rule.wide)
            self._rules.append((rule, test))

    def find(self, request: Request) -> Rule | None:
        for hosts in (self._first, self._last):
            for candidates in hosts.find(request.host):
                for index in candidates:
                    rule, test = self._rules[index]
                    if test(request):
                        return rule
        return None


def precedence(rule: Rule) -> tuple[bool, int, bool, int, int, tuple[str, str, int]]:
    """Sorts rules of one host: the first that matches is taken."""
    match = rule.match
    return (
        match.path_kind is not PathKind.EXACT,
        -len(match.path),
        not match.method,
        -len(match.headers),
        -len(match.query),
        rule.order,
    )


def compiled(match: Match) -> Test:
    """Raises BadPattern."""
    tests: list[Test] = [_path(match)] if match.path_kind is not PathKind.PREFIX or match.path != "/" else [_any_path]
    if match.method:
        tests.append(lambda request: request.method == match.method)
    tests += [_value(wanted, Request.values) for wanted in match.headers]
    tests += [_value(wanted, Request.parameters) for wanted in match.query]
    if len(tests) == 1:
        return tests[0]
    return lambda request: all(test(request) for test in tests)


def _any_path(request: Request) -> bool:
    return request.target.routing[0] == "/"


def _path(match: Match) -> Test:
    path = match.path
    if match.path_kind is PathKind.EXACT:
        return lambda request: request.target.routing == path
    if match.path_kind is PathKind.REGEX:
        search = _pattern(path).search
        return lambda request: search(request.target.routing) is not None
    whole, below = path.rstrip("/"), path.rstrip("/") + "/"
    return lambda request: request.target.routing == whole or request.target.routing.startswith(below)


def _value(wanted: ValueMatch, values: Callable[[Request, str], list[str]]) -> Test:
    if wanted.regex:
        full = _pattern(wanted.value).fullmatch
        return lambda request: any(full(value) is not None for value in values(request, wanted.name))
    return lambda request: wanted.value in values(request, wanted.name)


def _pattern(text: str) -> regex.Pattern:
    try:
        return regex.go(text)
    except regex.BadPattern as error:
        raise BadPattern(f"the regular expression {text!r} is not valid: {error}") from None
