"""Options that several commands have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kindlab.clusters.base import KINDS

Function = TypeVar("Function", bound=Callable[..., Any])

CLUSTERS = click.Choice(KINDS)


class Sectioned(click.Command):
    """A command with many options: its help shows them under headings, those that are named nowhere at the end."""

    def __init__(self, *words: Any, sections: dict[str, tuple[str, ...]], **more: Any) -> None:
        super().__init__(*words, **more)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {one.name: one.get_help_record(ctx) for one in self.get_params(ctx) if isinstance(one, click.Option)}
        rest = tuple(name for name in records if not any(name in names for names in self.sections.values()))
        for heading, names in {**self.sections, "Other options": rest}.items():
            if found := [record for name in names if (record := records.get(name))]:
                with formatter.section(heading):
                    formatter.write_dl(found)


def cluster_option(command: Function) -> Function:
    return click.option("--cluster", type=CLUSTERS, help="Which cluster to use (default: the one kindlab up started).")(
        command
    )


def json_option(command: Function) -> Function:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def namespace_option(command: Function) -> Function:
    return click.option("-n", "--namespace", help="The namespace (default: the lab you started last).")(command)


def listed(text: str) -> list[str]:
    """The words of an option that takes several, with commas or blanks between."""
    return text.replace(",", " ").split()


def host_port_option(scheme: str, port: int) -> Callable[[Function], Function]:
    """--http-port and --https-port of kindlab's own clusters; None when it is not given."""
    return click.option(
        f"--{scheme}-port",
        type=click.IntRange(0, 65535),
        envvar=f"KINDLAB_{scheme.upper()}_PORT",
        metavar="PORT",
        help=f"Port of this machine for {scheme.upper()} to the cluster's Ingress (default: {port}; 0: none).",
    )
