"""The unmodified kubectl against the embedded cluster: what learners type, and what they must read."""

import pytest
from tests.kubectl.conftest import KUBECTL, Kubectl

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine (set KUBECTL, or put it on PATH)"),
]

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {AGNHOST}
        args: [netexec, --http-port=8080]
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /healthz, port: http}}, periodSeconds: 1}}
"""


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    assert kubectl.ok("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\n"
    kubectl.ok("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


def test_apply_says_created_unchanged_configured(kubectl: Kubectl) -> None:
    assert kubectl.ok("apply", "-f", "-", stdin=WEB) == "deployment.apps/web created\n"
    assert kubectl.ok("apply", "-f", "-", stdin=WEB) == "deployment.apps/web unchanged\n"
    more = WEB.replace("replicas: 2", "replicas: 3")
    assert kubectl.ok("apply", "-f", "-", stdin=more) == "deployment.apps/web configured\n"
    assert kubectl.json("get", "deployment", "web")["spec"]["replicas"] == 3


def test_get_prints_the_tables_learners_know(web: Kubectl) -> None:
    header, *rows = web.ok("get", "pods").splitlines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [row.split()[1:4] for row in rows] == [["1/1", "Running", "0"]] * 2
    assert web.ok("get", "deploy").splitlines()[1].split()[:4] == ["web", "2/2", "2", "2"]
    assert web.ok("get", "rs").splitlines()[0].split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert "IP" in web.ok("get", "pods", "-o", "wide").splitlines()[0].split()
    assert len(web.ok("get", "pods", "-l", "app=web", "-o", "name").split()) == 2
    assert web.run("get", "pods", "-l", "app=none").stderr == f"No resources found in {web.namespace} namespace.\n"


def test_nodes_are_ready(kubectl: Kubectl) -> None:
    rows = [line.split() for line in kubectl.ok("get", "nodes").splitlines()[1:]]
    assert len(rows) == 3
    assert {row[1] for row in rows} == {"Ready"}
    assert {row[4].partition("+")[0] for row in rows} == {"v1.36.2"}


def test_expose_makes_a_service_that_answers(web: Kubectl) -> None:
    assert web.ok("expose", "deployment", "web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    web.ok(
        "wait",
        "--for=jsonpath={.endpoints[1].conditions.ready}=true",
        "endpointslice",
        "-l",
        "kubernetes.io/service-name=web",
    )
    pods = web.ok("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split()
    answer = web.ok(
        "exec", pods[0], "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do curl -s http://web/hostname; echo; done"
    )
    assert set(answer.split()) <= set(pods)
    assert len(answer.split()) == 10


def test_scale_and_rollout(web: Kubectl) -> None:
    assert web.ok("scale", "deployment", "web", "--replicas=3") == "deployment.apps/web scaled\n"
    web.ok("rollout", "status", "deployment/web", "--timeout=60s")
    assert len(web.ok("get", "pods", "-o", "name").split()) == 3
    assert web.ok("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    assert "successfully rolled out" in web.ok("rollout", "status", "deployment/web", "--timeout=60s")
    history = web.ok("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line.strip()] == ["1", "2"]
    assert web.ok("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    web.ok("rollout", "status", "deployment/web", "--timeout=60s")


DAEMON = f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec:
  selector: {{matchLabels: {{app: agent}}}}
  template:
    metadata: {{labels: {{app: agent}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: main, image: {AGNHOST}, args: [pause]}}]
"""


