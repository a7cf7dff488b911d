"""Bytes in volumes, as a grader writes, reads and compares them; through the API only, on any cluster.

A `Place` is a folder in a running container. `lab.volumes.place(pod, path)` is one of the learner's own Pods;
`lab.volumes.claim(name)` is the root of a claim, seen by a Pod of the grader's own that is removed afterwards, so that
neither the learner's image nor a mount that only poses as the claim can mislead. That Pod never takes a claim for
itself: it runs on the node where the claim is in use, a ReadWriteOncePod claim is looked at through the Pod that has
it, and a claim that is not bound is a failed check, for to mount it would bind it. Left out: raw block devices.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from posixpath import join

from kindlab.api import Api, Obj
from kindlab.checks.host import ExecBackend
from kindlab.checks.probe import IMAGE
from kindlab.checks.programs import PATH, vouch
from kindlab.checks.trouble import is_own
from kindlab.checks.verdict import CheckFailed, CouldNotGrade
from kindlab.clock import monotonic, token_hex
from kindlab.conditions import is_over
from kindlab.kinds import SNAPSHOT
from kindlab.managed import MANAGED

PREFIX = "kindlab-volume-"
"""How the grader's own Pods are named."""
AT = "/volume"
START_TIMEOUT, LIFETIME = 60.0, 600
LOOK_AGAIN, TRIED = 2.0, 3
"""Seconds between looks at what keeps the grader's Pod, and how often the kubelet must have tried to mount by then."""
_MOUNT_TROUBLE = ("FailedMount", "FailedAttachVolume")
_NOT_THERE = 44
_NO_FILE = "it is there, and is no regular file"
"""A pipe or a device has no end."""
_READ = f'[ -e "$1" ] || exit {_NOT_THERE}; [ -f "$1" ] || {{ echo {_NO_FILE} >&2; exit 1; }}; exec cat "$1"'
_WRITE = 'mkdir -p "${1%/*}" && cat > "$1"'
_SUMS = f'cd "$1" || exit {_NOT_THERE}; find . -type f -exec sha256sum {{}} +'
_FIND = 'cd "${1%/*}" && find . -type f -name "${1##*/}"'
_SPACE = f'[ -d "$1" ] || exit {_NOT_THERE}; cat /proc/mounts; echo; df -kP "$1" | tail -n 1'
_HIDDEN = re.compile(r"(.*/)?(lost\+found/.*|\.kindlab-[0-9a-f]+)")


