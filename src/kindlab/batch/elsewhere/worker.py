"""`python -m kindlab.batch.elsewhere.worker`: one submission, in a Pod of the Job.

Which one says JOB_COMPLETION_INDEX. It is read from a Secret, graded on an embedded cluster in this Pod, and what it
came to is written as a Secret. That it could not be graded is an answer, too; exit code 1 means that none could be
handed back, and the Job tries again in another Pod.

A submission's containers cannot reach this Pod's token or its API server: they are tasks of the embedded cluster's
process (pocketkube/kubelet/process.py), whose programs are its own Python, whose files are not this Pod's, and whose
addresses are those of a network that exists in that process alone. No file of a submission is ever run here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from kindlab import farm, labs
from kindlab.api import Api, ApiError, Unreachable
from kindlab.batch import one
from kindlab.batch.elsewhere import objects, order, parcels
from kindlab.batch.elsewhere.order import Answer, Order
from kindlab.errors import Problem, in_a_line

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TRIES, PAUSE = 5, 3.0
"""How often an answer is handed over to an API server that is away, and seconds between."""


def main(environ: Mapping[str, str], account: Path = ACCOUNT) -> int:
    run, namespace, index = environ["KINDLAB_RUN"], environ["KINDLAB_NAMESPACE"], int(environ["JOB_COMPLETION_INDEX"])
    with tempfile.TemporaryDirectory(prefix="kindlab-worker-", ignore_cleanup_errors=True) as scratch:
        api = Api(_kubeconfig(environ, account, Path(scratch)))
        name = objects.answer_name(run, index)
        if parcels.received(api, namespace, name) is not None:
            return 0  # a Pod that was thought lost was not
        data = parcels.received(api, namespace, objects.order_name(run, index))
        if data is None:
            print(f"There is no Secret {objects.order_name(run, index)}.", file=sys.stderr)
            return 1
        files = Path(scratch) / "files"
        files.mkdir()
        answer = _answered(order.unpacked(data, files), Path(scratch))
        labels = {"batch.kubernetes.io/job-completion-index": str(index)}
        meta = objects.owned_by(run, environ["KINDLAB_JOB"], labels)
        _handed_over(api, namespace, name, answer, meta)
    return 0


def _answered(asked: Order, scratch: Path) -> Answer:
    lab = labs.find(asked.lab)
    evidence = scratch / asked.evidence if asked.evidence else None
    given = lab.given_to(asked.variant)
    work = partial(one.grade_one, lab=given, cluster="pocket", tasks=asked.tasks, evidence=evidence)
    done = farm.once(work, asked.submission, farm.Limits(wall=asked.seconds))
    kept = evidence.read_bytes() if evidence and evidence.is_file() and done.result else b""
    answer = Answer(done.result, done.problem, done.seconds, done.cpu, kept, done.overran)
    if answer.graded and not parcels.fits(answer.packed()):
        note = f"Its evidence ({len(kept) >> 20} MB) was too much to be handed back by the cluster."
        graded = replace(answer.graded, evidence="", notes=(*answer.graded.notes, note))
        return replace(answer, graded=graded, evidence=b"")
    return answer


def _handed_over(api: Api, namespace: str, name: str, answer: Answer, meta: dict[str, object]) -> None:
    data = answer.packed()
    for left in reversed(range(TRIES)):
        try:
            return parcels.sent(api, namespace, name, data, meta)
        except Unreachable:
            if not left:
                raise
            time.sleep(PAUSE)


def _kubeconfig(environ: Mapping[str, str], account: Path, scratch: Path) -> Path:
    """The Pod's own rights, as a kubeconfig. The token is named, not copied: kubelet renews it."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    cluster = {"server": server, "certificate-authority": str(account / "ca.crt")}
    known = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [{"name": "pod", "cluster": cluster}],
        "users": [{"name": "pod", "user": {"tokenFile": str(account / "token")}}],
        "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod"}}],
    }
    file = scratch / "kubeconfig"
    file.write_text(json.dumps(known), encoding="utf-8")
    return file


if __name__ == "__main__":
    try:
        sys.exit(main(os.environ))
    except (Problem, ApiError) as error:
        print(in_a_line(error), file=sys.stderr)
        sys.exit(1)