def test_a_daemonset(kubectl: Kubectl) -> None:
    assert kubectl.ok("create", "-f", "-", stdin=DAEMON) == "daemonset.apps/agent created\n"
    done = 'daemon set "agent" successfully rolled out\n'
    assert kubectl.ok("rollout", "status", "ds/agent", "--timeout=60s").endswith(done)
    assert kubectl.ok("get", "ds").splitlines()[1].split()[:7] == ["agent", "2", "2", "2", "2", "2", "<none>"]
    kubectl.ok("set", "env", "ds/agent", "A=b")
    assert kubectl.ok("rollout", "status", "ds/agent", "--timeout=60s").endswith(done)
    history = kubectl.ok("rollout", "history", "ds/agent")
    assert [line.split()[0] for line in history.splitlines()[2:] if line.strip()] == ["1", "2"]
    assert "A:" not in kubectl.ok("rollout", "history", "ds/agent", "--revision=1")
    assert kubectl.ok("rollout", "undo", "ds/agent") == "daemonset.apps/agent rolled back\n"
    assert kubectl.ok("rollout", "status", "ds/agent", "--timeout=60s").endswith(done)
    assert kubectl.ok("rollout", "restart", "ds/agent") == "daemonset.apps/agent restarted\n"
    assert kubectl.ok("rollout", "status", "ds/agent", "--timeout=60s").endswith(done)
    shown = kubectl.ok("describe", "ds", "agent")
    for part in ("Desired Number of Nodes Scheduled: 2", "Pods Status:  2 Running", "Created pod: agent-"):
        assert part in shown


def test_jobs(kubectl: Kubectl) -> None:
    assert kubectl.ok("create", "job", "hi", "--image=busybox:1.36", "--", "echo", "hello") == "job.batch/hi created\n"
    assert kubectl.ok("wait", "--for=condition=complete", "job/hi") == "job.batch/hi condition met\n"
    assert kubectl.ok("logs", "job/hi") == "hello\n"
    assert kubectl.ok("get", "job").splitlines()[1].split()[:3] == ["hi", "Complete", "1/1"]
    shown = kubectl.ok("describe", "job", "hi")
    for part in ("Pods Statuses:    0 Active (0 Ready) / 1 Succeeded / 0 Failed", "Created pod: hi-", "Job completed"):
        assert part in shown
    made = ("create", "cronjob", "rare", "--image=busybox:1.36", "--schedule=0 0 29 2 *", "--", "date")
    assert kubectl.ok(*made) == "cronjob.batch/rare created\n"
    assert kubectl.ok("create", "job", "now", "--from=cronjob/rare") == "job.batch/now created\n"
    kubectl.ok("wait", "--for=condition=complete", "job/now")
    assert kubectl.json("get", "job", "now")["metadata"]["annotations"] == {
        "cronjob.kubernetes.io/instantiate": "manual"
    }
    kubectl.ok("patch", "cronjob", "rare", "-p", '{"spec":{"suspend":true}}')
    assert kubectl.ok("get", "cj").splitlines()[1].split()[6:9] == ["<none>", "True", "0"]
    kubectl.ok("delete", "job/hi", "cj/rare")
    kubectl.ok("wait", "--for=delete", "pod", "--all", "--timeout=60s")


