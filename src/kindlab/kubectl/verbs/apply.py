"""`kubectl apply -f`. What is compared and sent: applying.py. Left out: --prune, --server-side, -k."""

from __future__ import annotations

from kindlab import manifests
from kindlab.api import ApiError, Obj
from kindlab.errors import Problem
from kindlab.kubectl import applying, options
from kindlab.kubectl.session import Refused, Session, explain, sources


@options.command()
@options.files
@options.dry_run
@options.words
def COMMAND(session: Session, files: tuple[str, ...], dry_run: str, words: tuple[str, ...]) -> None:
    """Create the objects of a manifest, or change them to match: apply -f FILE"""
    if words:
        raise Refused(f"error: Unexpected args: {list(words)}\nSee 'kubectl apply -h' for help and examples")
    if not files:
        raise Refused("error: must specify one of -f and -k")
    found = list(objects(session, files))
    if not found:
        raise Refused("error: no objects passed to apply")
    for source, obj in found:
        known(session, source, obj)
        try:
            session.say(applying.apply(session.api, session.namespace, obj, dry_run=dry_run))
        except ApiError as error:
            session.complain(explain(error, doing=f'error when {_doing(session, obj)} "{source}": '))


def _doing(session: Session, obj: Obj) -> str:
    space = obj["metadata"].get("namespace", session.namespace)
    live = session.api.get(f"{obj['apiVersion']}/{obj['kind']}", obj["metadata"]["name"], space)
    return "patching" if live else "creating"


def objects(session: Session, files: tuple[str, ...]) -> list[tuple[str, Obj]]:
    """(source, object) of everything the files hold. Raises Refused."""
    found = []
    for source, text in sources(session, files):
        try:
            found += [(source, obj) for obj in manifests.parse(text, source)]
        except Problem as problem:
            raise Refused(f"error: error parsing {problem}") from problem  # the problem begins with the source
    return found


def known(session: Session, source: str, obj: Obj) -> None:
    """Raises Refused for a kind the cluster does not serve, in kubectl's words."""
    try:
        session.api.served(f"{obj['apiVersion']}/{obj['kind']}")
    except ApiError as error:
        raise Refused(
            f'error: resource mapping not found for name: "{obj["metadata"]["name"]}" namespace: '
            f'"{obj["metadata"].get("namespace", "")}" from "{source}": no matches for kind "{obj["kind"]}" in version '
            f'"{obj["apiVersion"]}"\nensure CRDs are installed first'
        ) from error
