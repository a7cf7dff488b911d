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


class ContainerAtFault(CouldNotGrade):
    """A command could not be run in a container, or not to its end, and that is the container's own doing, not the
    cluster's: who only looks (`kindlab why`) cannot tell, but a check that needs it has failed."""

    def __init__(self, said: str, *, expected: str, seen: str, then: str = "") -> None:
        super().__init__(said)
        self.expected = expected
        self.seen = seen
        self.then = then