def test_drain_waits_for_a_budget(web: Kubectl) -> None:
    web.ok("create", "-f", "-", stdin=DAEMON)
    web.ok("rollout", "status", "ds/agent", "--timeout=60s")
    pod, node = web.ok(
        "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name} {.items[0].spec.nodeName}"
    ).split()
    created = web.ok("create", "pdb", "keep", "--selector=app=web", "--min-available=2")
    assert created == "poddisruptionbudget.policy/keep created\n"
    web.ok("wait", "pdb/keep", "--for=jsonpath={.status.currentHealthy}=2", "--timeout=60s")
    row = web.ok("get", "pdb").splitlines()[1].split()
    assert row[:4] == ["keep", "2", "N/A", "0"]
    drain = ("drain", node, "--ignore-daemonsets", "--pod-selector=app in (web, agent)")
    try:
        refused = web.run(*drain, "--timeout=2s")
        assert refused.returncode == 1
        assert "Cannot evict pod as it would violate the pod's disruption budget." in refused.stderr
        assert "ignoring DaemonSet-managed Pods" in refused.stderr
        assert web.json("get", "pod", pod)["metadata"].get("deletionTimestamp") is None
        web.ok("patch", "pdb", "keep", "--type=merge", "-p", '{"spec":{"minAvailable":1}}')
        assert f"node/{node} drained\n" in web.ok(*drain, "--timeout=60s")
        web.ok("rollout", "status", "deployment/web", "--timeout=60s")
        nodes = web.ok("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}").split()
        assert node not in nodes
        assert web.ok("get", "ds").splitlines()[1].split()[1:4] == ["2", "2", "2"]
    finally:
        web.ok("uncordon", node)
    web.ok("wait", "pdb/keep", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=60s")
    assert "Allowed disruptions:  1" in web.ok("describe", "pdb", "keep")


def test_describe_shows_events_and_endpoints(web: Kubectl) -> None:
    web.ok("expose", "deployment", "web", "--port=80", "--target-port=8080")
    pod = web.ok("get", "pods", "-o", "name").split()[0]
    shown = web.ok("describe", pod)
    for part in ("Status:           Running", "Readiness:", "Scheduled", "Pulled", "Created", "Started"):
        assert part in shown
    service = web.ok("describe", "service", "web")
    assert "Endpoints:" in service
    assert ":8080" in service
    assert "ScalingReplicaSet" in web.ok("describe", "deployment", "web")


def test_logs_and_exec(kubectl: Kubectl) -> None:
    script = 'echo one; echo two >&2; trap "exit 0" TERM; sleep 3600 & wait'
    kubectl.ok("run", "talker", "--image=busybox:1.36", "--restart=Never", "--command", "--", "sh", "-c", script)
    kubectl.ok("wait", "--for=condition=Ready", "pod/talker", "--timeout=60s")
    assert sorted(kubectl.ok("logs", "talker").split()) == ["one", "two"]
    assert kubectl.ok("logs", "talker", "--tail=1").count("\n") == 1
    assert kubectl.ok("exec", "talker", "--", "echo", "hello") == "hello\n"
    failed = kubectl.run("exec", "talker", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert failed.stderr == "err\ncommand terminated with exit code 7\n"
    assert kubectl.ok("exec", "-i", "talker", "--", "cat", stdin="through\n") == "through\n"
    missing = kubectl.run("exec", "talker", "--", "nosuch")
    assert missing.returncode == 127 or "executable file not found" in missing.stderr


def test_cp_both_ways(kubectl: Kubectl) -> None:
    kubectl.ok("run", "box", "--image=busybox:1.36", "--restart=Never", "--command", "--", "sleep", "3600")
    kubectl.ok("wait", "--for=condition=Ready", "pod/box", "--timeout=60s")
    (kubectl.home / "a.txt").write_text("bytes\n")
    kubectl.ok("cp", "a.txt", "box:/tmp/b.txt")
    kubectl.ok("cp", "box:/tmp/b.txt", "c.txt")
    assert (kubectl.home / "c.txt").read_text() == "bytes\n"


def test_a_typo_in_a_field_is_named(kubectl: Kubectl) -> None:
    done = kubectl.run("apply", "-f", "-", stdin=WEB.replace("replicas: 2", "replcas: 2"))
    assert done.returncode == 1
    assert 'strict decoding error: unknown field "spec.replcas"' in done.stderr


def test_an_invalid_object_is_refused_in_kubernetes_words(kubectl: Kubectl) -> None:
    bad = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 70000}]}\n"
    done = kubectl.run("apply", "-f", "-", stdin=bad)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [  # the target port is the port unless it is given
        'The Service "web" is invalid: ',
        "* spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
        "* spec.ports[0].targetPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ]


def test_edit_in_place_label_annotate_set_and_patch(web: Kubectl) -> None:
    assert web.ok("label", "deployment", "web", "team=shop") == "deployment.apps/web labeled\n"
    assert web.ok("annotate", "deployment", "web", "note=x") == "deployment.apps/web annotated\n"
    assert web.ok("set", "env", "deployment/web", "MODE=test") == "deployment.apps/web env updated\n"
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"MORE","value":"1"}]}]}}}}'
    assert web.ok("patch", "deployment", "web", "-p", patch) == "deployment.apps/web patched\n"
    env = web.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {e["name"] for e in env} == {"MODE", "MORE"}


