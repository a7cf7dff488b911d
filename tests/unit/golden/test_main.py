import pytest
import yaml
from tests.golden.__main__ import main
from tests.golden.cluster import pocket_exists
from tests.unit.golden.fake import serve

PATH = "/api/v1/namespaces/golden-x/services/web"


@pytest.fixture
def fake(tmp_path):
    with serve(tmp_path) as server:
        server.script["GET", PATH] = 200, {"kind": "Service", "spec": {"port": 80}}
        yield server


@pytest.fixture
def run(fake, tmp_path, capsys):
    def start(*options, port=80, **scenario):
        step = {"method": "GET", "path": PATH}
        right = {**step, "id": "right", "response": {"code": 200, "body": {"kind": "Service", "spec": {"port": 80}}}}
        wrong = {**step, "id": "other", "response": {"code": 200, "body": {"kind": "Service", "spec": {"port": port}}}}
        file = tmp_path / "web-01.yaml"
        file.write_text(yaml.safe_dump({"name": "x", "namespace": "golden-x", "steps": [right, wrong], **scenario}))
        code = main([str(file), "--kubeconfig", str(fake.kubeconfig), *options])
        return code, capsys.readouterr().out

    return start


def test_a_scenario_that_matches(run):
    code, out = run()
    assert code == 0
    assert out.startswith("web-01.yaml: 2/2 steps")


def test_a_scenario_that_differs(run):
    code, out = run(port=81)
    assert code == 1
    assert "DIFFERS web-01: other  (GET /api/v1/namespaces/golden-x/services/web)" in out
    assert "    .spec.port\n      expected  81\n      seen      80\n" in out
    assert "web-01.yaml: 1/2 steps" in out


def test_one_step(run):
    assert run("--step", "right", port=81)[0] == 0
    assert run("--step", "other", port=81)[0] == 1
    assert run("--step", "missing")[0] == 1


def test_verbose_shows_the_steps_that_match(run):
    assert "ok   web-01: right" in run("-v")[1]


def test_the_survey(run, tmp_path):
    target = tmp_path / "failing.txt"
    code, out = run("--survey", "--survey-file", str(target), port=81)
    assert code == 1
    assert "0/1 scenarios, 1/2 steps" in out
    assert target.read_text().splitlines()[1:] == ["web-01 1/2 other"]
    assert run("--survey", "--survey-file", str(target))[0] == 0
    assert target.read_text().splitlines()[1:] == []


def test_a_namespace_that_cannot_be_made_fails_the_file(fake, run):
    fake.script["POST", "/api/v1/namespaces"] = 403, {}
    code, out = run()
    assert code == 1
    assert "could not be replayed" in out


def test_other_nodes_are_remarked_on(fake, run):
    nodes = [{"metadata": {"name": n}, "spec": {"taints": t}} for n, t in (("control", [{}]), ("worker", None))]
    fake.script["GET", "/api/v1/nodes"] = 200, {"items": nodes}
    code, out = run()
    assert code == 0
    assert "node-1 stands for any of control, worker in answers and for worker in requests" in out


def test_without_a_cluster(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    file = tmp_path / "a.yaml"
    file.write_text("steps: []\n")
    assert main([str(file), "--cluster", "current"]) == 3
    assert "no kubeconfig" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["missing.yaml"]])
def test_usage(argv):
    with pytest.raises(SystemExit) as error:
        main(argv)
    assert error.value.code == 2


def test_pocket_is_found_once_it_can_be_run():
    assert pocket_exists()
