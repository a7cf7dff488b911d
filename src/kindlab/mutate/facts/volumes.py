"""Bytes: what lies at every mount, who else sees what is written there, and whether it is there after a crash of the
container and after another Pod has taken its place. Also: which files, when they are gone, take a Pod out of service,
and who comes back at all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from kindlab import clock
from kindlab.api import Obj
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.ready import state
from kindlab.mutate.scene import Scene

ORDER = 90
MARK = ".oracle-"
NOTICES = 15.0
"""Seconds at most that a probe has to notice."""
OFTEN, OLD = 11, 14.0
"""Seconds: a file that was written within the first, in a container that is older than the second, is written often."""
_AGES = "find /tmp -type f | sort | head -3 | while read f; do echo $f $(($(date +%s) - $(stat -c %Y $f))); done"
"""A script that prints the first files in /tmp, each with the seconds since it was written."""
LISTING = (
    'cd "{0}" 2>/dev/null || exit 44; echo "$(grep " {0} " /proc/mounts | tail -1 | cut -d " " -f 3,4)"; '
    'df -kP . | tail -1 | tr -s " " | cut -d " " -f 2; '
    'find -L . -type f ! -name ".oracle-*" ! -path "*/..*" | sort | head -40 | '
    'while read f; do echo "$f $(stat -L -c %a $f) $(head -c 100000 $f | sha256sum | cut -c 1-12)"; done'
)
"""A script that prints what is mounted at a folder, its size, and of each file name, mode and digest."""


def look(scene: Scene) -> Iterator[Fact]:
    places = dict(_places(scene))
    for where, (pod, container, folder) in places.items():
        yield from _seen(scene, where, pod, container, folder)
    yield from _taken_away(scene)
    marked = {where: _marked(scene, *place) for where, place in places.items()}
    for where, mark in marked.items():
        seen = sorted(other for other, place in places.items() if other != where and _holds(scene, *place, mark))
        yield Fact(
            f"what is written at {where}", f"is seen at {', '.join(seen) or 'no other place'}" if mark else "is refused"
        )
    yield from _together(scene)
    crashed = _crash(scene, [pod for pod, _, _ in places.values()])
    places = dict(_places(scene))
    for where, mark in marked.items():
        # one whose first process cannot be ended from within says nothing
        if where in places and mark and places[where][0]["metadata"]["uid"] in crashed:
            yield Fact(f"after a crash, what was written at {where}", _kept(_holds(scene, *places[where], mark)))
    yield from _replaced(scene, marked)


def _places(scene: Scene) -> Iterator[tuple[str, tuple[Obj, str, str]]]:
    parties = scene.parties()
    for (party, container), folders in scene.cast.folders.items():
        for pod in parties.get(party, ()):
            if is_ready(pod) and any(c["name"] == container for c in pod["spec"]["containers"]):
                for folder in sorted(folders):
                    yield f"{folder} of {party}'s {container}", (pod, container, folder)
                break


def _seen(scene: Scene, where: str, pod: Obj, container: str, folder: str) -> Iterator[Fact]:
    done = scene.run(pod, LISTING.format(folder), container)
    if done is None or done[0] == 44:
        file = scene.run(pod, f'[ -f "{folder}" ] && sha256sum < {folder} | cut -c 1-12', container)
        yield Fact(f"at {where} is", f"a file, {file[1].strip()}" if file and file[0] == 0 else "no folder")
        return
    mount, size, named = listed(done[1])
    kind, _, options = mount.partition(" ")
    only = "read-only" if "ro" in options.split(",") else "to be written"
    yield Fact(f"at {where} is", f"mounted {only}, {kind}" if mount.strip() else "nothing mounted")
    if kind == "tmpfs":
        yield Fact(f"{where} has room for", f"{size} KiB", strong=False)
    yield Fact(f"files at {where}", scene.plain(", ".join(name for name, _, _ in named))[:300] or "none")
    for name, mode, _ in named:
        yield Fact(f"{name.removeprefix('./')} at {where} is readable for", _readers(mode))
    yield Fact(f"bytes at {where}", digest(named))


def listed(text: str) -> tuple[str, str, list[list[str]]]:
    """What LISTING has printed: the mount, its size, (name, mode, digest) of the files."""
    mount, _, rest = text.partition("\n")
    size, _, files = rest.partition("\n")
    return mount, size, [line.split(" ") for line in files.splitlines() if line.count(" ") == 2]


def digest(named: list[list[str]]) -> str:
    return sha256("".join(f"{name}{one}" for name, _, one in named).encode()).hexdigest()[:12]


def _readers(mode: str) -> str:
    """By a file's permissions, octal: which of those that do is an author's choice."""
    bits = int(mode, 8) if mode.isdigit() else 0
    return "everybody" if bits & 0o004 else "owner and group" if bits & 0o040 else "its owner"


def _marked(scene: Scene, pod: Obj, container: str, folder: str) -> str:
    """The name of the mark that was put there, "" where nothing can be written."""
    name = f"{MARK}{secrets.token_hex(5)}"
    done = scene.run(pod, f'[ -d "{folder}" ] && echo here > "{folder}/{name}"', container)
    return name if done and done[0] == 0 else ""


def _holds(scene: Scene, pod: Obj, container: str, folder: str, mark: str) -> bool:
    done = scene.run(pod, f'[ -f "{folder}/{mark}" ]', container) if mark else None
    return bool(done and done[0] == 0)


def _together(scene: Scene) -> Iterator[Fact]:
    """Whether a workload's Pods find in a claim what one of them writes, wherever they have it; nothing of one Pod."""
    for party, pods in scene.parties().items():
        ready = [pod for pod in pods if is_ready(pod)]
        held = [places_of_claims(pod) for pod in ready]
        for claim in sorted(set().union(*held)) if len(ready) > 1 else ():
            places = [(pod, *claims[claim]) for pod, claims in zip(ready, held, strict=True) if claim in claims]
            mark = _marked(scene, *places[0])
            finding = sum(_holds(scene, *place, mark) for place in places)
            words = "read by all" if finding == len(ready) else "not read by all" if mark else "refused"
            yield Fact(f"what a Pod of {party} writes into claim {claim} is", words, strong=False)


