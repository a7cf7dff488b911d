"""The EndpointSlice controller: slices for every Service with a selector, from the pods it selects.

Models pkg/controller/endpointslice and staging/src/k8s.io/endpointslice (reconciler, utils, trafficdist). Slices with
another managed-by label are left alone; edits of its own are undone. Hints are in hints.py, the spreading over slices
is in packing.py. Left out: --endpointslice-updates-batch-period.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import hints, pods, services
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.packing import Identity, Plan, identity, in_order, pack
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"
RESERVED = frozenset((SERVICE_NAME, MANAGED_BY, services.HEADLESS))
Ports = tuple[tuple[object, ...], ...]


class EndpointSliceController(Controller):
    name = "endpoint-slice-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.max_endpoints_per_slice = int(client.registry.zone.get("max_endpoints_per_slice", 100))
        self._topology = hints.TopologyHints()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        self._triggers = services.TriggerTimes()
        self._writing = False
        yield "services", own_key
        yield "pods", lambda event: services.of_pod(self.client, event)
        yield "endpointslices", self._service_of_slice
        yield "nodes", self._of_node

    def _service_of_slice(self, event: Event) -> Iterable[Key]:
        """The Service of a managed slice that somebody else has written."""
        if self._writing:
            return
        for found in (event.object, event.old):
            if found is not None and objects.labels(found).get(MANAGED_BY) == MANAGER:
                yield objects.namespace(found), objects.labels(found).get(SERVICE_NAME, "")

    def _of_node(self, event: Event) -> Iterable[Key]:
        """Pods on a node that is not there are left out: when it comes, look again. Zones share endpoints by CPU."""
        if event.type == "ADDED":
            yield from map(objects.key, self.client.list("services"))
        if event.old is None or event.type == DELETED or hints.counts(event.object) != hints.counts(event.old):
            yield from self._topology.set_nodes(self.client.list("nodes"))

    async def reconcile(self, at: Key) -> float | None:
        service = self.client.find("services", *at)
        if service is None:
            self._triggers.forget(at)
            return None
        if not services.selects(service):
            return None
        matched = services.selected(self.client, service)
        labels = {SERVICE_NAME: at[1], MANAGED_BY: MANAGER}
        slices = [s for s in self.client.list("endpointslices", at[0], labels) if not objects.is_terminating(s)]
        changes = _Changes(service)
        families = objects.spec(service).get("ipFamilies") or ["IPv4"]
        changes.delete += [s for s in slices if s["addressType"] not in families]
        for family in families:
            self._plan(changes, family, matched, [s for s in slices if s["addressType"] == family])
        self._write(changes, self._triggers.next(service, matched))
        return None

    # -- what should be

    def _plan(self, changes: _Changes, family: str, matched: list[Obj], slices: list[Obj]) -> None:
        """What is to be written for one address family."""
        service = changes.service
        owned = [s for s in slices if _is_owned(s, service)]
        delete = [s for s in slices if not _is_owned(s, service)]
        create: list[Obj] = []
        desired, ports = self._endpoints(service, family, matched)
        by_ports: dict[Ports, dict[str, Obj]] = {key: {} for key in desired}
        for found in owned:
            key = ports_key(found.get("ports") or [])
            if key in desired:
                by_ports[key][objects.name(found)] = found
            else:
                delete.append(found)
        labels = _labels(service)
        plans: dict[Ports, Plan] = {}
        for key, endpoints in desired.items():
            named = by_ports[key]
            relabelled = {name for name, s in named.items() if _user_labels(s) != _user_labels(service)}
            held = {name: s.get("endpoints") or [] for name, s in named.items()}
            plans[key] = pack(held, relabelled, endpoints, self.max_endpoints_per_slice)
        self._give_hints(changes, family, list(plans.values()))
        for key, plan in plans.items():
            named = by_ports[key]
            create += [_new_slice(service, family, ports[key], labels, chosen) for chosen in plan.create]
            changes.update += [{**named[name], "endpoints": chosen} for name, chosen in plan.update.items()]
            delete += [named[name] for name in plan.delete]
        if len(delete) == len(slices) and not create:
            placeholder = _new_slice(service, family, [], labels, [])
            if len(delete) == 1 and _is_placeholder(delete[0], placeholder):
                delete = []
            else:
                create = [placeholder]
        changes.recycle(create, delete)

    def _give_hints(self, changes: _Changes, family: str, plans: list[Plan]) -> None:
        service, at = changes.service, objects.key(changes.service)
        if hints.by_annotation(service):
            said = self._topology.add(plans, at, family)
        else:
            said = self._topology.disable(at, family)
            hints.prefer_close(plans, objects.spec(service).get("trafficDistribution"))
        if said is not None:
            changes.said.append(said)

    def _endpoints(
        self, service: Obj, family: str, matched: list[Obj]
    ) -> tuple[dict[Ports, dict[Identity, Obj]], dict[Ports, list[Obj]]]:
        """Endpoints by their set of ports, and those sets: a named target may differ from pod to pod."""
        desired: dict[Ports, dict[Identity, Obj]] = {}
        ports: dict[Ports, list[Obj]] = {}
        nodes = {objects.name(node): node for node in self.client.list("nodes")}
        spec = objects.spec(service)
        by_number = all(isinstance(port.get("targetPort"), int) for port in spec.get("ports") or ())
        fixed = _endpoint_ports(service, None) if by_number else None
        for pod in matched:
            status = objects.status(pod)
            if pods.is_terminal(pod) or not (status.get("podIP") or status.get("podIPs")):
                continue
            found = fixed if fixed is not None else _endpoint_ports(service, pod)
            key = ports_key(found)
            ports[key] = found
            group = desired.setdefault(key, {})
            node = nodes.get(objects.spec(pod).get("nodeName", ""))
            if node is None and not spec.get("publishNotReadyAddresses"):
                continue
            endpoint = _endpoint(pod, node, service, family)
            if endpoint["addresses"]:
                group[identity(endpoint)] = endpoint
        return desired, ports

    # -- writing

    def _write(self, changes: _Changes, trigger: str | None) -> None:
        service = changes.service
        namespace = objects.namespace(service)
        labels = _labels(service)
        self._writing = True
        try:
            if not objects.is_terminating(service):
                for new in changes.create:
                    _set_trigger(new["metadata"], trigger)
                    self.client.create("endpointslices", new)
            for new in changes.update:
                meta = {**new["metadata"], "labels": dict(labels)}
                _set_trigger(meta, trigger)
                body = {**new, "metadata": meta}
                self.client.update("endpointslices", body)
            for old in changes.delete:
                self.client.delete("endpointslices", (namespace, objects.name(old)))
        except NotFound:
            self.enqueue(objects.key(service))  # gone meanwhile: look again
        except StatusError as error:
            if namespace_is_terminating(error):
                return
            verb = f"Error updating Endpoint Slices for Service {namespace}/{objects.name(service)}: {error.message}"
            self.client.record(service, "Warning", "FailedToUpdateEndpointSlices", verb)
            raise
        finally:
            self._writing = False
        for said in changes.said:
            self.client.record(service, *said)


class _Changes:
    """Slices of one Service to create, to update (whole new versions) and to delete; what there is to say."""

    def __init__(self, service: Obj) -> None:
        self.service = service
        self.create: list[Obj] = []
        self.update: list[Obj] = []
        self.delete: list[Obj] = []
        self.said: list[hints.Said] = []

    def recycle(self, create: list[Obj], delete: list[Obj]) -> None:
        """Turn a creation and a deletion into one update where the slice may be reused."""
        for old in delete:
            if create and _is_owned(old, self.service):
                new = create.pop()
                self.update.append({**new, "metadata": {**old["metadata"], "labels": new["metadata"]["labels"]}})
            else:
                self.delete.append(old)
        self.create += create


def _endpoint(pod: Obj, node: Obj | None, service: Obj, family: str) -> Obj:
    serving, terminating = pods.is_ready(pod), objects.is_terminating(pod)
    spec = objects.spec(service)
    ready = bool(spec.get("publishNotReadyAddresses")) or (serving and not terminating)
    endpoint: Obj = {
        "addresses": [ip for ip in services.addresses(pod) if (":" in ip) == (family == "IPv6")],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": objects.namespace(pod),
            "name": objects.name(pod),
            "uid": objects.uid(pod),
        },
    }
    if node_name := objects.spec(pod).get("nodeName"):
        endpoint["nodeName"] = node_name
    if zone := objects.labels(node).get(ZONE) if node else None:
        endpoint["zone"] = zone
    if hostname := services.hostname(pod, service):
        endpoint["hostname"] = hostname
    return endpoint


def _endpoint_ports(service: Obj, pod: Obj | None) -> list[Obj]:
    """The ports of a slice; `pod` may be None when all targets are numbers. Ports the pod lacks are left out."""
    found = []
    for port in objects.spec(service).get("ports") or ():
        number = services.target_port(pod or {}, port)
        if number is not None:
            entry = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": number}
            if port.get("appProtocol") is not None:
                entry["appProtocol"] = port["appProtocol"]
            found.append(entry)
    return in_order(found)


def ports_key(ports: list[Obj]) -> Ports:
    """What tells one set of ports from another, whatever their order."""
    keys = [
        (p.get("name") or "", p.get("protocol") or "", p.get("port") or 0, p.get("appProtocol") or "") for p in ports
    ]
    return tuple(sorted(keys))


def _is_owned(found: Obj, service: Obj) -> bool:
    refs = found["metadata"].get("ownerReferences") or ()
    return any(r["uid"] == objects.uid(service) and (r["apiVersion"], r["kind"]) == ("v1", "Service") for r in refs)


def _user_labels(obj: Obj) -> dict[str, str]:
    return {k: v for k, v in objects.labels(obj).items() if k not in RESERVED}


def _labels(service: Obj) -> dict[str, str]:
    labels = {**_user_labels(service), SERVICE_NAME: objects.name(service), MANAGED_BY: MANAGER}
    if services.is_headless(service):
        labels[services.HEADLESS] = ""
    return labels


def _new_slice(service: Obj, family: str, ports: list[Obj], labels: dict[str, str], endpoints: list[Obj]) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{objects.name(service)}-",
            "namespace": objects.namespace(service),
            "labels": dict(labels),
            "ownerReferences": [objects.owner_reference(service)],
        },
        "addressType": family,
        "endpoints": endpoints or None,
        "ports": [dict(port) for port in ports] or None,
    }


def _is_placeholder(found: Obj, placeholder: Obj) -> bool:
    return (
        objects.labels(found) == objects.labels(placeholder)
        and found["addressType"] == placeholder["addressType"]
        and not found.get("endpoints")
        and not found.get("ports")
    )


def _set_trigger(meta: Obj, trigger: str | None) -> None:
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != services.TRIGGER_TIME}
    if trigger is not None:
        annotations[services.TRIGGER_TIME] = trigger
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations


CONTROLLER = EndpointSliceController
