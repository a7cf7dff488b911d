"""What an admission plugin is: it may change a write before it is validated, and refuse it afterwards.

Models k8s.io/apiserver/pkg/admission (Admit, Validate) for writes through the registry. Both are synchronous: what a
plugin saw still holds when the object is written. Webhooks, which are not, are asked between (asking.py). Left out:
admission of deletions (`Resource.check_delete`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Final, Protocol

from pocketkube.objects import Obj
from pocketkube.resources.base import Resource, World

WEBHOOKS: Final = 980
"""Where webhooks stand in the order of plugins: who comes later judges after them."""
Commit = Callable[[], None]
"""Called right before a write that nothing refuses any longer; not for a dry run. It may write, too."""


class Access(World, Protocol):
    """What a plugin may look at, and write."""

    def update(self, resource: str, obj: Obj, *, subresource: str = "") -> Obj: ...


class Plugin:
    """Subclass once per plugin, name the class `PLUGIN` in the module. One instance lives per cluster.

    `new` may be changed in place by `admit` only; `old` (None: a create) is shared and may not. `subresource` is ""
    or its name; writes to `status` are not asked about.
    """

    order: ClassVar[int] = 0
    """Plugins are asked in this order, upstream's (kubeapiserver/options/plugins.go)."""

    def __init__(self, world: Access) -> None:
        self.world = world

    def admit(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "") -> None:
        """Fill in what the object leaves open. Raises StatusError to refuse."""

    def validate(
        self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool
    ) -> Commit | None:
        """Look at an object that is valid. Raises StatusError to refuse; returns what to do if it is written."""
        return None

    def warnings(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "") -> Iterable[str]:
        """What the one who writes is told about an object that the plugin does not refuse."""
        return ()
