"""Small readers and builders for Kubernetes objects, which are plain dicts spelled as in manifests.

Objects handed out by the store are shared: copy before changing one (`copy`).
"""

import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

Obj = dict[str, Any]
Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-scoped object is the empty string."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which client-side `kubectl apply` keeps what it was given."""

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # apimachinery/pkg/util/rand: no vowels, no confusable digits


def copy(value: Any) -> Any:
    """A deep copy of JSON-shaped data; several times faster than copy.deepcopy. Tuples are shared."""
    if isinstance(value, dict):
        return {k: copy(v) if isinstance(v, dict | list) else v for k, v in value.items()}
    if isinstance(value, list):
        return [copy(v) if isinstance(v, dict | list) else v for v in value]
    return value


def sharing(obj: Obj) -> Obj:
    """An object read from JSON as it was written: its managedFields in a tuple, which copies share."""
    if "managedFields" in obj.get("metadata", {}):
        obj["metadata"]["managedFields"] = tuple(obj["metadata"]["managedFields"])
    return obj


def meta(obj: Obj) -> Obj:
    """The object's metadata, created when missing."""
    found: Obj = obj.setdefault("metadata", {})
    return found


def name(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("name", ""))


def namespace(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("namespace", ""))


def key(obj: Mapping[str, Any]) -> Key:
    return namespace(obj), name(obj)


def uid(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("uid", ""))


def labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj.get("metadata", {}).get("labels") or {}


def annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj.get("metadata", {}).get("annotations") or {}


def spec(obj: Mapping[str, Any]) -> Obj:
    return obj.get("spec") or {}


def status(obj: Mapping[str, Any]) -> Obj:
    return obj.get("status") or {}


def dig(obj: Any, *path: str | int, default: Any = None) -> Any:
    """The value at a path of keys and indices, or `default` where any step is missing."""
    for step in path:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return default
    return obj


def is_terminating(obj: Mapping[str, Any]) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def condition(obj: Mapping[str, Any], type_: str) -> Obj | None:
    """The status condition of that type, or None."""
    for found in status(obj).get("conditions") or ():
        if found.get("type") == type_:
            return found  # type: ignore[no-any-return]
    return None


def condition_status(obj: Mapping[str, Any], type_: str) -> str:
    """ "True", "False" or "Unknown"; a missing condition is "Unknown"."""
    found = condition(obj, type_)
    return str(found["status"]) if found else "Unknown"


def controller_ref(obj: Mapping[str, Any]) -> Obj | None:
    """The owner reference with controller: true, or None."""
    for ref in obj["metadata"].get("ownerReferences") or ():
        if ref.get("controller"):
            return ref  # type: ignore[no-any-return]
    return None


def owner_reference(owner: Obj, *, controller: bool = True) -> Obj:
    """An ownerReference to `owner` as controllers write it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": controller,
        "blockOwnerDeletion": True,
    }


def new_uid() -> str:
    return str(uuid.uuid4())


def random_suffix(length: int = 5, rng: random.Random | None = None) -> str:
    """Letters for generated names, from upstream's alphabet."""
    return "".join((rng or random).choices(_SUFFIX_LETTERS, k=length))


def safe_encoded(digits: str) -> str:
    """Digits as letters of upstream's alphabet (apimachinery/pkg/util/rand, SafeEncodeString)."""
    return "".join(_SUFFIX_LETTERS[ord(digit) % len(_SUFFIX_LETTERS)] for digit in digits)


def by_name(items: Iterable[Obj]) -> dict[str, Obj]:
    return {item["name"]: item for item in items}
