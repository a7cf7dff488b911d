"""Rights: what the one whose kubeconfig it is may do. Asked of the API server, which changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from kindlab.api import Api, ApiError
from kindlab.needs.need import Found, Need, Probe, no, yes
from kindlab.rights import may

ADMIN = "Whoever runs the cluster can grant it (kindlab rights prints what they apply)."
EVERYBODYS = "It reaches what belongs to everybody there: kindlab rights does not give it; who runs the cluster may."
ROLE = "Role.rbac.authorization.k8s.io"
SLICES = "endpointslices.discovery.k8s.io"
CLASSES, CONTENTS = "volumesnapshotclasses.snapshot.storage.k8s.io", "volumesnapshotcontents.snapshot.storage.k8s.io"


def rights(asked: Mapping[str, str], *, where: str | None = None) -> Probe:
    """Asks for the verbs on each resource, `{"pods": "list create"}`, in a lab's namespace. With `where` everywhere; it
    says in words where that is ("" for what lies in no namespace)."""

    def probe(api: Api, space: str) -> Found:
        namespace = (space or "default") if where is None else ""
        words = f" in namespace {namespace}" if where is None else where
        pairs = [(verb, resource) for resource, verbs in asked.items() for verb in verbs.split()]
        refused = [f"{verb} {resource}" for verb, resource in pairs if not may(api, verb, resource, namespace)]
        if refused:
            return no(f"you may not {' or '.join(refused)}{words}")
        told = [f"{' and '.join(', '.join(verbs.split()).rsplit(', ', 1))} {what}" for what, verbs in asked.items()]
        return yes(f"you may {', '.join(told)}{words}")

    return probe


def _roles(api: Api, space: str) -> Found:
    """A Role with the rights that the labs give away is taken (a dry run): RBAC refuses who does not have them."""
    where = space or "default"
    rules = [{"apiGroups": ["snapshot.storage.k8s.io"], "resources": ["volumesnapshots"], "verbs": ["create"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "kindlab-try"}}
    try:
        api.request("POST", api.path(ROLE, where), {**role, "rules": rules}, query={"dryRun": "All"})
    except ApiError as error:
        if error.code != 403:
            raise
        return no(f"a Role that may make VolumeSnapshots was refused: {error.message}")
    if not may(api, "create", "rolebindings.rbac.authorization.k8s.io", where):
        return no(f"you may not create rolebindings in namespace {where}")
    return yes(f"namespace {where} takes Roles and RoleBindings of yours")


def _made(word: str, kind: str, asked: Mapping[str, str]) -> Need:
    return Need(word, f"the right to make {kind}", rights(asked, where=""), EVERYBODYS)


WORDS = (
    Need(
        "endpointslices",
        "the right to write EndpointSlices",
        rights({SLICES: "create delete"}),
        f"The ClusterRole admin does not have it, on purpose (CVE-2021-25740). {ADMIN}",
    ),
    Need("evictions", "the right to evict Pods", rights({"pods/eviction": "create"}), ADMIN),
    Need("roles", "the right to give rights away (Roles, RoleBindings)", _roles, ADMIN),
    Need(
        "everywhere",
        "the right to read the Pods and claims of all namespaces",
        rights({"pods": "list", "persistentvolumeclaims": "list"}, where=" of all namespaces"),
        EVERYBODYS,
    ),
    Need("volumes", "the right to read PersistentVolumes", rights({"persistentvolumes": "get list"}, where=""), ADMIN),
    _made("persistent-volumes", "PersistentVolumes", {"persistentvolumes": "create delete list"}),
    _made("storage-classes", "StorageClasses", {"storageclasses.storage.k8s.io": "create delete list"}),
    _made("snapshot-classes", "VolumeSnapshotClasses", {CLASSES: "create delete list"}),
    Need(
        "snapshot-contents",
        "the right to read and delete VolumeSnapshotContents",
        rights({CONTENTS: "list delete"}, where=""),
        EVERYBODYS,
    ),
)
