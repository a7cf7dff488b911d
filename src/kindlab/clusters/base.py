"""What a cluster is to kindlab: something that can be brought up, looked at and taken down, with a kubeconfig.

Three providers: `pocket` (embedded), `kind` (Docker), `current` (the user's own context). `kindlab up` remembers
which one is in use; every other command takes that one unless --cluster says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from kindlab import paths
from kindlab.api import Api, Obj
from kindlab.errors import Problem, UsageProblem

KINDS = ("auto", "pocket", "kind", "current")
Step = Callable[[str], None]
"""Called with what is being done, for a progress display."""


class NeedsConsent(Problem):
    """Something would be lost that kindlab has not made, or that was in use. `question` is for whoever can be asked
    (they then set the provider's `consent`); without a terminal it is a Problem like any other."""

    def __init__(self, question: str, what: str, why: str, then: str) -> None:
        super().__init__(what, why, then)
        self.question = question


@dataclass(frozen=True)
class Status:
    """`kubeconfig` None means the user's own. `detail` says what is running, or why nothing is.

    `notes` are sentences about what does not work, each with the way out.
    """

    name: str
    kind: str
    kubeconfig: str | None
    context: str | None
    ready: bool
    detail: str = ""
    notes: tuple[str, ...] = ()
    prefix: str = ""
    """What the names of this learner's labs begin with there (naming.py)."""

    def api(self) -> Api:
        return Api(Path(self.kubeconfig) if self.kubeconfig else None, self.context)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Incomplete(Problem):
    """The cluster is up and can be used; something that was to be installed there is missing."""

    def __init__(self, status: Status, what: str, why: str, then: str) -> None:
        super().__init__(what, why, then)
        self.status = status


class Provider(Protocol):
    """One way to have a cluster."""

    kind: str
    consent: bool
    """Somebody has said that what would be lost may be (NeedsConsent)."""

    @property
    def name(self) -> str:
        """Tells several clusters of one kind apart; "" for the user's own."""
        ...

    @property
    def context(self) -> str | None: ...

    @property
    def prefix(self) -> str:
        """What the names of this learner's labs begin with there; "" on a cluster of kindlab's own."""
        ...

    def usable(self) -> tuple[bool, str]:
        """Whether this machine can use it, and why (not)."""
        ...

    def up(self, step: Step) -> Status:
        """Bring it up, or find it up; returns when it is ready. Raises Problem."""
        ...

    def down(self, step: Step) -> bool:
        """Take it down and remove what it kept; False when there was nothing."""
        ...

    def status(self) -> Status: ...

    def service_urls(self, api: Api, service: Obj) -> list[str]:
        """What this machine can open of a Service; none when it is not open to the outside."""
        ...

    def ingress_urls(self, api: Api, ingress: Obj) -> dict[str, str]:
        """Scheme (http, https) -> base URL of this machine that leads to the controller of an Ingress."""
        ...

    def machines(self, api: Api) -> dict[str, bool]:
        """Node name -> whether the machine under it is on. Raises Problem where kindlab cannot switch any."""
        ...

    def switch(self, api: Api, node: str, *, on: bool) -> None:
        """Give one of `machines` power or take it, as if somebody had pulled the plug. Raises Problem."""
        ...


def provider(
    kind: str,
    *,
    name: str = "",
    context: str | None = None,
    prefix: str | None = None,
    ip_family: str | None = None,
    http_port: int | None = None,
    https_port: int | None = None,
    wishes: Mapping[str, Any] | None = None,
    **embedded: Any,
) -> Provider:
    """The provider of that kind; `name` tells several clusters of one kind apart. Raises UsageProblem.

    `context` and `prefix` are for a cluster of the user's kubeconfig, `ip_family` and the ports for clusters that
    kindlab makes; `wishes` are options that only kind has (kind.Wishes), `embedded` those of the embedded cluster (see
    Pocket).
    """
    if kind != "current" and (context or prefix):
        raise UsageProblem(
            "--context and --prefix are for a cluster of your kubeconfig.",
            f"You asked for {kind}, a cluster of kindlab's own, where nobody else works.",
            "kindlab up --cluster current --context NAME --prefix alice",
        )
    if kind != "current":
        _check_name(name)
    if kind == "pocket":
        from kindlab.clusters.pocket import Pocket

        return Pocket(name or "pocket", ip_family=ip_family, http_port=http_port, https_port=https_port, **embedded)
    if kind == "kind":
        from kindlab.clusters.kind import Kind, Wishes

        wished = Wishes(http_port=http_port, https_port=https_port, **(wishes or {}))
        return Kind(name or "kindlab", ip_family=ip_family, wishes=wished)
    if kind == "current":
        from kindlab.clusters.current import Current

        return Current(context, prefix or "")
    raise UsageProblem(f"There is no cluster kind {kind!r}.", f"The kinds are: {', '.join(KINDS)}.")


def _check_name(name: str) -> None:
    """A cluster's folder is called after it, and goes with it. Raises UsageProblem for a name that leads elsewhere, or
    that programs take for an option."""
    if name and (name[0] in ".-" or not name.isprintable() or set(name) & set("/\\")):
        raise UsageProblem(
            f"A cluster cannot be called {name!r}.",
            "Its folder is named after it: letters, digits and dashes, a letter or a digit first.",
            "For example: --name mine",
        )


def choose(kind: str, **options: Any) -> tuple[Provider, str]:
    """(provider, why it was taken); `auto` takes kind when an engine and the kind binary are usable, else pocket; who
    names a context or a prefix means a cluster of the kubeconfig."""
    if kind == "auto" and (options.get("context") or options.get("prefix")):
        kind = "current"
    if kind == "current":
        options |= _taken(options.get("context"), options.get("prefix"))
    if kind != "auto":
        return provider(kind, **options), "you asked for it"
    real = provider("kind", **options)
    usable, why = real.usable()
    if usable:
        return real, why
    return provider("pocket", **options), f"kind cannot be used here: {why}"


def _taken(context: str | None, prefix: str | None) -> dict[str, str | None]:
    """What was not said of a cluster of the kubeconfig is as it was last time: the context, and in it the prefix."""
    last = active("current")
    context = context or last.context
    return {"context": context, "prefix": last.prefix if prefix is None and context == last.context else prefix}


# -- which cluster is in use


def _active_file() -> Path:
    return paths.home() / "active.json"


def remember(status: Status) -> None:
    """Every later command takes this cluster. Of one of the user's kubeconfig its context is kept by name: whoever
    switches the current context afterwards must not find the labs elsewhere."""
    kept = {"kind": status.kind, "name": status.name, "context": status.context, "prefix": status.prefix}
    paths.write_atomically(_active_file(), json.dumps(kept))


def forget(gone: Provider) -> None:
    """Commands do not look for that cluster any more, if they did."""
    used = active()
    if (gone.kind, gone.name) == (used.kind, used.name):
        _active_file().unlink(missing_ok=True)


def active(kind: str | None = None, name: str = "") -> Provider:
    """The provider to use: the one named, else the one `kindlab up` brought up last, else pocket. `current` is the
    context that `kindlab up` took, if it took one."""
    wanted = "" if kind in (None, "auto") else kind
    try:
        found = json.loads(_active_file().read_text())
        if found["kind"] == "current" and wanted in ("", "current"):
            return provider("current", context=found["context"], prefix=found.get("prefix", ""))
        if not wanted:
            return provider(found["kind"], name=name or found["name"])
    except (OSError, ValueError, KeyError, UsageProblem):
        pass
    return provider(wanted or "pocket", name=name)


def prefix(kind: str | None = None) -> str:
    """What the names of the learner's labs begin with on the cluster in use; nobody is asked."""
    return active(kind).prefix


def ready(kind: str | None = None, *, yes: bool = False) -> Status:
    """The cluster to use, up and answering; one that is not kindlab's only with consent, which is asked for once
    (`yes`: given). Raises Problem when it is not ready, UsageProblem without consent."""
    found = active(kind).status()
    if not found.ready:
        raise Problem(f"The cluster {found.name} ({found.kind}) is not ready.", sentence(found.detail), way_out(found))
    if found.kind == "current":
        from kindlab.clusters import consent

        consent.ensure(found, yes=yes)
    return found


def sentence(detail: str) -> str:
    """A Status' detail as a sentence of its own."""
    return detail[:1].upper() + detail[1:] + ("" if detail.endswith(".") else ".")


def way_out(found: Status) -> str:
    """What to do about a cluster that is not ready."""
    if found.kind == "current":
        return (
            "Check it with: kubectl get nodes. kubectl config get-contexts lists your contexts, and "
            "kindlab up --cluster current --context NAME takes one. "
            "Or use a cluster of kindlab's own: kindlab up --cluster pocket"
        )
    if found.kind == "kind":
        from kindlab.clusters.kindrepair import command

        return f"Start it with: {command('up', found.name)}"
    from kindlab.clusters.pocket import DEFAULT_NAME

    this = "" if found.name == DEFAULT_NAME else f" --cluster pocket --name {found.name}"
    return f"Start it with: kindlab up{this}"
