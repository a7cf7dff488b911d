"""A cluster that many learners share: a ServiceAccount for each, with the rights that `kindlab rights` has printed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.course.command import Run, runner

from kindlab.api import Api
from kindlab.clusters.base import Status
from kindlab.manifests import parse

SCHOOL = "school"


@dataclass(frozen=True)
class Pupil:
    """`kindlab` as that learner runs it, with a home of their own, and the API as they see it."""

    kindlab: Run
    api: Api


def enrol(cluster: Status, folder: Path, name: str, *options: str) -> Pupil:
    """Give the learner an account and what `kindlab rights OPTIONS` prints, and let them take the cluster."""
    assert cluster.kubeconfig is not None
    admin = cluster.api()
    _account(admin, name)
    account = f"{SCHOOL}:{name}"
    printed = runner()("rights", "--prefix", name, "--serviceaccount", account, *options)
    assert printed.returncode == 0, printed.stderr
    for obj in parse(printed.stdout, "rights"):
        admin.replace(obj)
    config = folder / f"{name}.config"
    config.write_text(_kubeconfig(cluster, _token(admin, name)), encoding="utf-8")
    run = runner(
        KINDLAB_HOME=str(folder / name / "home"), KINDLAB_WORK=str(folder / name / "work"), KUBECONFIG=str(config)
    )
    up = run("up", "--cluster", "current", "--prefix", name, "--yes")
    assert up.returncode == 0, up.stderr
    return Pupil(run, Api(config))


def _account(admin: Api, name: str) -> None:
    for kind, meta in (("Namespace", {"name": SCHOOL}), ("ServiceAccount", {"name": name, "namespace": SCHOOL})):
        if admin.get(kind, meta["name"], meta.get("namespace")) is None:
            admin.create({"apiVersion": "v1", "kind": kind, "metadata": meta})


def _token(admin: Api, name: str) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = f"/api/v1/namespaces/{SCHOOL}/serviceaccounts/{name}/token"
    return str(admin.request("POST", path, body)["status"]["token"])


def _kubeconfig(cluster: Status, token: str) -> str:
    config = yaml.safe_load(Path(str(cluster.kubeconfig)).read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": token}
    return str(yaml.safe_dump(config))
