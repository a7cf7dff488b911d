"""What all kinds of admissionregistration.k8s.io have in common: configurations of webhooks, policies and bindings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

GROUP: Final = "admissionregistration.k8s.io"
FAILURE_POLICIES: Final = ("Fail", "Ignore")
MATCH_POLICIES: Final = ("Equivalent", "Exact")
_STATIC: Final = ".static.k8s.io"


class Registration(Resource):
    group = GROUP
    categories = ("api-extensions",)
    namespaced = False
    bumps_generation = True
    unconditional_update = False
    knows_finalizers = False
    revalidates_metadata = True

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        """One about a name that is meant for what is read from files."""
        if objects.name(new).endswith(_STATIC):
            kept = "are reserved for static manifest-based configurations and cannot be managed via the API"
            yield f'metadata.name: names ending with "{_STATIC}" {kept}'
