from typing import Any, cast

from kindlab import workspace


class Starting:
    """An API that shows a Deployment before its Pods are made, and Pods that are pulled, one of which fits nowhere."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def follow(self, kind: str, namespace: str, *, timeout: float) -> Any:
        def pod(state: str) -> Any:
            if state == "nowhere":
                return {"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}}
            return {"status": {"phase": state}}

        steps: dict[str, list[Any]] = {
            "Deployment": [{"spec": {"replicas": 2}, "status": {"replicas": n}} for n in (0, 1, 2, 2)],
            "Pod": [pod(state) for state in ("Pending", "Pending", "nowhere", "Running")],
        }
        for number, obj in enumerate(steps[kind]):
            self.shown.append(f"{kind} {number}")
            yield {f"{namespace}/a": obj}


def test_a_lab_has_begun_when_its_pods_run_or_cannot() -> None:
    api = Starting()
    workspace._wait_for_first_pods(cast(Any, api), ["01-lab"])
    assert api.shown == ["Deployment 0", "Deployment 1", "Deployment 2", "Pod 0", "Pod 1", "Pod 2"]
