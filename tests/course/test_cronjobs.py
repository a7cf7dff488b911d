"""A CronJob's runs, made by the grader, and what an account may do."""

from __future__ import annotations

import pytest
from tests.course.test_trace import put

from kindlab.api import Obj
from kindlab.checks import Guest
from kindlab.checks.accounts import Account
from kindlab.checks.cronjobs import CronRuns, cron_runs
from kindlab.checks.live import LiveLab

pytestmark = pytest.mark.xdist_group("pocket")
PATIENT = 120.0
ASK = (
    'own=/var/run/secrets/kubernetes.io/serviceaccount; curl -sS -f -k -H "Authorization: Bearer $(cat $own/token)" '
    "https://kubernetes.default.svc/api/v1/namespaces/$(cat $own/namespace)/configmaps"
)


def cron() -> Obj:
    """It is never due by itself; it needs to see the ConfigMaps."""
    container = {"name": "ask", "image": "registry.k8s.io/e2e-test-images/agnhost:2.63.0", "command": ["sh", "-c", ASK]}
    pod = {"serviceAccountName": "clerk", "restartPolicy": "Never", "containers": [container]}
    job = {"spec": {"ttlSecondsAfterFinished": 0, "template": {"spec": {**pod, "terminationGracePeriodSeconds": 0}}}}
    spec = {"schedule": "0 0 31 2 *", "suspend": True, "jobTemplate": job}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "books"}, "spec": spec}


def may_list(kind: str) -> tuple[Obj, ...]:
    group, name = "rbac.authorization.k8s.io", {"name": "clerk"}
    rules = [{"apiGroups": [""], "resources": [kind], "verbs": ["list"]}]
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": name, "rules": rules}
    ref = {"apiGroup": group, "kind": "Role", **name}
    subjects = [{"kind": "ServiceAccount", **name}]
    binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": name, "roleRef": ref}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": name}, role, {**binding, "subjects": subjects}


def test_runs_with_its_account_and_with_a_powerless_one(live: LiveLab) -> None:
    put(live, *may_list("configmaps"), cron())
    with cron_runs(live, live.require("CronJob", "books")) as runs:
        powerless, able = runs.begin(account=runs.nobody()), runs.begin()
        assert runs.outcome(able, timeout=PATIENT) == "Complete"
        assert runs.outcome(powerless, timeout=PATIENT) == "Failed"
        assert runs.outcome("nobody", timeout=0.1) == ""
        assert not runs.is_due()
    assert live.eventually("Job", lambda found: not list(found) or None, timeout=PATIENT)
    assert {a["metadata"]["name"] for a in live.list("ServiceAccount")} == {"clerk", "default"}


def test_what_an_account_may_do(live: LiveLab) -> None:
    put(live, *may_list("configmaps"))
    with live.visitors({"client": Guest(live.namespace)}) as found:
        clerk, here = Account(live, "clerk", found["client"]), f"/api/v1/namespaces/{live.namespace}"
        codes = [clerk.code("GET", f"{here}/{kind}") for kind in ("configmaps", "secrets")]
        codes.append(clerk.code("DELETE", f"{here}/configmaps/nothing"))
    assert codes == [200, 403, 403]


def test_a_run_of_the_schedules_own_is_told_by_its_owner(live: LiveLab) -> None:
    put(live, *may_list("configmaps"), cron())
    made = live.require("CronJob", "books")
    job = {**made["spec"]["jobTemplate"], "apiVersion": "batch/v1", "kind": "Job"}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "books", "uid": made["metadata"]["uid"]}
    put(live, {**job, "metadata": {"name": "books-1", "ownerReferences": [owner]}})
    assert CronRuns(live, made).is_due()
