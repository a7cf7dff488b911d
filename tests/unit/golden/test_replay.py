import json
import os
import stat

import pytest
from tests.golden.alternatives import ALTERNATIVES, Alternative, Change
from tests.golden.inputs import KEPT, ORPHANED
from tests.golden.kubectl import Kubectl
from tests.golden.replay import Options, Replay
from tests.golden.scenario import Scenario
from tests.unit.golden.fake import serve

NS = "/api/v1/namespaces/golden-x"
UID = "0f9cbb2e-57a0-4a6e-9c1c-0a4e0a3f2d11"


@pytest.fixture
def fake(tmp_path):
    with serve(tmp_path) as server:
        yield server


@pytest.fixture
def replay(fake, tmp_path):
    def run(*steps, name="x-01", namespace="golden-x", kubectl=None, **options):
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        scenario = Scenario(name, "", namespace, tuple(steps))
        return Replay(scenario, fake.kubeconfig, kubectl, folder, Options(**options)).run()

    return run


def get(name, body, code=200, path=f"{NS}/services/web", **more):
    return {"id": name, "method": "GET", "path": path, "response": {"code": code, "body": body}, **more}


def post(name, sent, body, code=201, **more):
    step = {"id": name, "method": "POST", "path": f"{NS}/services", "contentType": "application/json", "body": sent}
    return {**step, "response": {"code": code, "body": body}, **more}


def test_a_right_answer_matches(fake, replay):
    fake.script["GET", f"{NS}/services/web"] = 200, {"kind": "Service", "metadata": {"uid": UID}}
    result = replay(get("one", {"kind": "Service", "metadata": {"uid": "<uid>"}}))
    assert (result.matched, result.total, result.passed) == (1, 1, True)
    assert result.failures == []


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ((404, {"kind": "Service", "spec": 1}), "code"),
        ((200, {"kind": "Service", "spec": 2}), ".spec"),
        ((200, {"kind": "Service"}), ".spec"),
        ((200, {"kind": "Service", "spec": 1, "status": {}}), ".status"),
        ((200, "Service"), ""),
        ((200, {"kind": "Service", "spec": 1}, [("Warning", '299 - "w"')]), "warnings"),
    ],
)
def test_a_wrong_answer_is_reported(fake, replay, answer, path):
    fake.script["GET", f"{NS}/services/web"] = answer
    result = replay(get("one", {"kind": "Service", "spec": 1}))
    assert not result.passed
    assert result.matched == 0
    (failure,) = result.failures
    assert (failure.id, failure.outcome) == ("one", "differs")
    assert path in [diff.path for diff in failure.diffs]


@pytest.mark.parametrize(
    ("answer", "matches", "reason"),
    [
        (("1", 1), True, ""),
        (("2", 2), True, "known difference: it had looked twice"),
        (("2", 1), False, ""),
        (("3", 3), False, ""),
    ],
)
def test_an_alternative_counts_as_a_whole_and_alone(fake, replay, monkeypatch, answer, matches, reason):
    changes = (Change(("response", "body", "a"), "1", "2"), Change(("response", "body", "b"), 1, 2))
    alternative = Alternative("it had looked twice", changes)
    monkeypatch.setitem(ALTERNATIVES, ("x-01", "one"), (alternative,))
    fake.script["GET", f"{NS}/services/web"] = 200, {"a": answer[0], "b": answer[1]}
    result = replay(get("one", {"a": "1", "b": 1}), max_wait=0.01)
    assert (result.passed, result.steps[0].note) == (matches, reason)
    if not matches:  # what is shown is how it differs from the recording itself
        assert {diff.expected for step in result.failures for diff in step.diffs} <= {"1", 1}


@pytest.mark.parametrize(
    ("why", "options", "slept"),
    [
        ("the proxy learns of it", {"learns_within": 0.5}, [0.5]),
        ("the resolver learns of the objects", {"learns_within": 9.0}, [2.0]),
        ("the proxy learns of it", {}, [2.0]),
        ("to show that no slice appears", {"learns_within": 0.5}, [2.0]),
        ("controller settles", {"learns_within": 0.5}, [2.0]),
    ],
)
def test_only_pauses_for_somebody_to_learn_are_cut(replay, monkeypatch, why, options, slept):
    found = []
    monkeypatch.setattr("tests.golden.replay.time.sleep", found.append)
    replay({"pause": "2s", "why": why}, **options)
    assert found == slept


