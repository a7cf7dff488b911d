"""Labs for others' machinery: what `kindlab export` makes is in kindlab.export, a file each."""

from __future__ import annotations

import click

from kindlab import export as exports


@click.group()
def export() -> None:
    """Make a lab run inside Gradescope, GitHub Classroom or nbgrader."""


for _command in exports.scan():
    export.add_command(_command)
del _command
