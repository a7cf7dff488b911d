"""The stand-in for kubectl on a cluster: what it prints and does, verb by verb, in kubectl's words."""

import io
import json
import re
from collections.abc import Callable, Iterator

import pytest

from kindlab import workspace
from kindlab.clusters.base import Status
from kindlab.kubectl import Completed
from kindlab.kubectl.standin import run

pytestmark = pytest.mark.xdist_group("pocket")

Kubectl = Callable[..., Completed]
NAMESPACE = "standin"
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: server
          image: {IMAGE}
          args: [netexec, --http-port=8080]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - port: %s
      targetPort: %s
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
"""


@pytest.fixture
def kubectl(pocket: Status) -> Iterator[Kubectl]:
    api = pocket.api()
    workspace.make_namespace(api, NAMESPACE)

    def call(*words: str, stdin: str = "") -> Completed:
        out, err = io.StringIO(), io.StringIO()
        code = run(api, NAMESPACE, words, stdin=io.StringIO(stdin), out=out, err=err)
        return Completed(code, out.getvalue(), err.getvalue())

    yield call
    workspace.remove_namespace(api, NAMESPACE)


def test_a_deployment_s_day(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=WEB).out == "deployment.apps/web created\n"
    assert kubectl("rollout", "status", "deploy/web", "--timeout=60s").out.endswith(
        'deployment "web" successfully rolled out\n'
    )
    assert kubectl("apply", "-f", "-", stdin=WEB).out == "deployment.apps/web unchanged\n"
    assert kubectl("scale", "deploy", "web", "--replicas=2").out == "deployment.apps/web scaled\n"
    assert kubectl("wait", "--for=jsonpath={.status.readyReplicas}=2", "deploy/web").out == (
        "deployment.apps/web condition met\n"
    )
    pods = kubectl("get", "pods", "-l", "app=web", "-o", "name").out.splitlines()
    assert len(pods) == 2
    assert kubectl("get", "deploy").out.splitlines()[0].split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert kubectl("delete", pods[0]).out.startswith(f'pod "{pods[0].removeprefix("pod/")}" deleted from {NAMESPACE}')
    assert kubectl("get", pods[0]).exit == 1
    assert kubectl("set", "image", "deploy/web", "server=nginx:1.27").out == "deployment.apps/web image updated\n"
    # the revision to go back from is there once the controller has made its ReplicaSet
    assert kubectl("wait", "--for=jsonpath={.status.updatedReplicas}=1", "deploy/web").exit == 0
    assert kubectl("rollout", "undo", "deploy/web").out == "deployment.apps/web rolled back\n"
    assert kubectl("rollout", "restart", "deploy/web").out == "deployment.apps/web restarted\n"
    assert kubectl("rollout", "status", "deploy/web", "--timeout=60s").exit == 0
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image}").out == IMAGE


RESTING = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: resting}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: resting}}}}
  template:
    metadata: {{labels: {{app: resting}}}}
    spec:
      initContainers: [{{name: first, image: {IMAGE}, args: [help]}}]
      containers: [{{name: main, image: {IMAGE}}}, {{name: other, image: {IMAGE}}}]
"""


def test_resources_are_set_and_init_containers_images(kubectl: Kubectl) -> None:
    """The first is what `kindlab why hpa/NAME` advises."""
    assert kubectl("apply", "-f", "-", stdin=RESTING).exit == 0
    change = ("set", "resources", "deployment/resting", "-c", "main", "--requests=cpu=100m,memory=64Mi")
    assert kubectl(*change).out == "deployment.apps/resting resource requirements updated\n"
    assert kubectl("set", "image", "deploy/resting", "first=busybox").exit == 0
    shown = "-o", "jsonpath={range .spec.template.spec.containers[*]}{.name} {.resources.requests.cpu};{end}"
    assert kubectl("get", "deploy", "resting", *shown).out == "main 100m;other ;"
    first = "-o", "jsonpath={.spec.template.spec.initContainers[*].image}"
    assert kubectl("get", "deploy", "resting", *first).out == "busybox"
    assert kubectl("set", "resources", "deploy/resting", "--limits=cpu").err == (
        "error: Invalid argument syntax cpu, expected <resource>=<value>\n"
    )
    assert kubectl("set", "resources", "deploy/resting", "-c", "nosuch", "--limits=cpu=1").exit == 1
    assert kubectl("set", "resources", "deploy/resting").err.startswith("error: you must specify an update")


