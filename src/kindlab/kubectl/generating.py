"""The objects of `kubectl create KIND NAME`, as kubectl makes them from its flags; defaults are the server's."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kindlab.api import Obj
from kindlab.kubectl.session import Refused

_RULE = re.compile(r"^[\w*.-]*/.*=[\w-]+:[\w-]+(,tls=?([\w-]+)?)?")
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
TYPES = {
    "clusterip": "ClusterIP",
    "nodeport": "NodePort",
    "loadbalancer": "LoadBalancer",
    "externalname": "ExternalName",
}

NO_BALANCER: Obj = {"loadBalancer": {}}
"""What kubectl's own types say of a status that is not there yet."""


def namespace(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service_account(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def quota(name: str, hard: str, scopes: str) -> Obj:
    """Raises Refused."""
    spec: Obj = {}
    for pair in hard.split(",") if hard else ():
        resource, *amounts = pair.split("=")
        if len(amounts) != 1:
            raise Refused(f"error: Invalid argument syntax {pair}, expected <resource>=<value>")
        if not _QUANTITY.fullmatch(amounts[0]):
            raise Refused(f"error: quantities must match the regular expression '^{_QUANTITY.pattern}$'")
        spec.setdefault("hard", {})[resource] = amounts[0]
    if scopes:
        spec["scopes"] = scopes.split(",")
        if "" in spec["scopes"]:
            raise Refused('error: invalid resource quota scope ""')
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec, "status": {}}


def priority_class(name: str, value: int, is_default: bool, description: str, policy: str) -> Obj:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        **({"description": description} if description else {}),
        **({"globalDefault": True} if is_default else {}),
        "preemptionPolicy": policy,
        "value": value,
    }


def config_map(name: str, literals: Sequence[str], files: Sequence[str], env_files: Sequence[str]) -> Obj:
    obj: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    for key, data in (*_literals(literals), *_files(files), *_env(env_files)):
        try:
            obj.setdefault("data", {})[key] = data.decode()
        except UnicodeDecodeError:
            obj.setdefault("binaryData", {})[key] = _encoded(data)
    return obj


def secret(name: str, literals: Sequence[str], files: Sequence[str], env_files: Sequence[str]) -> Obj:
    data = {key: _encoded(value) for key, value in (*_literals(literals), *_files(files), *_env(env_files))}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **({"data": data} if data else {})}


