"""Manifests that a student wrote into a notebook: the bodies of its `%%apply` cells, in the order they stand in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from kindlab.batch.intake import names
from kindlab.batch.intake.pile import Entry, Pile
from kindlab.labs import Lab

MAGIC = "%%apply"


def manifests(entry: Entry, lab: Lab, pile: Pile) -> list[Entry]:
    """The cells that the lab's own notebook does not have, as files: under the name that a cell gives, else one made of
    the notebook's and the cell's number. Of several cells for one file the last is it."""
    try:
        cells = list(_cells(entry.data.decode("utf-8")))
    except Exception as error:  # a stranger's notebook breaks nbformat in ways of its own
        pile.refuse(entry.name, f"it is no notebook ({names.shown(str(error))})", "Save it in JupyterLab again.")
        return []
    given = _given(lab.notebook)
    found: dict[str, Entry] = {}
    for number, source in cells:
        first, _, body = source.partition("\n")
        if not first.startswith(MAGIC) or source.strip() in given:
            continue
        name = _file(first) or f"{Path(entry.parts[-1]).stem}-cell-{number:03}.yaml"
        found.pop(name, None)
        found[name] = Entry((*entry.parts[:-1], name), body.encode("utf-8", "replace"))
    return list(found.values())


def _file(line: str) -> str:
    """The name after the magic, "" where there is none that a manifest can have."""
    try:
        words = shlex.split(line.removeprefix(MAGIC), comments=True)
    except ValueError:
        return ""
    name = names.fit(words[0].replace("\\", "/").rpartition("/")[2]) if words else ""
    return name if name and names.wanted((name,)) and not name.lower().endswith(names.NOTEBOOK) else ""


def _cells(text: str) -> Iterator[tuple[int, str]]:
    """(number from 1, source) of each code cell. Raises what nbformat raises."""
    import nbformat
    from nbformat import reader

    for number, cell in enumerate(nbformat.convert(reader.reads(text), 4)["cells"], 1):
        if cell.get("cell_type") == "code":
            source = cell.get("source") or ""
            yield number, "".join(source) if isinstance(source, list) else str(source)


@cache
def _given(notebook: Path) -> frozenset[str]:
    """The cells of the lab's own notebook: they show something, and nobody wrote them."""
    if not notebook.is_file():
        return frozenset()
    return frozenset(source.strip() for _, source in _cells(notebook.read_text(encoding="utf-8")))
