"""DeviceClasses: kinds of devices that claims ask for.

Models pkg/registry/resource/deviceclass, ValidateDeviceClass* and the printer. No driver runs here, so that a class has
no devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.device_spec import names, selectors
from pocketkube.resources.resource_names import is_extended


class RESOURCE(Resource):
    group = "resource.k8s.io"
    kind = "DeviceClass"
    plural = "deviceclasses"
    namespaced = False
    bumps_generation = True
    revalidates_metadata = True
    returns_deleted = True
    columns = described("deviceclasses", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from selectors.validate("spec.selectors", spec.get("selectors"))
        yield from names.each("spec.config", spec.get("config"), selectors.MOST, selectors.configuration)
        name = spec.get("extendedResourceName")
        if name is not None and not is_extended(name):
            yield fields.invalid("spec.extendedResourceName", name, "must be a valid extended resource name")
