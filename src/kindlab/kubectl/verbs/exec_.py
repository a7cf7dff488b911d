"""`kubectl exec POD -- COMMAND`: over the API's exec stream; the exit code is the command's. Left out: -t, and a
conversation with -i (stdin is read to its end and sent at once)."""

from __future__ import annotations

import click

from kindlab.checks.host import ExecBackend
from kindlab.checks.verdict import CouldNotGrade
from kindlab.conditions import is_over
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session

FOR_EVER = 24 * 3600.0


@options.command()
@options.words
@options.container
@click.option("-i", "--stdin", is_flag=True, help="Send what this command reads to the container.")
@click.option("-t", "--tty", is_flag=True, hidden=True)
def COMMAND(session: Session, words: tuple[str, ...], container: str, stdin: bool, tty: bool) -> int:
    """Run a command in a container: exec POD -- COMMAND, exec deploy/NAME -- COMMAND"""
    if tty:
        raise Refused(f"error: kindlab's stand-in for kubectl has no terminal (-t). {GET_KUBECTL}")
    if len(words) > 1:
        raise Refused(
            "error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead\n"
            "See 'kubectl exec -h' for help and examples"
        )
    if not words:
        raise Refused("error: pod, type/name or --filename must be specified")
    if not session.after:
        raise Refused("error: you must specify at least one command for the container")
    pod = targets.pod(session, words[0])
    if is_over(pod):
        raise Refused(
            f"error: cannot exec into a container in a completed pod; current phase is {pod['status']['phase']}"
        )
    name = targets.container(session, pod, container)
    backend = ExecBackend(session.api, session.namespace, pod["metadata"]["name"], name, timeout=FOR_EVER, most=None)
    sent = session.stdin.read().encode() if stdin else None
    try:
        code, out, err = backend.execute(session.after, sent)
    except CouldNotGrade as error:
        text = str(error).removeprefix(f"a command could not be run in Pod {pod['metadata']['name']}: ")
        raise Refused(f"error: {text}") from error
    session.out.write(out.decode("utf-8", "replace"))
    session.err.write(err.decode("utf-8", "replace"))
    if code:
        session.err.write(f"command terminated with exit code {code}\n")
    return code
