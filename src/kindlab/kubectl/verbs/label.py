"""`kubectl label`."""

from __future__ import annotations

import click

from kindlab.kubectl import options
from kindlab.kubectl.marking import mark
from kindlab.kubectl.session import Session


@options.command()
@options.words
@options.labels
@click.option("--all", "everything", is_flag=True, help="All objects of the kind.")
@click.option("--overwrite", is_flag=True, help="Also change what is there.")
def COMMAND(session: Session, words: tuple[str, ...], labels: str, everything: bool, overwrite: bool) -> None:
    """Set and remove labels: label TYPE NAME KEY=VALUE KEY-"""
    mark(session, "labels", words, labels, everything=everything, overwrite=overwrite)
