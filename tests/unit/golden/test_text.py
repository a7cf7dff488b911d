import json

import pytest
from tests.golden.placeholders import World
from tests.golden.text import compare_text


def diffs(golden, actual, *args, world=None):
    return compare_text(golden, actual, world or World(), "stdout", list(args))[0].diffs


def test_without_placeholders_every_byte_counts():
    assert not diffs("pod/a created\n", "pod/a created\n")
    assert diffs("pod/a created\n", "pod/a created")
    assert diffs("a   b\n", "a  b\n")
    assert diffs("a\n", "a\nb\n")[0].seen == "b\n"


TABLE = "NAME   CLUSTER-IP     AGE\nweb    <clusterIP.1>  <age>\n"


def test_columns_move_with_the_values():
    assert not diffs(TABLE, "NAME  CLUSTER-IP  AGE\nweb   10.96.0.7   3s\n", "get", "svc")
    assert diffs(TABLE, "NAME  CLUSTER-IP  AGE\nweb   None        3s\n", "get", "svc")
    assert diffs(TABLE, "NAME  CLUSTER-IP  AGE\n", "get", "svc")
    assert diffs(TABLE, "NAME  CLUSTER-IP  AGE\nweb   10.96.0.7   3s\nold   10.96.0.8   3s\n", "get", "svc")


PODS = "NAME                  READY\nsolo                  1/1\nweb-<hash>-<rand.1>   1/1\nweb-<hash>-<rand.2>   0/1\n"


def test_rows_of_generated_names_come_in_any_order():
    head = "NAME            READY\nsolo            1/1\n"
    assert not diffs(PODS, f"{head}web-55d-bbbbb   0/1\nweb-55d-ccccc   1/1\n", "get", "pods")
    assert diffs(PODS, f"{head}web-55d-bbbbb   1/1\nweb-55d-ccccc   1/1\n", "get", "pods")
    assert diffs(PODS, "NAME READY\nweb-55d-bbbbb   0/1\nweb-55d-ccccc   1/1\nsolo            1/1\n", "get", "pods")


def test_addresses_in_one_field_come_in_any_order():
    golden = "Endpoints:  <podIP.1>:80,<podIP.2>:80\n"
    world = World(bound={"podIP.1": "10.0.0.2", "podIP.2": "10.0.0.1"})
    assert not diffs(golden, "Endpoints:  10.0.0.1:80,10.0.0.2:80\n", world=world)
    assert diffs(golden, "Endpoints:  10.0.0.1:80,10.0.0.3:80\n", world=world)


@pytest.mark.parametrize(
    "head", ["Events:\n  Type  Reason  Age  From  Message\n", "LAST SEEN  TYPE  REASON  MESSAGE\n"]
)
def test_event_tables_are_sets(head):
    golden = f"Name: <rand.1>\n\n{head}  Normal  A  <age>  k  one\n  Normal  B  <age> (x<n> over <age>)  k  two\n"
    start = f"Name: bbbbb\n\n{head}"
    assert not diffs(golden, f"{start}  Normal  B  5s  k  two\n  Normal  A  9s (x3 over 1m)  k  one\n")
    assert diffs(golden, f"{start}  Normal  B  5s  k  two\n")
    assert diffs(golden, f"{start}  Normal  B  5s  k  two\n  Normal  A  9s  k  one\n  Normal  C  9s  k  three\n")


def test_objects_are_compared_as_objects():
    golden = 'apiVersion: v1\nmetadata:\n  name: a\n  resourceVersion: "<rv>"\n'
    assert not diffs(golden, 'apiVersion: v1\nmetadata:\n  resourceVersion: "7"\n  name: a\n', "get", "-o", "yaml")
    assert diffs(golden, "apiVersion: v1\nmetadata:\n  resourceVersion: 7\n  name: a\n", "get", "-o", "yaml")
    assert diffs(golden, "No resources found\n", "get", "-o", "yaml")
    text = json.dumps({"a": "<rv>"})
    assert not diffs(text, '{\n  "a": "5"}', "get", "-ojson")
    assert diffs(text, '{\n  "a": "b"}', "get", "--output=json")


def test_descriptions_of_several_pods_come_in_any_order():
    golden = "Name: w-<rand.1>\nIP: <podIP.1>\n\n\nName: w-<rand.2>\nIP: <podIP.2>\n"
    world = World(bound={"podIP.1": "10.0.0.1", "rand.1": "zzzzz"})
    assert not diffs(golden, "Name: w-bbbbb\nIP: 10.0.0.2\n\n\nName: w-zzzzz\nIP: 10.0.0.1\n", world=world)
    assert diffs(golden, "Name: w-bbbbb\nIP: 10.0.0.1\n\n\nName: w-zzzzz\nIP: 10.0.0.2\n", world=world)


def test_progress_of_a_rollout_is_left_out():
    done = 'deployment "web" successfully rolled out\n'
    waiting = 'Waiting for deployment "web" rollout to finish: 1 of 2 updated replicas are available...\n'
    assert not diffs(waiting * 3 + done, waiting + done, "rollout", "status", "deploy/web")
    assert diffs(waiting + done, waiting, "rollout", "status", "deploy/web")
    assert diffs(waiting, "", "get", "deploy")


