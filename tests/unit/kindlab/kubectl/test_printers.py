"""What the stand-in prints, held against what kubectl printed on a real cluster (tests/golden/kubectl)."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kindlab.kubectl import (
    describing,
    describing_containers,
    describing_fields,
    describing_network,
    describing_policy,
    jsonpath,
    printers,
)

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "kubectl"


def steps(name: str) -> dict[str, Any]:
    data = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text(encoding="utf-8"))
    return {step["id"]: step for step in data["steps"] if step.get("kind") == "kubectl"}


GET = steps("get-01-services-pods")


def tables() -> list[tuple[str, str]]:
    """(step, table) of every table kubectl get printed in the scenario. Those without a header are left out: when the
    recording put its placeholders in, it aligned them anew without kubectl's least width of six."""
    found = []
    for name, step in GET.items():
        plain = step["args"][0] == "get" and not any(
            a.startswith(("yaml", "json", "name", "go-", "custom", "--no-headers")) for a in step["args"]
        )
        for block in step["stdout"].split("\n\n") if plain and "   " in step["stdout"] else ():
            found.append((name, block.rstrip("\n")))
    return found


@pytest.mark.parametrize(("step", "text"), tables())
def test_columns_stand_where_kubectl_puts_them(step: str, text: str) -> None:
    rows = [re.split(r" {3,}", line) for line in text.split("\n")]
    assert len({len(row) for row in rows}) == 1
    assert printers.table(rows) == text


def test_a_column_is_at_least_six_wide() -> None:
    assert printers.table([["web", "0", "5s"]]) == "web   0     5s"


def test_there_are_tables_to_compare() -> None:
    assert len(tables()) > 20


def table(cells: list[list[Any]], **labels: str) -> dict[str, Any]:
    names = [("Name", 0), ("Ready", 0), ("IP", 1)]
    return {
        "columnDefinitions": [{"name": n, "priority": p} for n, p in names],
        "rows": [
            {"cells": row, "object": {"metadata": {"name": row[0], "namespace": "x", "labels": labels}}}
            for row in cells
        ],
    }


def test_wide_columns_labels_namespaces_and_kinds() -> None:
    found = table([["web", "1/1", "10.0.0.1"], ["long\nname", None, "<none>"]], app="web", a="b")
    assert printers.server_table(found) == [["NAME", "READY"], ["web", "1/1"], ["long...", ""]]
    assert printers.server_table(found, wide=True, headers=False)[0] == ["web", "1/1", "10.0.0.1"]
    assert printers.server_table(found, labels=True)[1] == ["web", "1/1", "a=b,app=web"]
    assert printers.server_table(found, label_columns=["app", "x.io/zone"])[0][2:] == ["APP", "ZONE"]
    assert printers.server_table(found, label_columns=["app", "zone"])[1][2:] == ["web", ""]
    assert printers.server_table(found, namespaces=True)[1][0] == "x"
    assert printers.server_table(found, prefix="pod/")[1][0] == "pod/web"
    assert printers.server_table(table([["web", "1/1", ""]]), labels=True)[1][-1] == "<none>"


def golden_object() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(GET["05-get-svc-web--o-yaml"]["stdout"])
    return found


def test_yaml_and_json_are_kubectl_s() -> None:
    escaped = GET["06-get-svc-web--o-json"]["stdout"].replace("<", "\\u003c").replace(">", "\\u003e")
    assert printers.as_json(golden_object()) + "\n" == escaped  # Go escapes what HTML would take for a tag
    # placeholders need no quotes where a time stamp and a number do
    text = GET["05-get-svc-web--o-yaml"]["stdout"].replace('"<time>"', "<time>").replace('"<rv>"', "<rv>")
    assert printers.as_yaml(golden_object()) + "\n" == text


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "80", "true", "null", "y", "1.5", "0x1f", "~"])
def test_words_that_look_like_something_else_are_quoted(text: str) -> None:
    assert printers.as_yaml({"a": text}) == f'a: "{text}"'
    assert yaml.safe_load(printers.as_yaml({"a": text})) == {"a": text}


