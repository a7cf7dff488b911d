"""What Services use of a quota: themselves, node ports and load balancers, by what they ask for.

Models evaluator/core/services.go.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from pocketkube import objects
from pocketkube.amounts import ONE, ZERO, Amount, Amounts
from pocketkube.objects import Obj
from pocketkube.quota.base import Evaluator
from pocketkube.resources.base import Resource

_NAMES: Final = frozenset({"services", "services.nodeports", "services.loadbalancers"})


class Services(Evaluator):
    def __init__(self, kind: Resource) -> None:
        super().__init__(kind)
        self.names |= _NAMES

    def usage(self, obj: Obj, now: float) -> Amounts:
        spec = objects.spec(obj)
        type_, ports = spec.get("type"), spec.get("ports") or []
        if type_ == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            ports = [port for port in ports if port.get("nodePort")]
        node_ports = len(ports) if type_ in ("NodePort", "LoadBalancer") else 0
        return {
            self.count: ONE,
            "services": ONE,
            "services.nodeports": Amount(Decimal(node_ports), "DecimalSI"),
            "services.loadbalancers": ONE if type_ == "LoadBalancer" else ZERO,
        }

    def is_charged(self, new: Obj, old: Obj | None, subresource: str) -> bool:
        return not subresource

    def is_changed(self, new: Obj, old: Obj, now: float) -> bool:
        return self.usage(new, now) != self.usage(old, now)