STATEFUL = f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: 2
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: c, image: "{IMAGE}", args: [pause]}}]}}
"""


def test_a_statefulset_s_day(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=STATEFUL).out == "statefulset.apps/db created\n"
    status = ("rollout", "status", "sts/db", "--timeout=60s")
    assert kubectl(*status).out.splitlines()[-1] == "partitioned roll out complete: 2 new pods have been updated..."
    assert kubectl("get", "sts").out.splitlines()[1].split()[:2] == ["db", "2/2"]
    assert kubectl("rollout", "undo", "sts/db") == Completed(
        1,
        "",
        "Warning: resource statefulsets/db was previously managed with 'kubectl apply'. Rolling back will not update "
        "the kubectl.kubernetes.io/last-applied-configuration annotation, which may cause unexpected behavior on "
        "future 'kubectl apply' operations. Consider using 'kubectl apply' with your previous configuration file "
        "instead.\nerror: no last revision to roll back to\n",
    )
    assert kubectl("set", "env", "sts/db", "A=b").out == "statefulset.apps/db env updated\n"
    assert kubectl(*status).exit == 0
    assert kubectl("rollout", "history", "sts/db").out == (
        "statefulset.apps/db \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    )
    assert kubectl("rollout", "undo", "sts/db").out == "statefulset.apps/db rolled back\n"
    assert kubectl(*status).exit == 0
    assert kubectl("get", "sts", "db", "-o", "jsonpath={.spec.template.spec.containers[0].env}").out == ""
    assert kubectl("rollout", "undo", "sts/db", "--to-revision=3").out == (
        "statefulset.apps/db skipped rollback (current template already matches revision 3)\n"
    )
    assert kubectl("rollout", "pause", "sts/db").err == 'error: statefulsets.apps "db" pausing is not supported\n'
    assert kubectl("rollout", "restart", "sts/db").out == "statefulset.apps/db restarted\n"
    assert kubectl(*status).exit == 0
    assert "Create Pod db-0 in StatefulSet db successful" in kubectl("describe", "sts", "db").out
    assert kubectl("delete", "sts", "db").exit == 0


DAEMON = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: registry.k8s.io/e2e-test-images/agnhost:2.63.0, args: [pause]}
"""


def test_a_daemonset_s_day(kubectl: Kubectl) -> None:
    assert kubectl("create", "-f", "-", stdin=DAEMON).out == "daemonset.apps/agent created\n"
    done = 'daemon set "agent" successfully rolled out\n'
    assert kubectl("rollout", "status", "ds/agent", "--timeout=60s").out.endswith(done)
    header, row = kubectl("get", "ds").out.splitlines()
    assert header.split()[:6] == ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE"]
    assert row.split()[:7] == ["agent", "2", "2", "2", "2", "2", "<none>"]
    assert kubectl("rollout", "undo", "ds/agent").err == "error: no last revision to roll back to\n"
    assert kubectl("set", "env", "ds/agent", "A=b").out == "daemonset.apps/agent env updated\n"
    shown = kubectl("rollout", "status", "ds/agent", "--timeout=60s").out
    assert shown.endswith(done)
    assert kubectl("rollout", "history", "ds/agent").out == (
        "daemonset.apps/agent \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    )
    assert kubectl("rollout", "undo", "ds/agent").out == "daemonset.apps/agent rolled back\n"
    assert kubectl("rollout", "status", "ds/agent", "--timeout=60s").out.endswith(done)
    assert kubectl("rollout", "undo", "ds/agent", "--to-revision=3").out == (
        "daemonset.apps/agent skipped rollback (current template already matches revision 3)\n"
    )
    assert kubectl("rollout", "pause", "ds/agent").err == 'error: daemonsets.apps "agent" pausing is not supported\n'
    assert kubectl("rollout", "restart", "ds/agent").out == "daemonset.apps/agent restarted\n"
    assert kubectl("rollout", "status", "ds/agent", "--timeout=60s").out.endswith(done)
    on_delete = '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'
    assert kubectl("patch", "ds", "agent", "-p", on_delete).out == "daemonset.apps/agent patched\n"
    refused = kubectl("rollout", "status", "ds/agent").err
    assert refused == "error: rollout status is only available for RollingUpdate strategy type\n"
    assert "Created pod: agent-" in kubectl("describe", "ds", "agent").out
    assert kubectl("delete", "ds", "agent").exit == 0


def test_a_job_s_day(kubectl: Kubectl) -> None:
    made = kubectl("create", "job", "hi", "--image=busybox:1.36", "--", "echo", "hello")
    assert made.out == "job.batch/hi created\n"
    assert kubectl("wait", "--for=condition=complete", "job/hi", "--timeout=60s").out == "job.batch/hi condition met\n"
    assert kubectl("logs", "job/hi").out == "hello\n"
    header, row = kubectl("get", "job").out.splitlines()
    assert header.split() == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]
    assert row.split()[:3] == ["hi", "Complete", "1/1"]
    for part in ("0 Active (0 Ready) / 1 Succeeded / 0 Failed", "Created pod: hi-", "Job completed"):
        assert part in kubectl("describe", "job", "hi").out
    words = ("--image=busybox:1.36", "--schedule=0 0 29 2 *", "--", "date")
    assert kubectl("create", "cj", "rare", *words).out == "cronjob.batch/rare created\n"
    assert kubectl("create", "job", "now", "--from=cj/rare").out == "job.batch/now created\n"
    assert kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s").exit == 0
    assert kubectl("delete", "job/hi", "cj/rare").exit == 0
    assert kubectl("wait", "--for=delete", "job/now", "--timeout=60s").exit == 0


