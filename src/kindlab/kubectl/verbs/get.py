"""`kubectl get`: the API server's own Tables, or the objects as YAML, JSON, names, paths. -w goes on with the
changes, as tables and custom columns only; --raw prints what a path answers. Left out: go-template."""

from __future__ import annotations

from itertools import groupby

import click

from kindlab.api import ApiError, Obj
from kindlab.kubectl import jsonpath, options, printers, targets, watching
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, explain, label
from kindlab.kubectl.targets import Target

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
OBJECTS = "application/json"


@options.command()
@options.words
@options.output
@options.labels
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("-L", "--label-columns", multiple=True, help="Show these labels as columns.")
@click.option("--show-labels", is_flag=True, help="Show all labels as the last column.")
@click.option("--field-selector", "fields", default="", help="For example status.phase=Running.")
@click.option("--sort-by", default="", help="A path, for example .metadata.creationTimestamp.")
@click.option("--no-headers", is_flag=True, help="Without the first line.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@click.option("-w", "--watch", is_flag=True, help="Then print every change, until Ctrl-C.")
@click.option("--raw", default="", metavar="PATH", help="What this path of the API answers, as it is.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    output: str,
    labels: str,
    everywhere: bool,
    label_columns: tuple[str, ...],
    show_labels: bool,
    fields: str,
    sort_by: str,
    no_headers: bool,
    ignore_not_found: bool,
    watch: bool,
    raw: str,
) -> int:
    """Show objects: get TYPE [NAME...], get TYPE/NAME..."""
    if raw:
        if words or output or watch:
            raise Refused("error: --raw may not be specified with other arguments, --output or --watch")
        return watching.raw(session, raw)
    if not words:
        raise Refused(
            "You must specify the type of resource to get. For example: kubectl get pods\n"
            "error: Required resource not specified."
        )
    kind, _, argument = output.partition("=")
    if kind not in ("", "wide", "yaml", "json", "name", "jsonpath", "custom-columns"):
        raise Refused(
            f'error: unable to match a printer suitable for the output format "{output}", allowed formats are: '
            f"{printers.FORMATS} (kindlab's stand-in for kubectl has these)"
        )
    session.everywhere = everywhere
    wanted = targets.parse(session, words)
    if everywhere and any(t.name for t in wanted):
        raise Refused("error: a resource cannot be retrieved by name across all namespaces")
    if watch and kind not in ("", "wide", "custom-columns"):
        raise Refused(
            "error: kindlab's stand-in for kubectl watches tables and custom columns only, "
            f"not -o {kind}. {GET_KUBECTL}"
        )
    if watch and kind == "custom-columns":
        return _watch(session, wanted, watching.columns(argument, headers=not no_headers), labels, fields, OBJECTS)
    if watch:
        shown = {
            "wide": kind == "wide",
            "headers": not no_headers,
            "namespaces": everywhere and all(t.served.namespaced for t in wanted),
            "labels": show_labels,
            "label_columns": [name for column in label_columns for name in column.split(",")],
        }
        return _watch(session, wanted, watching.tables(shown), labels, fields, TABLE)
    if kind in ("", "wide"):
        look = _Look(kind == "wide", not no_headers, show_labels, label_columns, sort_by, ignore_not_found)
        _tables(session, wanted, look, labels, fields)
    else:
        _objects(session, wanted, kind, argument, labels, fields, sort_by, ignore_not_found, not no_headers)
    return 0


def _watch(session: Session, wanted: list[Target], rows: watching.Rows, labels: str, fields: str, accept: str) -> int:
    if len(wanted) != 1:
        raise Refused("error: you may only specify a single resource type")
    (target,) = wanted
    if target.name:
        session.get(target.served, target.name)  # NotFound is said as the server says it
        fields = f"metadata.name={target.name}"
    query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
    return watching.follow(session, session.url(target.served), query, accept, rows)


class _Look:
    """How tables are to look."""

    def __init__(
        self, wide: bool, headers: bool, labels: bool, columns: tuple[str, ...], sort_by: str, ignore: bool
    ) -> None:
        self.wide, self.headers, self.labels, self.ignore = wide, headers, labels, ignore
        self.columns = [name for column in columns for name in column.split(",")]
        self.sort_by = sort_by


def _tables(session: Session, wanted: list[Target], look: _Look, labels: str, fields: str) -> None:
    """One table a kind, with an empty line between; names carry their kind when there are several kinds."""
    several = len({t.served for t in wanted}) > 1 or (len(wanted) > 1 and any("/" in t.served.plural for t in wanted))
    printed, errors = 0, []
    for served, group in groupby(wanted, key=lambda t: t.served):
        merged: Obj = {}
        for target in group:
            query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v and not target.name}
            if look.sort_by:
                query["includeObject"] = "Object"
            try:
                found = session.request("GET", session.url(served, target.name), query=query, accept=TABLE)
            except ApiError as error:
                if not (look.ignore and error.code == 404):
                    errors.append(explain(error))
                continue
            merged = {**found, "rows": [*merged.get("rows", []), *(found.get("rows") or [])]}
        if not merged.get("rows"):
            continue
        if look.sort_by:
            merged["rows"] = sorted(merged["rows"], key=lambda row: _key(row["object"], look.sort_by))
        rows = printers.server_table(
            merged,
            wide=look.wide,
            headers=look.headers,
            namespaces=session.everywhere and served.namespaced,
            labels=look.labels,
            label_columns=look.columns,
            prefix=label(served, "") if several else "",
        )
        session.out.write(("\n" if printed else "") + printers.table(rows) + "\n")
        printed += 1
    if not printed and not errors and not (look.ignore and all(t.name for t in wanted)):
        here = (
            ""
            if session.everywhere or not any(t.served.namespaced for t in wanted)
            else f" in {session.namespace} namespace."
        )
        session.err.write(f"No resources found{here}\n")
    for text in errors:
        session.complain(text)


