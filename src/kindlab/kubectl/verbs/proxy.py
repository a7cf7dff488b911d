"""`kubectl proxy`: the API at a local port, with the credentials added; what it lets through: proxying.py."""

from __future__ import annotations

import click

from kindlab.kubectl import options, proxying
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, until_interrupted

INTERRUPTED = 130


@options.command()
@options.words
@click.option("-p", "--port", type=click.IntRange(0, 65535), default=8001, help="Where to listen; 0: any free port.")
@click.option("--address", default="127.0.0.1", help="A loopback address.")
def COMMAND(session: Session, words: tuple[str, ...], port: int, address: str) -> int:
    """Serve the API at a local port: proxy --port=8001"""
    if words:
        raise Refused(f"error: unknown command \"{words[0]}\"\nSee 'kubectl proxy -h' for help and examples")
    if address not in ("127.0.0.1", "::1", "localhost"):
        raise Refused(
            f"error: kindlab's stand-in for kubectl serves the API on loopback addresses only, not {address}: whoever "
            f"reaches this port may do whatever you may. {GET_KUBECTL}"
        )
    return until_interrupted(lambda: proxying.serve(session, address, port), code=INTERRUPTED)
