"""Pod Security: upstream's words for what a level forbids, and whom it is told.

The texts of `restricted` for a plain pod, and those about a namespace's pods, are as Kubernetes' own tutorials show
them (docs/tutorials/security: cluster-level-pss, ns-level-pss); the others follow the checks' formats.
"""

import pytest

from pocketkube.admission import podsecurity
from pocketkube.admission.podsecurity_policy import LATEST, Level, Policy, detail, policy, reasons, violations
from pocketkube.clock import Clock
from pocketkube.errors import Forbidden, Invalid
from pocketkube.registry import Registry
from pocketkube.store import Store

ENFORCE, WARN = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"
PLAIN = (
    'allowPrivilegeEscalation != false (container "nginx" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "nginx" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "nginx" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "nginx" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)
TIGHT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
CALM = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def container(name="a", **fields):
    return {"name": name, "image": "i", **fields}


def secured(**context):
    return {"containers": [container(securityContext=context)]}


def said(level, spec, version="latest", **annotations):
    return detail(violations(Level(level, version), {"annotations": annotations}, spec))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"containers": [container()]}, ""),
        ({"hostNetwork": True, "hostPID": True}, "host namespaces (hostNetwork=true, hostPID=true)"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, 'hostPath volumes (volume "v")'),
        (
            {"containers": [container(ports=[{"hostPort": 80}, {"hostPort": 443}]), container("b")]},
            'hostPort (container "a" uses hostPorts 443, 80)',
        ),
        (
            {"initContainers": [container("i", securityContext={"privileged": True})], **secured(privileged=True)},
            'privileged (containers "i", "a" must not set securityContext.privileged=true)',
        ),
        (
            secured(capabilities={"add": ["SYS_ADMIN", "NET_RAW", "CHOWN"]}),
            'non-default capabilities (container "a" must not include "NET_RAW", "SYS_ADMIN" in '
            "securityContext.capabilities.add)",
        ),
        (
            secured(procMount="Unmasked"),
            'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
        ),
        ({"hostUsers": False, **secured(procMount="Unmasked")}, ""),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}]}},
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            {
                "securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}},
                **secured(seLinuxOptions={"role": "r"}),
            },
            'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
            "user may not be set; role may not be set)",
        ),
        (
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
            'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            secured(appArmorProfile={"type": "Unconfined"}),
            'forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")',
        ),
        (
            secured(windowsOptions={"hostProcess": True}),
            'hostProcess (container "a" must not set securityContext.windowsOptions.hostProcess=true)',
        ),
        (
            {
                "containers": [
                    container(
                        livenessProbe={"httpGet": {"host": "h"}}, lifecycle={"preStop": {"tcpSocket": {"host": "g"}}}
                    )
                ]
            },
            'probe or lifecycle host (container "a" uses probe or lifecycle hosts "g", "h")',
        ),
        (
            {"ephemeralContainers": [container("e", securityContext={"privileged": True})]},
            'privileged (container "e" must not set securityContext.privileged=true)',
        ),
    ],
)
def test_what_the_baseline_forbids(spec, says):
    assert said("baseline", spec) == says
    assert said("privileged", spec) == ""


def test_an_annotation_that_switches_apparmor_off():
    key = "container.apparmor.security.beta.kubernetes.io/a"
    assert said("baseline", {"containers": [container()]}, **{key: "unconfined"}) == (
        f'forbidden AppArmor profile (annotation must not set AppArmor profile type to "{key}="unconfined"")'
    )
    assert said("baseline", {"containers": [container()]}, **{key: "runtime/default"}) == ""


def test_restricted_asks_for_more():
    assert said("restricted", {"containers": [container("nginx")]}) == PLAIN
    fit = {"securityContext": CALM, "containers": [container(securityContext=TIGHT)]}
    assert said("restricted", fit) == ""
    assert said("restricted", fit | {"volumes": [{"name": "v", "nfs": {}}, {"name": "w", "hostPath": {}}]}) == (
        'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")'
    )
    rooted = {"securityContext": {**CALM, "runAsUser": 0}, "containers": [container(securityContext=TIGHT)]}
    assert said("restricted", rooted) == "runAsUser=0 (pod must not set runAsUser=0)"
    assert said("restricted", rooted | {"hostUsers": False}) == ""
    adding = {**TIGHT, "capabilities": {"add": ["NET_BIND_SERVICE", "CHOWN"], "drop": ["ALL"]}}
    assert said("restricted", fit | {"containers": [container(securityContext=adding)]}) == (
        'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)'
    )


