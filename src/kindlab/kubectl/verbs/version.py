"""`kubectl version`."""

from __future__ import annotations

from kindlab import __version__
from kindlab.kubectl import options
from kindlab.kubectl.session import Session


@options.command()
def COMMAND(session: Session) -> None:
    """Show the versions of the stand-in and of the server."""
    server = session.api.request("GET", "/version")
    session.say(f"Client Version: kindlab's stand-in for kubectl, {__version__}")
    session.say(f"Server Version: {server['gitVersion']}")
