"""The stand-in beside the real kubectl: roles, bindings, who may do what, and acting as somebody else."""

import base64
import io
import json
from functools import partial

import pytest
from tests.kubectl.conftest import KUBECTL, Kubectl
from tests.kubectl.test_standin_compared import same

from kindlab.clusters.base import Status
from kindlab.kubectl.standin import run

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine (set KUBECTL, or put it on PATH)"),
    pytest.mark.xdist_group("pocket"),
]

ACCESS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rich, labels: {a: b, c: d}, annotations: {note: x}}
rules:
- {apiGroups: ["", apps], resources: [pods, deployments, deployments/scale], verbs: [get, list, get]}
- {apiGroups: [""], resources: [pods], verbs: [watch, list]}
- {apiGroups: [""], resources: [configmaps, secrets], resourceNames: [one, two], verbs: [get]}
- {apiGroups: ["*"], resources: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: bare}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rich, labels: {a: b}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rich}
subjects:
- {kind: ServiceAccount, name: robot}
- {kind: ServiceAccount, name: robot, namespace: elsewhere}
- {kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}
- {kind: Group, name: devs, apiGroup: rbac.authorization.k8s.io}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bare}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: lost}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gone}
subjects: [{kind: User, name: lost, apiGroup: rbac.authorization.k8s.io}]
"""
WORDS = """
get role,rolebinding
get roles -o wide
get rolebindings -o wide
get clusterroles
get clusterrolebindings -o wide
get clusterrole cluster-admin -o yaml
get role rich -o jsonpath={.rules[*].verbs}
get role nope
describe role rich
describe role bare
describe roles --show-events=true
describe rolebinding rich
describe rolebinding bare
describe clusterrole cluster-admin
describe clusterrole view
describe clusterrole system:discovery system:monitoring
describe clusterrolebinding system:public-info-viewer
describe clusterrolebinding cluster-admin
create role
create role x
create role x --verb=get
create role x --verb=get --resource=nothing
create role x --verb=get --resource=pods.none.example
create role x --verb=bind --resource=pods
create role x --verb=get --resource=/log
create role rich --verb=get --resource=pods
create role x --verb=get,list --verb=watch,get --resource=po,deploy,deployments.apps/scale,pods/log --dry-run=server
create role x --verb=odd --resource=pods --resource-name=a --resource-name=b --resource-name=a --dry-run=client
create role x --verb=*,get --resource=* --dry-run=server
create role x --verb=impersonate --resource=users,groups --dry-run=server
create clusterrole x
create clusterrole x --verb=get
create clusterrole x --verb=list --non-resource-url=/x
create clusterrole x --verb=get --non-resource-url=x
create clusterrole x --verb=get --non-resource-url=/x*y
create clusterrole x --verb=get --non-resource-url=/x,/y/* --dry-run=server
create clusterrole x --verb=get --resource=nodes --non-resource-url=/x --dry-run=server
create clusterrole x --verb=get --aggregation-rule=a=b
create clusterrole x --aggregation-rule=a=b,c=d --dry-run=server
create clusterrole view --verb=get --resource=pods
create rolebinding x
create rolebinding x --role=a --clusterrole=b
create rolebinding x --role=a --serviceaccount=robot
create rolebinding x --role=a --user=u --user=v --group=g --serviceaccount=ns:robot --dry-run=server
create rolebinding rich --role=rich
create clusterrolebinding x
create clusterrolebinding x --clusterrole=view --user=u --dry-run=server
create clusterrolebinding cluster-admin --clusterrole=view
auth can-i
auth can-i get
auth can-i get pods
auth can-i get pods --as=jane
auth can-i list pods --as=nobody
auth can-i list pods --as=nobody --as-group=devs
auth can-i list pods --as=lost
auth can-i list deploy --as=jane -q
auth can-i get pods --subresource=log --as=system:serviceaccount:elsewhere:robot
auth can-i get configmaps/one --as=jane
auth can-i get nodes
auth can-i get storageclasses.storage.k8s.io
auth can-i fly pods
auth can-i get bogus
auth can-i get bogus.example.com
auth can-i impersonate users
auth can-i '*' '*'
auth can-i list pods -A --as=jane
auth can-i get /healthz --as=jane
auth can-i fly /logs/
auth can-i get /logs --subresource=x
auth can-i --list --as=jane
auth can-i --list --as=nobody --no-headers
auth can-i --list get
auth can-i --list -A
auth can-i get pods --no-headers
auth whoami
auth whoami --as=jane --as-group=devs
auth whoami --as=system:serviceaccount:ns:robot
get pods --as=nobody
get pods --as=jane
get secrets --as=nobody
delete role bare --as=nobody
create role x --verb=get --resource=pods --as=nobody
""".strip().splitlines()


def test_they_print_the_same_of_access(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=ACCESS)
    for line in WORDS:
        same(kubectl, pocket, line)


TOKEN_WORDS = """
create token
create token nobody
create token default --duration=1s
create token default --duration=-1s
create token default --duration=1500ms
create token default --audience=
""".strip().splitlines()
MADE = """
role x --verb=get,list --verb=get --resource=po,deploy.apps/scale,pods/log --resource-name=a
clusterrole access-compared --verb=get --resource=no,deploy --non-resource-url=/x,/y/*
clusterrole access-compared --aggregation-rule=a=b,c=d
rolebinding x --clusterrole=view --user=u --group=g --serviceaccount=ns:robot
clusterrolebinding access-compared --clusterrole=view --group=g
""".strip().splitlines()


def test_they_make_the_same(kubectl: Kubectl, pocket: Status) -> None:
    for line in MADE:
        kind, name = line.split()[:2]
        made = []
        for create in (kubectl.ok, partial(ours, pocket, kubectl.namespace)):
            create("create", *line.split())
            obj = kubectl.json("get", kind, name)
            made.append({field: value for field, value in obj.items() if field != "metadata"})
            kubectl.ok("delete", kind, name)
        assert made[0] == made[1], line


def test_a_token_is_the_account_s(kubectl: Kubectl, pocket: Status) -> None:
    for line in TOKEN_WORDS:
        same(kubectl, pocket, line)
    claims = []
    for create in (kubectl.ok, partial(ours, pocket, kubectl.namespace)):
        token = create("create", "token", "default", "--duration=20m", "--audience=a")
        assert token == token.strip()
        body = token.split(".")[1]
        claims.append(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    for claim in claims:
        assert claim["aud"] == ["a"]
        assert claim["sub"] == f"system:serviceaccount:{kubectl.namespace}:default"
        assert claim["exp"] - claim["iat"] == 20 * 60


def ours(pocket: Status, namespace: str, *words: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    code = run(pocket.api(), "default", ["-n", namespace, *words], stdin=io.StringIO(), out=out, err=err)
    assert code == 0, err.getvalue()
    return out.getvalue()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["exec", "p", "--as=jane", "--", "date"], "cannot do exec --as"),
        (["port-forward", "p", "80", "--as=jane"], "cannot do port-forward --as"),
        (["get", "pods", "--as=jane", "--as-group=a", "--as-group=b"], "cannot do more than one --as-group"),
        (["get", "pods", "--as-group=a"], "without impersonating a user is not allowed"),
        (["auth", "reconcile"], 'cannot do "auth reconcile"'),
    ],
)
def test_what_it_cannot_do_it_says(pocket: Status, words: list[str], says: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert run(pocket.api(), "default", words, stdin=io.StringIO(), out=out, err=err) == 1
    assert says in err.getvalue()