def dig(status="NOERROR", flags="qr aa rd", answers=("web. 30\tIN A\t10.0.0.1", "web. 30 IN A 10.0.0.2")):
    records = "\n".join(answers)
    return (
        f"; <<>> DiG 9.18\n;; ->>HEADER<<- opcode: QUERY, status: {status}, id: 5\n;; flags: {flags}; QUERY: 1\n\n"
        f";; OPT PSEUDOSECTION:\n; COOKIE: abc\n;; QUESTION SECTION:\n;web.\tIN\tA\n\n"
        f";; ANSWER SECTION:\n{records}\n\n;; Query time: 0 msec\n"
    )


def test_dns_answers_are_compared_as_facts():
    reordered = dig(answers=("web. 30 IN A 10.0.0.2", "web.\t30\tIN\tA\t10.0.0.1")).replace("0 msec", "9 msec")
    assert not diffs(dig(), reordered, "exec", "dig")
    assert diffs(dig(), dig(status="NXDOMAIN"), "exec", "dig")
    assert diffs(dig(), dig(flags="qr rd"), "exec", "dig")
    assert diffs(dig(), dig(answers=("web. 30 IN A 10.0.0.1",)), "exec", "dig")
    assert diffs(dig(), dig(answers=("web. 30 IN A 10.0.0.1", "web. 30 IN A 10.0.0.9")), "exec", "dig")
    assert diffs(dig(), "connection timed out", "exec", "dig")


def test_ttls_count_inside_the_cluster_only():
    def one(ttl, name):
        return dig(answers=(f"{name} {ttl} IN A 10.0.0.1",))

    assert not diffs(one(30, "example.com."), one(12, "example.com."), "dig")
    assert diffs(one(30, "a.svc.cluster.local."), one(5, "a.svc.cluster.local."), "dig")
    assert diffs(one(30, "example.com."), one(300, "example.com."), "dig")


def test_nslookup_prints_addresses_in_any_order():
    golden = "Server:\t10.96.0.10\n\nName:\tweb\nAddress: <podIP.1>\nName:\tweb\nAddress: <podIP.2>\n"
    world = World(bound={"podIP.1": "10.0.0.1", "podIP.2": "10.0.0.2"})
    swapped = "Server:\t10.96.0.10\n\nName:\tweb\nAddress: 10.0.0.2\nName:\tweb\nAddress: 10.0.0.1\n"
    assert not diffs(golden, swapped, "exec", "nslookup", world=world)
    assert diffs(golden, swapped.replace("10.0.0.2", "10.0.0.3"), "exec", "nslookup", world=world)


EXPLAINED = (
    "KIND:  A\n\nDESCRIPTION:\n    What it is,\n    in two lines.\n\nFIELDS:\n  size\t<string>\n    How large.\n\n"
)


def test_explanations_are_compared_word_by_word():
    golden = EXPLAINED
    assert not diffs(
        golden, golden.replace("What it is,\n    in two lines.", "What it is, in\n    two lines."), "explain", "a"
    )
    assert diffs(golden, golden.replace("What it is,", "What it was,"), "explain", "a")
    assert diffs(golden, golden.replace("What it is,\n    in two lines.", "<empty>"), "explain", "a")
    assert diffs(golden, golden.replace("    How large.\n", ""), "explain", "a")
    assert diffs(golden, golden.replace("<string>", "<integer>"), "explain", "a")
    values = golden.replace("How large.", 'How large.\n    \n    Possible enum values:\n     - `"S"` is small.')
    assert not diffs(values, golden, "explain", "a")


def test_the_snapshot_apis_descriptions_are_any_that_there_are():
    golden = f"GROUP:      snapshot.storage.k8s.io\n{EXPLAINED}"
    assert not diffs(golden, golden.replace("What it is,\n    in two lines.", "Another word."), "explain", "a")
    assert diffs(golden, golden.replace("What it is,\n    in two lines.", "<empty>"), "explain", "a")
    assert diffs(golden, golden.replace("    How large.\n", ""), "explain", "a")


def test_the_servers_version_is_compared_without_build_metadata():
    server = "serverVersion:\n  gitVersion: v1.36.2\n  goVersion: x\n  major: '1'\n  minor: '36'\n"
    golden = f"clientVersion:\n  minor: '36'\n{server}"
    other = f"clientVersion:\n  minor: '32'\n{server}".replace("v1.36.2", "v1.36.2+p")
    assert not diffs(golden, other.replace(": x", ": y"), "version", "-o", "yaml")
    assert diffs(golden, other.replace("v1.36", "v1.35"), "version", "-o", "yaml")
    assert diffs(golden, "clientVersion: {}\n", "version", "-o", "yaml")
    shown = "Client Version: v1.36.2\nServer Version: v1.36.2\n"
    assert not diffs(shown, "Client Version: v1.36.2\nServer Version: v1.36.2+pocket\n", "version")
    assert diffs(shown, "Client Version: v1.36.2\nServer Version: v1.36.3+pocket\n", "version")
