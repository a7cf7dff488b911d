"""`kubectl create -f`, and of its generators those of the labs: generating.py makes the objects."""

from __future__ import annotations

from typing import Any

import click

from kindlab.api import ApiError, Obj
from kindlab.kubectl import generating, generating_jobs, generating_roles, options
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, explain
from kindlab.kubectl.verbs.apply import known, objects

SHORT = {"ns": "namespace", "cm": "configmap", "deploy": "deployment", "dep": "deployment", "svc": "service"}
SHORT |= {"ing": "ingress", "sa": "serviceaccount", "cj": "cronjob", "resourcequota": "quota", "pc": "priorityclass"}
KINDS = (
    "clusterrole",
    "clusterrolebinding",
    "configmap",
    "cronjob",
    "deployment",
    "ingress",
    "job",
    "namespace",
    "priorityclass",
    "quota",
    "role",
    "rolebinding",
    "secret",
    "service",
    "serviceaccount",
    "token",
)
OTHERS = {"poddisruptionbudget", "pdb"}
"""Kinds kubectl makes without a file, and we do not."""
BINDINGS = {"rolebinding": "RoleBinding", "clusterrolebinding": "ClusterRoleBinding"}
SECOND = {"secret": ("generic", "tls"), "service": tuple(generating.TYPES)}
"""Kinds of which there are several sorts."""


@options.command()
@options.files
@options.words
@options.output
@options.dry_run
@click.option("--image", "images", multiple=True, help="For a deployment, job or cronjob.")
@click.option("--from", "source", default="", help="cronjob/NAME, for a job.")
@click.option("--schedule", default="", help="When, for a cronjob: five fields, as cron has them.")
@click.option("--restart", default="", help="For a cronjob: OnFailure or Never.")
@click.option("--replicas", type=int, default=1, help="For a deployment.")
@click.option("--port", type=int, help="For a deployment.")
@click.option("--from-literal", "literals", multiple=True, help="KEY=VALUE, for a configmap or secret.")
@click.option("--from-file", "from_files", multiple=True, help="[KEY=]FILE, for a configmap or secret.")
@click.option("--from-env-file", "env_files", multiple=True, help="A file of KEY=VALUE lines.")
@click.option("--cert", default="", help="For a tls secret: the certificate's file.")
@click.option("--key", default="", help="For a tls secret: the private key's file.")
@click.option("--tcp", multiple=True, help="PORT[:TARGETPORT], for a service.")
@click.option("--clusterip", "cluster_ip", default="", help="For a clusterip service: an address, or None.")
@click.option("--node-port", type=int, default=0, help="For a nodeport service.")
@click.option("--external-name", default="", help="For an externalname service.")
@click.option("--rule", "rules", multiple=True, help="HOST/PATH=SERVICE:PORT[,tls=SECRET], for an ingress.")
@click.option("--class", "class_name", default="", help="For an ingress.")
@click.option("--default-backend", default="", help="SERVICE:PORT, for an ingress.")
@click.option("--annotation", "annotations", multiple=True, help="KEY=VALUE, for an ingress.")
@click.option("--hard", default="", help="RESOURCE=AMOUNT,..., for a quota.")
@click.option("--scopes", default="", help="SCOPE,..., for a quota.")
@click.option("--value", type=int, default=0, help="For a priorityclass.")
@click.option("--global-default", type=bool, default=False, is_flag=False, flag_value=True, help="For a priorityclass.")
@click.option("--description", default="", help="For a priorityclass.")
@click.option("--preemption-policy", default="PreemptLowerPriority", help="For a priorityclass: or Never.")
@click.option("--verb", "verbs", multiple=True, help="VERB,..., for a role or clusterrole.")
@click.option("--resource", "resources", multiple=True, help="RESOURCE[.GROUP][/SUBRESOURCE],..., for a role.")
@click.option("--resource-name", "resource_names", multiple=True, help="For a role: of these objects only.")
@click.option("--non-resource-url", "urls", multiple=True, help="/PATH,..., for a clusterrole.")
@click.option("--aggregation-rule", "aggregation", multiple=True, help="LABEL=VALUE,..., for a clusterrole.")
@click.option("--role", default="", help="For a rolebinding: its Role.")
@click.option("--clusterrole", "cluster_role", default="", help="For a rolebinding or clusterrolebinding.")
@click.option("--user", "users", multiple=True, help="For a binding.")
@click.option("--group", "groups", multiple=True, help="For a binding.")
@click.option("--serviceaccount", "accounts", multiple=True, help="NAMESPACE:NAME, for a binding.")
@click.option("--duration", default="0s", help="For a token: how long it is valid.")
@click.option("--audience", "audiences", multiple=True, help="For a token: for whom.")
def COMMAND(
    session: Session,
    files: tuple[str, ...],
    words: tuple[str, ...],
    output: str,
    dry_run: str,
    images: tuple[str, ...],
    source: str,
    schedule: str,
    restart: str,
    replicas: int,
    port: int | None,
    literals: tuple[str, ...],
    from_files: tuple[str, ...],
    env_files: tuple[str, ...],
    cert: str,
    key: str,
    tcp: tuple[str, ...],
    cluster_ip: str,
    node_port: int,
    external_name: str,
    rules: tuple[str, ...],
    class_name: str,
    default_backend: str,
    annotations: tuple[str, ...],
    hard: str,
    scopes: str,
    value: int,
    global_default: bool,
    description: str,
    preemption_policy: str,
    **access: Any,
) -> None:
    """Create objects: create -f FILE, create deployment NAME --image=IMAGE, create ingress NAME --rule=..., ..."""
    if files:
        for place, obj in objects(session, files):
            known(session, place, obj)
            try:
                options.create(session, _inside(session, obj), "created", output=output, dry_run=dry_run)
            except ApiError as error:
                session.complain(explain(error, doing=f'error when creating "{place}": '))
        return
    if not words:
        raise Refused("error: must specify one of -f and -k")
    kind, sort, rest = _kind(list(words))
    if kind == "deployment" and not images:
        raise Refused('error: required flag(s) "image" not set')
    if len(rest) != 1:
        called = f"{kind} {sort}".strip()
        text = f"error: exactly one NAME is required, got {len(rest)}"
        raise Refused(f"{text}\nSee 'kubectl create {called} -h' for help and examples")
    name = rest[0]
    if kind == "token":
        _token(session, name, access["duration"], access["audiences"])
        return
    if kind == "namespace":
        obj = generating.namespace(name)
    elif kind == "serviceaccount":
        obj = generating.service_account(name)
    elif kind == "role":
        obj = generating_roles.role(session, name, access)
    elif kind == "clusterrole":
        obj = generating_roles.cluster_role(session, name, access)
    elif kind in ("rolebinding", "clusterrolebinding"):
        obj = generating_roles.binding(BINDINGS[kind], name, access)
    elif kind == "quota":
        obj = generating.quota(name, hard, scopes)
    elif kind == "priorityclass":
        obj = generating.priority_class(name, value, global_default, description, preemption_policy)
    elif kind == "configmap":
        obj = generating.config_map(name, literals, from_files, env_files)
    elif kind == "secret" and sort == "tls":
        obj = generating.tls_secret(name, cert, key)
    elif kind == "secret":
        obj = generating.secret(name, literals, from_files, env_files)
    elif kind == "service":
        obj = generating.service(sort, name, tcp, cluster_ip, node_port, external_name)
    elif kind == "ingress":
        obj = generating.ingress(name, rules, class_name, default_backend, annotations)
    elif kind == "job":
        obj = generating_jobs.job(session, name, images, source, session.after or ())
    elif kind == "cronjob":
        obj = generating_jobs.cron_job(name, images, schedule, restart, session.after or ())
    else:
        obj = generating.deployment(name, images, replicas, port, session.after or ())
    _create(session, obj, kind, output, dry_run)


