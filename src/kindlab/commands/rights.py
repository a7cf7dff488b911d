"""The command of whoever runs a cluster that many learners share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kindlab.commands.options import listed
from kindlab.errors import UsageProblem

if TYPE_CHECKING:
    from kindlab.grants import Learner


@click.command()
@click.option("--prefix", default="", help="The learner's: what the names of their namespaces begin with.")
@click.option(
    "--prefixes",
    default="",
    metavar="A,B,... | FILE",
    help="A class: prefixes with commas between, or a file with one in each line.",
)
@click.option("--user", metavar="NAME", help="Who that is to the cluster (default: a user called like the prefix).")
@click.option("--group", metavar="NAME", help="Instead of --user: a group.")
@click.option("--serviceaccount", metavar="NAMESPACE:NAME", help="Instead of --user: a ServiceAccount.")
@click.option("--labs", "numbers", default="all", show_default=True, metavar="02,03", help="For which labs.")
@click.option("--reading/--no-reading", default=True, show_default=True, help="Let them see nodes, volumes, classes.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
def rights(
    prefix: str,
    prefixes: str,
    user: str | None,
    group: str | None,
    serviceaccount: str | None,
    numbers: str,
    reading: bool,
    out: Path | None,
) -> None:
    """Print the manifest that lets learners work on a shared cluster, each in namespaces of their own.

    An administrator of the cluster applies it; kindlab itself changes nothing. {prefix} in a NAME stands for the
    learner's prefix: --user '{prefix}@school.example'.
    """
    from kindlab import grants, labs, paths, terminal

    named = [
        (kind, name) for kind, name in (("User", user), ("Group", group), ("ServiceAccount", serviceaccount)) if name
    ]
    text = grants.manifest(
        labs.several(listed(numbers)), _learners(_prefixes(prefix, prefixes), named), reading=reading
    )
    if out is None:
        click.echo(text, nl=False)
        return
    paths.write_atomically(out.resolve(), text)
    click.echo(f"wrote {terminal.path(out.resolve())}; an administrator applies it: kubectl apply -f {out}")


def _prefixes(one: str, several: str) -> list[str]:
    """Those of the options, each once. Raises UsageProblem."""
    from kindlab.naming import checked

    if not several:
        return [checked(one)]
    if one:
        raise UsageProblem(
            "--prefix and --prefixes?", "One is for a learner, the other for a class.", "Take one of them."
        )
    file = None if "," in several else Path(several)  # a class is longer than the name of a file may be
    if file and not file.is_file() and ("." in several or "/" in several):
        raise UsageProblem(
            f"There is no file {several}.",
            "A class is prefixes with commas between them, or a file with one in each line.",
            "For example: --prefixes alice,bob",
        )
    text = file.read_text(encoding="utf-8") if file and file.is_file() else several.replace(",", "\n")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = list(dict.fromkeys(checked(line) for line in lines if line))
    if not found:
        raise UsageProblem(f"There is no prefix in {several!r}.", "", "For example: --prefixes alice,bob")
    return found


def _learners(prefixes: list[str], named: list[tuple[str, str]]) -> list[Learner]:
    """Raises UsageProblem where it is not plain who they are."""
    from kindlab.grants import Learner

    if len(named) > 1:
        raise UsageProblem("A user, a group or a ServiceAccount?", "A learner is one of them.", "Name one.")
    kind, name = named[0] if named else ("User", "{prefix}")
    if "{prefix}" in name and not all(prefixes):
        raise UsageProblem(
            "Rights for whom?", "", "For example: kindlab rights --prefix alice --user alice@school.example"
        )
    if len(prefixes) > 1 and "{prefix}" not in name and kind != "Group":
        raise UsageProblem(
            f"{kind} {name} would have the namespaces of {len(prefixes)} learners.",
            "Each learner needs an account of their own, or one could see the others' work.",
            "Say how the accounts are called, with {prefix} in it, as "
            + ("--user '{prefix}@school.example'." if kind == "User" else "--serviceaccount 'class:{prefix}'."),
        )
    if kind == "ServiceAccount" and not all(name.partition(":")):
        raise UsageProblem(
            f"{name!r} is no ServiceAccount.", "", "Its namespace comes first: --serviceaccount class:alice"
        )
    return [Learner(prefix, kind, name.replace("{prefix}", prefix)) for prefix in prefixes]