def test_no_answer_is_reported(fake, replay):
    fake.script["GET", f"{NS}/services/web"] = lambda _: 1 / 0  # the server drops the connection
    (failure,) = replay(get("one", {})).failures
    assert failure.note.startswith("no answer")


def test_the_namespace_is_made_waited_for_and_deleted(fake, replay):
    fake.script["GET", f"{NS}/serviceaccounts/default"] = [(404, {}), (404, {}), (200, {})]
    fake.script["DELETE", NS] = [(200, {}), (200, {})]
    fake.script["GET", NS] = [(200, {}), (404, {})]
    fake.script["GET", "/healthz"] = 200, "ok"
    assert replay(get("one", "ok", path="/healthz")).passed
    order = [(r.method, r.path) for r in fake.requests]
    assert order[:4] == [("DELETE", NS), ("GET", NS), ("GET", NS), ("POST", "/api/v1/namespaces")]
    assert order.count(("GET", f"{NS}/serviceaccounts/default")) == 3
    assert order[-2:] == [("GET", "/healthz"), ("DELETE", NS)]


def test_a_namespace_that_cannot_be_made_is_an_error(fake, replay):
    fake.script["POST", "/api/v1/namespaces"] = 403, {"message": "no"}
    with pytest.raises(RuntimeError, match="was not created: 403"):
        replay(get("one", "ok"))


def test_cluster_scoped_objects_are_deleted(fake, replay):
    fake.script["POST", "/api/v1/nodes"] = 201, {}
    step = {**post("n", {"metadata": {"name": "golden-fake-a"}}, {}), "path": "/api/v1/nodes"}
    replay(step)
    assert len(fake.sent("DELETE", "/api/v1/nodes/golden-fake-a")) == 2, "before, for leftovers, and after"


def test_what_is_the_clusters_own_is_put_back(fake, replay):
    corefile, deployment = KEPT["dns-08-outage"]
    before = {"metadata": {"name": "coredns", "resourceVersion": "7"}, "data": {"Corefile": "a"}}
    fake.script["GET", corefile] = [(200, before), (200, {**before, "data": {"Corefile": "b"}})]
    fake.script["GET", deployment] = 200, {"metadata": {"name": "coredns"}, "spec": {"replicas": 2}}
    fake.script["GET", "/healthz"] = 500, "no"
    replay(get("one", "ok", path="/healthz"), name="dns-08-outage")
    (put,) = [request for request in fake.requests if request.method == "PUT"]
    assert (put.path, json.loads(put.body)) == (corefile, {"metadata": {"name": "coredns"}, "data": {"Corefile": "a"}})


def test_values_are_carried_over_into_requests(fake, replay):
    made = {"kind": "Service", "metadata": {"uid": UID, "resourceVersion": "7"}, "spec": {"clusterIP": "10.96.0.7"}}
    fake.script["POST", f"{NS}/services"] = 201, made
    golden = {
        "kind": "Service",
        "metadata": {"uid": "<uid>", "resourceVersion": "<rv>"},
        "spec": {"clusterIP": "<clusterIP.1>"},
    }
    second = post(
        "two",
        {"metadata": {"uid": "<uid>", "resourceVersion": "<rv>"}, "spec": {"clusterIP": "<clusterIP.1>"}},
        golden,
        subst={"<uid>": "one .metadata.uid", "<rv>": "one .metadata.resourceVersion (now stale)"},
    )
    assert replay(post("one", {}, golden), second).passed
    assert json.loads(fake.sent("POST", f"{NS}/services")[1].body) == {
        "metadata": {"uid": UID, "resourceVersion": "7"},
        "spec": {"clusterIP": "10.96.0.7"},
    }


def test_a_uid_nobody_points_to_is_no_objects(fake, replay):
    fake.script["GET", f"{NS}/services/web"] = 200, {"metadata": {"uid": UID}}
    replay(get("one", {"metadata": {"uid": "<uid>"}}), post("two", {"uid": "<uid>"}, {}))
    sent = json.loads(fake.sent("POST", f"{NS}/services")[0].body)["uid"]
    assert len(sent) == 36
    assert sent != UID


def test_a_conflict_is_provoked_with_the_oldest_resource_version(fake, replay):
    path = f"{NS}/services/web"
    fake.script["GET", path] = [(200, {"metadata": {"resourceVersion": str(rv)}}) for rv in (5, 9)]
    fake.script["POST", f"{NS}/services"] = 409, {}
    golden = {"metadata": {"resourceVersion": "<rv>"}}
    replay(get("one", golden), get("two", golden), post("three", '{"rv": "<rv>"}', {}, code=409))
    assert fake.sent("POST", f"{NS}/services")[0].body == '{"rv": "5"}'


