"""What people type. Every command is a function with `@click.command()` in one of these modules, and is found there;
the modules are scanned in the order of a learner's day, and commands are listed in the order they are written in.

A command only parses words and prints: the work is in the modules it imports when it runs, so that `kindlab --help`
starts fast.
"""

import importlib
from collections.abc import Iterator

import click

SECTIONS = {
    "cluster": "The cluster",
    "can": "What it can do",
    "addons": "Its add-ons",
    "node": "Its machines",
    "tools": "The programs it takes",
    "doctor": "When it does not start",
    "lab": "Labs",
    "submit": "Handing in",
    "look": "Looking and working",
    "quiz": "Questions",
    "grade": "For instructors",
    "export": "Inside others' machinery",
    "rights": "For who runs a cluster that many share",
    "author": "For authors",
    "graders": "For those who test graders",
}
"""Module name -> the heading of its commands in `kindlab --help`."""


def scan() -> Iterator[tuple[str, list[click.Command]]]:
    """(heading, commands) of each section."""
    for name, heading in SECTIONS.items():
        module = importlib.import_module(f"kindlab.commands.{name}")
        found = [value for value in vars(module).values() if isinstance(value, click.Command)]
        groups = [command for command in found if isinstance(command, click.Group)]
        inner = {id(command) for group in groups for command in group.commands.values()}
        yield heading, [command for command in found if id(command) not in inner]
