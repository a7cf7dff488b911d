"""Run every benchmark of `bench.cases` against a fresh embedded cluster each; print figure beside target.

`python -m bench [NAME ...]` runs only those whose name contains one of the words. Nothing fails on a slow machine:
figures are for people to read.
"""

import compileall
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench import edge, fairness, grading, network, policy, storage, watching, writes
from bench.cases import CASES, Figure

SOURCES = Path(__file__).parent.parent / "src"


def main() -> int:
    wanted = sys.argv[1:]
    compileall.compile_dir(SOURCES, quiet=2)  # or a checkout's first clusters would be as slow as its compiler
    figures: list[Figure] = []
    print(f"{'what':<58} {'measured':>14}   target")
    for case in [
        *CASES,
        *grading.CASES,
        *fairness.CASES,
        *network.CASES,
        edge.ingress,
        policy.policy_evaluation,
        *storage.CASES,
        *watching.CASES,
        *writes.CASES,
    ]:
        if wanted and not any(word in case.__name__ for word in wanted):
            continue
        with tempfile.TemporaryDirectory(prefix="kindlab-bench-") as home:
            os.environ["KINDLAB_HOME"] = home
            for figure in case():
                figures.append(figure)
                print(
                    f"{figure.what:<58} {figure.value:>10,.{figure.digits}f} {figure.unit:<4} {figure.target}",
                    flush=True,
                )
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    report = {
        "at": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "figures": [vars(f) for f in figures],
    }
    (results / f"{now:%Y%m%d-%H%M%S}.json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
