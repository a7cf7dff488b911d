"""bootstrap.py: add-ons wait for the kinds they bring, so each must be of a kind that there is or will be."""

from __future__ import annotations

import pytest

from pocketkube import bootstrap, objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.images import catalogue, normalise
from pocketkube.registry import Registry
from pocketkube.resources import scan
from pocketkube.store import Store


def test_every_add_on_is_of_a_kind_that_is_served_or_defined_by_one() -> None:
    addons = bootstrap._addons({"dns_ip": "10.96.0.10"}, ())
    served = {(f"{kind.group}/{kind.version}" if kind.group else kind.version, kind.kind) for kind in scan()}
    brought = {
        (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
        for spec in (objects.spec(addon) for addon in addons if addon["kind"] == "CustomResourceDefinition")
        for version in spec["versions"]
    }
    wanted = {(addon["apiVersion"], addon["kind"]) for addon in addons}
    assert wanted & brought, "the GatewayClass is one"
    assert wanted <= served | brought


def test_an_add_on_that_does_not_exist_is_refused_by_name() -> None:
    there = "coredns, csi-hostpath, gateway-api, local-path, metrics-server, snapshots, traefik"
    with pytest.raises(LookupError, match=f"there is no add-on 'trafik': there are {there}"):
        bootstrap._addons({"dns_ip": "10.96.0.10"}, ("trafik",))


def test_the_pods_of_an_add_on_can_be_made_and_run() -> None:
    """Its images are there, and what a Pod is refused without comes before the Deployment."""
    made = {("namespaces", "", name) for name in bootstrap.SYSTEM_NAMESPACES}
    deployments = 0
    for addon in bootstrap._addons({"dns_ip": "10.96.0.10"}, ()):
        if addon["kind"] == "Namespace":
            made.add(("namespaces", "", objects.name(addon)))
        elif addon["kind"] == "ServiceAccount":
            made.add(("serviceaccounts", *objects.key(addon)))
        elif addon["kind"] == "Deployment":
            deployments += 1
            namespace, spec = objects.namespace(addon), addon["spec"]["template"]["spec"]
            assert ("namespaces", "", namespace) in made
            assert ("serviceaccounts", namespace, spec["serviceAccountName"]) in made
            for container in spec["containers"]:
                image = catalogue()[normalise(container["image"])]
                assert image.home == namespace, "elsewhere it is not lent what it needs"
    assert deployments


def test_servers_of_other_apis_learn_whom_to_trust() -> None:
    zone = {"service_cidr": "10.96.0.0/16", "client_ca_crt": "CLIENTS", "front_proxy_ca_crt": "FRONT"}
    client = Client(Registry(Store(None), Clock(), zone), "test")
    bootstrap.bootstrap(client, zone, "172.18.0.2")
    at = ("kube-system", "extension-apiserver-authentication")
    data = client.get("configmaps", *at)["data"]
    assert (data["client-ca-file"], data["requestheader-client-ca-file"]) == ("CLIENTS", "FRONT")
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'
    bootstrap.bootstrap(client, {**zone, "front_proxy_ca_crt": "NEW"}, "172.18.0.2")
    assert client.get("configmaps", *at)["data"]["requestheader-client-ca-file"] == "NEW"
