"""`kubectl scale`, through the scale subresource."""

from __future__ import annotations

import click

from kindlab.api import MERGE_PATCH, ApiError
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import Refused, Session, explain, label


@options.command()
@options.words
@options.labels
@click.option("--replicas", type=int, required=True, help="How many Pods.")
@click.option("--current-replicas", type=int, default=-1, help="Only when it is this many now.")
def COMMAND(session: Session, words: tuple[str, ...], labels: str, replicas: int, current_replicas: int) -> None:
    """Change how many Pods there are: scale deployment NAME --replicas=N"""
    if replicas < 0:
        raise Refused("error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    if not words:
        raise Refused("error: must specify one of -f and -k")
    for target in targets.named(session, words, labels):
        url = session.url(target.served, target.name, "scale")
        try:
            if current_replicas >= 0:
                now = session.request("GET", url)["spec"].get("replicas", 0)
                if now != current_replicas:
                    raise Refused(f"error: Expected replicas to be {current_replicas}, was {now}")
            session.request("PATCH", url, {"spec": {"replicas": replicas}}, content_type=MERGE_PATCH)
            session.say(f"{label(target.served, target.name)} scaled")
        except ApiError as error:
            session.complain(explain(error))
