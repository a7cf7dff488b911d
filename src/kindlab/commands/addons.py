"""Commands on what a real cluster needs beyond itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from kindlab import terminal
from kindlab.clusters import base
from kindlab.commands.options import cluster_option, json_option, listed
from kindlab.errors import Problem, UsageProblem

if TYPE_CHECKING:
    from kindlab.addons import Addon
    from kindlab.api import Api
    from kindlab.clusters.base import Status

BUILT_IN = "The embedded cluster has all of it built in: there is nothing to install."


@click.group(invoke_without_command=True)
@cluster_option
@json_option
@click.pass_context
def addons(context: click.Context, cluster: str | None, as_json: bool) -> None:
    """Show what the labs need beyond a plain cluster and what of it is there; `install`, `fetch` or `remove` it.

    Without a cluster it says what there is to install. The embedded cluster has all of it built in.
    """
    from kindlab import addons

    if context.invoked_subcommand is not None:
        return
    found = base.active(cluster).status()
    every = addons.all_addons()
    words = {addon.name: _word(addon, found) for addon in every}
    labs = {addon.name: _labs(addon) for addon in every}
    if as_json:
        click.echo(json.dumps({"addons": [_to_json(addon, words[addon.name], labs[addon.name]) for addon in every]}))
        return
    rows = ((a.name, a.version, words[a.name], ", ".join(labs[a.name]), a.about) for a in every)
    terminal.table(("ADD-ON", "VERSION", "STATE", "LABS", "FOR"), *rows)
    if found.kind == "pocket":
        click.echo(BUILT_IN)


@addons.command()
@click.argument("names", nargs=-1)
@click.option("--labs", "wanted", metavar="LABS", help="What these labs need: numbers with commas between, or all.")
@click.option("--offline", is_flag=True, help="Download nothing: take what the cache has, or say what is missing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before a cluster is changed that kindlab did not make.")
@cluster_option
def install(names: tuple[str, ...], wanted: str | None, offline: bool, yes: bool, cluster: str | None) -> None:
    """Install add-ons NAMES, with what they require, on the cluster in use, and wait until they are ready.

    What is there already stays as it is; what was cut short is finished; another version is replaced. On a kind cluster
    of kindlab's, `kindlab up` and `kindlab start` do this by themselves.
    """
    from kindlab import addons

    chosen = _chosen(names, wanted)
    if base.active(cluster).kind == "pocket":
        click.echo(BUILT_IN)
        return
    found = base.ready(cluster, yes=yes)
    api = found.api()
    if offline:
        _all_there(chosen)
    if found.kind == "current":
        _consent(found, f"Install {_list(chosen)} there", yes=yes)
    for addon in chosen:
        with terminal.steps() as step:
            done = addons.install(api, addon, step, offline=offline)
        click.echo(f"{addon} is {'installed' if done else 'there already'}: {addon.about}.")


@addons.command()
@click.argument("names", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Download the files of add-ons NAMES (default: of all) into the cache, each checked against its checksum.

    Their images are not among them: the nodes pull those themselves.
    """
    from kindlab import addons, downloads, paths

    chosen = _chosen(names, None if names else "all")
    sources = [source for addon in chosen for source in addon.sources]
    with terminal.steps() as step:
        for source in sources:
            downloads.fetch(source, step=step)
    click.echo(f"{len(sources)} files of {_list(chosen)} are in {terminal.path(paths.cache())}.")
    images = addons.images(chosen)
    click.echo(f"Images that their Pods use ({len(images)}):")
    for image in images:
        click.echo(f"  {image}")


@addons.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cluster_option
def remove(name: str, yes: bool, cluster: str | None) -> None:
    """Remove add-on NAME, as far as kindlab has installed it, with all objects of the kinds it defines.

    It stays while another add-on requires it, or a lab that needs it is on the cluster.
    """
    from kindlab import addons

    addon = addons.find(name)
    if base.active(cluster).kind == "pocket":
        raise Problem(f"{addon} stays.", "The embedded cluster has it built in: it is a part of that cluster.")
    found = base.ready(cluster, yes=yes)
    api = found.api()
    if used := [slug for slug in _started(found) if slug.partition("-")[0] in _labs(addon)]:
        raise Problem(
            f"{addon} stays: {', '.join(used)} {'is' if len(used) == 1 else 'are'} on the cluster and may need it.",
            "Without it they could not be graded.",
            "Remove those labs' namespaces first (kubectl delete namespace), or leave it.",
        )
    _consent(found, f"Remove {addon} there{_and_with_it(api, addon)}", yes=yes)
    with terminal.steps() as step:
        done = addons.remove(api, addon, step)
    click.echo(f"{addon} is removed." if done else f"{addon} was not installed by kindlab: nothing was changed.")


