"""What goes wrong, said so that a tired student can act on it: what happened, why, what to do next."""

PASSED, FAILED, USAGE, COULD_NOT_GRADE = 0, 1, 2, 3
"""Exit codes of every kindlab command (design, section 4)."""


def in_a_line(said: object) -> str:
    """A text, or what an error says, in one line."""
    return " ".join(str(said).split())


class Problem(Exception):
    """Stops a command with a message instead of a traceback. `exit_code`: USAGE, or COULD_NOT_GRADE."""

    def __init__(self, what: str, why: str = "", then: str = "", *, exit_code: int = COULD_NOT_GRADE) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.then = then
        self.exit_code = exit_code

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.then) if line)


class UsageProblem(Problem):
    """The words of the command are off."""

    def __init__(self, what: str, why: str = "", then: str = "") -> None:
        super().__init__(what, why, then, exit_code=USAGE)
