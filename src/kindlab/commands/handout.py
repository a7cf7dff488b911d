"""Handing out: what each student of a class gets that is their own."""

from __future__ import annotations

from pathlib import Path

import click

from kindlab import terminal

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("lab")
@click.option("--roster", type=FOLDER, required=True, metavar="FILE", help="CSV of the class, as for kindlab grade.")
@click.option(
    "--seed", type=FOLDER, required=True, metavar="FILE", help="The class's secret; made where there is none."
)
@click.option("--out", type=FOLDER, required=True, help="The folder for the hand-outs, a zip a student.")
def handout(lab: str, roster: Path, seed: Path, out: Path) -> None:
    """Make LAB's hand-outs: names, ports and tokens of each student's own.

    Keep the seed, and keep it secret: kindlab grade --seed computes the same values from it.
    """
    from kindlab import handouts, labs, variants
    from kindlab.batch.intake import roster as rosters

    found, students = labs.find(lab), rosters.read(roster)
    made = bool(found.variants) and handouts.make_seed(seed)
    written = handouts.write(found, students, variants.seed(seed) if found.variants else b"", out)
    if made:
        click.echo(f"Made a new seed: {terminal.path(seed.absolute())}. Keep it until the last grade is given, secret.")
    click.echo(
        f"{len(written)} hand-outs in {terminal.path(out.absolute())}; of each one's own: {', '.join(found.variants)}."
    )
    click.echo(f"A student begins with: kindlab start {found.number} --from THEIR.zip")
    click.echo(f"Grade with: kindlab grade DIR --lab {found.number} --roster {roster} --seed {seed} --out graded")
