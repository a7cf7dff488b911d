"""`kubectl auth`: can-i asks whether one may do something, whoami who one is. Left out: auth reconcile."""

from __future__ import annotations

import click

from kindlab.api import ApiError, Obj, Served
from kindlab.kubectl import describing_access, options, printers
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session

API = "/apis/authorization.k8s.io/v1"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
VERBS = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "use", "bind"}
VERBS |= {"impersonate", "*", "approve", "sign", "escalate", "attest"}
URL_VERBS = {"get", "put", "post", "head", "options", "delete", "patch", "*"}
UNTOLD = ("users", "groups")
"""Resources that no discovery tells of."""


@options.command()
@options.words
@options.output
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="can-i: in all namespaces.")
@click.option("-q", "--quiet", is_flag=True, help="can-i: only the exit code.")
@click.option("--subresource", default="", callback=options.value, help="can-i: log, scale, ...")
@click.option("--list", "every", is_flag=True, help="can-i: all that one may do.")
@click.option("--no-headers", is_flag=True, help="can-i --list: without the first line.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    output: str,
    everywhere: bool,
    quiet: bool,
    subresource: str,
    every: bool,
    no_headers: bool,
) -> int:
    """Ask what one may do and who one is: auth can-i VERB TYPE[/NAME], auth can-i --list, auth whoami"""
    if not words:
        command = click.get_current_context().command
        raise Refused(command.get_help(click.Context(command, info_name="kubectl auth")))
    if words[0] == "whoami":
        return _whoami(session, output)
    if words[0] != "can-i":
        raise Refused(f'error: kindlab\'s stand-in for kubectl cannot do "auth {words[0]}". {GET_KUBECTL}')
    if every:
        if len(words) > 1:
            raise Refused("error: list option must be specified with no arguments")
        if quiet or everywhere or subresource:
            why = "list option can't be specified with neither quiet, all-namespaces nor subresource options"
            raise Refused(f"error: {why}")
        return _list(session, headers=not no_headers)
    if len(words) != 3:
        raise Refused(
            "error: you must specify two arguments: verb resource or verb resource/resourceName.\n"
            "See 'kubectl auth can-i -h' for help and examples."
        )
    spec = _question(session, words[1], words[2], subresource, everywhere=everywhere)
    if no_headers:
        raise Refused("error: --no-headers cannot be set without --list specified")
    status = session.request("POST", f"{API}/selfsubjectaccessreviews", {"spec": spec})["status"]
    reasons = "".join(f" - {status[field]}" for field in ("reason", "evaluationError") if status.get(field))
    if not quiet:
        session.say("yes" if status["allowed"] else f"no{reasons}")
    return 0 if status["allowed"] else 1


def _question(session: Session, verb: str, what: str, below: str, *, everywhere: bool) -> Obj:
    if what.startswith("/"):
        if below:
            raise Refused("error: --subresource can not be used with NonResourceURL")
        if verb not in URL_VERBS:
            _warn(session, f"verb '{verb}' is not a known verb")
        return {"nonResourceAttributes": {"verb": verb, "path": what}}
    word, _, name = what.partition("/")
    served = _served(session, word)
    if not everywhere:
        if served is not None and not served.namespaced:
            group = f" in group '{served.group}'" if served.group else ""
            _warn(session, f"resource '{served.plural}' is not namespace scoped{group}")
        if verb not in VERBS:
            _warn(session, f"verb '{verb}' is not a known verb")
    about = {
        "namespace": "" if everywhere else session.namespace,
        "verb": verb,
        "group": served.group if served else "",
        "resource": served.plural if served else word,
        "subresource": below,
        "name": name,
    }
    return {"resourceAttributes": {field: value for field, value in about.items() if value}}


def _served(session: Session, word: str) -> Served | None:
    if word == "*":
        return None
    try:
        return session.api.served(word)
    except ApiError:
        resource, _, group = word.lower().partition(".")
        if word not in UNTOLD:
            where = f" in group '{group}'" if group else ""
            _warn(session, f"the server doesn't have a resource type '{resource}'{where}")
        return None


def _warn(session: Session, text: str) -> None:
    session.err.write(f"Warning: {text}\n\n")


def _list(session: Session, *, headers: bool) -> int:
    body = {"spec": {"namespace": session.namespace}}
    status = session.request("POST", f"{API}/selfsubjectrulesreviews", body)["status"]
    if status.get("incomplete"):
        session.err.write(f"Warning: the list may be incomplete: {status.get('evaluationError', '')}\n")
    rules = [*(status.get("resourceRules") or ()), *(status.get("nonResourceRules") or ())]
    rows = [list(describing_access.HEAD)] if headers else []
    session.say(printers.table([*rows, *describing_access.rows(rules)]))
    return 0


def _whoami(session: Session, output: str) -> int:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    review = session.request("POST", WHOAMI, body)
    if output in ("yaml", "json"):
        session.say(printers.as_yaml(review) if output == "yaml" else printers.as_json(review))
        return 0
    if output:
        raise Refused(f'error: unable to match a printer suitable for the output format "{output}". {GET_KUBECTL}')
    who = review["status"]["userInfo"]
    rows = [["ATTRIBUTE", "VALUE"]]
    rows += [[title, who[field]] for title, field in (("Username", "username"), ("UID", "uid")) if who.get(field)]
    rows += [["Groups", _listed(who["groups"])]] if who.get("groups") else []
    rows += [[f"Extra: {key}", _listed(values)] for key, values in sorted((who.get("extra") or {}).items())]
    session.say(printers.table(rows))
    return 0


def _listed(values: list[str]) -> str:
    return f"[{' '.join(values)}]"
