import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.golden.compare import compare, compare_body, is_cut
from tests.golden.placeholders import World

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="abc<>.", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=3),
    max_leaves=12,
)


def diffs(golden, actual, **options):
    return [(diff.path, diff.expected, diff.seen) for diff in compare(golden, actual, World(), **options)[0].diffs]


@given(JSON)
def test_everything_equals_itself(value):
    assert diffs(value, value) == []


@given(JSON, JSON)
def test_what_differs_is_reported(golden, actual):
    assert bool(diffs(golden, actual)) == (not identical(golden, actual))


def identical(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(identical(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


def test_a_difference_names_its_path():
    golden = {"spec": {"ports": [{"port": 80}]}}
    assert diffs(golden, {"spec": {"ports": [{"port": 81}]}}) == [(".spec.ports[0].port", 80, 81)]


def test_true_is_not_one():
    assert diffs({"a": True}, {"a": 1})
    assert diffs({"a": 1}, {"a": True})


def test_missing_and_surplus_keys():
    assert diffs({"a": 1, "b": 2}, {"a": 1})[0][0] == ".b"
    assert diffs({"a": 1}, {"a": 1, "b": 2})[0][0] == ".b"
    assert diffs({"a": 1}, {"a": 1, "b": 2}, subset=True) == []
    assert diffs({"a": None}, {})


def test_an_empty_list_is_not_null():
    assert diffs({"endpoints": None}, {"endpoints": []})
    assert diffs({"items": []}, {"items": None})


def test_managed_fields_count_only_where_recorded():
    assert diffs({"name": "a"}, {"name": "a", "managedFields": []}) == []
    assert diffs({"managedFields": [{"manager": "m"}]}, {"managedFields": [{"manager": "n"}]})


def test_times_of_conditions_do_not_count_but_their_status_does():
    golden = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "<time>"}]}
    assert diffs(golden, {"conditions": [{"type": "Ready", "status": "True"}]}) == []
    assert diffs(golden, {"conditions": [{"type": "Ready", "status": "False"}]})
    assert diffs({"lastTransitionTime": "a"}, {"lastTransitionTime": "b"}), "outside of conditions they count"


def endpoint(ip, pod):
    return {"addresses": [ip], "targetRef": {"name": pod}}


def test_endpoints_are_a_set():
    golden = {"endpoints": [endpoint("<podIP.1>", "web-<rand.1>"), endpoint("<podIP.2>", "web-<rand.2>")]}
    there = {"endpoints": [endpoint("10.0.0.2", "web-bbbbb"), endpoint("10.0.0.1", "web-ccccc")]}
    assert diffs(golden, there) == []
    assert len(compare(golden, there, World())) == 2, "both readings stay open"
    assert diffs(golden, {"endpoints": there["endpoints"][:1]})
    assert diffs(golden, {"endpoints": [*there["endpoints"], endpoint("10.0.0.3", "web-ddddd")]})
    same = {"endpoints": [endpoint("10.0.0.2", "web-bbbbb"), endpoint("10.0.0.2", "web-ccccc")]}
    assert diffs(golden, same), "two pods at one address"


def test_a_later_answer_decides_between_readings():
    golden = {"endpoints": [endpoint("<podIP.1>", "a"), endpoint("<podIP.2>", "a")]}
    worlds = compare(golden, {"endpoints": [endpoint("10.0.0.2", "a"), endpoint("10.0.0.1", "a")]}, World())
    later = [after for world in worlds for after in compare("<podIP.1>", "10.0.0.1", world.next_answer())]
    fitting = [world for world in later if not world.diffs]
    assert [world.bound["podIP.2"] for world in fitting] == ["10.0.0.2"]


def test_other_lists_keep_their_order():
    assert diffs({"ports": [1, 2]}, {"ports": [2, 1]})
    literal = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]
    assert diffs({"items": literal}, {"items": literal[::-1]})