def tls_secret(name: str, cert: str, key: str) -> Obj:
    """Raises Refused, as kubectl does, when the two files are no pair."""
    if not cert or not key:
        raise Refused("error: key and cert must be specified")
    pair = {"tls.crt": _read(cert), "tls.key": _read(key)}
    _refuse_no_pair(pair["tls.crt"], pair["tls.key"])
    data = {field: _encoded(value) for field, value in pair.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        why = (error.strerror or "").lower()
        raise Refused(f"error: Cannot read file {file}, open {file}: {why}") from error


def _refuse_no_pair(cert: bytes, key: bytes) -> None:
    for data, word, what in ((cert, b"CERTIFICATE", "certificate"), (key, b"PRIVATE KEY", "key")):
        if word not in data or b"-----BEGIN" not in data:
            raise Refused(f"error: tls: failed to find any PEM data in {what} input")
    try:
        certificate = x509.load_pem_x509_certificate(cert)
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise Refused(f"error: tls: failed to parse the certificate or the private key: {error}") from error
    if certificate.public_key() != private.public_key():
        raise Refused("error: tls: private key does not match public key")


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _literals(texts: Sequence[str]) -> list[tuple[str, bytes]]:
    for text in texts:
        if not text.partition("=")[0] or "=" not in text:
            raise Refused(f"error: invalid literal source {text}, expected key=value")
    return [(key, value.encode()) for key, _, value in (text.partition("=") for text in texts)]


def _files(texts: Sequence[str]) -> list[tuple[str, bytes]]:
    """FILE, KEY=FILE, or a folder's files."""
    found = []
    for text in texts:
        key, equals, name = text.partition("=")
        path = Path(name if equals else text)
        if path.is_dir() and equals:
            raise Refused("error: cannot give a key name for a directory path")
        try:
            if path.is_dir():
                found += [(file.name, file.read_bytes()) for file in sorted(path.iterdir()) if file.is_file()]
            else:
                found.append((key if equals else path.name, path.read_bytes()))
        except OSError as error:
            raise Refused(f"error: error reading {path}: {(error.strerror or '').lower()}") from error
    return found


def _env(names: Sequence[str]) -> list[tuple[str, bytes]]:
    """KEY=VALUE a line, with empty lines and comments between."""
    found = []
    for name in names:
        lines = [line.lstrip() for line in _files([name])[0][1].decode("utf-8", "replace").splitlines()]
        found += [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]
    return [(key, value.encode()) for key, value in found]


def service(kind: str, name: str, tcp: Sequence[str], cluster_ip: str, node_port: int, external_name: str) -> Obj:
    """`kind`: a key of TYPES."""
    if not tcp and kind != "externalname" and not (kind == "clusterip" and cluster_ip == "None"):
        raise Refused("error: at least one tcp port specifier must be provided")
    spec: Obj = {}
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    if external_name:
        spec["externalName"] = external_name
    ports = [_port(text, node_port) for several in tcp for text in several.split(",")]
    if ports:
        spec["ports"] = ports
    spec |= {"selector": {"app": name}, "type": TYPES[kind]}
    meta = {"labels": {"app": name}, "name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": NO_BALANCER}


def _port(text: str, node_port: int) -> Obj:
    first, colon, second = text.partition(":")
    if not first.isdigit():
        raise Refused(f'error: strconv.ParseUint: parsing "{first}": invalid syntax')
    target = second if colon else first
    port: Obj = {"name": text.replace(":", "-"), "port": int(first), "protocol": "TCP"}
    port["targetPort"] = int(target) if target.isdigit() else target
    return {**port, "nodePort": node_port} if node_port else port


def ingress(name: str, rules: Sequence[str], class_name: str, default: str, annotations: Sequence[str]) -> Obj:
    """A rule is HOST/PATH=SERVICE:PORT[,tls[=SECRET]]; a path that ends in * is a prefix."""
    if not default and not rules:
        raise Refused(
            "error: not enough information provided: every ingress has to either specify a default-backend (which "
            "catches all traffic) or a list of rules (which catch specific paths)"
        )
    for rule in rules:
        if not _RULE.match(rule):
            form = "host/path=svcname:svcport[,tls[=secret]]"
            raise Refused(f"error: rule {rule} is invalid and should be in format {form}")
    for annotation in annotations:
        if "=" not in annotation:
            raise Refused(f"error: annotation {annotation} is invalid and should be in format key=[value]")
    if default and default.count(":") != 1:
        raise Refused("error: default-backend should be in format servicename:serviceport")
    meta: Obj = {"name": name}
    if annotations:
        meta["annotations"] = {k: v for k, _, v in (a.partition("=") for a in annotations)}
    spec: Obj = {}
    if class_name:
        spec["ingressClassName"] = class_name
    if default:
        spec["defaultBackend"] = _backend(default)
    found = _rules(rules)
    if found:
        spec["rules"] = found
    secured = _tls(rules)
    if secured:
        spec["tls"] = secured
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": meta,
        "spec": spec,
        "status": NO_BALANCER,
    }


def _rules(rules: Sequence[str]) -> list[Obj]:
    paths: dict[str, list[Obj]] = {}
    for rule in rules:
        host, _, rest = rule.partition(",")[0].partition("/")
        path, _, backend = rest.partition("=")
        prefix = path.endswith("*")
        entry = {"path": "/" + path.removesuffix("*"), "pathType": "Prefix" if prefix else "Exact"}
        paths.setdefault(host, []).append({"backend": _backend(backend), **entry})
    return [{**({"host": host} if host else {}), "http": {"paths": found}} for host, found in paths.items()]


def _backend(text: str) -> Obj:
    name, _, port = text.partition(":")
    return {"service": {"name": name, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


def _tls(rules: Sequence[str]) -> list[Obj]:
    """A host is named once; hosts with one secret share an entry."""
    hosts: dict[str, list[str]] = {}
    seen: set[str] = set()
    for rule in rules:
        before, comma, tls = rule.partition(",")
        host = before.partition("/")[0]
        if not comma or host in seen:
            continue
        seen.add(host)
        hosts.setdefault(tls.partition("=")[2], []).extend([host] if host else [])
    return [
        {**({"hosts": named} if named else {}), **({"secretName": name} if name else {})}
        for name, named in hosts.items()
        if name or named
    ]


def deployment(name: str, images: Sequence[str], replicas: int, port: int | None, command: Sequence[str]) -> Obj:
    labels = {"app": name}
    containers: list[Obj] = []
    for image in images:
        container: Obj = {"image": image, "name": image.rsplit("/", 1)[-1].split(":")[0].split("@")[0]}
        if command:
            container["command"] = list(command)
        if port is not None:
            container["ports"] = [{"containerPort": port}]
        containers.append({**container, "resources": {}})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    }
