"""What a bundle says about itself, to a student who doubts a verdict."""

from __future__ import annotations

from kindlab.batch.graded import Graded
from kindlab.labs import Lab

TEXT = """\
Evidence of a grading: lab {lab}, {student}
{line}

This file holds everything that the grading of your submission went by. Nobody needs the cluster to look at it: that
was made for your submission alone and is gone.

  report.json        the verdict of each check: what was expected, what was seen
  transcripts/       one file a check: each question that it asked the cluster, and the answer, in order, one a line
                     ("asked" and then "json", "events" or "answer"; "at": seconds since the grading began)
  submission/        your files, as they were graded
  refused.json       what was left out of them, and why
  objects/           everything in the lab's namespaces when the grading ended
  events.json        what the cluster reported there
  manifest.json      when it was, which versions of everything, and the SHA-256 of every file in here
  signature.txt      if it is there: the seal of whoever graded, which nobody can make without their key

If you think that a verdict is wrong
  1. Look for the check in report.json ("expected", "seen").
  2. Open transcripts/NAME-OF-THE-CHECK.jsonl. The last lines are what the verdict hangs on. What is prepared for
     several checks stands with the first of them ("part": "shared ...").
  3. The same verdicts come from this file on anybody's computer:   kindlab regrade --evidence THIS-FILE
  4. Tell your instructor the check, the line, and what you would have expected there.

What is not in it
  Secrets. What Secrets hold, private keys and tokens were replaced by other letters of the same length ("x1xxxx",
  "redacted-1-xx"), wherever they stood, also in your files; the same value by the same letters, so that checks that
  compare them come to the same end. Certificates are as they were, and so are values that the lab's own files give to
  everybody. A value of five letters or less, or one that is a word which the checks use themselves, is replaced in
  Secrets only. manifest.json has the SHA-256 of your files as you handed them in ("handed_in").
  Answers larger than some megabytes: "lost" says where. A check that needs one cannot be repeated.

Files that were changed after the grading no longer fit the digests in manifest.json, and kindlab says so. Only a
signature keeps somebody from changing both.
"""


def readme(graded: Graded, lab: Lab) -> str:
    """README.txt."""
    student = " ".join(graded.student.split())
    title = f"Evidence of a grading: lab {lab.slug}, {student}"
    return TEXT.format(lab=lab.slug, student=student, line="=" * len(title))