def test_inside_a_pod(kubectl: Kubectl) -> None:
    assert kubectl("run", "one", f"--image={IMAGE}", "--", "netexec").out == "pod/one created\n"
    assert kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s").out == "pod/one condition met\n"
    done = kubectl("exec", "one", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert done == Completed(7, "out\n", "err\ncommand terminated with exit code 7\n")
    assert kubectl("exec", "-i", "pod/one", "--", "cat", stdin="hello").out == "hello"
    assert "HTTP server" in kubectl("logs", "one").out or "Started HTTP" in kubectl("logs", "one").out
    assert kubectl("logs", "one", "--tail=0").out == ""
    text = kubectl("describe", "pod", "one")
    assert "Started" in text.out
    assert "Successfully assigned standin/one" in text.out
    assert text.err == ""
    assert "stand-in" in kubectl("describe", "sa", "default").err
    for words, says in (
        (("exec", "one"), "you must specify at least one command"),
        (("exec", "one", "ls"), "is not supported anymore"),
        (("exec", "one", "-c", "x", "--", "ls"), "container x is not valid for pod one out of: one"),
        (("exec", "ghost", "--", "ls"), 'pods "ghost" not found'),
        (("exec", "one", "--", "nosuch"), 'exec: "nosuch": executable file not found in $PATH'),
        (("logs", "ghost"), f'error: error from server (NotFound): pods "ghost" not found in namespace "{NAMESPACE}"'),
    ):
        failed = kubectl(*words)
        assert failed.exit == 1
        assert says in failed.err


def test_a_service_that_is_put_right(kubectl: Kubectl) -> None:
    """Ports are joined by their number: the old one must go, or the Service would have two without names."""
    assert kubectl("apply", "-f", "-", stdin=SERVICE % (8081, 80)).out == "service/web created\n"
    assert kubectl("apply", "--dry-run=server", "-f", "-", stdin=SERVICE % (80, 8081)).out == (
        "service/web configured (server dry run)\n"
    )
    assert kubectl("apply", "-f", "-", stdin=SERVICE % (80, 8081)).out == "service/web configured\n"
    assert kubectl("get", "svc", "web", "-o", "jsonpath={.spec.ports[*].port}").out == "80"
    assert kubectl("label", "svc", "web", "a=b").out == "service/web labeled\n"
    assert kubectl("label", "svc", "web", "a=c").err == (
        "error: 'a' already has a value (b), and --overwrite is false\n"
    )
    assert kubectl("annotate", "svc", "web", "note=x").out == "service/web annotated\n"
    assert (
        kubectl("patch", "svc", "web", "-p", '{"spec":{"sessionAffinity":"ClientIP"}}').out == "service/web patched\n"
    )
    assert kubectl("describe", "svc", "web").out.startswith("Name:                     web\n")
    assert kubectl("expose", "svc", "web", "--name=web2", "--port=90").out == "service/web2 exposed\n"
    assert kubectl("get", "svc", "-o", "name").out == "service/web\nservice/web2\n"
    assert kubectl("delete", "svc", "web", "web2", "ghost") == Completed(
        1,
        f'service "web" deleted from {NAMESPACE} namespace\nservice "web2" deleted from {NAMESPACE} namespace\n',
        'Error from server (NotFound): services "ghost" not found\n',
    )
    assert kubectl("get", "svc") == Completed(0, "", f"No resources found in {NAMESPACE} namespace.\n")


def test_a_claim_s_day(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=CLAIM).out == "persistentvolumeclaim/data created\n"
    header, row = kubectl("get", "pvc").out.splitlines()
    assert " ".join(header.split()) == "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE"
    assert row.split()[:4] == ["data", "Pending", "standard", "<unset>"]
    grow = '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'
    refused = kubectl("patch", "pvc", "data", "-p", grow)
    assert refused.err.startswith('The PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable')
    assert '-   "storage": "1Gi"\n+   "storage": "2Gi"\n' in refused.err
    deleted = f'persistentvolumeclaim "data" deleted from {NAMESPACE} namespace'
    assert kubectl("delete", "pvc", "data", "--dry-run=client").out == f"{deleted} (dry run)\n"
    assert kubectl("delete", "pvc", "data", "--dry-run=server").out == f"{deleted} (server dry run)\n"
    hold = '{"metadata":{"finalizers":["example.com/hold"]}}'
    assert kubectl("patch", "pvc", "data", "--type=merge", "-p", hold).exit == 0
    assert kubectl("delete", "pvc", "data", "--timeout=100ms") == Completed(
        1, f"{deleted}\n", "error: timed out waiting for the condition on persistentvolumeclaims/data\n"
    )
    assert kubectl("get", "pvc", "--no-headers").out.split()[1] == "Terminating"
    assert kubectl("patch", "pvc", "data", "--type=merge", "-p", '{"metadata":{"finalizers":null}}').exit == 0
    assert kubectl("wait", "--for=delete", "pvc/data").exit == 0


def test_what_belongs_to_no_namespace_is_warned_about_when_one_is_named(kubectl: Kubectl) -> None:
    warning = "Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n"
    assert kubectl("delete", "sc", "standard", "--dry-run=server").err == ""
    assert kubectl("delete", "sc", "standard", "--dry-run=server", "-n", NAMESPACE).err == warning
    assert kubectl("delete", "sc", "ghost", "-n", NAMESPACE, "--ignore-not-found").err == ""


@pytest.mark.parametrize(
    ("words", "stdin", "says"),
    [
        (("get", "nothing"), "", 'error: the server doesn\'t have a resource type "nothing"'),
        (("get", "svc", "ghost"), "", 'Error from server (NotFound): services "ghost" not found'),
        (("get", "svc/a", "deploy"), "", "there is no need to specify a resource type as a separate argument"),
        (("get", "svc", "--nope"), "", "error: unknown flag: --nope"),
        (("get", "svc", "-w", "-o", "yaml"), "", "watches tables and custom columns only"),
        (("get", "pods", "--raw", "/version"), "", "--raw may not be specified with other arguments"),
        (("get", "svc,pods", "-w"), "", "error: you may only specify a single resource type"),
        (("edit", "a"), "", 'cannot do "edit"'),
        (("scale", "deploy", "web"), "", 'error: required flag(s) "replicas" not set'),
        (("delete", "pods"), "", "error: resource(s) were provided, but no name was specified"),
        (("apply", "-f", "nope.yaml"), "", 'error: the path "nope.yaml" does not exist'),
        (("apply", "-f", "-"), SERVICE % ('"x"', 1), "cannot unmarshal string into Go struct field"),
        (("apply", "-f", "-"), SERVICE.replace("ports", "portz") % (1, 1), 'unknown field "spec.portz"'),
        (("apply", "-f", "-"), SERVICE % (0, 1), 'The Service "web" is invalid: spec.ports[0].port: Invalid value: 0'),
        (("apply", "-f", "-"), SERVICE.replace("v1", "v2") % (1, 1), 'no matches for kind "Service" in version "v2"'),
    ],
)
def test_mistakes(kubectl: Kubectl, words: tuple[str, ...], stdin: str, says: str) -> None:
    done = kubectl(*words, stdin=stdin)
    assert done.exit == 1
    assert says in done.err
    assert "Traceback" not in done.err


def test_what_a_path_answers_is_printed_as_it_is(kubectl: Kubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=SERVICE % (80, 80)).exit == 0
    path = f"/api/v1/namespaces/{NAMESPACE}/services"
    found = json.loads(kubectl("get", "--raw", f"{path}?fieldSelector=metadata.name=web").out)
    assert [item["metadata"]["name"] for item in found["items"]] == ["web"]
    since = found["metadata"]["resourceVersion"]
    assert kubectl("label", "svc", "web", "seen=yes").exit == 0
    (change,) = kubectl("get", "--raw", f"{path}?watch=1&timeoutSeconds=1&resourceVersion={since}").out.splitlines()
    assert json.loads(change)["object"]["metadata"]["labels"] == {"seen": "yes"}


def test_a_kind_of_ones_own(kubectl: Kubectl) -> None:
    columns = "[{name: Size, type: integer, jsonPath: .spec.size}, {name: Color, type: string, jsonPath: .spec.color}]"
    spec = "{type: object, properties: {size: {type: integer}, color: {type: string}}}"
    definition = f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: gadgets.standin.example.com}}