class Files(dict[str, str]):
    """Relative name -> SHA-256 of the regular files of a folder and those below it; equal when the bytes are."""

    @property
    def checksum(self) -> str:
        """One number for all of them, names included."""
        lines = (f"{digest}  {name}\n" for name, digest in sorted(self.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def difference(self, other: Mapping[str, str]) -> str:
        """What is missing here, more here, or different from `other`, in words; "" when nothing is."""
        parts = {
            "missing": sorted(other.keys() - self.keys()),
            "not expected": sorted(self.keys() - other.keys()),
            "with other bytes": sorted(name for name in self.keys() & other.keys() if self[name] != other[name]),
        }
        return "; ".join(f"{what}: {_few(names)}" for what, names in parts.items() if names)

    def __str__(self) -> str:
        return f"files {_few(sorted(self))}" if self else "no files"


@dataclass(frozen=True)
class Filesystem:
    """What `mount` and `df` say about a folder. Sizes are bytes; `at` is the mount point it lies in."""

    at: str
    type: str
    options: frozenset[str]
    size: int
    free: int

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


@dataclass(frozen=True)
class Place:
    """A folder in a running container. Names are relative to it."""

    api: Api
    namespace: str
    pod: str
    path: str
    container: str = ""

    def __str__(self) -> str:
        return f"{self.path} in Pod {self.pod}"

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None when there is none."""
        code, out, err = self._sh(_READ, name)
        if code not in (0, _NOT_THERE):
            raise CheckFailed(f"{name} in {self} can be read", err)
        return None if code else out

    def write(self, name: str, data: bytes) -> None:
        """Put the bytes there, parents made. The check fails where that is refused: read-only, full, no permission."""
        code, _, err = self._sh(_WRITE, name, data)
        if code:
            raise CheckFailed(f"{name} in {self} can be written", err or f"exit code {code}")

    def writable(self) -> str:
        """ "" when a file can be made here, else what is said; leaves nothing behind."""
        code, _, err = self._sh('echo > "$1" && rm -f "$1"', _mark())
        return "" if not code else err or f"exit code {code}"

    def remove(self, name: str) -> None:
        self._sh('rm -rf "$1"', name)

    def files(self, folder: str = ".") -> Files:
        """Of the folder; none when it is not there. `lost+found` and the grader's own marks are left out."""
        code, out, err = self._sh(_SUMS, folder)
        if code not in (0, _NOT_THERE):
            raise self._at_fault(f"the files of {self} can be read", err or f"exit code {code}")
        found = Files(map(_sum, out.decode(errors="surrogateescape").splitlines()))
        return Files({name: digest for name, digest in found.items() if not _HIDDEN.fullmatch(name)})

    def filesystem(self) -> Filesystem | None:
        """What the folder lies in; None when it is not there."""
        code, out, err = self._sh(_SPACE, ".")
        if code == _NOT_THERE:
            return None
        mounts, _, last = out.decode(errors="replace").strip().rpartition("\n")
        sizes = re.search(r"\s(\d+)\s+(\d+)\s+(\d+)\s+\S+%\s", last)
        if code or sizes is None:
            raise self._at_fault(f"/proc/mounts and df of {self} can be read", err or last or f"exit code {code}")
        whole = f"{self.path.rstrip('/')}/"
        fields = [line.split() for line in mounts.splitlines() if len(line.split()) >= 4]
        inside = [f for f in fields if whole.startswith(f"{_unescaped(f[1]).rstrip('/')}/")]
        best = max(enumerate(inside), key=lambda pair: (len(pair[1][1]), pair[0]))[1]  # of equals the last is on top
        options = frozenset(best[3].split(","))
        return Filesystem(_unescaped(best[1]), best[2], options, int(sizes[1]) << 10, int(sizes[3]) << 10)

    def shares(self, other: Place) -> bool:
        """Whether bytes written here are read there: both are one folder. Leaves nothing behind."""
        name, data = _mark(), token_hex(16).encode()
        self.write(name, data)
        try:
            return other.read(name) == data
        finally:
            self.remove(name)

    def is_within(self, other: Place) -> bool:
        """Whether bytes written here lie in the other folder or somewhere below it, as those of a mount with `subPath`
        do. Leaves nothing behind."""
        name = _mark()
        self.write(name, b"")
        try:
            code, out, err = other._sh(_FIND, name)
            if code:
                raise other._at_fault(f"files below {other} can be looked for", err or f"exit code {code}")
            return bool(out.strip())
        finally:
            self.remove(name)

    def _sh(self, script: str, name: str, stdin: bytes | None = None) -> tuple[int, bytes, str]:
        """(exit code, stdout, stderr) of a script about a file. Raises CouldNotGrade."""
        backend = ExecBackend(self.api, self.namespace, self.pod, self.container)
        argv = ["/bin/sh", "-c", f"PATH={PATH}; {script}", "sh", join(self.path, name)]
        code, out, err = backend.execute(argv, stdin)
        return code, out, err.decode(errors="replace").strip()

    def _at_fault(self, expected: str, seen: str) -> Exception:
        """What programs fail in somebody's own container is that one's doing, and in a Pod of ours it is ours."""
        if is_own(self.pod):
            return CouldNotGrade(f"not so: {expected}: {seen}")
        return CheckFailed(expected, seen, then=f"kubectl exec {self.pod} -n {self.namespace} -- ls -la {self.path}")


class Volumes:
    """The words about volumes in the lab's namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    def place(self, pod: str, path: str, container: str = "") -> Place:
        """A folder in one of the learner's running Pods, whose programs must be its image's."""
        if not is_own(pod):
            container = vouch(self.api, self.namespace, pod, container)
        return Place(self.api, self.namespace, pod, path, container)

    def bound(self, claim: str, *, timeout: float = 30.0) -> Obj:
        """The claim once it is Bound; the check fails when it does not get so."""
        what = f"a PersistentVolumeClaim {claim} that is Bound"
        return self._once("PersistentVolumeClaim", claim, _is_bound, what, f"pvc/{claim}", timeout)

    def snapshot(self, name: str, *, timeout: float = 30.0) -> Obj:
        """The VolumeSnapshot once it is ready to use; the check fails when it does not get so."""
        return self._once(SNAPSHOT, name, _is_ready, f"a VolumeSnapshot {name} that is ready", f"vs/{name}", timeout)

    def _once(self, kind: str, name: str, holds: Callable[[Obj], bool], what: str, about: str, timeout: float) -> Obj:
        seen = f"there is no {about}"
        for found in self.api.follow(kind, self.namespace, fields=f"metadata.name={name}", timeout=timeout):
            live = next(iter(found.values()), None)
            if live is None:
                break  # nobody makes it while a grade runs
            if holds(live):
                return live
            seen = f"{about} is {(live.get('status') or {}).get('phase') or 'not ready'}"
        raise CheckFailed(what, seen, about=about)

    @contextmanager
    def claim(self, name: str, *, read_only: bool = False, timeout: float = 30.0) -> Iterator[Place]:
        """The root of a claim, as long as the block lasts. `read_only`: nothing can be written by mistake. `timeout`:
        seconds that the claim has to become Bound.

        Raises CheckFailed when the claim is not Bound or cannot be mounted, or when it is ReadWriteOncePod and belongs
        to a Pod that cannot be looked through; CouldNotGrade when the grader's Pod does not run for another reason.
        """
        live = self.bound(name, timeout=timeout)
        if live["metadata"].get("deletionTimestamp"):
            raise CheckFailed(f"a claim {name} to use", "it is being deleted", about=f"pvc/{name}")
        if live["spec"].get("volumeMode") == "Block":
            raise CheckFailed(f"a claim {name} with files", "its volumeMode is Block", about=f"pvc/{name}")
        users = [p for p in self.api.list("Pod", self.namespace) if uses(p, name)]
        if users and "ReadWriteOncePod" in live["spec"]["accessModes"]:
            yield self._through(users, name)
            return
        pod = self._make(name, users, read_only)
        try:
            self._await(pod, name)
            yield self.place(pod, AT)
        finally:
            self.api.delete("Pod", pod, self.namespace, wait=True)

    def _through(self, users: list[Obj], claim: str) -> Place:
        """The root of a claim in a Pod that uses it."""
        for pod in users:
            running = {
                s["name"] for s in pod["status"].get("containerStatuses") or () if "running" in s.get("state", {})
            }
            for container in pod["spec"]["containers"]:
                for mount in container.get("volumeMounts") or () if container["name"] in running else ():
                    whole = not mount.get("subPath") and not mount.get("subPathExpr")
                    if whole and mount["name"] in _volumes(pod, claim):
                        return self.place(pod["metadata"]["name"], mount["mountPath"], container["name"])
        names = ", ".join(pod["metadata"]["name"] for pod in users)
        raise CheckFailed(
            f"a running container that mounts the whole of claim {claim}, which is ReadWriteOncePod: only the Pod that "
            "has it can be looked through",
            f"no running container of Pod {names} has all of it",
            then=f"kubectl describe pod {names} -n {self.namespace}; leave out subPath, or take ReadWriteOnce",
        )

    def _make(self, claim: str, users: list[Obj], read_only: bool) -> str:
        """Create the grader's Pod, on the node where the claim is in use; its name."""
        for old in self.api.list("Pod", self.namespace):
            if old["metadata"]["name"].startswith(PREFIX) and is_over(old):
                self.api.delete("Pod", old["metadata"]["name"], self.namespace)  # a grader that was killed left it
        name = f"{PREFIX}{token_hex(4)}"
        spec: Obj = {
            "terminationGracePeriodSeconds": 1,  # with 0 the claim might go before the node has unmounted it
            "activeDeadlineSeconds": LIFETIME,
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "look",
                    "image": IMAGE,
                    "args": ["pause"],
                    "volumeMounts": [{"name": "claim", "mountPath": AT, "readOnly": read_only}],
                }
            ],
            "volumes": [{"name": "claim", "persistentVolumeClaim": {"claimName": claim}}],
        }
        node = next((pod["spec"]["nodeName"] for pod in users if pod["spec"].get("nodeName")), "")
        if node:
            # the volume is there already, so nothing is left to weigh; and a scheduler would keep to what the Pods of
            # the node say of their neighbours
            spec["nodeName"] = node
        labels = MANAGED
        meta: Obj = {"name": name, "labels": labels}
        self.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, self.namespace)
        return name

    def _await(self, pod: str, claim: str) -> None:
        """Return when the grader's Pod runs."""
        deadline = monotonic() + START_TIMEOUT
        said = ""
        while (left := deadline - monotonic()) > 0:
            one = f"metadata.name={pod}"
            for found in self.api.follow("Pod", self.namespace, fields=one, timeout=min(LOOK_AGAIN, left)):
                if any(p["status"].get("phase") == "Running" for p in found.values()):
                    return
            events = self.api.list("Event", self.namespace, fields=f"involvedObject.name={pod}")
            said = next((e["message"] for e in reversed(events) if e["type"] == "Warning"), said)
            failed = [e for e in events if e["reason"] in _MOUNT_TROUBLE and (e.get("count") or 1) >= TRIED]
            if failed:
                what = f"a claim {claim} that a Pod can mount"
                raise CheckFailed(what, failed[-1]["message"], about=f"pvc/{claim}")
        raise CouldNotGrade(
            f"the grader's own Pod {pod} did not start within {START_TIMEOUT:.0f} s: {said or 'no word'}"
        )


