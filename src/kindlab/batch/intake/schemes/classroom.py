"""GitHub Classroom's clones: `lab-02-janedoe`, the assignment's name and the student's account.

What is the assignment's name is not to be seen in one name: it is what all clones begin with, up to a dash. Known by
the `.git` in each, which nothing here ever opens: no git is run (a repository's own configuration can make it run
programs), and a commit's time is not read either, for the student's machine wrote it. The time of the push is with
GitHub; a roster's column `submitted` can say it.
"""

from __future__ import annotations

from pathlib import Path

from kindlab.batch.intake.schemes import Listed, Named


def read(folder: Path, listed: Listed) -> dict[str, list[Named]]:
    clones = [name for name, is_folder in listed.items() if is_folder and (folder / name / ".git").exists()]
    shared = next((n for n, letters in enumerate(zip(*clones, strict=False)) if len(set(letters)) > 1), 0)
    assignment, dash, _ = clones[0][:shared].rpartition("-") if len(clones) > 1 else ("", "", "")
    begins = assignment + dash
    if not begins or begins in clones:
        return {}
    return {name: [Named(name.removeprefix(begins), name.removeprefix(begins))] for name in clones}
