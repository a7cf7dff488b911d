"""What the containers of a pod have in common: its network, its host name, /etc/hosts, /etc/resolv.conf.

Models pkg/kubelet/kubelet_pods.go (GeneratePodHostNameAndDomain, managed hosts file) and pkg/kubelet/network/dns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.ipam import Full
from pocketkube.kubelet.cgroup import PodCgroup
from pocketkube.kubelet.disk import hosts_of
from pocketkube.kubelet.filesystem import MemoryTree
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet
    from pocketkube.network.fabric import PodNetwork

HANDLERS = ("runc", "test-handler")
"""Runtime handlers of a kind node's containerd; here they are all the same."""
LONGEST_HOSTNAME = 63
LONGEST_FQDN = 64
_SEARCH_MAX = 32
_NAMESERVERS_MAX = 3
_HOSTS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


class SandboxError(Exception):
    """The sandbox cannot be made: an event FailedCreatePodSandBox with this text."""


class Sandbox:
    """`net` is None while there is none. The addresses (one of each family, the primary one first) stay known after the
    end: a finished pod keeps showing them.
    """

    def __init__(self, kubelet: Kubelet) -> None:
        self.ips: tuple[str, ...] = ()
        self.net: PodNetwork | None = None
        self.hostname = ""
        self.cgroup = PodCgroup()
        self.files = MemoryTree(now=kubelet.clock.time, capacity=1 << 20, fstype="ext4", source="/dev/vda1")
        self._kubelet = kubelet

    @property
    def ip(self) -> str | None:
        """The primary address."""
        return self.ips[0] if self.ips else None

    def make(self, pod: Obj) -> None:
        """Address, network, shared files. Raises SandboxError."""
        kubelet, zone = self._kubelet, self._kubelet.zone
        self._check_runtime(pod)
        on_node = objects.spec(pod).get("hostNetwork")
        if on_node:
            self.hostname = kubelet.node_name
            self.ips, self.net = kubelet.node_ips, kubelet.net
        else:
            self.hostname = kernel_hostname(pod, zone)
            self.ips = self._allocate()
            name = objects.name(pod)
            self.net = kubelet.fabric.attach(self.ips[0], name, node=kubelet.node_name, also=self.ips[1:])
            kubelet.fabric.policy.attached(pod, self.ips)
            spec = objects.spec(pod)
            containers = [*(spec.get("initContainers") or ()), *spec["containers"]]
            kubelet.fabric.portmap.add(kubelet.node_name, self.ips, containers)
        put = self.files.put
        hosts = node_hosts(pod, hosts_of(kubelet.disk())) if on_node else hosts_file(pod, self.ips, zone)
        put("hosts", hosts.encode())
        put("resolv.conf", resolv_file(pod, zone, kubelet.upstream_dns).encode())
        put("hostname", f"{self.hostname}\n".encode())

    def _check_runtime(self, pod: Obj) -> None:
        """Whether the runtime has what the pod's class asks for."""
        name = objects.spec(pod).get("runtimeClassName")
        if not name:
            return
        found = self._kubelet.client.find("runtimeclasses", "", name)
        if found is None:
            raise SandboxError(f'runtimeclass.node.k8s.io "{name}" not found')
        if found["handler"] not in HANDLERS:
            why = f'no runtime for "{found["handler"]}" is configured'
            raise SandboxError(f"rpc error: code = Unknown desc = failed to get sandbox runtime: {why}")

    def _allocate(self) -> tuple[str, ...]:
        given: list[str] = []
        try:
            for range_ in self._kubelet.addresses:
                given.append(range_.allocate())
        except Full as full:
            self._release(given)
            raise SandboxError(f"failed to setup network for sandbox: {full}") from None
        return tuple(given)

    def _release(self, given: Sequence[str]) -> None:
        for range_, ip in zip(self._kubelet.addresses, given, strict=False):
            range_.release(ip)

    def drop(self) -> None:
        if self.net is not None and self.net is not self._kubelet.net:
            self._kubelet.fabric.detach(self.ips[0])
            self._release(self.ips)
        self.net = None


def hostname_and_domain(pod: Obj, zone: Mapping[str, str]) -> tuple[str, str]:
    """(host name, DNS domain or "") of a pod that does not use the host's network."""
    spec = objects.spec(pod)
    override = spec.get("hostnameOverride")
    name = override or spec.get("hostname") or objects.name(pod)
    if len(name) > LONGEST_HOSTNAME:
        name = name[:LONGEST_HOSTNAME].rstrip("-.")
    subdomain = spec.get("subdomain")
    if override or not subdomain:
        return name, ""
    return name, f"{subdomain}.{objects.namespace(pod)}.svc.{zone.get('cluster_domain', 'cluster.local')}"


def kernel_hostname(pod: Obj, zone: Mapping[str, str]) -> str:
    """What `hostname` prints: the short name, or all of it with setHostnameAsFQDN. Raises SandboxError."""
    name, domain = hostname_and_domain(pod, zone)
    if not domain or not objects.spec(pod).get("setHostnameAsFQDN"):
        return name
    full = f"{name}.{domain}"
    if len(full) > LONGEST_FQDN:
        raise SandboxError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long "
            f"({LONGEST_FQDN} characters is the max, {len(full)} characters requested)"
        )
    return full


def hosts_file(pod: Obj, addresses: Sequence[str], zone: Mapping[str, str]) -> str:
    name, domain = hostname_and_domain(pod, zone)
    names = f"{name}.{domain}\t{name}" if domain else name
    return _HOSTS + "".join(f"{address}\t{names}\n" for address in addresses) + _aliases(pod)


def node_hosts(pod: Obj, hosts: str) -> str:
    """What a pod in its node's network gets: that node's file."""
    return f"# Kubernetes-managed hosts file (host network).\n{hosts}{_aliases(pod)}"


def _aliases(pod: Obj) -> str:
    aliases = objects.spec(pod).get("hostAliases") or ()
    lines = ["\t".join([alias["ip"], *(alias.get("hostnames") or ())]) + "\n" for alias in aliases]
    return "".join(["\n# Entries added by HostAliases.\n", *lines]) if lines else ""


def resolv_file(pod: Obj, zone: Mapping[str, str], upstream: str) -> str:
    """/etc/resolv.conf by dnsPolicy and dnsConfig; `upstream` is the node's own resolver."""
    spec = objects.spec(pod)
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        policy = "Default"
    servers: list[str] = []
    search: list[str] = []
    options: dict[str, str | None] = {}
    if policy == "Default":
        servers = [upstream]
    elif policy != "None":
        domain = zone.get("cluster_domain", "cluster.local")
        servers = [zone.get("dns_ip", "10.96.0.10")]
        search = [f"{objects.namespace(pod)}.svc.{domain}", f"svc.{domain}", domain]
        options = {"ndots": "5"}
    config = spec.get("dnsConfig") or {}
    servers = list(dict.fromkeys(servers + (config.get("nameservers") or [])))[:_NAMESERVERS_MAX]
    search = list(dict.fromkeys(search + (config.get("searches") or [])))[:_SEARCH_MAX]
    options |= {option["name"]: option.get("value") for option in config.get("options") or ()}
    text = f"search {' '.join(search)}\n" if search else ""
    text += "".join(f"nameserver {server}\n" for server in servers)
    if options:
        text += "options " + " ".join(k if v is None else f"{k}:{v}" for k, v in options.items()) + "\n"
    return text