def test_windows_pods_need_not_say_what_windows_does_not_know():
    windows = {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": True}, "containers": [container()]}
    assert said("restricted", windows) == ""
    assert "seccompProfile" in said("restricted", windows, "v1.24")


def test_a_level_is_as_of_a_version():
    probed = {"containers": [container(livenessProbe={"httpGet": {"host": "h"}})]}
    assert said("baseline", probed, "v1.33") == ""
    assert said("baseline", probed, "v1.34") == said("baseline", probed, "v1.99") != ""
    assert said("restricted", {"containers": [container()]}, "v1.7") == (
        'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)'
    )
    assert LATEST == 35


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({}, Policy()),
        ({ENFORCE: "baseline"}, Policy(enforce=Level("baseline"), warn=Level("baseline"))),
        (
            {ENFORCE: "restricted", f"{ENFORCE}-version": "v1.30"},
            Policy(enforce=Level("restricted", "v1.30"), warn=Level("restricted", "v1.30")),
        ),
        ({ENFORCE: "restricted", WARN: "privileged"}, Policy(enforce=Level("restricted"))),
        (
            {ENFORCE: "baseline", f"{WARN}-version": "v1.20"},
            Policy(enforce=Level("baseline"), warn=Level("baseline", "v1.20")),
        ),
        ({"pod-security.kubernetes.io/audit": "baseline"}, Policy(audit=Level("baseline"))),
    ],
)
def test_labels_say_what_is_enforced(labels, wanted):
    assert policy(labels) == (wanted, [])


# -- asked by the registry


@pytest.fixture
def registry(tmp_path):
    store = Store(tmp_path / "db")
    registry = Registry(store, Clock(), {"service_cidr": "10.96.0.0/16", "dns_ip": "10.96.0.10"})
    registry.chain.plugins = [podsecurity.PLUGIN(registry)]
    yield registry
    store.close()


def space(registry, name="here", **labels):
    made = registry.create("namespaces", {"metadata": {"name": name, "labels": labels}})
    registry.create("serviceaccounts", {"metadata": {"namespace": name, "name": "default"}})
    return made


def pod(name="nginx", **fields):
    return {"metadata": {"namespace": "here", "name": name}, "spec": {"containers": [container("nginx")], **fields}}


def deployment(**fields):
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container("nginx")], **fields}}
    meta = {"namespace": "here", "name": "web"}
    return {"metadata": meta, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def test_pods_are_refused_and_what_makes_them_is_warned_of(registry):
    space(registry, **{ENFORCE: "baseline"})
    warnings = []
    with pytest.raises(Forbidden) as refused:
        registry.create("pods", pod(hostNetwork=True), warn=warnings.append)
    assert refused.value.message == (
        'pods "nginx" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    )
    assert warnings == []
    registry.create("deployments", deployment(hostNetwork=True), warn=warnings.append)
    assert warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)']
    registry.create("pods", pod())


def test_a_stricter_level_may_only_warn(registry):
    space(registry, **{ENFORCE: "baseline", WARN: "restricted"})
    warnings = []
    registry.create("pods", pod(), warn=warnings.append)
    assert warnings == [f'would violate PodSecurity "restricted:latest": {PLAIN}']


def test_a_pod_is_asked_again_only_when_its_images_change(registry):
    space(registry)
    made = registry.create("pods", pod(hostPID=True))
    registry.patch("namespaces", "", "here", lambda found: found["metadata"]["labels"].update({ENFORCE: "baseline"}))
    labelled = registry.patch("pods", "here", "nginx", lambda found: found["metadata"].update(labels={"a": "b"}))
    assert labelled["metadata"]["uid"] == made["metadata"]["uid"]
    with pytest.raises(Forbidden, match="host namespaces"):
        registry.patch("pods", "here", "nginx", lambda found: found["spec"]["containers"][0].update(image="other"))


def test_labels_that_nobody_knows_are_refused(registry):
    with pytest.raises(Invalid) as refused:
        space(registry, **{ENFORCE: "strict", f"{WARN}-version": "1.30"})
    assert refused.value.message == (
        'Namespace "here" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": '
        "must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: "
        'Invalid value: "1.30": must be "latest" or "v1.x"]'
    )


def test_a_namespace_that_becomes_stricter_names_its_pods(registry):
    space(registry)
    for name, fields in (("c", {"hostPID": True}), ("a", {"hostPID": True}), ("b", {}), ("d", {"hostIPC": True})):
        registry.create("pods", pod(name, **fields))

    def labelled(level):
        warnings = []
        change = {"metadata": {"labels": {ENFORCE: level}}}
        registry.patch(
            "namespaces", "", "here", lambda found: found["metadata"].update(change["metadata"]), warn=warnings.append
        )
        return warnings

    assert labelled("baseline") == [
        'existing pods in namespace "here" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): host namespaces",
    ]
    assert labelled("baseline") == []
    assert labelled("restricted")[1].startswith("a (and 2 other pods): host namespaces, allowPrivilegeEscalation != f")
    assert labelled("baseline") == []
    assert labelled("privileged") == []


def test_reasons_are_said_without_their_places():
    found = violations(Level("baseline"), {}, {"hostPID": True, **secured(privileged=True)})
    assert reasons(found) == "host namespaces, privileged"
