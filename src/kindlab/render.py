"""Notebooks from lab texts: `notebooks/<slug>.ipynb` is `labs/<slug>/lab.md`, cell by cell.

`python -m kindlab.render` writes those of all labs that have a text, `python -m kindlab.render 03` that of one. Nobody
edits a notebook by hand, and a test compares.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click

from kindlab import labs, paths
from kindlab.labs import Lab

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def notebook_text(lab: Lab) -> str:
    """The notebook's JSON, the same for the same lab.md on every machine."""
    import jupytext
    import nbformat

    text = lab.text(lab.folder / "lab.md")
    book = jupytext.reads(text, fmt="md")
    for number, cell in enumerate(book.cells):
        cell["id"] = cell_id(number, cell.source)
        cell["metadata"] = {}
    book.metadata = nbformat.NotebookNode({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    book.nbformat, book.nbformat_minor = 4, 5
    nbformat.validate(book)
    written: str = nbformat.writes(book)
    return written + "\n"


def cell_id(number: int, source: str) -> str:
    """The same on every machine, so that a notebook that is made anew is the same file."""
    return hashlib.sha256(f"{number}:{source}".encode()).hexdigest()[:8]


def is_fresh(lab: Lab) -> bool:
    return lab.notebook.is_file() and lab.notebook.read_text(encoding="utf-8") == notebook_text(lab)


def main(*names: str) -> None:
    chosen = [labs.find(name) for name in names] or [
        lab for lab in labs.all_labs() if (lab.folder / "lab.md").is_file()
    ]
    for lab in chosen:
        paths.write_atomically(lab.notebook, notebook_text(lab))
        click.echo(f"rendered {_short(lab.notebook)}")


def _short(path: Path) -> str:
    return str(path.relative_to(paths.course()))


if __name__ == "__main__":
    main(*sys.argv[1:])
