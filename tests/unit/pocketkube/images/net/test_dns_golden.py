"""dig and nslookup against CoreDNS in a pod, compared with what was recorded on a real cluster."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocketkube.images.net.nslookup import bind

from .conftest import Lab, Pod

GOLDEN = Path(__file__).parents[4] / "golden" / "api"
PATTERNS = (
    (r"DiG [\d.]+", "DiG <version>"),
    (r"id: \d+", "id: <id>"),
    (r"COOKIE: [0-9a-f]+", "COOKIE: <cookie>"),
    (r"(hostmaster\.cluster\.local\.) \d+", r"\1 <serial>"),
    (r"Query time: \d+", "Query time: <n>"),
    (r"WHEN: .*", "WHEN: <time>"),
    (r"^((?:www\.)?example\.com\.\t\t)\d+", r"\1<ttl>"),
)


def normalised(text: str) -> str:
    for pattern, shown in PATTERNS:
        text = re.sub(pattern, shown, text, flags=re.M)
    return text


def follow(lab: Lab, step: dict[str, Any]) -> None:
    """Do to the cluster what a REST step did."""
    path, body = step["path"].split("/"), step["response"]["body"]
    if "services" not in path:
        return
    if step["method"] == "DELETE":
        lab.world.delete("services", path[4], path[6])
    elif step["method"] in ("POST", "PATCH"):
        body["metadata"].pop("resourceVersion", None)
        lab.world.apply("services", body)


async def prepare(lab: Lab, namespace: str) -> Pod:
    lab.world.apply("namespaces", {"metadata": {"name": namespace}})
    lab.world.service("kubernetes", "10.96.0.1", {"name": "https", "port": 443}, namespace="default")
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]
    lab.world.service("kube-dns", "10.96.0.10", *ports, {"name": "metrics", "port": 9153}, namespace="kube-system")
    client = lab.pod("client")
    search = f"search {namespace}.svc.cluster.local svc.cluster.local cluster.local\n"
    client.fs.write_bytes("/etc/resolv.conf", f"{search}nameserver 10.96.0.10\noptions ndots:5\n".encode())
    return client


@pytest.mark.parametrize("scenario", ["dns-01-clusterip", "dns-04-externalname"])
async def test_recorded_lookups(lab: Lab, scenario: str) -> None:
    golden = yaml.safe_load((GOLDEN / f"{scenario}.yaml").read_text())
    client = await prepare(lab, golden["namespace"])
    compared = 0
    for step in golden["steps"]:
        if "method" in step:
            follow(lab, step)
            continue
        argv = step["args"][step["args"].index("--") + 1 :] if "--" in step.get("args", ()) else [""]
        if argv[0] not in ("dig", "nslookup"):
            continue
        ran = await client.run(*argv, main=bind if argv[0] == "nslookup" else None)
        assert (normalised(ran.out), ran.code) == (normalised(step["stdout"]), step["exit"]), step["id"]
        compared += 1
    assert compared > 25
