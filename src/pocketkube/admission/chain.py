"""The plugins of a cluster, and the webhooks one write is about, asked in upstream's order.

Models the admission chain of apiserver/pkg/admission/{chain,reinvocation}.go.
"""

from __future__ import annotations

from collections.abc import Callable

from pocketkube.admission import scan
from pocketkube.admission.asking import Review, Write
from pocketkube.admission.base import WEBHOOKS, Access, Commit
from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

Warn = Callable[[str], None]


class Chain:
    """One per cluster. `review`: the webhooks', None where there are none; it may raise Unanswered. `managed`: the
    managedFields of what is written, as webhooks see them."""

    def __init__(self, world: Access) -> None:
        self.plugins = [plugin(world) for plugin in scan()]

    def admit(
        self,
        kind: Resource,
        new: Obj,
        old: Obj | None,
        subresource: str = "",
        *,
        review: Review | None,
        managed: Entries | None,
    ) -> Obj:
        """What is to be written: `new`, changed in place, or what webhooks make of it."""
        self._fill_in(kind, new, old, subresource)
        if review is None:
            return new
        write = Write(kind, new, old, subresource, managed)
        changed = review.mutate(write)
        if changed is new:
            return new
        if not subresource:
            kind.default(changed)
        self._fill_in(kind, changed, old, subresource)
        return review.mutate(write._replace(new=changed), again=True)

    def _fill_in(self, kind: Resource, new: Obj, old: Obj | None, subresource: str) -> None:
        if subresource == "status":
            return
        if not subresource:
            kind.admit(new, old)
        for plugin in self.plugins:
            plugin.admit(kind, new, old, subresource)

    def validate(
        self,
        kind: Resource,
        new: Obj,
        old: Obj | None,
        subresource: str = "",
        *,
        dry_run: bool,
        warn: Warn | None,
        review: Review | None,
        managed: Entries | None,
    ) -> list[Commit]:
        """About an object that is valid; what is to be done when it is written."""
        commits: list[Commit] = []
        write = Write(kind, new, old, subresource, managed)
        for plugin in self.plugins if subresource != "status" else ():
            if review is not None and plugin.order > WEBHOOKS:
                review.judge(write)
                review = None
            commit = plugin.validate(kind, new, old, subresource, dry_run=dry_run)
            if commit is not None:
                commits.append(commit)
            if warn is not None:
                for text in plugin.warnings(kind, new, old, subresource):
                    warn(text)
        if review is not None:
            review.judge(write)
        return [] if dry_run else commits
