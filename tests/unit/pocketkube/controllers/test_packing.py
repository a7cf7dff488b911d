"""How endpoints are spread over slices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pocketkube.controllers import packing
from pocketkube.controllers.packing import Identity, Plan, identity, in_order
from pocketkube.objects import Obj


def pack(existing: dict[str, list[Obj]], relabelled: set[str], wanted: dict[Identity, Obj], limit: int) -> Plan:
    """What is written."""
    plan = packing.pack(existing, relabelled, wanted, limit)
    touched = {*plan.update, *plan.delete}
    assert plan.unchanged == {name: held for name, held in existing.items() if name not in touched}
    plan.unchanged = {}
    return plan


def endpoint(name: str, *, ready: bool = True) -> Obj:
    target = {"kind": "Pod", "namespace": "n", "name": name}
    return {"addresses": [f"10.0.0.{name}"], "targetRef": target, "conditions": {"ready": ready}}


def endpoints(*names: int) -> list[Obj]:
    return [endpoint(str(name)) for name in names]


def wanted(*names: int) -> dict[Identity, Obj]:
    return {identity(found): found for found in endpoints(*names)}


def test_nothing_is_written_when_nothing_differs() -> None:
    assert pack({"a": endpoints(1, 2)}, set(), wanted(2, 1), 3) == Plan()


def test_a_changed_slice_is_filled_before_another_is_touched() -> None:
    plan = pack({"a": endpoints(1, 2), "b": endpoints(3)}, set(), wanted(2, 3, 4, 5), 3)
    assert plan == Plan(update={"a": endpoints(2, 4, 5)})


def test_the_fullest_unchanged_slice_with_room_takes_the_rest() -> None:
    plan = pack({"a": endpoints(1), "b": endpoints(2, 3)}, set(), wanted(1, 2, 3, 4), 3)
    assert plan == Plan(update={"b": endpoints(2, 3, 4)})


def test_full_slices_are_added_for_the_rest() -> None:
    plan = pack({"a": endpoints(1, 2, 3)}, set(), wanted(*range(1, 9)), 3)
    assert plan == Plan(create=[endpoints(4, 5, 6), endpoints(7, 8)])


def test_a_burst_fills_what_is_there_before_slices_are_added() -> None:
    plan = pack({"a": endpoints(1), "b": endpoints(2, 3)}, set(), wanted(*range(1, 8)), 3)
    assert plan == Plan(update={"b": endpoints(2, 3, 4), "a": endpoints(1, 5, 6)}, create=[endpoints(7)])


def test_an_empty_slice_is_deleted_and_sparse_ones_are_not_merged() -> None:
    existing = {"a": endpoints(1), "b": endpoints(2), "c": endpoints(3, 4)}
    assert pack(existing, set(), wanted(2, 3), 3) == Plan(update={"c": endpoints(3)}, delete=["a"])


def test_an_endpoint_that_turned_and_a_label_are_reasons_to_write() -> None:
    turned = endpoint("1", ready=False)
    assert pack({"a": endpoints(1)}, set(), {identity(turned): turned}, 3) == Plan(update={"a": [turned]})
    assert pack({"a": endpoints(1)}, {"a"}, wanted(1), 3) == Plan(update={"a": endpoints(1)})


names = st.sets(st.integers(0, 30))


@given(slices=st.lists(names, max_size=5), want=names, limit=st.integers(1, 6))
def test_every_endpoint_is_in_one_slice_and_none_is_too_long(
    slices: list[set[int]], want: set[int], limit: int
) -> None:
    seen: set[int] = set()
    existing = {}
    for number, members in enumerate(slices):
        fresh = sorted(members - seen)[:limit]
        seen |= set(fresh)
        existing[f"s-{number}"] = endpoints(*fresh)
    plan = pack(existing, set(), wanted(*want), limit)
    after = {name: plan.update.get(name, held) for name, held in existing.items() if name not in plan.delete}
    result = [*after.values(), *plan.create]
    assert sorted(identity(e) for held in result for e in held) == sorted(wanted(*want))
    assert all(len(held) <= limit for held in result)
    assert all(held for held in plan.create)


def test_ports_are_kept_in_the_recorded_order() -> None:
    def port(name: str, number: int, protocol: str = "TCP") -> Obj:
        return {"name": name, "protocol": protocol, "port": number}

    # golden endpointslices-02 and -13, dns-08
    assert in_order([port("admin", 81), port("http", 8081)]) == [port("http", 8081), port("admin", 81)]
    assert in_order([port("a", 1), port("b", 2)]) == [port("b", 2), port("a", 1)]
    dns = [port("metrics", 9153), port("dns-tcp", 53), port("dns", 53, "UDP")]
    assert in_order(dns)[-1] == port("metrics", 9153)


def test_hints_alone_make_no_difference_and_stay_where_nothing_else_changes() -> None:
    hinted = [{**found, "hints": {"forZones": [{"name": "a"}]}} for found in endpoints(1, 2)]
    assert pack({"a": hinted}, set(), wanted(1, 2), 3) == Plan()


def test_one_changed_pod_of_5000_rewrites_one_slice_of_50() -> None:
    existing = {f"s{n:02}": endpoints(*range(100 * n, 100 * n + 100)) for n in range(50)}
    changed = wanted(*range(5000))
    changed[identity(endpoint("2512"))] = endpoint("2512", ready=False)
    plan = packing.pack(existing, set(), changed, 100)
    assert (set(plan.update), plan.create, plan.delete, len(plan.unchanged)) == ({"s25"}, [], [], 49)