def _and_with_it(api: Api, addon: Addon) -> str:
    """The objects of its kinds, which somebody else may have made, for the question."""
    from kindlab import addons
    from kindlab.api import ApiError

    try:
        lost = addons.lost_with(api, addon)
    except ApiError as error:
        if error.code not in (403, 404):
            raise
        return ", and all objects of the kinds it defines (you may not see them)"
    more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
    return f", and with its kinds {', '.join(lost[:5])}{more}" if lost else ""


def _chosen(names: tuple[str, ...], wanted: str | None) -> list[Addon]:
    """In order, requirements first. Raises UsageProblem."""
    from kindlab import addons, labs
    from kindlab.needs import named

    if not names and wanted is None:
        raise UsageProblem(
            "Which add-ons?",
            f"There are: {', '.join(addon.name for addon in addons.all_addons())}.",
            "Name some, or the labs they are for: kindlab addons install --labs 06,10",
        )
    if not names and wanted == "all":
        return addons.with_requirements(addons.all_addons())
    chosen = labs.several(listed(wanted or ""))
    needed = addons.for_needs([word for lab in chosen for word in named(lab)])
    return addons.with_requirements([*map(addons.find, names), *needed])


def _all_there(chosen: list[Addon]) -> None:
    """Raises Problem that names all that would have to be downloaded."""
    from kindlab import addons

    if not (missing := addons.absent(chosen)):
        return
    names = " ".join(addon.name for addon in chosen if addons.absent([addon]))
    lines = [*(f"  file  {url}" for url in missing), *(f"  image {image}" for image in addons.images(chosen))]
    raise Problem(
        f"{len(missing)} file{'s are' if len(missing) > 1 else ' is'} not in the cache, and nothing may be downloaded.",
        "\n".join(["What it takes (images are pulled by the nodes, unless they have them):", *lines]),
        f"Where there is a network, once: kindlab addons fetch {names}",
    )


def _consent(found: Status, what: str, *, yes: bool) -> None:
    """Raises UsageProblem, having touched nothing, when nobody can be asked or the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageProblem(
            f"{what}? Nobody can be asked here, without a terminal.",
            f"{found.name} ({found.kind}) was not changed.",
            "If you want it, say so beforehand: --yes",
        )
    if not click.confirm(f"{what} ({found.name}, {found.kind})? All who use that cluster will see it.", err=True):
        raise UsageProblem("Nothing was changed.", "You did not want it.")


def _word(addon: Addon, found: Status) -> str:
    """Its state there, as the table has it."""
    from kindlab import addons
    from kindlab.api import ApiError

    if found.kind == "pocket":
        return "built in"
    if not found.ready:
        return "no cluster"
    try:
        state = addons.state(found.api(), addon)
    except ApiError as error:
        return "you may not look" if error.code == 403 else "not known"
    except Problem:
        return "not known"
    return f"{state.word} ({state.version})" if state.version not in ("", addon.version) else state.word


def _labs(addon: Addon) -> list[str]:
    """Numbers of the labs that need it, or what requires it."""
    from kindlab import addons, labs
    from kindlab.needs import named

    return [lab.number for lab in labs.all_labs() if addon.name in {a.name for a in addons.for_needs(named(lab))}]


def _started(found: Status) -> list[str]:
    """Names of the labs whose namespace is on the cluster, under anybody's prefix."""
    from kindlab import labs

    there = [namespace["metadata"]["name"] for namespace in found.api().list("Namespace")]
    return [
        lab.slug for lab in labs.all_labs() if any(name == lab.slug or name.endswith(f"-{lab.slug}") for name in there)
    ]


def _list(chosen: Iterable[Addon]) -> str:
    return ", ".join(map(str, chosen))


def _to_json(addon: Addon, state: str, labs: list[str]) -> dict[str, object]:
    return {
        "name": addon.name,
        "title": addon.title,
        "version": addon.version,
        "about": addon.about,
        "state": state,
        "labs": labs,
        "gives": list(addon.gives),
        "requires": list(addon.requires),
        "images": list(addon.images),
        "traps": list(addon.traps),
    }