def claims_of(pod: Obj) -> dict[str, str]:
    """Volume of a Pod -> the claim that it is, "" for none."""
    volumes = pod["spec"].get("volumes") or ()
    return {one["name"]: (one.get("persistentVolumeClaim") or {}).get("claimName", "") for one in volumes}


def places_of_claims(pod: Obj) -> dict[str, tuple[str, str]]:
    """Claim -> (container, folder) where a Pod has it first."""
    claims = claims_of(pod)
    found: dict[str, tuple[str, str]] = {}
    for container in pod["spec"]["containers"]:
        for mount in container.get("volumeMounts") or ():
            if claim := claims.get(mount["name"], ""):
                found.setdefault(claim, (container["name"], mount["mountPath"]))
    return found


def _kept(held: bool) -> str:
    return "is still there" if held else "is gone"


def _crash(scene: Scene, pods: list[Obj]) -> set[str]:
    """End the first process of every container of these Pods; the uids of those whose containers were started anew."""
    unique = {pod["metadata"]["uid"]: pod for pod in pods if pod["spec"].get("restartPolicy", "Always") == "Always"}
    for pod in unique.values():
        for container in pod["spec"]["containers"]:
            scene.run(pod, "kill 1; sleep 0.2; kill -9 1", container["name"], timeout=5.0)
    if unique:
        scene.settle()
    before = {uid: _restarts(pod) for uid, pod in unique.items()}
    return {uid for pod in scene.pods if (uid := pod["metadata"]["uid"]) in before and _restarts(pod) > before[uid]}


def _replaced(scene: Scene, marked: dict[str, str]) -> Iterator[Fact]:
    """Delete all Pods; who comes back, and with what."""
    before = scene.parties()
    for pod in scene.pods:
        scene.api.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"], grace=1)
    scene.settle()
    after = scene.parties()
    for party in before:
        words = ", ".join(sorted(set(map(state, after.get(party, ())))))
        yield Fact(f"{party} comes back", words or "no")
    for short, key, one in scene.cast.asked_for():
        where = f" in {short}" if short else ""
        back = any(map(is_ready, scene.carrying(short, key, one)))
        yield Fact(f"Pods with {key}={one}{where} come back", "yes" if back else "no", strong=False)
    for where, place in _places(scene):
        if marked.get(where):
            yield Fact(f"in the next Pod, what was written at {where}", _kept(_holds(scene, *place, marked[where])))


def _taken_away(scene: Scene) -> Iterator[Fact]:
    """For each file that a container has made in /tmp: what becomes of the Pod when it is gone, and when it is back.
    One that the program makes again and again says nothing: it is back by itself, sooner or later."""
    for party, pods in scene.parties().items():
        pod = next((one for one in pods if is_ready(one)), None)
        if pod is None:
            continue
        for container in pod["spec"]["containers"]:
            done = scene.run(pod, _AGES, container["name"])
            if done and done[1] and (young := OLD - _age(pod, container["name"])) > 0:
                time.sleep(young)  # before that nobody can tell
                done = scene.run(pod, _AGES, container["name"])
            for line in (done[1] if done else "").splitlines():
                file, _, age = line.rpartition(" ")
                often = int(age) < OFTEN  # one that was made at the start is older
                if "/tmp/tmp." not in file and not often:
                    gone = _without(scene, pod, container["name"], file)
                    yield Fact(f"{party} without {file}", gone)


def _age(pod: Obj, container: str) -> float:
    """Seconds for which a container has been running."""
    for one in pod["status"].get("containerStatuses") or ():
        since = ((one.get("state") or {}).get("running") or {}).get("startedAt")
        if one["name"] == container and since:
            return (clock.now() - datetime.fromisoformat(since)).total_seconds()
    return 0.0


def _without(scene: Scene, pod: Obj, container: str, file: str) -> str:
    probes = [c[kind] for c in pod["spec"]["containers"] for kind in ("readinessProbe", "livenessProbe") if kind in c]
    wait = max((p.get("periodSeconds", 10) * p.get("failureThreshold", 3) for p in probes), default=0) + 2.0
    meta = pod["metadata"]
    restarts = _restarts(pod)
    scene.run(pod, f"mv {file} {file}.away", container)
    words = "goes on as before"
    for found in scene.api.follow(
        "Pod", meta["namespace"], fields=f"metadata.name={meta['name']}", timeout=min(wait, NOTICES)
    ):
        now = next(iter(found.values()), None)
        if now is None or _restarts(now) > restarts:
            words = "is started anew"
            break
        if not is_ready(now):
            words = "gets no more requests"
            break
    scene.run(pod, f"[ -e {file}.away ] && mv {file}.away {file}", container)
    for found in scene.api.follow(
        "Pod", meta["namespace"], fields=f"metadata.name={meta['name']}", timeout=min(wait, NOTICES)
    ):
        if all(map(is_ready, found.values())):
            break
    return words


def _restarts(pod: Obj) -> int:
    return sum(one.get("restartCount", 0) for one in pod["status"].get("containerStatuses") or ())


LOOK = look
