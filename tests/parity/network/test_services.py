"""What else upstream asks of Services ([sig-network] Services, not part of conformance): node ports and who may have
them, changes of ports, names that proxies leave alone, hairpins, sidecars."""

from __future__ import annotations

import pytest
from tests.parity.network.support import Place, curl, deployment, pod, port, service, together

from kindlab.api import ApiError, Obj

CLIENT = "client"


def serving(name: str, *numbers: int, **spec: object) -> Obj:
    """A Pod, labelled app=`name`, that says its name over HTTP at each of these ports."""
    containers = [
        {**pod("x", "netexec", f"--http-port={number}", "--udp-port=-1")["spec"]["containers"][0], "name": f"c{number}"}
        for number in numbers
    ]
    return pod(name, labels={"app": name}, containers=containers, **spec)


def nodeport(net: Place, name: str, number: int = 0) -> Obj:
    listed = {**port(80, 80), **({"nodePort": number} if number else {})}
    return net.put(service(name, listed, type="NodePort"))[0]


def number_of(made: Obj) -> int:
    return int(made["spec"]["ports"][0]["nodePort"])


def test_node_port_collisions_are_prevented(net: Place) -> None:
    """[sig-network] Services should prevent NodePort collisions"""
    taken = number_of(nodeport(net, "nodeport-collision-1"))
    with pytest.raises(ApiError, match="provided port is already allocated") as refused:
        nodeport(net, "nodeport-collision-2", taken)
    assert refused.value.code == 422
    net.api.delete("Service", "nodeport-collision-1", net.namespace)
    assert number_of(nodeport(net, "nodeport-collision-2", taken)) == taken


def test_node_ports_out_of_range_are_refused(net: Place) -> None:
    """[sig-network] Services should check NodePort out-of-range"""
    text = "provided port is not in the valid range. The range of valid ports is"
    with pytest.raises(ApiError, match=text):
        nodeport(net, "nodeport-range-test", 1)
    nodeport(net, "nodeport-range-test")
    with pytest.raises(ApiError, match=text):
        net.update("Service", "nodeport-range-test", ports=[{**port(80, 80), "nodePort": 1}])


def test_node_ports_are_released_on_delete(net: Place) -> None:
    """[sig-network] Services should release NodePorts on delete"""
    taken = number_of(nodeport(net, "nodeport-reuse"))
    net.start(pod(CLIENT, hostNetwork=True))
    net.api.delete("Service", "nodeport-reuse", net.namespace)
    net.sh_until(CLIENT, f"! ss -ant46 'sport = :{taken}' | grep -q LISTEN && echo free")
    assert number_of(nodeport(net, "nodeport-reuse", taken)) == taken


def test_ports_are_added_and_deleted(net: Place) -> None:
    """[sig-network] Services should be updated after adding or deleting ports"""
    made, *_ = net.start(service("web", port(80, 8080, name="p0")), serving("web", 8080, 9090), pod(CLIENT))
    ip = made["spec"]["clusterIP"]
    net.endpoint_ports("web", {("p0", "web", 8080)})
    net.sh_until(CLIENT, curl(f"http://{ip}:80/hostname"))
    both = [port(80, 8080, name="p0"), port(81, 9090, name="p1")]
    net.update("Service", "web", ports=both)
    net.endpoint_ports("web", {("p0", "web", 8080), ("p1", "web", 9090)})
    net.sh_until(CLIENT, curl(f"http://{ip}:81/hostname"))
    net.update("Service", "web", ports=both[1:])
    net.endpoint_ports("web", {("p1", "web", 9090)})
    net.sh_until(CLIENT, f"{curl(f'http://{ip}:80/hostname')} || echo gone")
    assert net.sh(CLIENT, curl(f"http://{ip}:81/hostname")).out == "web"


def test_a_pod_reaches_itself_through_its_service(net: Place) -> None:
    """[sig-network] Services should allow pods to hairpin back to themselves through services"""
    made, _ = net.start(service("hairpin", port(8080, 8080)), serving("hairpin", 8080))
    net.endpoints("hairpin", pods=["hairpin"])
    for host in ("hairpin", made["spec"]["clusterIP"]):
        assert net.sh_until("hairpin", curl(f"http://{host}:8080/hostname")).out.strip() == "hairpin"


def test_a_service_works_after_it_was_made_again(net: Place) -> None:
    """[sig-network] Services should be able to up and down services
    [sig-network] Services should work after the service has been recreated"""
    up = service("up-down", port(80, 8080))
    made, *_ = net.start(up, serving("up-down", 8080), pod(CLIENT))
    ip = made["spec"]["clusterIP"]
    net.sh_until(CLIENT, curl(f"http://{ip}/hostname"))
    net.api.delete("Service", "up-down", net.namespace)
    net.sh_until(CLIENT, f"{curl(f'http://{ip}/hostname')} >/dev/null || echo gone", seconds=15)
    up["spec"]["clusterIP"] = ip
    net.put(up)
    assert net.sh_until(CLIENT, curl(f"http://{ip}/hostname")).out.strip() == "up-down"


