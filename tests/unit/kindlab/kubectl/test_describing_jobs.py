"""What describe says of Jobs and CronJobs beyond what a kubectl older than 1.36 can be compared with."""

from __future__ import annotations

import pytest

from kindlab.api import Obj
from kindlab.kubectl import describing_jobs

TEMPLATE: Obj = {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "busybox:1.36"}]}}


def cron_job(**spec: str) -> Obj:
    whole = {
        "schedule": "@daily",
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "jobTemplate": {"spec": {"template": TEMPLATE}},
    }
    return {"metadata": {"name": "c", "namespace": "n"}, "spec": {**whole, **spec}}


def test_the_time_zone_of_a_cron_job() -> None:
    assert "Time Zone:\tEurope/Berlin" in list(describing_jobs.cron_job(cron_job(timeZone="Europe/Berlin")))
    assert "Time Zone:\t<unset>" in list(describing_jobs.cron_job(cron_job()))


@pytest.mark.parametrize(
    ("indexes", "shown"),
    [
        ("", "<none>"),
        ("0-99999", "0-99999"),
        (",".join(str(2 * n) for n in range(17)), "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32"),
        (",".join(str(2 * n) for n in range(30)), "0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,..."),
    ],
)
def test_completed_indexes_are_cut_after_fifty_letters(indexes: str, shown: str) -> None:
    spec: Obj = {"selector": {}, "parallelism": 1, "completionMode": "Indexed", "suspend": False, "backoffLimit": 6}
    live = {
        "metadata": {"name": "j", "namespace": "n"},
        "spec": {**spec, "template": TEMPLATE},
        "status": {"completedIndexes": indexes} if indexes else {},
    }
    assert f"Completed Indexes:\t{shown}" in list(describing_jobs.job(live))