def _is_bound(claim: Obj) -> bool:
    return (claim.get("status") or {}).get("phase") == "Bound"


def _is_ready(snapshot: Obj) -> bool:
    return bool((snapshot.get("status") or {}).get("readyToUse"))


def uses(pod: Obj, claim: str) -> bool:
    """Whether a Pod that has not ended names the claim."""
    return not is_over(pod) and bool(_volumes(pod, claim))


def _volumes(pod: Obj, claim: str) -> set[str]:
    """The Pod's names for the claim."""
    return {v["name"] for v in pod["spec"].get("volumes") or () if claim_of(pod, v) == claim}


def claim_of(pod: Obj, volume: Obj) -> str:
    """The claim behind one of a Pod's volumes, which for an ephemeral one is made for it; "" for other types."""
    if "ephemeral" in volume:
        return f"{pod['metadata']['name']}-{volume['name']}"
    return str((volume.get("persistentVolumeClaim") or {}).get("claimName", ""))


def has_claims(pod: Obj) -> bool:
    return any(claim_of(pod, volume) for volume in pod["spec"].get("volumes") or ())


def _sum(line: str) -> tuple[str, str]:
    """(relative name, digest) of a line of sha256sum, which escapes names with a line feed or backslash."""
    digest, _, name = line.partition("  ")
    if digest.startswith("\\"):
        digest = digest[1:]
        name = re.sub(r"\\([\\n])", lambda m: "\n" if m[1] == "n" else "\\", name)
    return name.removeprefix("./"), digest


def _unescaped(field: str) -> str:
    """A field of /proc/mounts: blanks are \\040."""
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), field)


def _mark() -> str:
    return f".kindlab-{token_hex(8)}"


def claim_behind(pod: Obj, path: str) -> str:
    """The claim that a Pod's containers have mounted at a path; "" when that is no claim."""
    mounts = [m for c in pod["spec"]["containers"] for m in c.get("volumeMounts") or () if m["mountPath"] == path]
    names = {mount["name"] for mount in mounts}
    volumes = [v for v in pod["spec"].get("volumes") or () if v["name"] in names]
    return next((v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v), "")


def _few(names: list[str]) -> str:
    return f"{', '.join(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}"
