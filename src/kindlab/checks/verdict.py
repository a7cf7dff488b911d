"""How a check says no, and how it says that it could not find out."""


class CheckFailed(AssertionError):
    """The learner's cluster does not do what the task asks. `about` names what to trace (`svc/web`)."""

    def __init__(self, expected: str, seen: str, *, about: str = "", hop: str = "", then: str = "") -> None:
        super().__init__(f"expected {expected}; seen {seen}")
        self.expected = expected
        self.seen = seen
        self.about = about
        self.hop = hop
        self.then = then


class CouldNotGrade(Exception):
    """The grader or the cluster failed: no verdict, and never a zero for the learner."""
