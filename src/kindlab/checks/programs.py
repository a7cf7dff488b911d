"""Whether a container's programs are its image's own. Checks run some of them in a learner's containers (`cat`, `stat`,
`curl`), and a script in their place says what its author wants. A volume that is mounted over a program is seen in the
Pod's spec, and so are variables that make every program load something else first. What a container's own command does
to its programs is not seen here: clusters that grade a class keep them as they are in the image (pocketkube, --keep-
programs). Nor is an image looked at.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from kindlab.api import Api, Obj
from kindlab.checks.verdict import CheckFailed

FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
"""Where the programs that checks run are on every Linux."""
PATH = ":".join(FOLDERS)
"""For commands of checks: what a container's author has put elsewhere, or before these, is not run."""
LOADED = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/alternatives", "/etc/ld.so.conf.d")
"""What programs load, and where their names may lead."""
LOADER = ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/ld.so.conf")
VARIABLES = ("LD_", "BASH_FUNC_")
"""What the names of such variables begin with."""


def covered(container: Obj) -> list[str]:
    """The mounts of a container that lie over its programs, or over what these load; sorted."""
    mounts = container.get("volumeMounts")
    found = [one.get("mountPath") for one in mounts if isinstance(one, dict)] if isinstance(mounts, list) else []
    return sorted({at for path in found if _covers(at := _absolute(path))})


def _absolute(path: object) -> str:
    """As the runtime takes it: a relative one begins at the root, and none leads above it."""
    return posixpath.normpath(f"/{path}").replace("//", "/")


def _covers(at: str) -> bool:
    every = (*FOLDERS, *LOADED, *LOADER)
    return any(at == one or one.startswith(f"{at.rstrip('/')}/") or at.startswith(f"{one}/") for one in every)


def _loading(container: Obj) -> Iterator[str]:
    for variable in container.get("env") or ():
        if str(variable.get("name", "")).startswith(VARIABLES):
            yield str(variable["name"])


def vouch(api: Api, namespace: str, pod: str, container: str = "", live: Obj | None = None) -> str:
    """Fail the check unless the programs of a Pod's container are its image's, and return its name: without one given
    it is the one that kubectl takes. `live`: the Pod, where that is at hand. Nothing is said of a Pod or a container
    that is not there. Nothing is remembered: another Pod may have the name a moment later."""
    found = live or api.get("Pod", pod, namespace)
    one = _of(found, container) if found else None
    if one is None:
        return container
    over, variables = covered(one), sorted(set(_loading(one)))
    if over or variables:
        raise _not_believed(namespace, pod, one["name"], over, variables)
    return str(one["name"])


def _of(pod: Obj, container: str) -> Obj | None:
    """The container of that name; without one the Pod's default one, or the first."""
    every: list[Obj] = pod["spec"]["containers"]
    wanted = container or (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    return next((one for one in every if one["name"] == wanted), None if container else every[0])


def _not_believed(namespace: str, pod: str, container: str, over: list[str], variables: list[str]) -> CheckFailed:
    expected = f"the image's own programs in container {container} of Pod {pod}, for this check runs some of them there"
    said = [f"a volume is mounted at {', '.join(over)}, over programs or what they load"] if over else []
    said += [f"{', '.join(variables)} makes its programs load something else first"] if variables else []
    what = "that mount" if over else "that variable"
    return CheckFailed(
        expected,
        f"{', and '.join(said)}: what they say there proves nothing",
        then=f"take {what} out of the Pod, no task asks for it: kubectl get pod {pod} -n {namespace} -o yaml",
    )
