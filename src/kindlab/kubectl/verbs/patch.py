"""`kubectl patch`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import yaml

from kindlab.api import MERGE_PATCH, STRATEGIC_PATCH, ApiError
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import Refused, Session, label

TYPES = {"json": "application/json-patch+json", "merge": MERGE_PATCH, "strategic": STRATEGIC_PATCH}


@options.command()
@options.words
@options.output
@click.option("-p", "--patch", default="", help="The patch, JSON or YAML.")
@click.option("--patch-file", default="", help="A file with the patch.")
@click.option("--type", "kind", default="strategic", help="json, merge or strategic.")
def COMMAND(session: Session, words: tuple[str, ...], output: str, patch: str, patch_file: str, kind: str) -> None:
    """Change fields of one object: patch TYPE NAME -p '{"spec": ...}'"""
    if kind not in TYPES:
        raise Refused(f'error: --type must be one of [json merge strategic], not "{kind}"')
    text = Path(patch_file).read_text(encoding="utf-8") if patch_file else patch
    if not text:
        raise Refused("error: must specify --patch or --patch-file containing the contents of the patch")
    try:
        change = json.loads(text) if text.lstrip().startswith(("{", "[")) else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise Refused(f"error: unable to parse {text!r}: {error}") from error
    for target in targets.named(session, words):
        before = session.get(target.served, target.name)
        try:
            after = session.request("PATCH", session.url(target.served, target.name), change, content_type=TYPES[kind])
        except ApiError as error:
            if error.code != 415:
                raise
            what = f"{before['apiVersion']}, Kind={before['kind']}"  # a custom resource has no strategic patches
            raise Refused(f"error: {TYPES[kind]} is not supported by {what}: {error.message}") from error
        same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
        if output:
            options.finish(session, target.served, after, "patched", output=output)
        else:
            session.say(f"{label(target.served, target.name)} patched{' (no change)' if same else ''}")
