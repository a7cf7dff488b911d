"""The images a cluster's Pods use, brought into its nodes: from the container engine, which pulls them once for all
clusters and knows the proxies, instead of by each node for itself.

The trap (kind#3795): where Docker keeps its images in containerd, an image knows of every platform, has the bytes of
this one only, and `kind load docker-image` fails with `content digest ... not found`. So the one platform is saved to
an archive (`docker save --platform`, Docker 28 and newer) and `kind load image-archive` takes that. Not tried with a
real engine where this was written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kindlab import labs, paths
from kindlab.clusters.base import Step
from kindlab.clusters.kindcli import Failed, Programs, full_name
from kindlab.errors import Problem
from kindlab.labs import Lab

if TYPE_CHECKING:
    from kindlab.addons import Addon

LOAD_TIMEOUT = 900.0


def of_labs(chosen: Iterable[Lab]) -> list[str]:
    """The images of the labs' finished manifests, and of the grader's own Pods."""
    from kindlab.checks.probe import IMAGE

    found = {IMAGE}
    for lab in chosen:
        for folder in (lab.folder / "start", lab.solution_folder):
            found |= {image for file in labs.manifests(folder) for image in _images(_documents(lab, file))}
    return sorted(found)


def needed(addons: Iterable[Addon], names: Iterable[str]) -> list[str]:
    """What `kindlab up` itself and the labs that were named run, each once."""
    chosen = labs.several(names)
    mine = of_labs(chosen) if chosen else []
    return list(dict.fromkeys([*(image for addon in addons for image in addon.images), *mine]))


def _documents(lab: Lab, file: Path) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.safe_load_all(lab.text(file))
    except yaml.YAMLError as error:  # a start file may be broken on purpose
        raise Problem(f"{file} is no YAML.", str(error), "This is a fault of the course, not yours.") from error


def _images(found: Any) -> Iterator[str]:
    """Every `image` of a container anywhere in it."""
    if isinstance(found, dict):
        if isinstance(found.get("image"), str) and "name" in found:
            yield found["image"]
        for value in found.values():
            yield from _images(value)
    elif isinstance(found, list | Iterator):
        for value in found:
            yield from _images(value)


def load(programs: Programs, images: list[str], step: Step, *, offline: bool = False) -> None:
    """Pull what the engine lacks (unless offline) and load into the nodes what they lack. Raises Problem."""
    held = [_in_node(programs, container.name) for container in programs.containers()]
    lacking = [image for image in images if not all(in_nodes(image) in names for names in held)]
    absent = [image for image in lacking if not programs.image(image)]
    if absent and offline:
        raise Problem(
            "Images are missing, and --offline forbids to pull them.",
            f"{programs.engine.name} does not have: {', '.join(absent)}.",
            "With a connection, once: kindlab up --cluster kind --preload",
        )
    for number, image in enumerate(absent, 1):
        step(f"pulling image {number} of {len(absent)}: {image}")
        try:
            programs.pull(image, lambda line: None)
        except Failed as error:
            raise programs.explained(f"The image {image} could not be pulled.", error, pulling=True) from error
    platform = _platform(programs) if lacking else ""
    for number, image in enumerate(lacking, 1):
        step(f"loading image {number} of {len(lacking)} into the nodes: {image}")
        if other := _other_platform(programs, image, platform):
            step(f"{image} exists for {other} only, and these nodes are {platform}: it is left out")
            continue
        _load(programs, image, platform)


def in_nodes(image: str) -> str:
    """What containerd calls it in a node: docker.io/library/traefik:v3.7.11, and with :latest where there is no tag."""
    registry, _, rest = full_name(image).partition("/")
    if registry == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return f"{registry}/{rest}" + ("" if ":" in rest else ":latest")


def _in_node(programs: Programs, node: str) -> set[str]:
    """The full names of the images that a node has; empty when it does not say."""
    try:
        found = json.loads(programs.ask("exec", node, "crictl", "images", "--output", "json"))
        return {name for image in found["images"] for name in image.get("repoTags") or ()}
    except (Problem, ValueError, KeyError, TypeError):
        return set()


def _load(programs: Programs, image: str, platform: str) -> None:
    with tempfile.TemporaryDirectory(prefix="kindlab-", dir=_scratch()) as folder:
        archive = str(Path(folder) / "image.tar")
        one = ["--platform", platform] if platform else []
        try:
            programs.ask("save", *one, "--output", archive, programs.known(image), timeout=LOAD_TIMEOUT)
            programs.run_kind("load", "image-archive", "--name", programs.name, archive, timeout=LOAD_TIMEOUT)
        except Failed as error:
            raise programs.explained(f"The image {image} could not be loaded into the nodes.", error) from error


def _platform(programs: Programs) -> str:
    """linux/amd64, where the engine saves all platforms unless it is told one: Docker since 28 (API 1.48). Others keep
    one only, or save this machine's by themselves (nerdctl, which could not be asked that way either: what it says of
    its server has no Os)."""
    if programs.engine.name == "docker" and _major(programs.engine.version) >= 28:
        return programs.ask("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").strip()
    return ""


def _other_platform(programs: Programs, image: str, platform: str) -> str:
    """What the engine's copy of the image is for, when that is not `platform`: to save it then fails. So it is with lab
    10's image (registry.k8s.io/hpa-example: linux/amd64 alone) on an arm64 machine, whose other labs need no less."""
    if not platform:
        return ""
    found = programs.ask("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", programs.known(image)).strip()
    return found if found != platform else ""


def _major(version: str) -> int:
    number = version.partition(".")[0]
    return int(number) if number.isdigit() else 0


def _scratch() -> Path:
    """A folder of ours: an engine that was installed as a snap sees another /tmp (kind's known issues)."""
    folder = paths.home() / "tmp"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
