"""Whose pods a HorizontalPodAutoscaler looks at: those its target selects, unless another autoscaler does so, too.

Models validateAndParseSelector and hpasControllingPodsUnderSelector of pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from pocketkube import objects, selectors
from pocketkube.client import Client
from pocketkube.errors import BadRequest
from pocketkube.objects import Key, Obj


class Unselected(Exception):
    """There are no pods of its own. `reason` and `message` are the condition's, `event` is the event's reason."""

    def __init__(self, text: str, reason: str, *, event: str = "", message: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.event = event or reason
        self.message = message or text


class Selected:
    """Which pods each autoscaler is known to be for, as far as it has been looked after."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[Key, selectors.LabelSelector] = {}

    def forget(self, at: Key) -> None:
        self._known.pop(at, None)

    def pods(self, at: Key, selector: str) -> list[Obj]:
        """The pods of the autoscaler at a key whose target selects so. Raises Unselected."""
        if not selector:
            message = "the HPA target's scale is missing a selector"
            raise Unselected("selector is required", "InvalidSelector", event="SelectorRequired", message=message)
        try:
            chosen = self._known[at] = selectors.parse_labels(selector)
        except BadRequest as error:
            text = f"couldn't convert selector into a corresponding internal selector object: {error.message}"
            raise Unselected(text, "InvalidSelector") from None
        pods = [pod for pod in self._client.list("pods", at[0]) if chosen(objects.labels(pod))]
        if len(rivals := self._who_selects(pods, at[0])) > 1:
            text = f"pods by selector {selector} are controlled by multiple HPAs: [{' '.join(rivals)}]"
            raise Unselected(text, "AmbiguousSelector")
        return pods

    def _who_selects(self, pods: list[Obj], namespace: str) -> list[str]:
        return sorted(
            "/".join(at)
            for at, selects in self._known.items()
            if at[0] == namespace and any(selects(objects.labels(pod)) for pod in pods)
        )
