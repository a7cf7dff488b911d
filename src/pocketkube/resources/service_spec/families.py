"""IP families, their policy and cluster IPs: linked fields that are completed and checked together.

Models initIPFamilyFields (pkg/registry/core/service/storage/alloc.go), ValidateServiceClusterIPsRelatedFields and the
rules for changes. Which families a cluster has is told: "configured", the primary one first.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from pocketkube import fields, objects
from pocketkube.errors import Cause, Invalid
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.service_spec.types import cluster_ips, is_headless, needs_cluster_ip

POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
FAMILIES = ("IPv4", "IPv6")
Families = tuple[str, ...]


def configured(service_cidrs: str) -> Families:
    """The families of --service-cluster-ip-range ("10.96.0.0/16,fd00:10:96::/112"), in order."""
    return tuple("IPv6" if ":" in cidr else "IPv4" for cidr in service_cidrs.split(","))


def _families(service: Obj) -> list[str]:
    return list(objects.spec(service).get("ipFamilies") or ())


def _policy(service: Obj) -> str | None:
    policy: str | None = objects.spec(service).get("ipFamilyPolicy")
    return policy


def _family(ip: str) -> str:
    return "IPv6" if isinstance(formats.parse_ip(ip), IPv6Address) else "IPv4"


def fill(service: Obj, old: Obj | None, known: Families) -> None:
    """Complete the linked fields of a new or changed Service; `known`: the cluster's families. Raises Invalid."""
    if not needs_cluster_ip(service) or same_preference(service, old):
        return
    spec = service["spec"]
    selectorless = spec.get("clusterIP") == "None" and not spec.get("selector")
    if _policy(service) is None:
        inherited = _policy(old) if old is not None else None
        spec["ipFamilyPolicy"] = inherited or ("RequireDualStack" if selectorless else "SingleStack")
    _refuse(service, validate(service, old))
    _refuse(service, _fit(service, old, known))
    if not selectorless:  # a Service that needs neither addresses nor endpoints may have any family
        _refuse(service, _available(service, known))
    families = _families(service) or [known[0]]
    if len(families) < 2 and spec["ipFamilyPolicy"] != "SingleStack" and (selectorless or len(known) > 1):
        families.append("IPv6" if families[0] == "IPv4" else "IPv4")
    spec["ipFamilies"] = families


def _refuse(service: Obj, causes: Iterator[Cause]) -> None:
    found = list(causes)
    if found:
        raise Invalid.of("Service", objects.name(service), found)


def same_preference(service: Obj, old: Obj | None) -> bool:
    """A PreferDualStack Service is not upgraded or downgraded unless somebody asks for it."""
    if old is None or _policy(service) != "PreferDualStack" or _policy(old) not in (None, "PreferDualStack"):
        return False
    return (
        objects.spec(old).get("type") == objects.spec(service).get("type")
        and cluster_ips(old) == cluster_ips(service)
        and _families(old) == _families(service)
    )


def _fit(service: Obj, old: Obj | None, known: Families) -> Iterator[Cause]:
    """Make policy, families and addresses fit each other; what cannot be made to fit is an error."""
    spec, policy, path = service["spec"], _policy(service), "spec.ipFamilyPolicy"
    if old is not None and policy == "SingleStack":
        if cluster_ips(old) == cluster_ips(service) and len(cluster_ips(service)) > 1:
            spec["clusterIPs"] = spec["clusterIPs"][:1]
        if _families(old) == _families(service) and len(_families(service)) > 1:
            spec["ipFamilies"] = spec["ipFamilies"][:1]
    elif old is not None:
        if 0 < len(cluster_ips(service)) < len(cluster_ips(old)):
            yield fields.invalid(path, policy, "must be 'SingleStack' to release the secondary cluster IP")
        if 0 < len(_families(service)) < len(_families(old)):
            yield fields.invalid(path, policy, "must be 'SingleStack' to release the secondary IP family")
    if policy == "SingleStack":
        must = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
        if len(cluster_ips(service)) == 2:
            yield fields.invalid(path, policy, f"{must} cluster IPs are specified")
        if len(_families(service)) == 2:
            yield fields.invalid(path, policy, f"{must} IP families are specified")
    for index, ip in enumerate(cluster_ips(service)):
        if ip == "None":
            break
        if index < len(_families(service)):
            continue
        family = _family(ip)
        if family not in known:
            text = f"{family} is not configured on this cluster"
            yield fields.invalid(f"spec.clusterIPs[{index}]", cluster_ips(service), text)
        else:
            spec["ipFamilies"] = [*_families(service), family]