def test_a_step_without_a_value_to_send_is_not_run(fake, replay):
    result = replay(get("one", {}, path=f"{NS}/pods/<podIP.3>"))
    (failure,) = result.failures
    assert failure.outcome == "not run"
    assert "<podIP.3>" in failure.note
    assert not fake.sent("GET", f"{NS}/pods/<podIP.3>")


def test_the_reading_a_request_depends_on_is_kept(fake, replay):
    fake.script["GET", f"{NS}/s"] = 200, {"endpoints": ["10.0.0.2", "10.0.0.1"]}
    fake.script["GET", f"{NS}/by/10.0.0.2"] = 200, "second"
    result = replay(
        get("one", {"endpoints": ["<podIP.1>", "<podIP.2>"]}, path=f"{NS}/s"),
        get("two", "second", path=f"{NS}/by/<podIP.1>"),
    )
    assert result.passed


def test_requests_are_sent_as_recorded(fake, replay):
    fake.script["POST", f"{NS}/services"] = 201, "ok"
    steps = [
        post(
            "raw", "{not json", "ok", contentType="application/yaml", accept="application/yaml", query={"dryRun": "All"}
        ),
        post("large", {"k": "<3 times the letter a>"}, "ok", headers={"Impersonate-User": "learner"}),
        post("nobody", {}, "ok", anonymous=True),
    ]
    assert replay(*steps).passed
    raw, large, nobody = fake.sent("POST", f"{NS}/services")
    assert (raw.body, raw.headers["Content-Type"], raw.headers["Accept"]) == ("{not json", *["application/yaml"] * 2)
    assert raw.query == {"dryRun": "All"}
    assert raw.headers["Authorization"] == "Bearer t0"
    assert json.loads(large.body) == {"k": "aaa"}
    assert large.headers["Impersonate-User"] == "learner"
    assert "Authorization" not in nobody.headers


def wait(until, timeout="5s"):
    return {"wait": {"path": f"{NS}/pods/a", "until": until, "timeout": timeout}}


def test_a_wait_polls_until_its_conditions_hold(fake, replay):
    fake.script["GET", f"{NS}/pods/a"] = [(404, {}), (200, {"n": 1}), (200, {"n": 2, "m": 1})]
    result = replay(wait([".n == 2", ".m >= 1"]))
    assert result.passed
    assert (result.matched, result.total) == (0, 0), "a wait is no step"


def test_a_wait_that_times_out_fails_the_file(fake, replay):
    fake.script["GET", f"{NS}/pods/a"] = 200, {"n": 1}
    result = replay(wait([".n == 2", ".n == 1"], "10ms"))
    assert not result.passed
    (failure,) = result.failures
    assert "within 0.01 s: .n == 2" in failure.diffs[0].expected
    assert failure.diffs[0].seen == {"n": 1}
    assert not replay(wait(".n == 2", "60s"), max_wait=0.01).passed


def line(kind, name):
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


def watching(events, **query):
    return {
        "id": "w",
        "kind": "watch",
        "path": f"{NS}/configmaps",
        "query": {"watch": "true", "timeoutSeconds": "2", "resourceVersion": "<rv>", **query},
        "during": ["made"],
        "response": {"code": 200, "events": [json.loads(event) for event in events]},
    }


@pytest.fixture
def watched(fake):
    """A server whose watch sends its event only once a Service has been created."""

    def created():
        with fake.arrived:
            assert fake.arrived.wait_for(lambda: fake.sent("POST", f"{NS}/services"), timeout=5)
        return b""

    def script(*lines):
        def answer(request):
            if "watch" not in request.query:
                return 200, {"metadata": {"resourceVersion": "42"}}
            return 200, [b"", created, *lines]

        fake.script["GET", f"{NS}/configmaps"] = answer
        fake.script["POST", f"{NS}/services"] = 201, {}

    return script


def test_a_watch_is_open_while_its_steps_run(fake, replay, watched):
    watched(line("BOOKMARK", ""), line("ADDED", "a"))
    assert replay(post("made", {}, {}), watching([line("ADDED", "a")])).passed
    order = [
        (r.method, r.query.get("watch")) for r in fake.requests if r.path in (f"{NS}/configmaps", f"{NS}/services")
    ]
    assert order == [("GET", None), ("GET", "true"), ("POST", None)]
    assert fake.sent("GET", f"{NS}/configmaps")[1].query["resourceVersion"] == "42"


