"""The lab's notebook, run from top to bottom as a learner runs it: on the cluster as the lab starts, and solved."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from kindlab import labs, placeholders, render, workspace
from kindlab.clusters.base import Status
from kindlab.labs import Lab

SAYS: dict[str, list[tuple[str, str, str]]] = {
    "01-pod-networking": [
        ("%why deployment/bakery", "address already in use", "Every hop is in order"),
        ("http://{ledger}:9000", "exit code", "sold today: 12"),
        ("%kubectl logs deploy/tearoom -c waiter --tail=2", "curl: (", "tea is ready"),
    ],
    "02-services": [
        ("%why svc/cart", "selector app=carts matches no Pod", "Every hop is in order"),
        ("%kubectl delete pod", "exit code", "exit code"),
    ],
    "03-service-discovery": [
        ("exec deploy/courier -- curl", "Could not resolve host: basket", "basket-"),
        ("touch /tmp/draining", "condition met", "10.244."),
        ("%apply rates.yaml", "10.96.", "> Host: rates"),
        ("%kubectl delete pod {mine}", "basket-", "20 basket-"),
    ],
    "04-endpointslices": [
        ("%kubectl get endpoints checkout", "Endpoints is deprecated", "Endpoints is deprecated"),
        ("name: to-myself", "may not be in the loopback range", "may not be in the loopback range"),
        ("http://bank/hostname", "exit code 7", "bank-"),
        ("in_endpoints = size", "4,000 addresses left out", "4,000 addresses left out"),
    ],
    "05-exposing-services": [
        ("{near}:{door}/clientip", "10.244.", "172.18.0.2"),
        ("{near}:30043/hostname", "ledger-", "exit code 7"),
    ],
    "07-ingress-tls": [
        ("http://client2.localhost/", "client1-", "client2-"),
        ("--cacert /tmp/client1.crt", "self-signed certificate", "client1-"),
        ("https://client2.localhost/", "TRAEFIK DEFAULT CERT", "CN=client2.localhost"),
        ("https://client3.localhost/", "TRAEFIK DEFAULT CERT", "CN=client3.localhost"),
        ("http://client1.localhost/orders", "200 OK", "Location: https://client1.localhost/orders?id=7"),
        ("https://portal.localhost/header", '"X-Forwarded-Proto":["https"]', '"X-Forwarded-Proto":["https"]'),
        ("logs deploy/visitor --since", "HTTP 200, certificate CN=portal.localhost", "HTTP 200, certificate CN=portal"),
    ],
    "08-network-policy": [
        ("%kubectl exec deploy/worker -- curl -sS -m 3 http://queue", "Resolving timed out", "queue-"),
        ("%why http://queue", "cannot ask for the name queue", "Every hop is in order"),
    ],
    "09-config-and-rollout": [
        ("patch configmap prices-1", "field is immutable", "field is immutable"),
        ("looked=again", "Today: soup", "Today: waffles"),
        ("%kubectl describe secrets", "No resources found", "13 bytes"),
        ("%kubectl get pods -l app=search", "successfully rolled out", "exceeded its progress deadline"),
        ("for n in 1 2 3", " 000", "96 200"),
    ],
    "13-storage-classes": [
        ("get pvc note orders", "standard", "Bound"),
        ("csi-hostpath-sc", "spec is immutable after creation", "spec is immutable after creation"),
        ("pvc/reserve --timeout=5s", "timed out", "condition met"),
        ("%why pvc/scans", "didn't match PersistentVolume's node affinity", "Every hop is in order"),
        ("patch storageclass lab13-archive", "reclaimPolicy: Invalid value", "patched (no change)"),
        ("delete pvc draft paper", 'persistentvolumeclaim "paper" deleted', "Released"),
        ("2Gi", "storageclass that provisions the pvc must support resize", "patched (no change)"),
        ("500Mi", "field can not be less than status.capacity", "field can not be less than status.capacity"),
        ("%why pvc/labels", "disks.example.com", "Every hop is in order"),
        ("--for pvc/stamps", "no node was specified", "ProvisioningSucceeded"),
    ],
    "11-volumes": [
        ("%kubectl logs deploy/desk", "the desk opens with 0 orders", "the desk opens with 1 orders"),
        ("http://press/sheet", "404 Not Found", "set by press-"),
        ("touch /www/scribble", "sheet", "Read-only file system"),
        ("name: two-in-one", "must be unique", "must be unique"),
        ("of=/proofs/large", "9437184", "No space left on device"),
        ("reason=Evicted", "No resources found", 'exceeds the limit "32Mi"'),
        ("http://window/prices", "4 for us", "404 Not Found"),
        ("df -h /ticket", "exit code", "tmpfs"),
    ],
    "06-ingress": [
        ("{visit} http://apps.06.localhost/app1 http://shop", "404 page not found", "(200 http://shop.06.localhost/)"),
        ("answers.count", "0 by stable, 0 by the canary", " by the canary"),
        ("%why http://apps.06.localhost/app2/help", "of that host there are", "Every hop is in order"),
    ],
    "15-volume-limits": [
        ("attached = kubectl", "9 volumes are attached", "16 volumes are attached"),
        ("status.conditions[*].message", "(no output)", "1 node(s) exceed max volume count"),
        ("exec deploy/depot -- ls -l /depots /together", "together", "No such file"),
        ("%kubectl apply -f archive.yaml", "created", "Every hop is in order"),
    ],
    "14-snapshots-and-clones": [
        ("%kubectl delete volumesnapshot one two", "deleted", "two"),
        ("%kubectl describe volumesnapshot noon", '"lab14-keep" not found', "Bound Volume Snapshot Content Name"),
        ("head -n 5 /data/ledger.txt", "BROKEN: sale 1", "all finished"),
        ("%why pvc/ledger-restored", "there is no PersistentVolumeClaim ledger-restored", "Every hop is in order"),
        ("4 free pianos", "exit code", "nonsense.txt"),
        ("%kubectl describe pvc prices-north", "requested 16777216 but source is 67108864", "Status:        Bound"),
        ("%kubectl describe pvc prices-south", "but new PVC requested Block", "Status:        Bound"),
        ("%kubectl describe pvc prices-tax", '"prices" not found', '"prices" not found'),
    ],
    "16-capstone-shop": [
        ("https://north.16.localhost/hostname", "404 page not found", "storefront-"),
        ("--from {cart}", "", "Every hop is in order"),
        ("--pod-selector", "evicted", "evicted"),
        ("sort /tmp/codes", "404", " 200"),
        ("create job try", "error", "condition met"),
    ],
    "12-persistent-volumes": [
        ("%kubectl get pvc ledger\n%kubectl get pods", "Pending", "Bound"),
        ("{.spec.claimRef}", "3f0c2d5e", '"letters"'),
        ("cat /letters/*", "Released", "Dear Ada, the engine runs."),
    ],
}
"""Lab -> (a line of a cell, what its answer says before the lab is solved, and after)."""


@pytest.fixture(params=[lab.slug for lab in labs.all_labs()])
def lab(pocket: Status, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab started anew, with the learner's files in their folder."""
    found = labs.find(request.param)
    workspace.reset(found, pocket.api())
    yield found
    workspace.remove_namespaces(pocket.api(), found)


