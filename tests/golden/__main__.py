"""`python -m tests.golden FILE... [--cluster pocket|current]`: replay scenarios, show what differs.

Exit codes: 0 everything matches, 1 something does not, 2 usage, 3 there is no cluster to replay against.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import sys
import tempfile
from pathlib import Path

from tests.golden.cluster import LEARNS_WITHIN, NoCluster, current, fit_to_nodes, flags_of, pocket
from tests.golden.kubectl import RECORDED, Kubectl, find_kubectl
from tests.golden.replay import FileResult, Options, Replay
from tests.golden.report import step_lines, summary, survey_lines
from tests.golden.scenario import Scenario, load

HERE = Path(__file__).parent


def replay_file(
    scenario: Scenario, kubeconfig: Path, kubectl: Kubectl | None, options: Options | None = None
) -> FileResult:
    """Replay one scenario with an empty directory of its own."""
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        return Replay(fit_to_nodes(scenario, kubeconfig)[0], kubeconfig, kubectl, Path(folder), options).run()


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    files = args.file or (sorted(HERE.glob("api/*.yaml")) + sorted(HERE.glob("kubectl/*.yaml")) if args.survey else [])
    if not files:
        _parser().error("name scenario files, or ask for --survey")
    try:
        scenarios = [load(path) for path in files]
    except (OSError, ValueError) as error:
        _parser().error(str(error))
    try:
        return _replay_all(scenarios, args)
    except NoCluster as error:
        print(f"no cluster: {error}", file=sys.stderr)
        return 3


def _replay_all(scenarios: list[Scenario], args: argparse.Namespace) -> int:
    kubectl = find_kubectl(args.kubectl)
    if any(scenario.needs_kubectl for scenario in scenarios):
        if kubectl is None:
            print("no kubectl here: the steps that need it are not run, and do not count as matched")
        elif not kubectl.is_recorded:
            print(f"kubectl here is {kubectl.version}, the recordings are of {RECORDED}: its own texts may differ")
    options = Options(
        max_wait=args.max_wait,
        until=args.step,
        learns_within=LEARNS_WITHIN if args.cluster == "pocket" and not args.kubeconfig else None,
        forgive_kubectl_version=args.ignore_kubectl_version_differences,
        on_note=lambda text: print(f"note: {text}"),
    )
    results: list[FileResult | tuple[str, str]] = []
    for flags, group in itertools.groupby(scenarios, key=lambda scenario: flags_of(scenario.name)):
        with _cluster(args, flags) as kubeconfig:
            for number, scenario in enumerate(group):
                if number == 0 and (remark := fit_to_nodes(scenario, kubeconfig)[1]):
                    print(remark)
                results.append(_replay_one(scenario, kubeconfig, kubectl, options, args))
    if args.survey:
        target = Path(args.survey_file) if args.survey_file else HERE / "failing.txt"
        target.write_text("\n".join(survey_lines(results)) + "\n")
        counted = [result for result in results if isinstance(result, FileResult)]
        steps = f"{sum(r.matched for r in counted)}/{sum(s.counted for s in scenarios)} steps"
        print(f"{sum(r.passed for r in counted)}/{len(results)} scenarios, {steps}; what differs: {target}")
    return 0 if all(isinstance(result, FileResult) and _is_fine(result, args.step) for result in results) else 1


def _replay_one(
    scenario: Scenario, kubeconfig: Path, kubectl: Kubectl | None, options: Options, args: argparse.Namespace
) -> FileResult | tuple[str, str]:
    if options.until is not None and options.until not in [step.get("id") for step in scenario.steps]:
        print(f"{scenario.name}.yaml: no step {options.until!r}")
        return scenario.name, f"no step {options.until!r}"
    try:
        result = replay_file(scenario, kubeconfig, kubectl, options)
    except (RuntimeError, OSError, http.client.HTTPException, NoCluster) as error:
        why = f"could not be replayed: {type(error).__name__}: {error}"
        print(f"{scenario.name}.yaml: {why}")
        return scenario.name, why
    if not args.survey:
        for step in result.steps:
            asked = options.until is None or step.id == options.until
            if asked and (step.outcome != "matched" or args.verbose):
                print("\n".join(step_lines(scenario.name, step, verbose=args.verbose)))
    print(summary(result), flush=True)
    return result


def _is_fine(result: FileResult, only: str | None) -> bool:
    if only is None:
        return result.passed
    return any(step.id == only and step.outcome == "matched" for step in result.steps)


def _cluster(args: argparse.Namespace, flags: tuple[str, ...]) -> contextlib.AbstractContextManager[Path]:
    if args.kubeconfig:
        return contextlib.nullcontext(Path(args.kubeconfig))
    return pocket(flags) if args.cluster == "pocket" else contextlib.nullcontext(current())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description="Replay recorded scenarios.")
    parser.add_argument("file", nargs="*", type=Path, help="scenario files")
    parser.add_argument("--cluster", choices=["pocket", "current"], default="pocket")
    parser.add_argument("--kubeconfig", help="replay against this cluster instead")
    parser.add_argument("--kubectl", help="the kubectl binary (default: $KUBECTL, else the one in PATH)")
    parser.add_argument("--step", metavar="ID", help="run up to this step and report on it alone")
    parser.add_argument("--max-wait", type=float, metavar="S", help="give up waits after S seconds at most")
    parser.add_argument(
        "--ignore-kubectl-version-differences",
        action="store_true",
        help="accept the differences listed in tests/golden/kubectl.py when kubectl is not the recorded version",
    )
    parser.add_argument(
        "--survey", action="store_true", help="one line per file; writes failing.txt (default: all files)"
    )
    parser.add_argument("--survey-file", metavar="PATH", help="where the survey goes instead")
    parser.add_argument("-v", "--verbose", action="store_true", help="every step, every difference in full")
    return parser


if __name__ == "__main__":
    sys.exit(main())
