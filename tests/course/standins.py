"""A machine with stand-ins for docker and kind (tests/fakes: not recordings), and `kindlab` on it."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.course.command import ROOT, Run, runner
from tests.fakes import installing

OF_THE_USER = ("KIND_EXPERIMENTAL_PROVIDER", "DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "KINDLAB_TOOLS")
"""What a developer may have set for an engine of their own."""
LINKED = ("labs", "solutions", "graders", "notebooks")
GATEWAY_API = ROOT / "src" / "pocketkube" / "data" / "addons" / "gateway-api.yaml"


@dataclass(frozen=True)
class Machine:
    folder: Path
    kindlab: Run
    environment: dict[str, str]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def state(self) -> Path:
        """What the stand-ins remember."""
        return self.folder / "state"

    def calls(self, program: str) -> Iterator[str]:
        """The words that a stand-in was called with, each time."""
        for line in (self.state / "calls.log").read_text().splitlines():
            if line.startswith(program):
                yield line.partition(" ")[2]


def machine(folder: Path, *programs: str) -> Machine:
    """With a home, a course and a cache of its own; the course's files are the checkout's, but for the one add-on file
    that comes from the internet: the embedded cluster's definitions of the Gateway API stand in for it."""
    course = folder / "course"
    course.mkdir(parents=True)
    for name in LINKED:
        (course / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "cluster-config", course / "cluster-config")
    digest = hashlib.sha256(GATEWAY_API.read_bytes()).hexdigest()
    addon = course / "cluster-config" / "addons" / "gateway-api" / "addon.toml"
    head = addon.read_text().partition("[[sources]]")[0]
    addon.write_text(f'{head}[[sources]]\nurl = "https://nowhere.invalid/gateway-api.yaml"\nsha256 = "{digest}"\n')
    environment = {
        **installing.install(folder, *programs),
        "KINDLAB_HOME": str(folder / "home"),
        "KINDLAB_WORK": str(folder / "work"),
        "KINDLAB_COURSE": str(course),
        "KINDLAB_CACHE": str(folder / "cache"),
        "KUBECONFIG": str(folder / "kube" / "config"),
        **dict.fromkeys(OF_THE_USER, ""),
    }
    return Machine(folder, runner(**environment), {**os.environ, **environment})


def fill_cache(at: Machine) -> None:
    """As after the first download."""
    digest = hashlib.sha256(GATEWAY_API.read_bytes()).hexdigest()
    target = at.folder / "cache" / "files" / digest
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(GATEWAY_API, target)
