"""`docs/cli.md` is written from the commands themselves. `python -m kindlab.docs` writes it, `--check` compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from kindlab import paths
from kindlab.cli import cli

HEADER = """# Commands

<!-- Written by `make docs` from src/kindlab/commands; do not edit. -->

`LAB` is a lab's slug or its number: `02-services`, `02` and `2` are the same.

| exit code | meaning |
| --- | --- |
| 0 | everything asked for worked; all checks passed |
| 1 | some checks failed (or `lint` found problems, `why` a broken hop, `can` a lack, `doctor` no cluster that works) |
| 2 | the words of the command are off |
| 3 | could not grade: the cluster or the grader failed; never a zero for the learner |

Where some checks failed and others could not be carried out the exit code is 1, and the report names both.
`kindlab check --all-tasks` ends with 3 where a task cannot be done on the cluster, whatever the others say.

Results go to standard output, progress and problems to standard error. `NO_COLOR` and `CI` are honoured; nothing
needs a terminal. Environment: `KINDLAB_HOME` (where clusters keep their state), `KINDLAB_WORK` (your files, default
`work/`), `KINDLAB_COURSE` (the folder with `labs/`), `KINDLAB_LOG=debug` (what happens inside, on standard error),
`KINDLAB_CACHE` (where downloaded files are kept, default: the platform's cache folder), `KINDLAB_TOOLS` (where
`kindlab tools install` puts kind and kubectl, default `.tools/`). Downloads go through the proxy of `HTTPS_PROXY`,
except to the hosts in `NO_PROXY`, and trust the certificates of `REQUESTS_CA_BUNDLE`, if it is set.

"""

JSON = """
## JSON

These shapes are stable; keys may be added.

`kindlab status --json` and `kindlab up --json`: `{"cluster": {"name", "kind", "kubeconfig", "context", "ready",
"detail", "notes", "prefix"}}`; `notes[]` are sentences about what does not work or was found.

`kindlab check LAB --json`: `lab`, `outcome` (`passed`, `failed`, `could-not-grade`), `points`, `max_points`,
`points_not_here`, `cluster`, `seconds`, `problem`, and `tasks[]` with `id`, `title`, `outcome`, `points`,
`max_points`, `not_here`, and
of the first check that did not pass `expected`, `seen`, `broken_hop`, `next` (empty when all passed), and `checks[]`
with `name`, `sentence`, `outcome`, `expected`, `seen`, `broken_hop`, `next`, `seconds`, `hidden` (true: of its failure
only the sentence is told, and the other texts stay empty).

A check that could not be carried out (a bug of the grader, a time-out of ours, a Pod of ours that was deleted) is
tried once more, with everything made anew. When the cluster itself is gone nothing else is tried: `problem` says so,
once, and every task is `could-not-grade`. The points of a task that could not be graded are neither given nor refused.

In an exam (`kindlab start LAB --exam`) it says instead: `lab`, `exam` with `started`, `minutes` (0: no limit) and
`seconds_left` (or null), `problem`, and `tasks[]` with `id`, `looked_at`, `why_not`; the exit code is 0 when every task
was looked at, 3 otherwise, whatever came of it. `kindlab finish --json` has the shape above. An exam is for practice:
its state is in `work/progress.toml`, where whoever wants to can change it.

A task that needs what the cluster lacks is not checked: its outcome is `could-not-grade`, `not_here` says why (it is
empty otherwise) and `next` what brings it. Such tasks count neither in
the lab's `max_points` nor in its `outcome`, which the others decide; a lab that has no others could not be graded.
`points_not_here` is what they are worth together. On a cluster of their own learners can take away what a task needs:
who gives marks asks for 0 there, or takes `points` of `max_points` + `points_not_here`; the exit code alone says only
that all the other tasks are done.

`kindlab why TARGET --json`: `target`, `namespace`, `hops[]` with `name`, `ok`, `evidence`, `next`, and `broken` (the
first hop that is not ok, or null).

`kindlab doctor --json`: `clusters` (`kind`, `pocket` or `current` -> `works`, `why`), `findings[]` with `check`,
`level` (`ok`, `note`: something may not work, `problem`: the clusters named do not work here), `says`, `breaks`,
`fix`, `clusters`, and `engines[]` with `name`, `path`, `version`, `product`, `endpoint`, `rootless`, `cgroup`,
`cpus`, `memory` (bytes), `root`, `virtual`, `containerd_images`, `usable`, `problem`, `then`.

