"""The manifest by which whoever runs a shared cluster lets learners work there, in their own namespaces and nowhere
else: `kindlab rights`.

For each learner the namespaces of the labs, in each a RoleBinding to the cluster's own ClusterRole `admin` and one to
a small role for what `admin` does not hold; once for all a role to read what belongs to no namespace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kindlab.api import Obj
from kindlab.emptying import RIGHTS
from kindlab.labs import Lab, manifests
from kindlab.managed import MANAGED
from kindlab.manifests import text_of
from kindlab.naming import under
from kindlab.needs import named

RBAC = "rbac.authorization.k8s.io"
LEARNER, READER = "kindlab-learner", "kindlab-reader"
ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
READ = ["get", "list", "watch"]
LABELS = {**MANAGED, **RIGHTS}
OWNER = "kindlab.dev/learner"

BEYOND_ADMIN: tuple[Obj, ...] = (
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["gateways", "httproutes"], "verbs": ALL},
    {"apiGroups": ["snapshot.storage.k8s.io"], "resources": ["volumesnapshots"], "verbs": ALL},
    {"apiGroups": ["metrics.k8s.io"], "resources": ["pods"], "verbs": READ},
)
"""What the labs use in a namespace and `admin` lacks: the Gateway API (06), snapshots (14, 16), figures of use (10)
where nobody has aggregated them."""
ENDPOINTS, LIMITS = f"{LEARNER}-endpoints", f"{LEARNER}-limits"
IN_SOME: dict[str, tuple[set[str], tuple[Obj, ...]]] = {
    ENDPOINTS: (
        {"EndpointSlice", "Endpoints"},
        (
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ALL},
            {"apiGroups": [""], "resources": ["endpoints"], "verbs": ALL},
        ),
    ),
    LIMITS: ({"LimitRange"}, ({"apiGroups": [""], "resources": ["limitranges"], "verbs": ALL},)),
}
"""Role -> kinds, and what it adds in the namespaces of the labs that make such objects, and in no others: slices by
hand (04; taken from `admin` in v1.22 because of CVE-2021-25740), limits (10), by which a learner could keep the
grader's Pods out of a namespace."""
READABLE: tuple[Obj, ...] = (
    {"apiGroups": [""], "resources": ["nodes", "namespaces", "persistentvolumes", "services"], "verbs": READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
    {
        "apiGroups": ["storage.k8s.io"],
        "resources": ["storageclasses", "csidrivers", "csinodes", "csistoragecapacities", "volumeattributesclasses"],
        "verbs": READ,
    },
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": READ},
    {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["gatewayclasses"], "verbs": READ},
    {
        "apiGroups": ["snapshot.storage.k8s.io"],
        "resources": ["volumesnapshotclasses", "volumesnapshotcontents"],
        "verbs": READ,
    },
    {"apiGroups": ["scheduling.k8s.io"], "resources": ["priorityclasses"], "verbs": READ},
    {"apiGroups": ["metrics.k8s.io"], "resources": ["nodes"], "verbs": READ},
)
"""What belongs to no namespace; and Services with their endpoints, by which the ingress controller is found wherever it
runs (labs 06, 07, 16). No Pods, ConfigMaps or Secrets of others."""


@dataclass(frozen=True)
class Learner:
    """`prefix` of the learner's names, and who that is to the cluster: `kind` is User, Group or ServiceAccount (then
    `name` is NAMESPACE:NAME)."""

    prefix: str
    kind: str
    name: str

    @property
    def subject(self) -> Obj:
        if self.kind == "ServiceAccount":
            space, _, name = self.name.partition(":")
            return {"kind": self.kind, "namespace": space, "name": name}
        return {"kind": self.kind, "name": self.name, "apiGroup": RBAC}


def manifest(labs: Sequence[Lab], learners: Sequence[Learner], *, reading: bool = True) -> str:
    """The YAML, with a header that says what each part is for. `reading`: let them read what belongs to no namespace.
    Raises UsageProblem for a prefix that cannot be."""
    import yaml

    given = {lab.slug: _roles(lab) for lab in labs}
    some = {role: rules for role, (_, rules) in IN_SOME.items() if any(role in roles for roles in given.values())}
    roles = {LEARNER: BEYOND_ADMIN, **some, **({READER: READABLE} if reading else {})}
    objects: list[Obj] = [_role(name, rules) for name, rules in roles.items()]
    for learner in learners:
        objects += _of(labs, learner, given, reading=reading)
    whole = json.loads(json.dumps(objects))  # what they share is written out each time, not as YAML's references
    return "\n".join(_header(labs, learners, reading=reading)) + "\n" + yaml.safe_dump_all(whole, sort_keys=False)


def _header(labs: Sequence[Lab], learners: Sequence[Learner], *, reading: bool) -> Iterator[str]:
    wide = [f"{lab.number} ({', '.join(lab.cluster_kinds)})" for lab in labs if lab.cluster_kinds]
    yield f"# Rights for kindlab: {len(learners)} learner{'s' if len(learners) > 1 else ''}, for labs"
    yield f"# {', '.join(lab.number for lab in labs)}. An administrator applies it: kubectl apply -f FILE"
    yield "# To take it back, with everything that learners have made in their namespaces:"
    yield f"#   kubectl delete namespaces,clusterrolebindings -l {_query(RIGHTS)}     (of one: -l {OWNER}=PREFIX)"
    yield "#"
    yield "# Namespace      one for each learner and lab, and those of its neighbours, with the labels it needs"
    yield "# RoleBinding    in each of them: ClusterRole admin, which every cluster has, so that a learner does all"
    yield f"#                there and nothing elsewhere; and {LEARNER}"
    yield f"# ClusterRole {LEARNER}: what admin does not hold and the labs use in a namespace: Gateways and"
    yield "#                HTTPRoutes, VolumeSnapshots, metrics"
    if of := [lab.number for lab in labs if ENDPOINTS in _roles(lab)]:
        yield f"# ClusterRole {ENDPOINTS}: EndpointSlices and Endpoints made by hand; who writes those can"
        yield f"#                send its traffic anywhere (CVE-2021-25740). Only in namespaces of lab {', '.join(of)}"
    if of := [lab.number for lab in labs if LIMITS in _roles(lab)]:
        yield f"# ClusterRole {LIMITS}: LimitRanges. Only in namespaces of lab {', '.join(of)}"
    if reading:
        yield f"# ClusterRole {READER}: look, not touch: nodes, namespaces, volumes and classes, which belong to no"
        yield "#                namespace, and Services, by which the ingress controller is found. Without it"
        yield "#                kindlab cannot tell what the cluster has, and some tasks stay ungraded."
    if shared := [lab.number for lab in labs if _shares(lab)]:
        yield "#"
        yield f"# Not apart: labs {', '.join(shared)} use host names or node ports, which the whole cluster shares:"
        yield "# learners who do one of them at the same time disturb each other."
    if wide:
        yield "#"
        yield f"# Not granted: making what belongs to no namespace, which these labs do: {'; '.join(wide)}."
        yield "# RBAC knows no beginnings of names: who may delete one PersistentVolume may delete all. Give learners a"
        yield "# cluster of their own for these (kindlab up --cluster pocket needs nothing)."


def _shares(lab: Lab) -> bool:
    """Whether its manifests fix node ports, or hosts of an ingress controller. No prefix tells those apart:
    certificates and browsers know them by name."""
    return bool({"ingress", "gateway"} & set(named(lab))) or "nodePort:" in _text(lab)


def _roles(lab: Lab) -> list[str]:
    """Of ours, those that a learner gets in the lab's namespaces."""
    others = (file for folder in lab.solution_folder.glob("alternatives/*") for file in manifests(folder))
    kinds = set(re.findall(r"\bkind: *(\w+)", "\n".join((_text(lab), *map(text_of, others)))))
    return [LEARNER, *(role for role, (made, _) in IN_SOME.items() if made & kinds)]


def _text(lab: Lab) -> str:
    """Its manifests, from the start and of the solution."""
    return "\n".join(text_of(file) for file in (*lab.start_files, *manifests(lab.solution_folder)))


def _of(labs: Iterable[Lab], learner: Learner, given: dict[str, list[str]], *, reading: bool) -> Iterator[Obj]:
    own = LABELS | ({OWNER: learner.prefix} if learner.prefix else {})
    for lab in labs:
        mine = lab.under(learner.prefix)
        neighbours = {neighbour.name: dict(neighbour.labels) for neighbour in mine.namespaces}
        for space in mine.spaces:
            labels = {**neighbours.get(space, {}), **own}
            yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": labels}}
            for role in ("admin", *given[lab.slug]):
                name = "kindlab-admin" if role == "admin" else role
                meta = {"name": name, "namespace": space, "labels": own}
                yield _binding("RoleBinding", meta, role, learner.subject)
    if reading:
        meta = {"name": under(learner.prefix, READER), "labels": own}
        yield _binding("ClusterRoleBinding", meta, READER, learner.subject)


def _role(name: str, rules: Iterable[Obj]) -> Obj:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": LABELS},
        "rules": list(rules),
    }


def _binding(kind: str, meta: Obj, role: str, subject: Obj) -> Obj:
    ref = {"kind": "ClusterRole", "name": role, "apiGroup": RBAC}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": meta, "roleRef": ref, "subjects": [subject]}


def _query(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