@pytest.mark.parametrize(
    "lines",
    [[], [line("ADDED", "b")], [line("MODIFIED", "a")], [line("ADDED", "a"), line("ADDED", "a")], [b"no json\n"]],
)
def test_a_watch_that_shows_something_else_is_reported(replay, watched, lines):
    watched(*lines)
    result = replay(post("made", {}, {}), watching([line("ADDED", "a")]))
    assert [failure.id for failure in result.failures] == ["w"]


def test_a_watch_that_is_refused_is_reported(fake, replay):
    fake.script["POST", f"{NS}/services"] = 201, {}
    result = replay(post("made", {}, {}), watching([line("ADDED", "a")]))
    (failure,) = result.failures
    assert failure.outcome == "not run"
    assert "code 404" in failure.note


def test_a_note_that_names_an_act_is_acted_and_its_effect_waited_for(fake, replay):
    fake.script["GET", f"{NS}/services/web"] = 200, "ok"
    scale = "/apis/apps/v1/namespaces/kube-system/deployments/csi-hostpath-provisioner/scale"
    pods = "/api/v1/namespaces/kube-system/pods"
    fake.script["PATCH", scale] = 200, {}
    fake.script["GET", pods] = [(200, {"items": [{}]}), (200, {"items": []})]
    result = replay({"note": "the provisioner was suspended"}, get("one", "ok"))
    assert result.passed
    (patch,) = fake.sent("PATCH", scale)
    assert json.loads(patch.body) == {"spec": {"replicas": 0}}
    looks = fake.sent("GET", pods)
    assert len(looks) == 2
    assert "app.kubernetes.io/component=provisioner" in looks[0].query["labelSelector"]


def test_steps_after_a_note_are_skipped_up_to_the_next(fake, replay):
    fake.script["GET", f"{NS}/services/web"] = 200, "ok"
    fake.script["PATCH", "/apis/apps/v1/namespaces/golden-x/deployments/web"] = 200, {}
    seen = []
    steps = [
        get("one", "ok"),
        {"note": "the provisioner was suspended"},  # the fake has no such Deployment
        get("two", "ok"),
        wait(".never == 1", "60s"),
        {"note": "args of container c were set to [sleep, 3600] here by a strategic merge patch"},
        get("three", "ok"),
    ]
    result = replay(*steps, on_note=seen.append)
    assert [step.outcome for step in result.steps] == ["matched", "skipped", "matched"]
    assert not result.passed, "a skipped step is not a matched one"
    assert seen[0] == "the provisioner was suspended"
    (patch,) = fake.sent("PATCH", "/apis/apps/v1/namespaces/golden-x/deployments/web")
    assert json.loads(patch.body)["spec"]["template"]["spec"]["containers"][0]["args"] == ["sleep", "3600"]


def test_repeats_send_each_request_anew(fake, replay):
    def made(request):
        return (201, {}) if json.loads(request.body)["metadata"]["name"] != "p-252" else (500, "no room")

    fake.script["POST", f"{NS}/pods"] = made
    create = {
        **post("create", {"metadata": {"name": "p-000"}, "status": {"podIP": "10.200.0.1"}}, {}),
        "path": f"{NS}/pods",
    }
    spread = "pod name p-%03d, pod IP 10.200.(i/250).(i%250+1)"
    steps = [create, {"repeat": {"steps": ["create"], "from": 249, "to": 251, "with": spread}}]
    assert replay(*steps).passed
    sent = [json.loads(request.body) for request in fake.sent("POST", f"{NS}/pods")[1:]]
    assert [(pod["metadata"]["name"], pod["status"]["podIP"]) for pod in sent] == [
        ("p-249", "10.200.0.250"),
        ("p-250", "10.200.1.1"),
        ("p-251", "10.200.1.2"),
    ]
    steps[1]["repeat"]["to"] = 252
    (failure,) = replay(*steps).failures
    assert failure.diffs[0].seen == (500, "no room")


def test_a_repeat_deletes_a_range(fake, replay):
    fake.script["POST", f"{NS}/pods"] = 201, {}
    for name in ("p-001", "p-002"):
        fake.script["DELETE", f"{NS}/pods/{name}"] = 200, {}
    create = {**post("create", {"metadata": {"name": "p-000"}}, {}), "path": f"{NS}/pods"}
    assert replay(create, {"repeat": {"delete": "pods p-001 .. p-002 with gracePeriodSeconds 0"}}).passed
    assert json.loads(fake.sent("DELETE", f"{NS}/pods/p-002")[0].body)["gracePeriodSeconds"] == 0


