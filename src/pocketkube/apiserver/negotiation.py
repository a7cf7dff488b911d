"""Which representation a client wants: JSON or YAML; the object itself, a Table, or its metadata only.

Models apiserver/pkg/endpoints/handlers/negotiation. Answers are never protobuf: clients that offer it accept JSON too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pocketkube.errors import NotAcceptable

_MEDIA_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_ROUTE_TYPES = f"{_MEDIA_TYPES}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
_TRANSFORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
DISCOVERY = ("APIGroupDiscoveryList",)


@dataclass(frozen=True, slots=True)
class Representation:
    """`form` is "" (the object), Table, PartialObjectMetadata or APIGroupDiscoveryList in API version `version`."""

    yaml: bool = False
    form: str = ""
    version: str = "v1"

    @property
    def plain(self) -> bool:
        return not self.form


PLAIN = Representation()


@lru_cache(maxsize=256)
def negotiate(accept: str, *, tables: bool = True) -> Representation:
    """The first acceptable clause of an Accept header, best quality first; without `tables` Tables are not acceptable.

    Raises NotAcceptable.
    """
    if not accept:
        return PLAIN
    matched = False
    for media_type, parameters in _clauses(accept):
        if media_type in ("application/json", "*/*", "application/*"):
            matched = True
            found = _form(parameters)
            if found is not None and (tables or found.form != "Table"):
                return found
        elif media_type == "application/yaml":
            matched = True
            if "as" not in parameters and "stream" not in parameters:
                return Representation(yaml=True)
        elif media_type == "application/vnd.kubernetes.protobuf":
            matched = True
    if matched:
        raise NotAcceptable(f"only the following media types are accepted: {_MEDIA_TYPES}")
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {_ROUTE_TYPES}", details={})


def _form(parameters: dict[str, str]) -> Representation | None:
    kind, group, version = parameters.get("as", ""), parameters.get("g", ""), parameters.get("v", "")
    if not kind:
        return PLAIN
    if kind in _TRANSFORMS and group == "meta.k8s.io" and version in ("v1", "v1beta1"):
        return Representation(form=kind.removesuffix("List"), version=version)
    if kind in DISCOVERY and group == "apidiscovery.k8s.io" and version in ("v2", "v2beta1"):
        return Representation(form=kind, version=version)
    return None


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[float, str, dict[str, str]]] = []
    for clause in accept.split(","):
        media_type, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 1.0
        if media_type and quality > 0:
            found.append((quality, media_type.lower(), parameters))
    found.sort(key=lambda item: -item[0])
    return [(media_type, parameters) for _, media_type, parameters in found]
