"""How many files a user may watch. All nodes of a kind cluster share this machine's limits, and too few end in `too
many open files`; the numbers are those of kind's known issues."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok

ENOUGH = {"max_user_watches": 524_288, "max_user_instances": 512}
FILE = "/etc/sysctl.d/99-kind.conf"


def look(facts: Facts) -> Iterator[Finding]:
    if not facts.own_kernel:
        return
    has = {name: facts.read(f"/proc/sys/fs/inotify/{name}").strip() for name in ENOUGH}
    low = {name: value for name, value in has.items() if value.isdigit() and int(value) < ENOUGH[name]}
    if not low:
        if all(has.values()):
            yield ok("inotify limits")
        return
    wanted = " ".join(f"fs.inotify.{name}={ENOUGH[name]}" for name in low)
    lines = "\\n".join(wanted.split())
    yield note(
        "inotify limits are low: " + ", ".join(f"{name} is {value}" for name, value in low.items()),
        "kind with several nodes: kube-proxy, the ingress controller (labs 06, 07, 16) or kubectl logs -f end with"
        " 'too many open files'",
        f"printf '{lines}\\n' | sudo tee {FILE} && sudo sysctl --system",
    )


CHECK = Check("inotify", 42, ("kind",), look)
