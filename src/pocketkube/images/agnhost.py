"""registry.k8s.io/e2e-test-images/agnhost: Kubernetes' test server and tool box, on Alpine.

Commands that exist in the real image and not here end with a clear text and status 1 (`UNSUPPORTED`); see
docs/fidelity.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pocketkube.images.base import Image
from pocketkube.images.linux import ALPINE_FILES, programs
from pocketkube.images.multicall import busybox
from pocketkube.images.net import nc_openbsd, nslookup
from pocketkube.images.programs.agnhost import incluster, servers, tools
from pocketkube.images.programs.agnhost.admission import webhook
from pocketkube.images.programs.agnhost.certificate import CERTIFICATE, KEY
from pocketkube.images.programs.agnhost.consumers import resource_consumer_controller
from pocketkube.images.programs.agnhost.conversion import crd_conversion_webhook
from pocketkube.images.programs.agnhost.grpc_health import grpc_health_checking
from pocketkube.images.programs.agnhost.guestbook import guestbook
from pocketkube.images.programs.agnhost.issuerdiscovery import issuer_discovery
from pocketkube.images.programs.agnhost.mounttest import mounttest
from pocketkube.images.programs.agnhost.netexec import netexec
from pocketkube.images.programs.agnhost.portforwardtester import port_forward_tester
from pocketkube.kubelet.process import Process

SUBCOMMANDS: dict[str, Callable[[Process, list[str]], Awaitable[int]]] = {
    "connect": tools.connect,
    "crd-conversion-webhook": crd_conversion_webhook,
    "dns-server-list": tools.dns_server_list,
    "dns-suffix": tools.dns_suffix,
    "entrypoint-tester": tools.entrypoint_tester,
    "etc-hosts": tools.etc_hosts,
    "grpc-health-checking": grpc_health_checking,
    "guestbook": guestbook,
    "inclusterclient": incluster.inclusterclient,
    "liveness": servers.liveness,
    "logs-generator": tools.logs_generator,
    "mounttest": mounttest,
    "netexec": netexec,
    "nettest": incluster.nettest,
    "pause": tools.pause,
    "port-forward-tester": port_forward_tester,
    "porter": servers.porter,
    "resource-consumer-controller": resource_consumer_controller,
    "serve-hostname": servers.serve_hostname,
    "tcp-reset": servers.tcp_reset,
    "test-service-account-issuer-discovery": issuer_discovery,
    "test-webserver": servers.test_webserver,
    "webhook": webhook,
}
UNSUPPORTED = frozenset(
    {"audit-proxy", "external-metrics", "fake-gitserver", "fake-registry-server",
     "mtlsclient", "mtlsserver", "net",
     "no-snat-test", "no-snat-test-proxy", "nonewprivs", "podcertificatesigner"}
)  # fmt: skip


async def agnhost(process: Process) -> int:
    words = process.argv[1:]
    if not words or words[0] in ("help", "-h", "--help"):
        names = "\n".join(f"  {name}" for name in sorted(SUBCOMMANDS))
        await process.print(
            f"Usage:\n  app [command]\n\nAvailable Commands:\n{names}\n\nFlags:\n  -h, --help   help for app"
        )
        return 0
    if words[0] in ("--version", "-v"):
        await process.print("app version 2.63.0")
        return 0
    command = SUBCOMMANDS.get(words[0])
    if command is not None:
        return await command(process, words[1:])
    if words[0] in UNSUPPORTED:
        await process.error(f"Error: agnhost {words[0]} is not part of this cluster's agnhost image")
        return 1
    await process.error(f'Error: unknown command "{words[0]}" for "app"\nRun \'app --help\' for usage.')
    return 1


class IMAGE(Image):
    names = tuple(
        f"registry.k8s.io/e2e-test-images/agnhost:{tag}"
        for tag in ("2.63.0", "2.59", "2.55", "2.53", "2.47", "2.40", "2.39")
    )
    size = 52_000_000
    memory = 9 << 20
    entrypoint = ("/agnhost",)
    cmd = ("pause",)
    files = {**ALPINE_FILES, "/uploads": None, "/localhost.crt": CERTIFICATE, "/localhost.key": KEY}
    commands = {
        **programs("bash", "curl", "dig", "getent", "nc", "nslookup"),
        "/usr/bin/nc": nc_openbsd.nc,
        "/usr/bin/nslookup": nslookup.bind,  # bind-tools; BusyBox's is what the applet of the same name prints
        "/bin/busybox": busybox,
        "/agnhost": agnhost,
        "/agnhost-2": agnhost,
    }
    links = dict.fromkeys(programs().keys() - {"/usr/bin/nslookup", "/usr/bin/nc"}, "/bin/busybox")