def test_create_uses_protobuf_bodies(kubectl: Kubectl) -> None:
    assert kubectl.ok("create", "configmap", "c", "--from-literal=a=1") == "configmap/c created\n"
    assert (
        kubectl.ok("create", "deployment", "d", "--image=nginx:1.27", "--replicas=2") == "deployment.apps/d created\n"
    )
    assert kubectl.ok("create", "service", "clusterip", "s", "--tcp=80:8080") == "service/s created\n"
    assert kubectl.ok("create", "secret", "generic", "x", "--from-literal=p=q") == "secret/x created\n"
    assert kubectl.json("get", "configmap", "c")["data"] == {"a": "1"}
    assert kubectl.json("get", "deployment", "d")["spec"]["replicas"] == 2


def test_delete_waits_until_it_is_gone(web: Kubectl) -> None:
    pod = web.ok("get", "pods", "-o", "name").split()[0]
    assert web.ok("delete", pod).startswith(f'pod "{pod.removeprefix("pod/")}" deleted')
    assert pod not in web.ok("get", "pods", "-o", "name").split()
    web.ok("delete", "deployment", "web")
    web.ok("wait", "--for=delete", "pod", "-l", "app=web", "--timeout=60s")
    assert web.ok("get", "pods", "-o", "name") == ""


def test_explain_reads_the_schema(kubectl: Kubectl) -> None:
    shown = kubectl.ok("explain", "service.spec.ports")
    assert "targetPort" in shown
    assert "KIND:       Service" in shown


CRONTABS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: crontabs.stable.example.com
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            description: What runs, and when.
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: Five fields.}
              replicas: {type: integer, minimum: 1, default: 1}
          status:
            type: object
            properties: {replicas: {type: integer}}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
"""
CRONTAB = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: mine}
spec: {cronSpec: "* * * * */5"}
"""


def test_a_kind_of_ones_own(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", stdin=CRONTABS)
    kubectl.ok("wait", "--for=condition=Established", "crd/crontabs.stable.example.com", "--timeout=30s")
    assert "crontab.stable.example.com/mine created" in kubectl.ok("apply", "-f", "-", stdin=CRONTAB)
    header, row = kubectl.ok("get", "ct").splitlines()
    assert header.split() == ["NAME", "SPEC", "AGE"]
    assert row.startswith("mine")
    assert "crontab.stable.example.com/mine" in kubectl.ok("get", "all")
    explained = kubectl.ok("explain", "crontab.spec")
    assert "What runs, and when." in explained
    assert "cronSpec\t<string> -required-" in explained
    assert "Cron Spec:  * * * * */5" in kubectl.ok("describe", "ct", "mine")
    changed = CRONTAB.replace("*/5", "*/9")
    assert "crontab.stable.example.com/mine configured" in kubectl.ok("apply", "-f", "-", stdin=changed)
    kubectl.ok("scale", "ct/mine", "--replicas=3")
    assert kubectl.json("get", "ct", "mine")["spec"] == {"cronSpec": "* * * * */9", "replicas": 3}
    typo = kubectl.run("apply", "-f", "-", stdin=CRONTAB.replace("cronSpec", "cronspec"))
    assert typo.returncode == 1
    assert 'unknown field "spec.cronspec"' in typo.stderr
    patched = kubectl.run("patch", "ct", "mine", "-p", "{}")
    assert "application/strategic-merge-patch+json is not supported by stable.example.com/v1" in patched.stderr
    kubectl.ok("delete", "crd", "crontabs.stable.example.com")
    gone = kubectl.run("get", "ct")
    assert gone.returncode == 1
    assert "the server" in gone.stderr
