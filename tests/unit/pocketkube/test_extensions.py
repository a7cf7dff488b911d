"""What kinds, controllers and images say about themselves is right: a slip there is told here, not by silence."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.pocketkube.controllers.world import World

from pocketkube import controllers, images, resources, schema
from pocketkube.client import Client
from pocketkube.controllers.base import Controller
from pocketkube.images.base import Image
from pocketkube.resources.base import Resource

FIDELITY = Path(__file__).resolve().parents[3] / "docs" / "fidelity.md"
IMAGES = sorted(set(images.catalogue().values()), key=lambda image: image.__module__)


@pytest.mark.parametrize("kind", resources.scan(), ids=lambda kind: kind.resource_id())
def test_a_kind_is_one_of_the_schema(kind: type[Resource]) -> None:
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    schema.for_kind(version, kind.kind)  # raises UnknownKind: kind, group and version are those of data/openapi


@pytest.mark.parametrize("kind", resources.scan(), ids=lambda kind: kind.resource_id())
def test_every_column_has_a_description(kind: type[Resource]) -> None:
    bare = [column.name for column in kind.columns if not column.description]
    assert not bare, "use described(); a column that data/columns.json lacks gets Column(description=...)"


@pytest.mark.parametrize("kind", resources.scan(), ids=lambda kind: kind.resource_id())
def test_a_kind_is_told_in_the_list_of_what_there_is(kind: type[Resource]) -> None:
    does, does_not = re.findall(r"\n\| (Namespace.*?) \| (.*?) \|\n", FIDELITY.read_text(encoding="utf-8"))[0]
    assert kind.kind in re.findall(r"\w+", does), "add it to what docs/fidelity.md says under Kinds"
    assert kind.kind not in re.findall(r"\w+", does_not)


def test_no_two_kinds_have_the_same_name() -> None:
    found = Counter(kind.resource_id() for kind in resources.scan())
    assert [name for name, n in found.items() if n > 1] == [], "set `id` in one of them"


@pytest.mark.parametrize("controller", controllers.scan(), ids=lambda controller: controller.name)
def test_a_controller_watches_kinds_that_exist(controller: type[Controller]) -> None:
    client = Client(World().registry, controller.name)
    unknown = {resource for resource, _ in controller(client).watches()} - {name for name, _ in client.kinds()}
    assert not unknown, "watches() yields resource ids: plurals, as in kubectl get"


def test_no_two_controllers_have_the_same_name() -> None:
    assert [name for name, n in Counter(c.name for c in controllers.scan()).items() if n > 1] == []


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.__module__.rpartition(".")[2])
def test_an_image_is_found_by_its_names_and_starts(image: type[Image]) -> None:
    wrong = {name: images.normalise(name) for name in image.names if images.normalise(name) != name}
    assert not wrong, "names are written in full, or no Pod finds them"
    assert all(images.catalogue()[name] is image for name in image.names), "another image has one of these names"
    program = (*image.entrypoint, *image.cmd)[0]
    folders = image.env["PATH"].split(":")
    paths = {program} if program.startswith("/") else {f"{folder}/{program}" for folder in folders}
    there = {*image.commands, *image.files, *image.links, *image.hard_links}
    assert paths & there, f"{program} is not among the image's commands"
