"""`kindlab new SLUG`: the four pieces of a lab, small and whole, from the templates in templates/lab/.

What it makes passes `kindlab lint` but for the counts: the linter then tells the author what to write next. Each
template's first line (`{# path #}`) says where its file goes.
"""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

from kindlab import labs, paths, render
from kindlab.errors import UsageProblem

TEMPLATES = Path(__file__).parent / "templates" / "lab"
SLUG = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*")
LONGEST = 50
"""The slug is the lab's namespace, which may have 63 characters, and a part of file and object names."""


def create(slug: str) -> list[Path]:
    """Make labs/<slug>, solutions/<slug>, graders/test_<slug>.py and the notebook; returns the files made. Raises
    UsageProblem, having made nothing, when the slug cannot be used."""
    course = paths.course()
    _refuse(slug, course)
    made = []
    for target, text in _files(slug):
        paths.write_atomically(course / target, text)
        made.append(course / target)
    lab = labs.read(course / "labs" / slug)
    paths.write_atomically(lab.notebook, render.notebook_text(lab))
    return sorted([*made, lab.notebook])


def _refuse(slug: str, course: Path) -> None:
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST:
        raise UsageProblem(
            f"{slug!r} cannot be a lab's name.",
            f"A name is two digits and lower-case words, joined by hyphens, {LONGEST} characters at most: it becomes "
            "a namespace and file names.",
            "For example: kindlab new 17-session-affinity",
        )
    number = slug.partition("-")[0]
    taken = sorted(f.name for f in (course / "labs").glob(f"{number}-*") if f.is_dir() and f.name != slug)
    if taken:
        used = {f.name.partition("-")[0] for f in (course / "labs").iterdir()}
        free = next(f"{n:02}" for n in (*range(int(number), 100), *range(100)) if f"{n:02}" not in used)
        raise UsageProblem(
            f"The number {number} is taken by {taken[0]}.",
            "Learners name a lab by its number.",
            f"Take another: kindlab new {free}-{slug.partition('-')[2]}",
        )
    there = [target for target in _targets(slug) if (course / target).exists()]
    if there:
        raise UsageProblem(
            f"There is already a lab {slug}.",
            f"{there[0]} exists, and nothing of yours is overwritten.",
            "Choose another name, or remove what is there.",
        )


def _targets(slug: str) -> list[Path]:
    """The top of each of the four pieces."""
    grader = f"test_{slug.replace('-', '_')}.py"
    return [Path("labs", slug), Path("solutions", slug), Path("graders", grader), Path("notebooks", f"{slug}.ipynb")]


def _files(slug: str) -> list[tuple[Path, str]]:
    """(where, text) of every file the templates make."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    number, _, words = slug.partition("-")
    values = {
        "slug": slug,
        "number": number,
        "module": slug.replace("-", "_"),
        "title": words.replace("-", " ").capitalize(),
    }
    files = []
    for name in sorted(environment.list_templates()):
        first, _, body = (TEMPLATES / name).read_text(encoding="utf-8").partition("\n")
        target = first.removeprefix("{#").removesuffix("#}").strip()
        filled = [
            environment.from_string(text).render(values)
            for text in (target.replace("<", "{{ ").replace(">", " }}"), body)
        ]
        files.append((Path(filled[0]), filled[1]))
    return files