def test_only_the_steps_up_to_the_one_asked_for_run(fake, replay):
    fake.script["GET", f"{NS}/services/web"] = 200, "ok"
    result = replay(get("one", "ok"), get("two", "ok"), get("three", "ok"), until="two")
    assert [step.id for step in result.steps] == ["one", "two"]


# --- kubectl ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def kubectl(tmp_path):
    """A stand-in that runs its first argument as a shell script."""

    def make(version="v1.36.2"):
        path = tmp_path / "kubectl"
        path.write_text('#!/bin/sh\nexec sh -c "$1"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return Kubectl(str(path), version)

    return make


def command(script, stdout="", stderr="", code=0, **more):
    return {"id": "k", "kind": "kubectl", "args": [script], "exit": code, "stdout": stdout, "stderr": stderr, **more}


def test_kubectl_runs_in_an_empty_home_with_its_files(fake, replay, kubectl):
    steps = [
        command("ls -A; cat; test $HOME = $PWD", "made.yaml\nin\n", files={"made.yaml": "x: 1\n"}, stdin="in\n"),
        command("cat made.yaml", "x: 1\n"),
        command('test "$KUBECONFIG" -ef ' + os.fspath(fake.kubeconfig)),
    ]
    assert replay(*steps, kubectl=kubectl()).passed


@pytest.mark.parametrize(
    ("script", "path"),
    [("echo b", "stdout line 1"), ("echo a; echo c >&2", "stderr line 1"), ("echo a; exit 3", "exit")],
)
def test_kubectl_that_prints_something_else_is_reported(replay, kubectl, script, path):
    (failure,) = replay(command(script, "a\n"), kubectl=kubectl()).failures
    assert [diff.path for diff in failure.diffs] == [path]
    assert failure.note == ""


def test_without_kubectl_its_steps_are_not_run(replay):
    result = replay(command("true"))
    assert not result.passed
    (failure,) = result.failures
    assert (failure.outcome, failure.note) == ("not run", "there is no kubectl on this machine")


def test_another_version_of_kubectl_is_named(replay, kubectl):
    (failure,) = replay(command("echo b", "a\n"), kubectl=kubectl("v1.33.0")).failures
    assert "v1.33.0" in failure.note
    assert replay(command("echo a", "a\n"), kubectl=kubectl("v1.33.0")).passed


def test_known_differences_are_forgiven_only_when_asked_and_only_they(replay, kubectl):
    older, same = kubectl("v1.33.0"), kubectl()
    step = command("version() { echo 'Client Version: v1.33.0'; }; version", "Client Version: v1.36.2\n")
    assert not replay(step, kubectl=older).passed
    assert replay(step, kubectl=older, forgive_kubectl_version=True).passed
    assert not replay({**step, "exit": 1}, kubectl=older, forgive_kubectl_version=True).passed
    assert not replay(step, kubectl=same, forgive_kubectl_version=True).passed


def test_commands_run_beside_kubectl(replay, kubectl):
    beside = [{"cmd": "echo hello", "exit": 0, "stdout": "hello\n", "stderr": ""}]
    serving = command(
        "trap 'exit 0' INT; echo Forwarding; while :; do sleep 0.01; done", "Forwarding\n", background=beside
    )
    assert replay(serving, kubectl=kubectl()).passed
    wrong = [{**beside[0], "stdout": "goodbye\n"}]
    (failure,) = replay({**serving, "background": wrong}, kubectl=kubectl()).failures
    assert failure.diffs[0].path == "$ echo hello: stdout line 1"


def test_what_nobody_lets_go_loses_its_finalizers_at_the_end(fake, replay, monkeypatch):
    monkeypatch.setitem(ORPHANED, "x-01", ("/apis/x/v1/things", ".spec.driver", "gone"))
    things = [{"metadata": {"name": name}, "spec": {"driver": name}} for name in ("here", "gone")]
    fake.script["GET", "/apis/x/v1/things"] = 200, {"items": things}
    fake.script["GET", "/apis/x/v1/things/gone"] = [
        (200, {"metadata": {}}),
        (200, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    ]
    replay()
    patched = [request for request in fake.requests if request.method == "PATCH"]
    assert [(request.path, request.body) for request in patched] == [
        ("/apis/x/v1/things/gone", '{"metadata": {"finalizers": null}}')
    ]
