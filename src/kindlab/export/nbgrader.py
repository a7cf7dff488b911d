"""`kindlab export nbgrader LAB`: the lab's notebook as nbgrader's source notebook.

- A first cell, locked, brings a cluster up. While nbgrader grades, that is a fresh one for each submission.
- The files that a learner completes stand in cells that begin with %%apply, as the lab gives them: nbgrader collects
  notebooks, and overwrites files beside them with the instructor's when it grades. They are ordinary cells, for a
  solution cell would be replaced by nbgrader's own stub.
- After each task's check comes its test cell: locked, with the task's points, calling kindlab.nbgrader.check.

Cell metadata are nbgrader's, schema_version 3 (nbgrader/nbgraderformat/v3.py).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kindlab.labs import Lab

SCHEMA = 3
NOTE = """**This notebook is graded by nbgrader.** Where the text speaks of a file that you complete and save, the file
stands here in a cell that begins with `%%apply`: complete it in that cell and run the cell, which saves the file and
applies it. When it is graded, the whole notebook is run once, from top to bottom, on a cluster of its own: what you did
in a terminal does not count. Add cells where you need more."""
_CHECK = re.compile(r"^%check \S+ --task (\S+)", re.MULTILINE)


@click.command("nbgrader")
@click.argument("lab")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FILE.ipynb", help="Where to.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(lab: str, out: Path, force: bool) -> None:
    """LAB as a source notebook for nbgrader."""
    from kindlab import labs, paths, terminal
    from kindlab.export import refuse_to_overwrite

    found = labs.find(lab)
    refuse_to_overwrite([out], force=force)
    paths.write_atomically(out, notebook_text(found))
    click.echo(f"made {terminal.path(out)}")
    click.echo(
        "Next: put it into source/ASSIGNMENT/ of your nbgrader course, and nbgrader generate_assignment ASSIGNMENT"
    )
    click.echo("docs/grading.md says which settings nbgrader needs.")


def notebook_text(lab: Lab) -> str:
    """The notebook's JSON, the same for the same lab on every machine. Raises Problem where a task has no check."""
    import nbformat

    from kindlab.errors import Problem
    from kindlab.render import cell_id

    book = nbformat.reads(lab.text(lab.notebook), as_version=4)
    cells = [_cell("markdown", NOTE), _begin(lab)]
    graded: set[str] = set()
    shown: set[str] = set()
    for cell in book.cells:
        if cell.cell_type != "code":
            cells.append(_cell("markdown", cell.source))
            continue
        cells += [_cell("code", source) for source in _spelled_out(cell.source, lab, shown)]
        for task in _CHECK.findall(cell.source):
            if task not in graded:
                graded.add(task)
                cells += [_cell("code", source) for source in _left(lab, task, shown)]
                cells.append(_test(lab, task))
    missing = [task.id for task in lab.tasks if task.id not in graded]
    if missing:
        raise Problem(
            f"The notebook of {lab.slug} checks no task {missing[0]}.",
            "Its test cell would have no place.",
            f"Add to lab.md: %check {lab.number} --task {missing[0]}",
        )
    for number, cell in enumerate(cells):
        cell["id"] = cell_id(number, cell.source)
    book.cells = cells
    nbformat.validate(book)
    written: str = nbformat.writes(book)
    return written + "\n"


def _spelled_out(source: str, lab: Lab, shown: set[str]) -> Iterator[str]:
    """The cell as one or more: the first `%apply FILE` of each of the lab's files becomes a cell that holds it."""
    files = {file.name: file for file in lab.start_files}
    rest: list[str] = []
    for line in source.splitlines():
        names = shlex.split(line)[1:] if line.startswith("%apply ") else []
        if not names or not all(name in files and name not in shown for name in names):
            rest.append(line)
            continue
        if "".join(rest).strip():
            yield "\n".join(rest)
        rest = []
        yield from (_file(lab, files[name], shown) for name in names)
    if "".join(rest).strip():
        yield "\n".join(rest)


def _left(lab: Lab, task: str, shown: set[str]) -> Iterator[str]:
    """A cell for each file that the task is done in and that the notebook has not come to: some are replaced, not
    applied, and the learner writes those commands."""
    files = {file.name: file for file in lab.start_files}
    for name in lab.task(task).files:
        if name in files and name not in shown:
            yield _file(lab, files[name], shown)


def _file(lab: Lab, file: Path, shown: set[str]) -> str:
    shown.add(file.name)
    return f"%%apply {file.name}\n{lab.text(file).rstrip()}"


def _begin(lab: Lab) -> Any:
    source = f'import kindlab.nbgrader\n\nkindlab.nbgrader.begin("{lab.slug}")'
    return _cell("code", source, grade_id="kindlab-begin", locked=True)


def _test(lab: Lab, task: str) -> Any:
    found = lab.task(task)
    source = f'kindlab.nbgrader.check("{lab.slug}", "{found.id}")'
    return _cell("code", source, grade_id=f"kindlab-{found.id}", locked=True, grade=True, points=found.points)


def _cell(kind: str, source: str, **nbgrader: Any) -> Any:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    made = (new_code_cell if kind == "code" else new_markdown_cell)(source)
    if nbgrader:
        plain = {"schema_version": SCHEMA, "grade": False, "solution": False, "locked": False, "task": False}
        made.metadata["nbgrader"] = {**plain, **nbgrader}
        made.metadata["deletable"] = False
    return made
