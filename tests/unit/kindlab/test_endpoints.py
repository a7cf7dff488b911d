"""Which endpoints count as ready."""

from kindlab.endpoints import gets_requests, ready_targets


def test_a_condition_that_is_not_there_is_true() -> None:
    assert gets_requests({"addresses": ["10.0.0.1"]})
    assert gets_requests({"conditions": {}})
    assert gets_requests({"conditions": {"ready": True}})
    assert not gets_requests({"conditions": {"ready": False, "serving": True}})


def test_only_ready_endpoints_with_a_pod_are_named() -> None:
    def endpoint(name: str, ready: bool) -> dict[str, object]:
        return {"targetRef": {"kind": "Pod", "name": name}, "conditions": {"ready": ready}}

    slices = [
        {"endpoints": [endpoint("a", True), endpoint("b", False), {"addresses": ["192.0.2.1"]}]},
        {"endpoints": None},
        {},
        {"endpoints": [endpoint("c", True)]},
    ]
    assert ready_targets(slices) == {"a", "c"}
