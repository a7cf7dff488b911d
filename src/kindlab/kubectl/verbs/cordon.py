"""`kubectl cordon NODE`."""

from __future__ import annotations

from kindlab.kubectl import draining, options
from kindlab.kubectl.session import Session


@options.command()
@options.words
@options.labels
@options.dry_run
def COMMAND(session: Session, words: tuple[str, ...], labels: str, dry_run: str) -> None:
    """Close a node: no new Pods come to it"""
    for node in draining.nodes(session, "cordon", words, labels):
        draining.close(session, node, closed=True, dry_run=dry_run)