@pytest.mark.parametrize("text", ["*", "&", "!", "*/x"])
def test_what_yaml_keeps_for_itself_is_quoted_once(text: str) -> None:
    assert printers.as_yaml({"a": text}) == f"a: '{text}'"


def test_managed_fields_are_left_out() -> None:
    assert printers.without_managed_fields({"metadata": {"name": "a", "managedFields": [1]}}) == {
        "metadata": {"name": "a"}
    }


# -- jsonpath and custom columns


def services() -> dict[str, Any]:
    """A list whose names and types are those of the scenario."""
    lines = GET["09-get-svc--o-jsonpath='{range-.items[*]}{."]["stdout"].splitlines()
    pairs = [line.split("\t") for line in lines]
    ports = {"ext": None}
    return printers.as_list(
        [
            {"metadata": {"name": n}, "spec": {"type": t, **({} if n in ports else {"ports": [{"port": 80}]})}}
            for n, t in pairs
        ]
    )


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ("{.items[*].metadata.name}", "ext hl lb multi np web"),
        ('{range .items[*]}{.metadata.name}{"\\n"}{end}', "ext\nhl\nlb\nmulti\nnp\nweb\n"),
        ('{.items[?(@.spec.type=="NodePort")].metadata.name}', "np"),
        ('{.items[?(@.spec.type!="ClusterIP")].metadata.name}', "ext lb np"),
        ("{.items[?(@.spec.ports)].metadata.name}", "hl lb multi np web"),
        ("{.items[1:3].metadata.name}", "hl lb"),
        ("{.items[-1:].metadata.name}", "web"),
        ("{.items[0]['metadata'].name}", "ext"),
        ("{..name}", "ext hl lb multi np web"),
        ("{.items[0].spec.nope}", ""),
        ("first: {.items[0].metadata.name}, {.kind}", "first: ext, List"),
        ("{.items[1].spec.ports}", '[{"port":80}]'),
    ],
)
def test_jsonpath(template: str, printed: str) -> None:
    assert jsonpath.render(template, services()) == printed


def test_jsonpath_of_the_recorded_object() -> None:
    for name in ("07-get-svc-web--o-jsonpath={.spec.ports[0].",):
        template = GET[name]["args"][4].removeprefix("jsonpath=")
        assert jsonpath.render(template, golden_object()) == GET[name]["stdout"]
    keyed = r"{.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}"
    assert jsonpath.render(keyed, golden_object()).startswith('{"apiVersion":"v1"')


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{.spec", "error parsing jsonpath {.spec, unclosed action"),
        ("{.items[9]}", "array index out of bounds: index 9, length 6"),
        ("{range .items[*]}x", "{end} is missing"),
        ("{.a[b]}", "cannot read"),
    ],
)
def test_jsonpath_mistakes(template: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        jsonpath.render(template, services())


def test_custom_columns() -> None:
    step = GET["10-get-svc--o-custom-columns=NAME:.metadata"]
    spec = "NAME:.metadata.name,TYPE:.spec.type,PORT:.spec.ports[0].port,NONE:.spec.nope"
    assert spec in " ".join(step["args"])
    assert printers.custom_columns(services()["items"], spec) + "\n" == step["stdout"]


# -- describe


def nobody(name: str) -> tuple[None, list[dict[str, Any]]]:
    return None, []


def test_a_service_is_described_as_kubectl_does() -> None:
    step = next(s for s in steps("describe-01-workloads").values() if s["args"][:3] == ["describe", "svc", "web"])
    service = {**golden_object()}
    service["metadata"] = {**service["metadata"], "namespace": "golden-kubectl-describe-01"}
    service["spec"] = {**service["spec"], "clusterIP": "<clusterIP.1>", "clusterIPs": ["<clusterIP.1>"]}
    slice_ = {"ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": [f"<podIP.{n}>"]} for n in (1, 2)]}
    text = describing.describe(service, lambda name: (service, [slice_]), list) + "\n" + describing.no_events(service)
    assert printers.tabbed(text.split("\n")) == step["stdout"]