def _available(service: Obj, known: Families) -> Iterator[Cause]:
    if _policy(service) == "RequireDualStack" and len(known) < 2:
        text = "this cluster is not configured for dual-stack services"
        yield fields.invalid("spec.ipFamilyPolicy", _policy(service), text)
    for index, family in enumerate(_families(service)):
        if family not in known:
            yield fields.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def validate(service: Obj, old: Obj | None) -> Iterator[Cause]:
    """Field errors of clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy."""
    if not needs_cluster_ip(service):
        return
    spec, ips, path = service["spec"], cluster_ips(service), "spec.clusterIPs"
    if spec.get("clusterIP"):
        if not ips:
            yield fields.required(path)
        elif ips[0] != spec["clusterIP"]:
            yield fields.invalid(path, ips, "first value must match `clusterIP`")
    elif ips:
        yield fields.invalid(path, ips, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(_families(service)):
        at = f"spec.ipFamilies[{index}]"
        if family not in FAMILIES:
            yield fields.not_supported(at, family, FAMILIES)
        if family in _families(service)[:index]:
            yield fields.duplicate(at, family)
    policy = _policy(service)
    if policy is not None and policy not in POLICIES:
        yield fields.not_supported("spec.ipFamilyPolicy", policy, POLICIES)
    yield from _validate_ips(service, old)


def _validate_ips(service: Obj, old: Obj | None) -> Iterator[Cause]:
    ips, path = cluster_ips(service), "spec.clusterIPs"
    known = cluster_ips(old) if old is not None else []
    broken = False
    for index, ip in enumerate(ips):
        if index == 0 and ip == "None":
            if len(ips) > 1:
                broken = True
                yield fields.invalid(path, ips, "'None' must be the first and only value")
            continue
        if ip not in known:
            for problem in formats.ip_legacy(ip):
                broken = True
                yield fields.invalid(f"{path}[{index}]", ip, problem)
    if len(ips) > 2:
        yield fields.invalid(path, ips, "may only hold up to 2 values")
    if broken:
        return
    if len(ips) > 1 and len({_family(ip) for ip in ips}) < 2:
        yield fields.invalid(path, ips, "may specify no more than one IP for each IP family")
    if not is_headless(service):
        for index, (ip, family) in enumerate(zip(ips, _families(service), strict=False)):
            if family in FAMILIES and _family(ip) != family:
                text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                yield fields.invalid(f"{path}[{index}]", ip, text)


def validate_update(service: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of changing cluster IPs and families: the first ones are there to stay."""
    if not needs_cluster_ip(service) or not needs_cluster_ip(old):
        return
    if not (is_headless(service) and is_headless(old)):
        yield from _kept("spec.clusterIPs", cluster_ips(service), cluster_ips(old), service, "clusterIP")
    if not is_headless(service) and not is_headless(old):
        yield from _kept("spec.ipFamilies", _families(service), _families(old), service, "ipFamily")


def _kept(path: str, new: list[str], old: list[str], service: Obj, noun: str) -> Iterator[Cause]:
    if len(new) == len(old):
        for index, (after, before) in enumerate(zip(new, old, strict=True)):
            if after != before:
                at = index if noun == "clusterIP" else 0
                yield fields.invalid(f"{path}[{at}]", new, "may not change once set")
        return
    if len(new) < len(old) and not cluster_ips(service):
        yield fields.invalid(f"{path}[0]", new or None, f"primary {noun} can not be unset")
    if new and old and new[0] != old[0]:
        yield fields.invalid(f"{path}[0]", cluster_ips(service), "may not change once set")
    if len(new) == 1 < len(old) and _policy(service) != "SingleStack":
        text = f"must be set to 'SingleStack' when releasing the secondary {noun}"
        yield fields.invalid("spec.ipFamilyPolicy", _policy(service), text)
