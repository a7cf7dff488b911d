"""CronJobs: when they are due, what they start, and what they keep. A minute passes in a tenth of a second."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.pocketkube.controllers import world as worlds
from tests.unit.pocketkube.controllers.jobs import end, running, template
from tests.unit.pocketkube.controllers.world import World

from pocketkube import cron, objects
from pocketkube.controllers import cronjob_schedule as scheduling
from pocketkube.duration import format_time, parse_time
from pocketkube.objects import Obj

NOW = datetime(2026, 7, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
async def hours() -> AsyncIterator[World]:
    created = World(speed=600)
    created.node("a")
    async with worlds.running(created) as it:
        await it.until(lambda: it.find("serviceaccounts", "default") is not None)
        yield it


def cron_job(world: World, name: str = "c", schedule: str = "* * * * *", **spec: Any) -> Obj:
    job = {"metadata": {"labels": {"app": name}}, "spec": {"template": template()}}
    return world.create(
        "cronjobs", {"metadata": {"name": name}, "spec": {"schedule": schedule, "jobTemplate": job, **spec}}
    )


def status(world: World) -> Obj:
    return objects.status(world.get("cronjobs", "c"))


def active(world: World) -> list[str]:
    return [ref["name"] for ref in status(world).get("active") or ()]


def change(world: World, **spec: Any) -> None:
    world.patch("cronjobs", "c", lambda copy: copy["spec"].update(spec))


# -- when


def example(*, last: str = "", made: str = "2026-07-01T11:58:10Z", **spec: Any) -> Obj:
    status = {"lastScheduleTime": last} if last else {}
    whole = {"schedule": "* * * * *", **spec}
    return {"metadata": {"name": "c", "creationTimestamp": made}, "spec": whole, "status": status}


def due(cronjob: Obj, now: datetime = NOW) -> tuple[str, int]:
    found = scheduling.due(cronjob, scheduling.schedule(cronjob), now, deadline=True)
    return (format_time(found.time) if found.time else "", found.missed)


@pytest.mark.parametrize(
    ("cronjob", "expected"),
    [
        (example(schedule="0 13 * * *"), ("", 0)),
        (example(schedule="0 12 * * *"), ("2026-07-01T12:00:00Z", 0)),
        (example(), ("2026-07-01T12:00:00Z", 2)),
        (example(last="2026-07-01T11:59:00Z"), ("2026-07-01T12:00:00Z", 0)),
        (example(last="2026-07-01T12:00:00Z"), ("", 0)),
        (example(last="2026-06-01T12:00:00Z"), ("2026-07-01T12:00:00Z", 43200)),
        (example(last="2026-06-01T12:00:00Z", startingDeadlineSeconds=60), ("2026-07-01T12:00:00Z", 0)),
        (example(last="2026-06-01T12:00:00Z", startingDeadlineSeconds=10), ("", 0)),
        (example(startingDeadlineSeconds=2**63 - 1), ("2026-07-01T12:00:00Z", 2)),
        (example(schedule="@every 7m", last="2026-07-01T10:00:00Z"), ("2026-07-01T11:59:00Z", 17)),
        (example(schedule="30 6-16/4 * * 1-5", last="2026-06-26T14:30:00Z"), ("2026-07-01T10:30:00Z", 14)),
        (example(schedule="0 14 * * *", timeZone="Europe/Berlin"), ("2026-07-01T12:00:00Z", 0)),
    ],
)
def test_the_most_recent_time(cronjob: Obj, expected: tuple[str, int]) -> None:
    assert due(cronjob) == expected


def test_a_schedule_that_never_comes() -> None:
    with pytest.raises(ValueError, match="time difference between two schedules is less than 1 second"):
        due(example(schedule="0 0 31 2 *"))


def test_seconds_until_the_next_time() -> None:
    cronjob = example(last="2026-07-01T12:00:00Z")
    assert scheduling.until_next(cronjob, cron.parse("* * * * *"), NOW) == pytest.approx(30.1)
    assert scheduling.until_next(cronjob, cron.parse("0 0 31 2 *"), NOW) is None


# -- what is started


async def test_a_job_a_minute(hours: World) -> None:
    owner = cron_job(hours)
    await hours.until(lambda: len(hours.list("jobs")) >= 1)
    job = hours.list("jobs")[0]
    await hours.until(lambda: bool(active(hours)))
    assert re.fullmatch(r"c-\d{8}", objects.name(job))
    moment = datetime.fromtimestamp(int(objects.name(job)[2:]) * 60, UTC)
    assert objects.annotations(job) == {"batch.kubernetes.io/cronjob-scheduled-timestamp": format_time(moment)}
    assert objects.controller_ref(job) == objects.owner_reference(owner)
    assert objects.labels(job) == {"app": "c"}
    assert hours.events("c")[0] == f"Created job {objects.name(job)}"
    reference = status(hours)["active"][0]
    assert (reference["kind"], reference["uid"]) == ("Job", objects.uid(job))
    await hours.until(lambda: len(active(hours)) >= 2)  # by default they run beside each other


async def test_what_has_ended_is_told_and_kept_for_a_while(hours: World) -> None:
    cron_job(hours, successfulJobsHistoryLimit=1)
    for _ in range(2):
        await hours.until(lambda: len(running(hours)) >= 1)
        for name in running(hours):
            end(hours, name)
    await hours.until(lambda: "lastSuccessfulTime" in status(hours))
    change(hours, suspend=True)
    await hours.settle()
    for name in running(hours):
        end(hours, name)
    await hours.until(lambda: not active(hours) and len(hours.list("jobs")) == 1)
    messages = hours.events("c", reason="SawCompletedJob")
    assert re.fullmatch(r"Saw completed job: c-\d{8}, condition: Complete", messages[0])
    assert hours.events("c", reason="SuccessfulDelete")
    await hours.until(lambda: len(hours.list("pods")) == 1)


async def test_no_history(hours: World) -> None:
    cron_job(hours, failedJobsHistoryLimit=0)
    hours.patch("cronjobs", "c", lambda copy: copy["spec"]["jobTemplate"]["spec"].update(backoffLimit=0, parallelism=1))
    await hours.until(lambda: len(running(hours)) >= 1)
    first = hours.list("jobs")[0]
    end(hours, running(hours)[0], 1)
    await hours.until(lambda: hours.find("jobs", objects.name(first)) is None)


async def test_forbid_waits_for_the_one_before(hours: World) -> None:
    cron_job(hours, concurrencyPolicy="Forbid")
    await hours.until(lambda: bool(hours.events("c", reason="JobAlreadyActive")))
    assert len(hours.list("jobs")) == 1
    assert hours.events("c", reason="JobAlreadyActive") == [
        "Not starting job because prior execution is running and concurrency policy is Forbid"
    ]
    first = objects.name(hours.list("jobs")[0])
    await hours.until(lambda: len(running(hours)) == 1)
    end(hours, running(hours)[0])
    await hours.until(lambda: len(hours.list("jobs")) == 2 and active(hours) not in ([], [first]))


async def test_replace_deletes_the_one_before(hours: World) -> None:
    cron_job(hours, concurrencyPolicy="Replace")
    await hours.until(lambda: len(active(hours)) == 1)
    [first] = active(hours)
    await hours.until(lambda: len(active(hours)) == 1 and active(hours) != [first])
    await hours.until(lambda: hours.find("jobs", first) is None)
    assert hours.events("c", reason="SuccessfulDelete")[0] == f"Deleted job {first}"


async def test_a_suspended_one_starts_nothing(hours: World) -> None:
    cron_job(hours, suspend=True)
    await hours.settle()
    start = hours.registry.clock.time()
    await hours.registry.clock.sleep(120)
    assert hours.registry.clock.time() > start + 60
    assert not hours.list("jobs")
    change(hours, suspend=False)  # what was missed is made up for once
    await hours.until(lambda: len(hours.list("jobs")) >= 1)


async def test_a_job_that_vanished_is_told(hours: World) -> None:
    cron_job(hours, concurrencyPolicy="Forbid")
    await hours.until(lambda: len(active(hours)) == 1)
    [first] = active(hours)
    hours.delete("jobs", first, "Background")
    await hours.until(lambda: bool(hours.events("c", reason="MissingJob")))
    assert hours.events("c", reason="MissingJob") == [f"Active job went missing: {first}"]


async def test_a_job_that_somebody_else_made_is_told(hours: World) -> None:
    owner = cron_job(hours, suspend=True)
    meta = {"name": "mine", "ownerReferences": [objects.owner_reference(owner)]}
    hours.create("jobs", {"metadata": meta, "spec": {"template": template()}})
    await hours.until(lambda: bool(hours.events("c", reason="UnexpectedJob")))
    assert hours.events("c", reason="UnexpectedJob")[0] == (
        "Saw a job that the controller did not create or forgot: mine"
    )


async def test_jobs_and_pods_go_with_their_cron_job(hours: World) -> None:
    cron_job(hours)
    await hours.until(lambda: len(running(hours)) >= 1)
    hours.delete("cronjobs", "c")
    await hours.until(lambda: not hours.list("jobs") and not hours.list("pods"))


async def test_a_changed_schedule_counts_from_now_on() -> None:
    """Nothing is made up for that the new schedule would have missed."""
    created = World()
    created.node("a")
    hour = datetime.fromtimestamp(created.registry.clock.time(), UTC)
    later, before = hour + timedelta(hours=6), hour - timedelta(hours=6)
    cron_job(created, schedule=f"0 {later.hour} * * *")
    last = {"lastScheduleTime": format_time(hour - timedelta(hours=12))}
    created.patch("cronjobs", "c", lambda copy: copy.update(status=last), subresource="status")
    async with worlds.running(created) as world:
        await world.settle()
        change(world, schedule=f"0 {before.hour} * * *")
        await world.settle()
        assert not world.list("jobs")
        world.patch("cronjobs", "c", lambda copy: copy["metadata"].update(annotations={"a": "b"}))
        await world.until(lambda: len(world.list("jobs")) == 1)


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {},
            "TooManyMissedTimes",
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
        ),
        ({"schedule": "0 0 31 2 *"}, "InvalidSchedule", None),
    ],
)
async def test_what_is_odd_is_told(spec: Obj, reason: str, message: str | None) -> None:
    created = World()
    created.node("a")
    cron_job(created, **spec)
    then = format_time(parse_time(created.registry.clock.now()) - timedelta(days=2))
    created.patch("cronjobs", "c", lambda copy: copy.update(status={"lastScheduleTime": then}), subresource="status")
    async with worlds.running(created) as world:
        await world.until(lambda: bool(world.events("c", reason=reason)))
        text = "invalid schedule: 0 0 31 2 * : time difference between two schedules is less than 1 second"
        assert world.events("c", reason=reason) == [message or text]
        assert len(world.list("jobs")) <= 1


async def test_what_comes_too_late_is_not_started() -> None:
    created = World()
    created.node("a")
    names = {"cronjob-controller"}
    cron_job(created, schedule="@every 12h", startingDeadlineSeconds=100)
    then = format_time(parse_time(created.registry.clock.now()) - timedelta(hours=18))
    created.patch("cronjobs", "c", lambda copy: copy.update(status={"lastScheduleTime": then}), subresource="status")
    async with worlds.running(created, names) as world:
        await world.settle()
        assert not world.list("jobs")