def test_a_network_policy_is_described_as_kubectl_does() -> None:
    scenario = yaml.safe_load((GOLDEN.parent / "api" / "networkpolicy-01.yaml").read_text(encoding="utf-8"))
    found = {step["id"]: step for step in scenario["steps"]}
    policy = found["full"]["response"]["body"]
    policy["metadata"]["creationTimestamp"] = "2026-11-21T13:10:07Z"
    text = describing.describe(policy, nobody, list) + "\n"
    assert text == found["kubectl-describe"]["stdout"].replace("<time>", "2026-11-21 13:10:07 +0000 UTC")


def test_a_network_policy_that_closes_and_opens_everything() -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{}, {"to": [{"podSelector": {}}]}]}
    assert list(describing_policy.lines({"spec": spec}))[1:] == [
        "  PodSelector:     <none> (Allowing the specific traffic to all pods in this namespace)",
        "  Allowing ingress traffic:",
        "    <none> (Selected pods are isolated for ingress connectivity)",
        "  Allowing egress traffic:",
        "    To Port: <any> (traffic allowed to all ports)",
        "    To: <any> (traffic not restricted by destination)",
        "    ----------",
        "    To Port: <any> (traffic allowed to all ports)",
        "    To:",
        "      PodSelector: <none>",
        "  Policy Types: Ingress, Egress",
    ]


def test_selectors_in_words() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["b", "a"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "env", "operator": "NotIn", "values": ["x"]},
        {"key": "here", "operator": "Exists"},
    ]
    found = {"matchLabels": {"app": "db"}, "matchExpressions": expressions}
    assert describing_policy.selector(found) == "app=db,env notin (x),here,!old,tier in (a,b)"


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        ({"exec": {"command": ["true"]}}, "exec [true] delay=0s timeout=1s period=10s #success=1 #failure=3"),
        ({"tcpSocket": {"port": 80}}, "tcp-socket :80 delay=0s timeout=1s period=10s #success=1 #failure=3"),
        (
            {"httpGet": {"path": "/h", "port": "web", "scheme": "HTTPS"}, "periodSeconds": 2},
            "http-get https://:web/h delay=0s timeout=1s period=2s #success=1 #failure=3",
        ),
    ],
)
def test_probes(probe: dict[str, Any], text: str) -> None:
    assert describing_containers.probe(probe) == text


def test_columns_end_where_a_line_has_none() -> None:
    lines = ["a:\tb", "long name:\tc\td", "Rules:", "  x\t", "  \tyy \tz"]
    assert printers.tabbed(lines) == "a:          b\nlong name:  c  d\nRules:\n  x  \n     yy   z"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("apiVersion", "API Version"),
        ("uid", "UID"),
        ("creationTimestamp", "Creation Timestamp"),
        ("podCIDRs", "Pod CIDRs"),
        ("openAPIV3Schema", "openAPIV3Schema"),
        ("spec", "Spec"),
        ("externalIPAddress", "External IPAddress"),
    ],
)
def test_names_of_fields_in_words(field: str, words: str) -> None:
    assert describing_fields.words(field) == words


def test_endpoints_are_the_first_three_ready_ones() -> None:
    def one(address: str, ready: bool | None = True) -> dict[str, Any]:
        return {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}

    found = [one("10.0.0.1"), one("10.0.0.2", False), one("10.0.0.3", None), one("fd00::1"), one("10.0.0.5")]
    slices = [{"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}], "endpoints": found}]
    assert describing_network.endpoints(slices, "a") == "10.0.0.1:80,10.0.0.3:80,[fd00::1]:80 + 1 more..."
    assert describing_network.endpoints(slices, "c") == ""
    assert describing_network.endpoints([], "a") == "<none>"