def _key(obj: Obj, path: str) -> tuple[int, float, str]:
    found = jsonpath.evaluate(path, obj, missing_ok=True)
    value = found[0] if found else ""
    return (0, value, "") if isinstance(value, int | float) else (1, 0.0, str(value))


def _objects(
    session: Session,
    wanted: list[Target],
    kind: str,
    argument: str,
    labels: str,
    fields: str,
    sort_by: str,
    ignore: bool,
    headers: bool,
) -> None:
    found: list[Obj] = []
    names: list[str] = []
    errors = []
    for target in wanted:
        try:
            more = (
                [session.get(target.served, target.name)]
                if target.name
                else session.list(target.served, labels, fields)
            )
        except ApiError as error:
            if not (ignore and error.code == 404):
                errors.append(explain(error))
            continue
        found += [printers.without_managed_fields(o) for o in more]
        names += [label(target.served, o["metadata"]["name"]) for o in more]
    if sort_by:
        order = sorted(range(len(found)), key=lambda n: _key(found[n], sort_by))
        found, names = [found[n] for n in order], [names[n] for n in order]
    single = len(wanted) == 1 and wanted[0].name and len(found) == 1
    whole = found[0] if single else printers.as_list(found)
    if found or (not errors and not (ignore and wanted[0].name)):
        _print(session, kind, argument, whole, found, names, headers)
    for text in errors:
        session.complain(text)


def _print(
    session: Session, kind: str, argument: str, whole: Obj, found: list[Obj], names: list[str], headers: bool
) -> None:
    if kind == "yaml":
        session.say(printers.as_yaml(whole))
    elif kind == "json":
        session.say(printers.as_json(whole))
    elif kind == "name":
        session.out.write("".join(f"{name}\n" for name in names))
    elif kind == "jsonpath":
        session.out.write(jsonpath.render(argument if "{" in argument else f"{{{argument}}}", whole))
    elif found:
        session.say(printers.custom_columns(found, argument, headers=headers))