spec:
  group: standin.example.com
  scope: Namespaced
  names: {{plural: gadgets, kind: Gadget, shortNames: [gd]}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {spec}}}}}}}
    additionalPrinterColumns: {columns}
"""
    gadget = "apiVersion: standin.example.com/v1\nkind: Gadget\nmetadata: {name: one}\nspec: {size: 3}\n"
    try:
        assert kubectl("apply", "-f", "-", stdin=definition).exit == 0
        waited = kubectl("wait", "--for=condition=Established", "crd/gadgets.standin.example.com", "--timeout=30s")
        assert waited.exit == 0, waited
        assert kubectl("apply", "-f", "-", stdin=gadget).out == "gadget.standin.example.com/one created\n"
        changed = kubectl("apply", "-f", "-", stdin=gadget.replace("3", "4"))
        assert changed.out == "gadget.standin.example.com/one configured\n"
        header, row = kubectl("get", "gd").out.splitlines()
        assert (header.split(), row.split()) == (["NAME", "SIZE", "COLOR"], ["one", "4"])
    finally:
        kubectl("delete", "crd", "gadgets.standin.example.com")


def test_events_are_told_in_order(kubectl: Kubectl) -> None:
    kubectl("run", "one", f"--image={IMAGE}", "--", "netexec")
    assert kubectl("wait", "--for=condition=Ready", "pod/one", "--timeout=60s").exit == 0
    head, *lines = kubectl("events", "--for=pod/one").out.splitlines()
    assert head.split("   ") == ["LAST SEEN", "TYPE", *head.split("   ")[2:]]
    assert [line.split()[2] for line in lines] == ["Scheduled", "Pulled", "Created", "Started"]
    assert all(" Pod/one " in line for line in lines)
    assert kubectl("events", "--types=Warning").err == f"No events found in {NAMESPACE} namespace.\n"
    assert kubectl("events", "-A", "--no-headers").out.count(f"{NAMESPACE} ") >= 4


def test_help_says_what_it_can_do(kubectl: Kubectl) -> None:
    done = kubectl("help")
    assert done.exit == 0
    for verb in ("port-forward", "proxy", "events", "api-resources", "describe"):
        assert re.search(rf"^  {verb} +\S", done.out, re.MULTILINE), verb
    for words in (("port-forward", "--help"), ("port-forward", "-h"), ("help", "port-forward")):
        assert "port-forward TYPE/NAME" in kubectl(*words).out
        assert "--address" in kubectl(*words).out
