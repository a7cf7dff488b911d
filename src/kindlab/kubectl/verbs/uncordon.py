"""`kubectl uncordon NODE`."""

from __future__ import annotations

from kindlab.kubectl import draining, options
from kindlab.kubectl.session import Session


@options.command()
@options.words
@options.labels
@options.dry_run
def COMMAND(session: Session, words: tuple[str, ...], labels: str, dry_run: str) -> None:
    """Open a node again"""
    for node in draining.nodes(session, "uncordon", words, labels):
        draining.close(session, node, closed=False, dry_run=dry_run)
