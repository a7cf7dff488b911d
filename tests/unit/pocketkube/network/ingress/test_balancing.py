from hypothesis import given
from hypothesis import strategies as st

from pocketkube.network.ingress.balancing import Schedule


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(1, 500))
def test_every_run_of_turns_has_the_weights_ratio(weights: list[int], turns: int) -> None:
    schedule = Schedule(weights)
    taken = [schedule.next() for _ in range(turns)]
    total = sum(weights)
    if not total:
        assert set(taken) == {None}
        return
    for index, weight in enumerate(weights):
        assert abs(taken.count(index) - turns * weight / total) <= len(weights)


def test_equal_weights_go_round() -> None:
    schedule = Schedule([1, 1, 1])
    assert [schedule.next() for _ in range(6)] == [0, 1, 2, 0, 1, 2]
