"""Images that cannot be pulled, in words: where no registry can be reached nothing of ours starts either."""

from __future__ import annotations

from kindlab.api import Obj

GIVEN_UP = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
"""Why a container waits whose image will not come at once: it was tried, and is not tried again for a while."""


def not_pulled(pod: Obj) -> str:
    """Which image of a Pod cannot be pulled, and what the kubelet says of it; "" when none is known to."""
    images = {c["name"]: c["image"] for c in (pod.get("spec") or {}).get("containers") or ()}
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in GIVEN_UP:
            image = images.get(status["name"], status["name"])
            return f"image {image} cannot be pulled: {waiting.get('message') or waiting['reason']}"
    return ""
