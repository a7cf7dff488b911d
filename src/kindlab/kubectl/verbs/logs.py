"""`kubectl logs`: of a Pod, of the Pods with a label, or of one Pod of a workload. Left out: -f."""

from __future__ import annotations

import click

from kindlab.api import ApiError, Obj
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session


@options.command()
@options.words
@options.container
@options.labels
@click.option("-p", "--previous", is_flag=True, help="Of the container before the last restart.")
@click.option("--tail", type=int, default=-1, help="Only the last lines.")
@click.option("--since", default="", help="Only what is younger, for example 5m.")
@click.option("--timestamps", is_flag=True, help="With the time of each line.")
@click.option("--all-containers", is_flag=True, help="Of every container.")
@click.option("--prefix", is_flag=True, help="Say before each line where it is from.")
@click.option("-f", "--follow", is_flag=True, hidden=True)
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    container: str,
    labels: str,
    previous: bool,
    tail: int,
    since: str,
    timestamps: bool,
    all_containers: bool,
    prefix: bool,
    follow: bool,
) -> None:
    """Print what containers wrote: logs POD [-c CONTAINER], logs deploy/NAME, logs -l key=value"""
    if follow:
        raise Refused(f"error: kindlab's stand-in for kubectl cannot follow logs. {GET_KUBECTL}")
    if bool(words) == bool(labels):
        raise Refused(
            "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
            "POD or TYPE/NAME is a required argument for the logs command\nSee 'kubectl logs -h' for help and examples"
        )
    if len(words) == 2 and not container:
        container = words[1]
    if labels:
        tail = 10 if tail < 0 else tail
        pods = session.list(session.served("pods"), labels)
        if not pods:
            session.err.write(f"No resources found in {session.namespace} namespace.\n")
    else:
        pods = [_named(session, words[0])]
    query: dict[str, object] = {"previous": "true"} if previous else {}
    if tail >= 0:
        query["tailLines"] = tail
    if since:
        query["sinceSeconds"] = max(1, int(options.seconds(since)))
    if timestamps:
        query["timestamps"] = "true"
    for pod in pods:
        for name in _containers(session, pod, container, all_containers):
            _print(session, pod, name, query, prefix)


def _named(session: Session, word: str) -> Obj:
    try:
        return targets.pod(session, word, say_which=True)
    except ApiError as error:
        where = f' in namespace "{session.namespace}"' if error.code == 404 else ""
        raise Refused(f"error: error from server ({error.reason}): {error.message}{where}") from error


def _containers(session: Session, pod: Obj, name: str, everyone: bool) -> list[str]:
    if everyone:
        return [c["name"] for part in ("initContainers", "containers") for c in pod["spec"].get(part) or []]
    return [targets.container(session, pod, name)]


def _print(session: Session, pod: Obj, container: str, query: dict[str, object], prefix: bool) -> None:
    name = pod["metadata"]["name"]
    url = session.url(session.served("pods"), name, "log")
    response = session.api.request("GET", url, query={**query, "container": container}, accept="*/*", stream=True)
    text = response.read().decode("utf-8", "replace")
    response.release_conn()
    if prefix:
        text = "".join(f"[pod/{name}/{container}] {line}" for line in text.splitlines(keepends=True))
    session.out.write(text)