LABELS = ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]


@pytest.mark.parametrize("label", LABELS)
def test_a_label_takes_a_service_from_the_proxy(net: Place, label: str) -> None:
    """[sig-network] Services should implement service.kubernetes.io/service-proxy-name
    [sig-network] Services should implement service.kubernetes.io/headless"""
    toggled, disabled = service("toggled", port(80, 8080)), service("disabled", port(80, 8080))
    disabled["metadata"]["labels"] = {label: "foo-bar"}
    for made in (toggled, disabled):
        made["spec"]["selector"] = {"app": "web"}
    (on, off), *_ = net.put(toggled, disabled), net.start(serving("web", 8080), pod(CLIENT))
    up, down = on["spec"]["clusterIP"], off["spec"]["clusterIP"]

    def answers(ip: str) -> None:
        net.sh_until(CLIENT, curl(f"http://{ip}/hostname"))

    def silent(ip: str) -> None:
        ask = f"curl -g -s --connect-timeout 1 http://{ip}/hostname >/dev/null || echo silent"
        net.sh_until(CLIENT, ask, seconds=15)

    together(lambda: answers(up), lambda: silent(down))
    net.merge("Service", "toggled", {"metadata": {"labels": {label: "foo-bar"}}})
    silent(up)
    net.merge("Service", "toggled", {"metadata": {"labels": {label: None}}})
    together(lambda: answers(up), lambda: silent(down))


def test_unready_pods_have_endpoints_when_they_are_to_be_published(net: Place) -> None:
    """[sig-network] Services should create endpoints for unready pods"""
    never = {"exec": {"command": ["/bin/false"]}, "periodSeconds": 10}
    server = pod("tolerant", "netexec", "--http-port=80", labels={"app": "tolerant"}, readinessProbe=never)
    made = service("tolerant", port(80, 80, name="http"), publishNotReadyAddresses=True)
    net.put(made, server)
    net.start(pod(CLIENT))
    net.endpoints("tolerant", pods=["tolerant"])
    name = f"tolerant.{net.namespace}.svc.cluster.local"
    assert net.sh_until(CLIENT, curl(f"http://{name}/hostname")).out.strip() == "tolerant"
    net.merge("Service", "tolerant", {"spec": {"publishNotReadyAddresses": False}})
    net.endpoints("tolerant", 0)
    net.sh_until(CLIENT, f"{curl(f'http://{name}/hostname')} >/dev/null || echo silent")


@pytest.mark.parametrize("target", [8080, "http"])
def test_the_ports_of_sidecars_are_ports_of_the_pod(net: Place, target: int | str) -> None:
    """[sig-network] Services should connect to the ports exposed by restartable init containers
    [sig-network] Services should connect to the named ports exposed by restartable init containers"""
    main = serving("sidecar", 8080)
    sidecar = {**main["spec"]["containers"].pop(), "restartPolicy": "Always"}
    sidecar["ports"] = [{"name": "http", "containerPort": 8080}]
    main["spec"] |= {"initContainers": [sidecar], "containers": pod("x", "pause")["spec"]["containers"]}
    made, *_ = net.start(service("sidecar", port(80, target, name="portname")), main, pod(CLIENT))
    net.endpoint_ports("sidecar", {("portname", "sidecar", 8080)})
    assert net.sh_until(CLIENT, curl(f"http://{made['spec']['clusterIP']}/hostname")).out.strip() == "sidecar"


def test_a_name_is_another_port_on_another_pod(net: Place) -> None:
    """[sig-network] Services should support named targetPorts that resolve to different ports on different endpoints"""

    def version(number: int) -> Obj:
        ports = [{"name": "serve-80", "containerPort": number}]
        return deployment(
            f"v{number}", "netexec", f"--http-port={number}", replicas=1, labels={"app": "web", "v": str(number)},
            ports=ports,
        )  # fmt: skip

    made, *_ = net.start(service("web", port(80, "serve-80")), version(8080), version(8081), pod(CLIENT))
    pods = net.endpoints("web", 2)
    url = curl(f"http://{made['spec']['clusterIP']}/hostname")
    heard = net.sh(CLIENT, f"for i in $(seq 1 40); do {url}; echo; done")
    assert set(heard.lines) == pods
    assert sorted(p["port"] for piece in net.slices("web") for p in piece["ports"]) == [8080, 8081]