def execute(lab: Lab) -> list[Any]:
    """The code cells after running the learner's copy of the notebook; a cell that raises ends the test."""
    file = workspace.folder(lab) / f"{lab.slug}.ipynb"
    book = nbformat.read(file, as_version=4)
    client = nbclient.NotebookClient(book, timeout=180, resources={"metadata": {"path": str(file.parent)}})
    client.execute(env={**os.environ, "NO_COLOR": "1"})
    return [cell for cell in book.cells if cell.cell_type == "code"]


def texts(cell: Any) -> str:
    """What a cell shows, as text; every answer of a magic has an HTML form too."""
    shown = []
    for output in cell.outputs:
        if output.output_type == "stream":
            shown.append(output.text)
        else:
            assert "text/html" in output.data or not cell.source.startswith("%"), cell.source
            shown.append(output.data["text/plain"])
    return "\n".join(shown)


def answer(cells: list[Any], line: str) -> str:
    """What the first cell with that line shows."""
    return next(texts(cell) for cell in cells if line in f"{cell.source}\n")


def test_the_notebook_is_what_the_text_says() -> None:
    for lab in labs.all_labs():
        assert render.is_fresh(lab), f"run make notebooks ({lab.slug})"


def test_the_notebook_holds_no_line_of_the_solution() -> None:
    for lab in labs.all_labs():
        text = (lab.folder / "lab.md").read_text(encoding="utf-8")
        given = {line.strip() for f in lab.start_files for line in f.read_text(encoding="utf-8").splitlines()}
        secret = {
            line.strip()
            for f in labs.manifests(lab.solution_folder)
            for line in f.read_text(encoding="utf-8").splitlines()
            if ":" in line and not line.lstrip().startswith("#")
        }
        shown = {line.strip() for line in text.splitlines()}
        assert not shown & (secret - given), lab.slug


@pytest.mark.slow
def test_unsolved(lab: Lab) -> None:
    cells = execute(lab)
    assert "Traceback" not in "\n".join(texts(cell) for cell in cells)
    for cell in cells:
        if cell.source.strip() in {f"%apply {file.name}" for file in lab.start_files}:
            assert "is still as the lab gave it" in texts(cell), cell.source
    for line, says, _ in SAYS.get(lab.slug, ()):
        assert says in answer(cells, line)
    for task in lab.tasks:
        assert f"0 of {task.points} points" in answer(cells, f"--task {task.id}")
    whole = answer(cells, f"%check {lab.number}\n")
    assert f"0 of {lab.max_points} points" in whole
    for task in lab.tasks:
        assert f"✘ {task.id}" in whole
    assert f"Answer them in a terminal: kindlab quiz {lab.number}" in answer(cells, "%quiz")


@pytest.mark.slow
def test_solved(lab: Lab, pocket: Status) -> None:
    for file in labs.manifests(lab.solution_folder):
        text = placeholders.filled(lab.text(file), pocket.api())
        (workspace.folder(lab) / file.name).write_text(text, encoding="utf-8")
    workspace.solve(lab, pocket.api())
    cells = execute(lab)
    assert "Traceback" not in "\n".join(texts(cell) for cell in cells)
    for line, _, says in SAYS.get(lab.slug, ()):
        assert says in answer(cells, line)
    for task in lab.tasks:
        assert f"{task.points} of {task.points} points" in answer(cells, f"--task {task.id}")
    assert f"{lab.max_points} of {lab.max_points} points" in answer(cells, f"%check {lab.number}\n")


def test_a_learner_without_a_cluster_is_told_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%load_ext kindlab\n%start 02")])
    nbclient.NotebookClient(book, timeout=60).execute(env=dict(os.environ))
    text = texts(book.cells[0])
    assert "is not ready" in text
    assert "kindlab up" in text
    assert "Traceback" not in text