def _kind(words: list[str]) -> tuple[str, str, list[str]]:
    """(kind, its sort or "", the other words). Raises Refused."""
    kind = SHORT.get(words[0], words[0])
    if kind not in (*KINDS, *OTHERS):
        raise Refused(f"error: Unexpected args: [{' '.join(words)}]\nSee 'kubectl create -h' for help and examples")
    if kind in OTHERS:
        raise Refused(
            f'error: kindlab\'s stand-in for kubectl creates {", ".join(KINDS)} without a file, not "{words[0]}". '
            f"{GET_KUBECTL}"
        )
    if kind not in SECOND:
        return kind, "", words[1:]
    if len(words) < 2 or words[1] not in SECOND[kind]:
        unknown = (
            f'unknown command "{" ".join(words[1:])}"'
            if len(words) > 1
            else f"one of {', '.join(SECOND[kind])} is required"
        )
        raise Refused(f"error: {unknown}\nSee 'kubectl create {kind} -h' for help and examples")
    return kind, words[1], words[2:]


def _create(session: Session, obj: Obj, kind: str, output: str, dry_run: str) -> None:
    served = session.served(f"{obj['apiVersion']}/{obj['kind']}")
    if served.namespaced and session.named:
        obj = {**obj, "metadata": {**obj["metadata"], "namespace": session.namespace}}
    try:
        options.create(session, obj, "created", output=output, dry_run=dry_run)
    except ApiError as error:
        if kind in ("namespace", "role", "clusterrole"):
            raise
        sort = {"service": f"{obj['spec'].get('type')} service" if kind == "service" else "", "secret": "secret"}
        colon = "" if kind == "secret" else ":"
        raise Refused(f"error: failed to create {sort.get(kind, kind)}{colon} {error.message}") from error


def _token(session: Session, account: str, duration: str, audiences: tuple[str, ...]) -> None:
    """Print a token of a service account, with a line's end for people only."""
    seconds = options.seconds(duration, "--duration")
    if seconds < 0:
        raise Refused("error: --duration must be greater than or equal to 0")
    if seconds % 1:
        raise Refused("error: --duration cannot be expressed in units less than seconds")
    if "" in audiences:
        raise Refused("error: --audience must not be an empty string")
    spec: Obj = {"audiences": list(audiences)} if audiences else {}
    spec |= {"expirationSeconds": int(seconds)} if seconds else {}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = session.url(session.served("v1/serviceaccount"), account, "token")
    try:
        made = session.request("POST", path, request)
    except ApiError as error:
        raise Refused(f"error: failed to create token: {error.message}") from error
    session.out.write(made["status"]["token"] + ("\n" if session.out.isatty() else ""))


def _inside(session: Session, obj: Obj) -> Obj:
    """The object with its namespace filled in."""
    served = session.served(f"{obj['apiVersion']}/{obj['kind']}")
    if not served.namespaced:
        return obj
    session.namespace = obj["metadata"].get("namespace", session.namespace)
    return {**obj, "metadata": {**obj["metadata"], "namespace": session.namespace}}