`kindlab list --json`: `{"labs": [{"slug", "title", "minutes", "kcna", "points", "max_points", "started",
"attempts", "not_here"}]}`; `not_here`: task -> why it cannot be done on the cluster in use, by what is seen at once or
known from before.

`kindlab can --json`: `cluster` (as in `status`) and `needs[]` with `word`, `title`, `has`, `why`, `how_to_get`, `sure`
(false: it could not be found out, or may change in a moment), and `tasks` (lab -> the tasks that need it).

`kindlab node list --json`: `{"nodes": [{"name", "on", "status"}]}`.

`kindlab tools --json`: `{"tools": [{"name", "wanted", "usable", "version", "path", "ours", "fault", "purpose",
"notes"}]}`; `version` and `path` are those of the one that was found, or null; `fault` says why it is not usable.

`kindlab addons --json`: `{"addons": [{"name", "title", "version", "about", "state", "labs", "gives", "requires",
"images", "traps"}]}`; `state` as in the table, `labs` their numbers, `gives` words of `kindlab can`.

`kindlab url TARGET --json`: `{"urls": [...], "notes": [...]}`.

`kindlab lint --json`: `problems[]`, `states`, `wrong`, `caught`, `behavioural` (lab -> the share of its points for
behaviour).

`kindlab mutate LAB --json`: `lab`, `ok`, `mutants`, how many were `refused`, `caught`, `missed`, `passed`,
`wrongly_failed`, `not_graded`, `accepted`; `share_caught` of the harmful ones, `stale[]` entries of mutants.toml, and
`tried[]` with `id`, `operator`, `file`, `object`, `path`, `before`, `after`, `verdict`, `lost[]` (what, as it should
be, as it is), `failed[]` (check, expected, seen), `problem`, `why`.

`kindlab flake --json`: `ok`, `states`, `gradings`, `flips[]` with `lab`, `state`, `check`, `counts` and `reasons`
(outcome -> how often, what was seen), `by_chance`; `problems[]`.

`kindlab quiz --list --json`: `{"questions": [{"lab", "id", "kcna", "text", "options": [{"text", "right", "why"}]}]}`.
`lab` is `course` where the question belongs to no lab.

`kindlab verify --json`, and the JSON file beside `--out`: `format`, `cluster`, `identity` (another one for a cluster
made anew), `course` (how many labs there are), `facts[]` (what, which), `date`, `agrees`,
`rows[]` with `lab`, `answers`, `of`, `right`, `verdicts`, `same`, `tried_again`, `seconds`, `pocket_seconds`, `took`,
`away`, `away_tasks`, `differences[]` with `lab`, `state`, `check`, `there`, `pocket`, `seen`, `problems[]`, and
`labs` with every answer.
"""


def text() -> str:
    return HEADER + "\n".join(_commands()) + JSON


def _commands() -> Iterator[str]:
    whole = click.Context(cli, info_name="kindlab", **cli.context_settings)
    for name in cli.list_commands(whole):
        command = cli.get_command(whole, name)
        assert command is not None
        usage = command.get_help(click.Context(command, whole, info_name=name, **command.context_settings))
        yield f"## kindlab {name}\n\n```text\n{usage}\n```\n"
        if isinstance(command, click.Group):
            yield from _subcommands(command, name, whole)


def _subcommands(group: click.Group, name: str, whole: click.Context) -> Iterator[str]:
    context = click.Context(group, whole, info_name=name, **group.context_settings)
    for inner in group.list_commands(context):
        command = group.commands[inner]
        usage = command.get_help(click.Context(command, context, info_name=inner, **command.context_settings))
        yield f"### kindlab {name} {inner}\n\n```text\n{usage}\n```\n"


def main() -> int:
    target = paths.course() / "docs" / "cli.md"
    if "--check" in sys.argv:
        return _check(target)
    paths.write_atomically(target, text())
    return 0


def _check(target: Path) -> int:
    if target.is_file() and target.read_text(encoding="utf-8") == text():
        return 0
    click.echo("docs/cli.md is not what the commands say. Run: make docs", err=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
