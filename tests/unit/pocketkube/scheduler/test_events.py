"""What the scheduler says of pods."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import World

from pocketkube.scheduler.events import SchedulingEvents


def test_a_long_text_is_shortened_to_what_an_event_may_hold() -> None:
    world = World()
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    pod = world.pod("p")
    events = SchedulingEvents(world.client)
    for _ in range(2):
        events.record(pod, "Warning", "FailedScheduling", "Scheduling", "x" * 1025)
    [event] = world.list("events")
    assert (event["message"], event["series"]["count"]) == ("x" * 1020 + " ...", 2)
    events.record(pod, "Warning", "FailedScheduling", "Scheduling", "y" * 1024)
    assert "y" * 1024 in [found["message"] for found in world.list("events")]
