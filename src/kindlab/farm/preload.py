"""Imported once in the process that all pieces of work are forked from: what gradings import, and nothing that runs
on. Pytest imports part of itself when it begins, so it has graded nothing once. What is missing here is imported again
for every submission, which takes up to a tenth of a second each."""

import contextlib
import gc
import io
import tempfile
from pathlib import Path

import kubernetes.client
import kubernetes.config
import kubernetes.stream
import pytest
import testinfra.modules.file
import testinfra.modules.systeminfo
import yaml

import kindlab.batch.fence
import kindlab.batch.one
import kindlab.batch.putting
import kindlab.checks.streams
import kindlab.evidence
import kindlab.grading.runner
import kindlab.states
import kindlab.trials
from kindlab.grading.runner import arguments

__all__: list[str] = []
_ = (kubernetes, testinfra, yaml, kindlab)


def _grade_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="kindlab-") as folder:
        grader = Path(folder) / "test_nothing.py"
        grader.write_text("def test_nothing(): pass\n")
        (grader.parent / "pytest.ini").write_text("[pytest]\n")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            pytest.main(arguments(grader))


_grade_nothing()
gc.collect()
gc.freeze()