def test_lists_with_generated_names_are_sets():
    def pods(*names):
        return {"items": [{"metadata": {"name": name}} for name in names]}

    golden = pods("solo", "web-<hash>-<rand.1>", "web-<hash>-<rand.2>")
    assert diffs(golden, pods("web-55d-bbbbb", "solo", "web-55d-ccccc")) == []
    assert diffs(golden, pods("web-55d-bbbbb", "solo", "web-66d-ccccc")), "one hash"
    assert diffs(golden, pods("web-55d-bbbbb", "solo", "web-55d-bbbbb")), "one pod twice"


def event(message, count=1, kind="Normal"):
    return {"type": kind, "reason": "R", "message": message, "count": count, "metadata": {"name": f"x{count}"}}


def test_events_are_a_set_and_their_counts_do_not_matter():
    golden = {"items": [event("a"), event("b <podIP.1>"), event("a")]}
    assert diffs(golden, {"items": [event("b 10.0.0.1", 7), event("a", 3)]}) == []
    assert diffs(golden, {"items": [event("a", 3)]}), "one did not happen"
    assert diffs(golden, {"items": [event("a"), event("b 10.0.0.1"), event("c")]}), "one too many"
    assert diffs(golden, {"items": [event("a", kind="Warning"), event("b 10.0.0.1")]})


def test_a_shortened_list_is_counted():
    golden = {"endpoints": [endpoint("10.0.0.1", "p-0"), "<2 more, 3 in all>"]}
    others = [endpoint("10.0.0.2", "p-1"), endpoint("10.0.0.3", "p-2")]
    assert diffs(golden, {"endpoints": [*others, endpoint("10.0.0.1", "p-0")]}) == []
    assert diffs(golden, {"endpoints": [*others, {"addresses": ["10.0.0.1"]}]}) == [], "one of its kind is there"
    assert diffs(golden, {"endpoints": [{"addresses": ["10.0.0.1"]}] * 3}), "the kind that is shown is missing"
    assert diffs(golden, {"endpoints": others}), "too few"


def test_a_crash_loop_may_be_caught_in_either_state():
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=c"}}
    later = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=c"}}
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    golden = {"name": "c", "restartCount": 2, "state": waiting}
    for state in (waiting, later, ended):
        assert diffs(golden, {"name": "c", "restartCount": 5, "state": state}) == []
    assert diffs(golden, {"name": "c", "restartCount": 0, "state": waiting})
    assert diffs(golden, {"name": "c", "restartCount": 2, "state": {"running": {}}})
    assert diffs({**golden, "restartCount": 0}, {"name": "c", "restartCount": 1, "state": waiting})


@pytest.mark.parametrize(
    "body", [{"status": {}}, {"kind": "X", "items": []}, {"kind": "CSINode", "metadata": {"name": "n"}}]
)
def test_cut_bodies_are_subsets(body):
    assert is_cut(body)
    assert compare_body(body, {**body, "more": 1}, World(), "/x")[0].diffs == ()


@pytest.mark.parametrize("body", [{"paths": []}, {"kind": "Status", "metadata": {}}, "text", None])
def test_whole_bodies_are_not(body):
    assert not is_cut(body)


def test_version_compares_the_kubernetes_version_only():
    golden = {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "x"}
    assert (
        compare_body(golden, {**golden, "gitVersion": "v1.36.2+pocket", "gitCommit": "y"}, World(), "/version")[0].diffs
        == ()
    )
    assert compare_body(golden, {**golden, "gitVersion": "v1.35.0"}, World(), "/version")[0].diffs
    status = {"kind": "Status", "code": 405}
    assert compare_body(status, {"kind": "Status", "code": 404}, World(), "/version")[0].diffs


def test_item_names_stand_for_a_list():
    assert compare_body({"itemNames": ["a"]}, {"items": [{"metadata": {"name": "a"}}]}, World(), "/x")[0].diffs == ()
    assert compare_body({"itemNames": ["a"]}, {"items": []}, World(), "/x")[0].diffs
    assert compare_body({"itemNames": []}, "404 page not found", World(), "/x")[0].diffs


def test_a_text_for_an_object_is_a_difference():
    assert compare_body({"kind": "Pod"}, "404 page not found\n", World(), "/x")[0].diffs
