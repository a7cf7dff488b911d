"""The text of `kubectl describe priorityclass`."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj


def priority_class(obj: Obj) -> Iterator[str]:
    held = obj["metadata"].get("annotations") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Value:\t{obj.get('value', 0)}"
    yield f"GlobalDefault:\t{str(bool(obj.get('globalDefault'))).lower()}"
    yield f"PreemptionPolicy:\t{obj.get('preemptionPolicy', '')}"
    yield f"Description:\t{obj.get('description', '')}"
    yield f"Annotations:\t{','.join(f'{key}={held[key]}' for key in sorted(held)) or '<none>'}"
