"""ServiceCIDRs: the ranges Service addresses come from.

Models pkg/registry/networking/servicecidr, ValidateServiceCIDR* and the printer. The one called `kubernetes` is the
range the cluster was made with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.metadata import IMMUTABLE

DEFAULT: Final = "kubernetes"
_MOST: Final = 2
_CIDRS: Final = "spec.cidrs"


class RESOURCE(Resource):
    group = "networking.k8s.io"
    kind = "ServiceCIDR"
    plural = "servicecidrs"
    namespaced = False
    has_status = True
    columns = described(
        "servicecidrs",
        NAME,
        Column(
            "CIDRs",
            description='CIDRs defines the IP blocks in CIDR notation (e.g. "192.168.0.0/24" or "2001:db8::/64") from '
            "which to assign service cluster IPs. Max of two CIDRs is allowed, one of each IP family. This field is "
            "immutable.",
        ),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), ",".join(_cidrs(obj)), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Obj) -> Iterator[Cause]:
        return _ranges(_cidrs(obj))

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        after, before = _cidrs(new), _cidrs(old)
        if len(after) == len(before):
            for index, cidr in enumerate(after):
                if cidr != before[index]:
                    yield fields.invalid(f"{_CIDRS}[{index}]", cidr, IMMUTABLE)
        elif len(before) == 1 and len(after) == _MOST:  # a second family may come
            if after[0] != before[0]:
                yield fields.invalid(f"{_CIDRS}[0]", after[0], IMMUTABLE)
            yield from _ranges(after)
        else:
            yield fields.invalid(_CIDRS, after, IMMUTABLE)


def _cidrs(obj: Obj) -> list[str]:
    return list(objects.spec(obj).get("cidrs") or ())


def _ranges(cidrs: list[str]) -> Iterator[Cause]:
    if not cidrs:
        yield fields.required(_CIDRS, "at least one CIDR required")
        return
    if len(cidrs) > _MOST:
        yield fields.invalid(_CIDRS, {"CIDRs": cidrs}, "may only hold up to 2 values")
        return
    for index, cidr in enumerate(cidrs):
        for problem in formats.cidr_strict(cidr):
            yield fields.invalid(f"{_CIDRS}[{index}]", cidr, problem)
    families = {network.version for network in map(formats.parse_cidr, cidrs) if network is not None}
    if len(cidrs) == _MOST and len(families) == 1 and all(formats.parse_cidr(cidr) for cidr in cidrs):
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield fields.invalid(_CIDRS, cidrs, why)
