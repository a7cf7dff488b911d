"""`--cluster kind`: Kubernetes in Docker (or podman, nerdctl) from cluster-config/kind.yaml, by the `kind` binary.

Where things are: the programs and what they print in kindcli.py, the configuration in kindconfig.py, making and
removing in kindcreate.py, one that is there already in kindrepair.py, when it is ready in kindready.py, what is known
between two commands in kindrecord.py, what failures mean in kindfailures.py, images in kindimages.py.

Written from kind's documentation and source, and driven by a stand-in for kind and docker (tests/fakes): no image could
be pulled, and so no real kind cluster made, where this was written.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kindlab import paths
from kindlab.api import Api, ApiError, Obj
from kindlab.clusters import addresses, kindconfig, kindcreate, kindready, kindrecord, kindrepair
from kindlab.clusters.base import Incomplete, NeedsConsent, Status, Step
from kindlab.clusters.kindcli import Programs, programs_for
from kindlab.clusters.kindconfig import SCHEMES, Listening
from kindlab.clusters.kindrecord import Record
from kindlab.clusters.kindrepair import DEFAULT_NAME
from kindlab.conditions import is_ready
from kindlab.errors import Problem
from kindlab.hosts import in_url

if TYPE_CHECKING:
    from kindlab.addons import Addon

ALWAYS = ("ingress",)
"""What every cluster of ours has beside what kind brings, in the words of `needs`."""
QUICK = 5.0
"""Seconds that `kindlab status` waits for an answer."""


@dataclass(frozen=True)
class Wishes:
    """What `kindlab up` was asked for. Ports: 0 for none, None as in kind.yaml. `labs`: numbers, slugs or `all`, whose
    needs are installed."""

    http_port: int | None = None
    https_port: int | None = None
    keep: bool = False
    merge: bool = False
    offline: bool = False
    preload: bool = False
    labs: tuple[str, ...] = ()


class Kind:
    """`consent`: somebody has said that what would be lost may be (see NeedsConsent)."""

    kind, prefix = "kind", ""

    def __init__(self, name: str = DEFAULT_NAME, *, ip_family: str | None = None, wishes: Wishes | None = None) -> None:
        self.name = name
        self.ip_family = ip_family
        self.wishes = wishes or Wishes()
        self.consent = False
        self.context = f"kind-{name}"
        self.folder = paths.home() / "clusters" / f"kind-{name}"
        self.kubeconfig = self.folder / "kubeconfig"

    # -- what there is

    def usable(self) -> tuple[bool, str]:
        """Asks the engines side by side; one that hangs costs a few seconds."""
        from kindlab import engines, tools

        try:
            if tools.find("kind") is None:
                return False, "the kind binary is not installed (kindlab tools install kind)"
        except Problem as problem:
            return False, problem.what.rstrip(".")
        installed = engines.installed(timeout=QUICK)
        engine = engines.chosen(installed)
        if engine is not None and engine.cgroup == 1:  # not asked for, kind is not tried where its nodes will not start
            return False, f"{engine.title} runs under cgroup v1, which Kubernetes 1.35 and later refuse"
        if engine is not None:
            return True, f"{engine.title} and kind are usable"
        if not installed:
            return False, "no container engine (docker, podman or nerdctl) is installed"
        return False, installed[0].problem

    def _programs(self, *, kind: bool | None = True, quick: bool = False) -> Programs:
        """Raises Problem without a usable engine, and without the kind binary where that is asked for."""
        record = self._record()
        return programs_for(
            self.name, record.engine if record else "", kind=kind, timeout=QUICK if quick else 2 * QUICK
        )

    def _record(self) -> Record | None:
        return kindrecord.read(self.folder)

    # -- up

    def up(self, step: Step) -> Status:
        from kindlab import addons

        kindconfig.check_name(self.name)
        programs = self._programs()
        wishes = self.wishes
        config = kindconfig.wanted(
            kindconfig.read(), ip_family=self.ip_family, http_port=wishes.http_port, https_port=wishes.https_port
        )
        wanted = addons.for_needs(self._words())
        with kindrecord.locked(self.folder, self.name, step):
            record, containers = self._record(), programs.containers()
            notes: list[str] = []
            merged = record.merged if record else None
            if wishes.offline:
                made = bool(containers) and not (record and record.half_made)
                self._check_offline(programs, config, wanted, made=made)
            if record is not None and record.half_made:
                step(f"removing what is left of a creation that began on {record.when} and did not end")
                kindcreate.remove(programs, self.folder, record)
                record = None
            elif containers:
                asked = [scheme for scheme in SCHEMES if getattr(wishes, f"{scheme}_port") is not None]
                record, notes = kindrepair.found(
                    programs,
                    self.folder,
                    containers,
                    config,
                    step,
                    asked=asked,
                    ip_family=self.ip_family,
                    consent=self.consent,
                )
            if record is None or not containers:
                record = kindcreate.create(
                    programs, self.folder, config, step, keep=wishes.keep, offline=wishes.offline, merged=merged
                )
            self._make_ready(programs, wanted, step)
            record = kindrecord.change(self.folder, record, stage=kindrecord.READY)
            notes += self._install(record, step)
            if wishes.merge or merged:
                notes.append(self._merge(record))
        return self._described(tuple(notes))

    def _api(self) -> Api:
        return Api(self.kubeconfig, self.context)

    def _make_ready(self, programs: Programs, addons: list[Addon], step: Step) -> None:
        """Everything but the add-ons."""
        api = self._api()
        step("waiting for the API server")
        if not kindready.answers(api, kindready.API_TIMEOUT):
            raise Problem(
                f"The API server of {self.name} does not answer.",
                f"{api.server} was asked for {kindready.API_TIMEOUT:.0f} s.",
                f"Look with: {programs.engine.name} logs {self.name}-control-plane. {self._command('up')} tries again.",
            )
        self._load_images(programs, addons, step)
        kindready.everything(api, len(programs.containers()), step)

    def _load_images(self, programs: Programs, addons: list[Addon], step: Step) -> None:
        """The add-ons' always, so that they are pulled once for all clusters, and a second one needs no connection;
        should that fail the nodes pull for themselves. The labs' when that was asked for."""
        from kindlab.clusters import kindimages

        wishes = self.wishes
        if wishes.offline:
            images = kindimages.needed(addons, wishes.labs)
            images += [i for i in kindimages.needed((), ("all",)) if i not in images and programs.image(i)]
            kindimages.load(programs, images, step, offline=True)
            return
        if wishes.preload:
            kindimages.load(programs, kindimages.needed(addons, wishes.labs or ("all",)), step)
            return
        try:
            kindimages.load(programs, kindimages.needed(addons, ()), step)
        except Problem as problem:
            step(f"{problem.what} The nodes pull for themselves.")

    def _install(self, record: Record, step: Step) -> list[str]:
        """Raises Incomplete when an add-on does not get ready; on a cluster that is not ours that is a note."""
        from kindlab import addons

        _, problems = addons.bring(self._api(), self._words(), step, offline=self.wishes.offline)
        if problems and record.ours:
            first = problems[0]
            more = "".join(f" {problem.what}" for problem in problems[1:])
            up = f"The cluster itself is up: labs that do not need this work. {self._again()} tries again."
            raise Incomplete(self._described(()), first.what + more, first.why, f"{first.then} {up}")
        return [str(problem) for problem in problems]

    def _again(self) -> str:
        """The command that brings what an up which did not get to its end was still to bring."""
        labs = f" --labs {','.join(self.wishes.labs)}" if self.wishes.labs else ""
        return self._command("up") + labs + (" --merge" if self.wishes.merge else "")

    def _words(self) -> list[str]:
        """What the cluster is to have: what every one of ours has, and what the chosen labs need."""
        from kindlab import labs
        from kindlab.needs import named

        words = {word for lab in labs.several(self.wishes.labs) for word in named(lab)}
        return [*ALWAYS, *sorted(words - set(ALWAYS))]

    def _check_offline(self, programs: Programs, config: dict[str, Any], wanted: list[Addon], *, made: bool) -> None:
        """Raises Problem that names all that is missing, and what fetches it where there is a connection."""
        from kindlab import addons
        from kindlab.clusters import kindimages

        lacks = [] if made else [f"node image {i}" for i in kindconfig.images(config) if not programs.image(i)]
        lacks += [f"file {text}" for text in addons.absent(wanted)]
        lacks += [f"image {i}" for i in kindimages.needed(wanted, self.wishes.labs) if not programs.image(i)]
        if lacks:
            named = f" --labs {','.join(self.wishes.labs)}" if self.wishes.labs else ""
            raise Problem(
                "That cannot be made without a connection: not everything is here yet.",
                "Missing:\n" + "\n".join(f"  {text}" for text in lacks),
                f"With a connection, once: {self._command('up')} --preload{named}. It keeps all of it on this machine.",
            )

    def _merge(self, record: Record) -> str:
        """Raises Incomplete when the user's kubeconfig cannot be written."""
        from kindlab.clusters import kubeconfigs

        try:
            file, before, said = kubeconfigs.merge(self.kubeconfig)
        except Problem as problem:
            up = f"The cluster itself is up. {self._again()} tries again."
            raise Incomplete(self._described(()), problem.what, problem.why, f"{problem.then} {up}") from problem
        if record.merged is None:
            kindrecord.change(self.folder, record, merged=(str(file), before))
        return f"{said} {self._command('down')} takes it out again."

    def _command(self, verb: str) -> str:
        return kindrepair.command(verb, self.name)

    # -- down

    def down(self, step: Step) -> bool:
        """Raises NeedsConsent for a cluster that kindlab has not made."""
        record = self._record()
        try:
            programs = self._programs(kind=None)
        except Problem as problem:
            if record is None:
                return False
            raise Problem(
                f"The kind cluster {self.name} cannot be removed now.",
                problem.why,
                f"{problem.then.splitlines()[0]} Should the engine be gone for good, remove what kindlab knows of the "
                f"cluster: the folder {self.folder}",
            ) from problem
        with kindrecord.locked(self.folder, self.name, step):
            containers = programs.containers()
            if not containers and record is None:
                return False
            if not self.consent and (record is None or not record.ours):
                raise NeedsConsent(
                    f"The kind cluster {self.name} was not made by kindlab. Remove it with everything in it?",
                    f"The kind cluster {self.name} was not made by kindlab, and is left as it is.",
                    "Somebody made it with kind create cluster, and may need it.",
                    f"To remove it all the same: {self._command('down')} --yes",
                )
            step(f"deleting the kind cluster {self.name}")
            kindcreate.remove(programs, self.folder, record)
            if record is not None and record.merged is not None:
                from kindlab.clusters import kubeconfigs

                step("taking its context out of your kubeconfig")
                kubeconfigs.unmerge(Path(record.merged[0]), self.context, record.merged[1])
        return True

    # -- status

    def status(self) -> Status:
        """Asks the API; the engine only when that does not answer."""
        record = self._record()
        if self.kubeconfig.is_file() and not (record and record.half_made):
            with contextlib.suppress(Problem, ApiError):
                return self._described(())
        return self._status(False, self._why_not(record))

    def _described(self, notes: tuple[str, ...]) -> Status:
        """Of a cluster whose API answers; a node that was switched off does not make it unusable. Raises Problem."""
        api = self._api()
        version = api.request("GET", "/version", timeout=QUICK)["gitVersion"]
        nodes = api.request("GET", "/api/v1/nodes", timeout=QUICK)["items"]
        late = sorted(node["metadata"]["name"] for node in nodes if not is_ready(node))
        detail = f"Kubernetes {version}, {len(nodes)} node{'s' if len(nodes) != 1 else ''}"
        detail += f", not Ready: {', '.join(late)}" if late else " Ready"
        urls = " and ".join(self._urls().values())
        return self._status(True, detail + (f", Ingress on {urls}" if urls else ""), notes)

    def _status(self, ready: bool, detail: str, notes: tuple[str, ...] = ()) -> Status:
        return Status(self.name, self.kind, str(self.kubeconfig), self.context, ready, detail, notes)

    def _why_not(self, record: Record | None) -> str:
        if record is not None and record.half_made:
            if kindrecord.busy(self.folder):
                return f"it is being created since {record.when}"
            kept = " and its containers were kept for you to look at" if record.stage == kindrecord.KEPT else ""
            return f"its creation on {record.when} did not end{kept}; {self._command('up')} makes it anew"
        try:
            containers = self._programs(kind=False, quick=True).containers(timeout=QUICK)
        except Problem as problem:
            return f"{problem.why.splitlines()[0] if problem.why else problem.what}"
        if not containers:
            gone = "its containers are gone" if record else "not created yet"
            return gone
        if off := [container.name for container in containers if not container.on]:
            return f"its containers are stopped ({', '.join(off)}); {self._command('up')} starts them"
        if not self.kubeconfig.is_file():
            return f"it runs, but kindlab has no kubeconfig of it; {self._command('up')} fetches it"
        return "its containers run, but its API server does not answer"

    # -- ports of this machine

    def _ports(self) -> dict[int, Listening]:
        record = self._record()
        return dict(record.ports) if record else kindconfig.mapped(kindconfig.read())

    def _urls(self) -> dict[str, str]:
        ports = self._ports()
        return {scheme: _url(scheme, ports[port]) for scheme, port in SCHEMES.items() if port in ports}

    def service_urls(self, api: Api, service: Obj) -> list[str]:
        """Of node ports, those that lead here; of load balancers, their addresses."""
        ports = self._ports()
        numbers = [p.get("nodePort") for p in service["spec"].get("ports") or ()]
        mapped = [_url("http", ports[number]) for number in numbers if number in ports]
        balanced = (service.get("status") or {}).get("loadBalancer") or {}
        return mapped or (addresses.of_service(api, service) if balanced.get("ingress") else [])

    def ingress_urls(self, api: Api, ingress: Obj) -> dict[str, str]:
        return self._urls()

    # -- machines

    def machines(self, api: Api) -> dict[str, bool]:
        """The cluster's containers, which are its machines."""
        return {container.name: container.on for container in self._programs(kind=False).containers()}

    def switch(self, api: Api, node: str, *, on: bool) -> None:
        self._programs(kind=False).ask(*(["start"] if on else ["stop", "-t", "0"]), node)


def _url(scheme: str, at: Listening) -> str:
    """0.0.0.0 and :: are every address of this machine; 127.0.0.1 is one of them."""
    host = "127.0.0.1" if at.address in ("", "0.0.0.0", "::") else at.address
    return f"{scheme}://{in_url(host)}:{at.port}"
