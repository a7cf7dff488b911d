"""ServiceAccounts.

Models pkg/registry/core/serviceaccount. Left out: secrets made for accounts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_ENFORCE: Final = "kubernetes.io/enforce-mountable-secrets"


class RESOURCE(Resource):
    kind = "ServiceAccount"
    plural = "serviceaccounts"
    returns_deleted = True
    short_names = ("sa",)
    revalidates_metadata = True
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {"token": ("TokenRequest", ("create",))}
    columns = described("serviceaccounts", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        return super().fields(obj)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        if _ENFORCE in objects.annotations(new) and (old is None or _ENFORCE not in objects.annotations(old)):
            yield (
                f"metadata.annotations[{_ENFORCE}]: deprecated in v1.32+; "
                "prefer separate namespaces to isolate access to mounted secrets"
            )
