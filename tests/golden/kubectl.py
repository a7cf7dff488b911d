"""Running the real kubectl, and what is known of its versions.

The recordings are of kubectl 1.36.2. What another version prints on its own account differs for reasons that lie in no
cluster. `OLDER_TEXTS` says how an older kubectl prints a recorded text, `KNOWN_DIFFERENCES` which single differences a
version explains, each with its reason; they are applied only when asked for
(`--ignore-kubectl-version-differences`) and only when the version at hand is another one than the recorded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.golden.placeholders import Diff
from tests.ports import free_port

RECORDED = "v1.36.2"
_LIMIT = 120.0
_READY = 10.0


@dataclass(frozen=True)
class Ran:
    exit: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Kubectl:
    """A kubectl binary. `version` is its gitVersion."""

    path: str
    version: str

    @property
    def is_recorded(self) -> bool:
        return self.version.partition("+")[0] == RECORDED

    @property
    def minor(self) -> tuple[int, int]:
        found = re.match(r"v(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)


def find_kubectl(path: str | None = None) -> Kubectl | None:
    """The binary at `path`, else $KUBECTL, else the one in PATH; None when there is none that works."""
    found = path or os.environ.get("KUBECTL") or shutil.which("kubectl")
    if not found:
        return None
    try:
        with tempfile.TemporaryDirectory() as home:
            ran = subprocess.run(
                [found, "version", "--client", "-o", "json"],
                capture_output=True,
                text=True,
                timeout=30,
                env={"PATH": os.environ.get("PATH", ""), "HOME": home, "KUBECONFIG": os.devnull},
                check=True,
            )
        return Kubectl(found, json.loads(ran.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


class Session:
    """kubectl in one working directory, empty at first, which is its HOME too.

    It runs under the name `kubectl` whatever its file is called: it prints its own name in hints.
    """

    def __init__(self, kubectl: Kubectl, kubeconfig: Path, folder: Path) -> None:
        programs, self._folder = folder / "bin", folder / "home"
        programs.mkdir(exist_ok=True)
        self._folder.mkdir(exist_ok=True)
        self._program = programs / "kubectl"
        self._program.unlink(missing_ok=True)
        self._program.symlink_to(Path(kubectl.path).resolve())
        self._env = {
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "HOME": str(self._folder),
            "KUBECONFIG": str(kubeconfig.resolve()),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def run(self, args: list[str], stdin: str | None) -> Ran:
        """Run to the end. Raises subprocess.TimeoutExpired after two minutes."""
        command = [str(self._program), *args]
        ran = subprocess.run(
            command,
            input=(stdin or "").encode(),
            capture_output=True,
            timeout=_LIMIT,
            env=self._env,
            cwd=self._folder,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace"))

    def run_beside(
        self, args: list[str], commands: list[str], expected_exit: int, greetings: int = 1
    ) -> tuple[Ran, list[Ran]]:
        """Run while shell `commands` run; then end it as the recorder did (by its expected exit code).

        The commands start when kubectl has printed that many lines: "Forwarding from ...", "Starting to serve on ...".
        The recording's local ports may be taken here: free ones stand in for them.
        """
        local = {number: str(free_port()) for number in re.findall(r"\b1\d{4}\b", " ".join(args))}
        args, commands = [_replaced(word, local) for word in args], [_replaced(text, local) for text in commands]
        recorded = {free: number for number, free in local.items()}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [str(self._program), *args],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
                env=self._env,
                cwd=self._folder,
            )
            assert process.stdout is not None
            first = b"".join(process.stdout.readline() for _ in range(greetings))
            ran = []
            for command in commands:
                done = subprocess.run(
                    ["sh", "-c", command],
                    capture_output=True,
                    timeout=_LIMIT,
                    env=self._env,
                    cwd=self._folder,
                    check=False,
                )
                texts = (_replaced(stream.decode(errors="replace"), recorded) for stream in (done.stdout, done.stderr))
                ran.append(Ran(done.returncode, *texts))
            if expected_exit in (0, 143):
                process.send_signal(signal.SIGTERM if expected_exit == 143 else signal.SIGINT)
            try:
                rest, _ = process.communicate(timeout=_READY)
            except subprocess.TimeoutExpired:
                process.kill()
                rest, _ = process.communicate()
            out.write(first + rest)
            out.seek(0)
            err.seek(0)
            code = process.returncode if process.returncode >= 0 else 128 - process.returncode
            texts = (_replaced(stream.read().decode(errors="replace"), recorded) for stream in (out, err))
            return Ran(code, *texts), ran


def _replaced(text: str, by: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, by)), lambda found: by[found[0]], text) if by else text


@dataclass(frozen=True)
class OlderText:
    """How kubectl up to the version `until` prints what the recorded one prints as `recorded`, a regular expression.

    `older` replaces every match; `command` must be found in the arguments. `until` is the newest version seen to print
    it: a later one may do so too.
    """

    reason: str
    recorded: str
    older: str
    command: str
    until: tuple[int, int] = (1, 33)

    def applied(self, kubectl: Kubectl, args: list[str], text: str) -> str:
        if kubectl.minor > self.until or not re.search(self.command, " ".join(args)):
            return text
        return re.sub(self.recorded, self.older, text, flags=re.M)


OLDER_TEXTS: tuple[OlderText, ...] = (
    OlderText("apply had a colon more where no patch can be made", r"^for: (?=map: )", "for:: ", r"^apply "),
    OlderText(
        "`kubectl delete` did not name the namespace",
        r'^(.*\S "[^"]+" (?:force )?deleted) from \S+ namespace',
        r"\1",
        r"^(?:delete|replace|run) ",
    ),
    OlderText(
        "run -i did not warn that the session is recorded",
        r"^All commands and output from this session will be recorded in container logs, .*\n",
        "",
        r"^(?:run|attach) ",
    ),
    OlderText(
        "top said less about itself",
        r"^ This command provides a view of recent resource consumption (?:.*\n)*?(?=Available Commands:)",
        " The top command allows you to see the resource consumption for nodes or pods.\n\n"
        " This command requires Metrics Server to be correctly configured and working on the server.\n\n",
        r"^top$",
    ),
    OlderText("there was no output format kyaml", r"(allowed formats are: .*),kyaml,", r"\1,", r""),
    OlderText(
        "describe did not name container ports", r"(?<=/TCP|/UDP) \([\w-]+\)", "", r"^(?:describe|rollout history) "
    ),
    OlderText(
        "describe did not say which container an event is about",
        r"spec\.(?:initContainers|containers|ephemeralContainers)\{[^}]*\}: ",
        "",
        r"^describe ",
    ),
    OlderText(
        "describe printed where it is kept whether a projected ConfigMap is optional, or that it was not said",
        r"^    Optional:                false$",
        "    ConfigMapOptional:       <nil>",
        r"^describe po",
        until=(1, 32),
    ),
    OlderText(
        "describe listed the secrets and tokens of a service account",
        r"^Events:  ",
        "Mountable secrets:   <none>\nTokens:              <none>\nEvents:  ",
        r"^describe (?:sa|serviceaccounts?)\b",
    ),
    OlderText(
        "rollout undo did not warn of objects made with kubectl apply",
        r"^Warning: resource \S+ was previously managed with 'kubectl apply'.*\n",
        "",
        r"^rollout undo ",
    ),
    OlderText(
        "a Status that refuses an upgrade was printed as such",
        r"^error: unable to upgrade connection: (pod \S+ does not have a host assigned)$",
        r"Error from server (BadRequest): \1",
        r"^exec ",
    ),
    OlderText(
        "exec left it to the server to find that there is no such container",
        r"^error: (container \S+ is not valid for pod \S+) out of: .*$",
        r"Error from server (BadRequest): \1",
        r"^exec ",
    ),
    OlderText(
        "logs did not list the containers there are",
        r"^(error: container \S+ is not valid for pod \S+) out of: .*$",
        r"\1",
        r"^logs ",
    ),
    OlderText("wait printed a missing condition as a text", r"(unrecognized condition: )\[\]", r'\1""', r"^wait "),
    OlderText(
        "label said `labeled` when it removed a label that is not there",
        r'^(label "\S+" not found\.\n\S+) not labeled$',
        r"\1 labeled",
        r"^label ",
    ),
    OlderText(
        "apply --dry-run=client did not work out whether anything changes",
        r"unchanged \(dry run\)$",
        "configured (dry run)",
        r"^apply .*--dry-run=client",
    ),
    OlderText(
        "klog prints the line number of kubectl's own source file",
        r"^(<klog> portforward\.go):522\]",
        r"\1:424]",
        r"^port-forward ",
    ),
    OlderText(
        "autoscale did not call --cpu-percent deprecated",
        r"^Flag --cpu-percent has been deprecated, .*\n",
        "",
        r"^autoscale ",
    ),
    OlderText(
        "autoscale had no --cpu, so what it should have made is not there",
        r"^horizontalpodautoscaler\.autoscaling/web2 .*\n",
        "",
        r"^get deploy,svc,cm,secret,ingress,job,hpa,pdb -n golden-kubectl-create-01$",
    ),
    OlderText(
        "an unknown flag was an Error", r"^error: (?=unknown flag: )", "Error: ", r"^version --short$", until=(1, 32)
    ),
    OlderText("there was no --as-user-extra", r"^ +--as-user-extra=\[\]:\n\t.*\n\n", "", r"^options ", until=(1, 33)),
    OlderText("--kuberc was hidden", r"^ +--kuberc='':\n\t.*\n\n", "", r"^options "),
    OlderText("there was no profile called trace", r"\|mutex\|trace\)", "|mutex)", r"^options "),
    OlderText(
        "api-resources padded the last column, empty or not",
        r"^(?=\S+ .*,watch$)(.*)$",
        r"\1   ",
        r"^api-resources .*-o wide",
    ),
)


@dataclass(frozen=True)
class OlderExtra:
    """Something kubectl up to the version `until` prints where the recorded one prints nothing of the kind."""

    reason: str
    extra: str
    command: str
    until: tuple[int, int] = (1, 33)

    def dropped(self, kubectl: Kubectl, args: list[str], recorded: str, seen: str) -> str:
        """`seen` without the extra text, unless the recording has some of it too."""
        if kubectl.minor > self.until or not re.search(self.command, " ".join(args)):
            return seen
        return seen if re.search(self.extra, recorded, re.M) else re.sub(self.extra, "", seen, flags=re.M)


OLDER_EXTRAS: tuple[OlderExtra, ...] = (
    OlderExtra("describe showed the events of several objects too", r"^Events:\n(?:  .*\n)+", r"^describe "),
    OlderExtra(
        "a watch that a time-out ended was logged, now and then, in words that change from version to version",
        r"^[EW]\d{4} [\d:.]+ +\d+ reflector\.go:\d+\] .*\bcontext deadline exceeded\b.*\n",
        r"^(?:delete|wait) .*--timeout=",
    ),
)


@dataclass(frozen=True)
class OlderFailure:
    """A command that kubectl up to the version `until` cannot do against this server: exit code 1, and `stderr`."""

    reason: str
    command: str
    stderr: str
    until: tuple[int, int] = (1, 33)


OLDER_FAILURES: tuple[OlderFailure, ...] = (
    *(
        OlderFailure(
            "autoscale had no --cpu",
            r"^autoscale .*--cpu=",
            f"{error}: unknown flag: --cpu\nSee 'kubectl autoscale --help' for usage.\n",
            until,
        )
        for error, until in (("Error", (1, 32)), ("error", (1, 33)))
    ),
    OlderFailure(
        "describe asked for VolumeAttributesClasses of a version that is served no longer",
        r"^describe (?:vac|volumeattributesclass(?:es)?)\b",
        "Error from server (NotFound): the server could not find the requested resource\n",
    ),
)


def older_failure(kubectl: Kubectl, args: list[str]) -> OlderFailure | None:
    """How `kubectl` fails where the recorded version does not, if it does."""
    words = " ".join(args)
    return next((f for f in OLDER_FAILURES if kubectl.minor <= f.until and re.search(f.command, words)), None)


def without_extras(kubectl: Kubectl, args: list[str], recorded: str, seen: str) -> tuple[str, list[str]]:
    """What `kubectl` printed without what the recorded version no longer prints, and the reasons."""
    reasons = []
    for known in OLDER_EXTRAS:
        after = known.dropped(kubectl, args, recorded, seen)
        if after != seen:
            reasons.append(known.reason)
        seen = after
    return seen, reasons


def older_texts(kubectl: Kubectl, args: list[str], text: str) -> tuple[str, list[str]]:
    """A recorded text as `kubectl` would have printed it, and the reasons for every change."""
    reasons = []
    for known in OLDER_TEXTS:
        after = known.applied(kubectl, args, text)
        if after != text:
            reasons.append(known.reason)
        text = after
    return text, reasons


@dataclass(frozen=True)
class KnownDifference:
    """Something kubectl prints on its own account, changed between versions.

    `command`, `path`, `expected` and `seen` must all be found: in the arguments, in the place of the difference, in the
    recorded value and in the value seen.
    """

    reason: str
    expected: str
    seen: str
    command: str = ""
    path: str = ""

    def explains(self, args: list[str], diff: Diff) -> bool:
        given = ((self.command, " ".join(args)), (self.path, diff.path))
        values = ((self.expected, str(diff.expected)), (self.seen, str(diff.seen)))
        return all(re.search(pattern, text) for pattern, text in (*given, *values))


KNOWN_DIFFERENCES: tuple[KnownDifference, ...] = (
    KnownDifference(
        "`kubectl version` names the client's own version", r"^Client Version: ", r"^Client Version: ", r"^version"
    ),
    KnownDifference(
        "`kubectl version` names the kustomize in it", r"^Kustomize Version: ", r"^Kustomize Version: ", r"^version"
    ),
    KnownDifference(
        "`kubectl version` warns of a server that is much newer",
        r"^\(absent\)$",
        r"^WARNING: version difference between client \(\d\.\d+\) and server \(1\.36\) exceeds",
        r"^version",
        r"^stderr",
    ),
    KnownDifference(
        "klog prints the line number of kubectl's own source file",
        r"^<klog> helpers\.go:\d+\] --dry-run is deprecated",
        r"^W\d{4} [\d:.]+ +\d+ helpers\.go:\d+\] --dry-run is deprecated",
    ),
    KnownDifference(
        "an older kubectl logs that a flag is missing",
        r"^error: required flag\(s\) ",
        r'^E\d{4} [\d:.]+ +\d+ run\.go:\d+\] "command failed" err="required flag\(s\) ',
        path=r"^stderr",
    ),
    KnownDifference(
        "an older kubectl takes no comma before the brace that ends an object",
        r'^error: error validating "bad\.json": error validating data: apiVersion not set',
        r"^error: error parsing bad\.json: json: offset \d+: invalid character '}' looking for beginning of object key",
        path=r"^stderr",
    ),
    KnownDifference(
        "before 1.34 kubectl prints `creationTimestamp: null` in objects it makes itself",
        r"^\(absent\)$",
        r"^None$",
        command=r"--dry-run=client",
        path=r"\.metadata\.creationTimestamp$",
    ),
    KnownDifference(
        "an older kubectl may hear a channel's first, empty message before it has made the stream, and says so",
        r"^\(absent\)$",
        r"^E\d{4} [\d:.]+ +\d+ websocket\.go:\d+\] Unknown stream id \d, discarding message$",
        command=r"^exec ",
        path=r"^stderr",
    ),
)


def explained(args: list[str], diffs: tuple[Diff, ...]) -> list[str] | None:
    """The reasons when known version differences explain every one of the `diffs` of a command, else None."""
    reasons = []
    for diff in diffs:
        known = next((known for known in KNOWN_DIFFERENCES if known.explains(args, diff)), None)
        if known is None:
            return None
        reasons.append(known.reason)
    return list(dict.fromkeys(reasons))
