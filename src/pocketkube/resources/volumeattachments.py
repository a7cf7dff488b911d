"""VolumeAttachments: the wish that a volume be attached to a node, and what came of it.

Models pkg/registry/storage/volumeattachment, ValidateVolumeAttachment* and the printer. Left out: Go's spelling of an
inlineVolumeSpec in the error about a changed one; only migrated in-tree volumes have such a spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.persistentvolume_spec import volumes
from pocketkube.resources.volume_sources import csi_driver_name

_LONGEST_METADATA: Final = 256 * 1024
_LONGEST_MESSAGE: Final = 1024
_ONE_SOURCE: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
_OF_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "VolumeAttachment"
    plural = "volumeattachments"
    returns_deleted = True
    namespaced = False
    has_status = True
    unconditional_update = False
    revalidates_metadata = True
    columns = described(
        "volumeattachments",
        NAME,
        Column("Attacher", format="name"),
        Column("PV"),
        Column("Node"),
        Column("Attached", "boolean"),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        return [
            objects.name(obj),
            spec.get("attacher", ""),
            objects.dig(spec, "source", "persistentVolumeName", default=""),
            spec.get("nodeName", ""),
            bool(objects.status(obj).get("attached")),
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        for name, value in (("attacher", ""), ("source", {}), ("nodeName", "")):
            spec.setdefault(name, value)

    def initial_status(self, obj: Obj) -> Obj:
        return {"attached": False}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        for name in _OF_METADATA:
            new["metadata"].pop(name, None)
            if name in old["metadata"]:
                new["metadata"][name] = old["metadata"][name]
        new.setdefault("status", {}).setdefault("attached", False)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = obj["spec"]
        yield from csi_driver_name("spec.attacher", spec["attacher"])
        yield from _source("spec.source", spec["source"])
        for problem in formats.dns1123_subdomain(spec["nodeName"]):
            yield fields.invalid("spec.nodeName", spec["nodeName"], problem)
        yield from _status("status", objects.status(obj))
        volume = spec["source"].get("persistentVolumeName")
        for problem in formats.dns1123_subdomain(volume) if volume is not None else ():
            yield fields.invalid("spec.source.persistentVolumeName", volume, problem)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        if new["spec"] != old["spec"]:
            yield fields.invalid("spec", _shown(new["spec"]), metadata.IMMUTABLE)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self.validate_update(new, old)


def _source(at: str, source: Obj) -> Iterator[Cause]:
    volume, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if volume is None and inline is None:
        yield fields.required(at, _ONE_SOURCE)
    elif volume is not None and inline is not None:
        yield fields.forbidden(at, _ONE_SOURCE)
    elif volume == "":
        yield fields.required(f"{at}.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from volumes.inline(f"{at}.inlineVolumeSpec", inline)


def _status(at: str, status: Obj) -> Iterator[Cause]:
    held = status.get("attachmentMetadata") or {}
    if sum(len(key.encode()) + len(value.encode()) for key, value in held.items()) > _LONGEST_METADATA:
        yield fields.too_long(f"{at}.attachmentMetadata", _LONGEST_METADATA)
    for name in ("attachError", "detachError"):
        error = status.get(name) or {}
        if len(error.get("message", "").encode()) > _LONGEST_MESSAGE:
            yield fields.too_long(f"{at}.{name}.message", _LONGEST_METADATA)  # the number is upstream's
        if (code := error.get("errorCode")) is not None and code < 0:
            yield fields.invalid(f"{at}.{name}.errorCode", code, formats.range_text(0, 2**31 - 1))


def _shown(spec: Obj) -> Obj:
    """A spec as the error text spells it."""
    source = spec["source"]
    named = {name: source.get(name[0].lower() + name[1:]) for name in ("PersistentVolumeName", "InlineVolumeSpec")}
    return {"Attacher": spec["attacher"], "Source": named, "NodeName": spec["nodeName"]}
