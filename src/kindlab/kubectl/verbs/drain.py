"""`kubectl drain NODE`."""

from __future__ import annotations

from typing import Any

import click

from kindlab.kubectl import draining, options
from kindlab.kubectl.session import Session


@options.command()
@options.words
@options.labels
@options.dry_run
@options.timeout
@click.option("--force", is_flag=True, help="Also delete Pods that nobody makes anew.")
@click.option("--ignore-daemonsets", is_flag=True, help="Leave DaemonSets' Pods where they are.")
@click.option(
    "--delete-emptydir-data", is_flag=True, help="Also delete Pods with emptyDir volumes, and what is in them."
)
@click.option("--disable-eviction", is_flag=True, help="Delete instead of evicting: budgets are not asked.")
@click.option("--grace-period", "grace", type=int, default=-1, help="Seconds a Pod gets to end; -1: its own.")
@click.option("--pod-selector", default="", callback=options.value, help="Only Pods with these labels.")
def COMMAND(session: Session, words: tuple[str, ...], labels: str, **plan: Any) -> None:
    """Close a node and take its Pods away: drain NODE --ignore-daemonsets"""
    options.seconds(plan["timeout"])
    draining.drain(session, draining.nodes(session, "drain", words, labels), draining.Plan(**plan))
