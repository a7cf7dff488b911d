"""What a grading asked and was told, in order."""

from __future__ import annotations


class Tape:
    """One grading's."""
