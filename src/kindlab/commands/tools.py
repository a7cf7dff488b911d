"""Commands on the programs that a cluster needs here: kind and kubectl."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from kindlab import terminal
from kindlab.commands.options import json_option

if TYPE_CHECKING:
    from kindlab.tools import Look


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def tools(context: click.Context, as_json: bool) -> None:
    """Show which kind and kubectl are used here, or `install` those that the course pins."""
    from kindlab import tools

    if context.invoked_subcommand is not None:
        return
    found = [tools.look(name) for name in tools.pins()]
    if as_json:
        click.echo(json.dumps({"tools": [_to_json(look) for look in found]}))
        return
    terminal.table(("TOOL", "WANTED", "USED", "WHERE", "FOR"), *map(_row, found))
    for note in (note for look in found for note in look.notes):
        click.echo(note)
    lacking = [look.pin.name for look in found if look.used is None]
    if "kubectl" in lacking:
        there = next(look.found for look in found if look.pin.name == "kubectl")
        click.echo(f"Until there is a better one, kindlab kubectl {'makes do with it' if there else 'is a stand-in'}.")
    if lacking:
        click.echo(f"Install what the course pins: kindlab tools install {' '.join(lacking)}")


@tools.command()
@click.argument("names", nargs=-1, metavar="[kind] [kubectl]")
@click.option("--offline", is_flag=True, help="Download nothing: take what the cache has, or say what is missing.")
def install(names: tuple[str, ...], offline: bool) -> None:
    """Install the pinned kind and kubectl into the course's folder .tools (KINDLAB_TOOLS names another).

    Without a name those of which this machine has no usable one. Each file is checked against its checksum. Nothing
    outside that folder and the cache is touched, and no rights of an administrator are needed.
    """
    from kindlab import paths, tools

    wanted = names or [name for name in tools.pins() if tools.find(name) is None]
    if not wanted:
        click.echo("There is a usable kind and kubectl already; kindlab tools shows them.")
        return
    for name in wanted:
        tools.look(name)  # a name that is none is refused before anything is downloaded
    for name in wanted:
        with terminal.steps() as step:
            tool = tools.install(name, step, offline=offline)
        click.echo(f"{name} {tool.version} is installed: {terminal.path(tool.path)} (checksum verified)")
    click.echo("kindlab uses it from now on. To type it yourself, put its folder on your PATH:")
    click.echo(f"  {_on_path(str(paths.tools()))}")


def _on_path(folder: str) -> str:
    if os.name == "nt":
        return f'$env:Path = "{folder};$env:Path"'
    return f'export PATH="{folder}:$PATH"'


def _row(look: Look) -> tuple[str, ...]:
    there = look.found
    if there is None:
        return (look.pin.name, look.pin.version, "none", "", look.pin.purpose)
    about = look.fault or ("kindlab's" if there.ours else "the system's")
    used = f"{there.version}, {about}" if there.version else about
    return (look.pin.name, look.pin.version, used, terminal.path(there.path), look.pin.purpose)


def _to_json(look: Look) -> dict[str, Any]:
    there = look.found
    return {
        "name": look.pin.name,
        "wanted": look.pin.version,
        "usable": look.used is not None,
        "version": there.version if there else None,
        "path": str(there.path) if there else None,
        "ours": there is not None and there.ours,
        "fault": look.fault,
        "purpose": look.pin.purpose,
        "notes": list(look.notes),
    }
