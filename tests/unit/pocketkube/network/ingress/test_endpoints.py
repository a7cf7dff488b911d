from tests.unit.pocketkube.network.conftest import World, at

from pocketkube.network.ingress.endpoints import Endpoints
from pocketkube.network.ingress.routes import Backend

WEB = Backend("lab", "web", 80)


def test_addresses_come_from_slices_by_port_name(world: World) -> None:
    endpoints = Endpoints(world.client)
    assert endpoints(WEB) == ()
    ports = [{"port": 80, "name": "http"}, {"port": 81, "name": "admin"}, {"port": 80, "protocol": "UDP", "name": "u"}]
    world.service("web", "10.96.0.5", *ports)
    world.slice("web", at("10.244.1.2"), at("10.244.2.2"), ports=[{"name": "http", "port": 8080}])
    world.slice("web", at("10.244.1.2"), at("10.244.1.3"), ports=[{"name": "http", "port": 8080}], name="web-2")
    world.slice("web", at("fd00::1"), ports=[{"name": "http", "port": 8080}], name="web-6", addressType="IPv6")
    world.slice("web", at("other.org"), ports=[{"name": "http", "port": 8080}], name="web-f", addressType="FQDN")
    assert endpoints(WEB) == tuple((a, 8080) for a in ("10.244.1.2", "10.244.2.2", "10.244.1.3", "fd00::1"))
    assert endpoints(Backend("lab", "web", 81)) == ()
    assert endpoints(Backend("lab", "web", 82)) == ()
    assert endpoints(Backend("other", "web", 80)) == ()


def test_conditions_as_traefik_reads_them(world: World) -> None:
    endpoints = Endpoints(world.client)
    world.service("web", "10.96.0.5", {"port": 80})
    world.slice(
        "web",
        at("10.244.1.1"),
        at("10.244.1.2", ready=True, serving=True, terminating=False),
        at("10.244.1.3", ready=False, serving=False, terminating=False),
        at("10.244.1.4", ready=False, serving=True, terminating=True),
        at("10.244.1.5", ready=True, serving=False),
        ports=[{"port": 8080}],
    )
    assert [address for address, _ in endpoints(WEB)] == ["10.244.1.1", "10.244.1.2"]


def test_events_are_seen_at_once(world: World) -> None:
    world.service("web", "10.96.0.5", {"port": 80})
    world.slice("web", at("10.244.1.1"), ports=[{"port": 8080}])
    endpoints = Endpoints(world.client)
    assert endpoints(WEB) == (("10.244.1.1", 8080),)
    world.slice("web", at("10.244.1.2"), ports=[{"port": 8080}])
    assert endpoints(WEB) == (("10.244.1.2", 8080),)
    world.service("web", "10.96.0.5", {"port": 88})
    assert endpoints(WEB) == ()
    assert endpoints(Backend("lab", "web", 88)) == (("10.244.1.2", 8080),)
    world.delete("endpointslices", "lab", "web-1")
    assert endpoints(Backend("lab", "web", 88)) == ()
    endpoints.close()
    world.slice("web", at("10.244.1.3"), ports=[{"port": 8080}])
    assert endpoints(Backend("lab", "web", 88)) == ()


def test_a_slice_that_changes_its_service_leaves_the_old_one(world: World) -> None:
    endpoints = Endpoints(world.client)
    world.service("web", "10.96.0.5", {"port": 80})
    world.service("api", "10.96.0.6", {"port": 80})
    world.slice("web", at("10.244.1.1"), ports=[{"port": 8080}], name="one")
    world.slice("api", at("10.244.1.1"), ports=[{"port": 8080}], name="one")
    assert endpoints(WEB) == ()
    assert endpoints(Backend("lab", "api", 80)) == (("10.244.1.1", 8080),)
