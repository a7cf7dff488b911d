"""What else one step may answer, word for word: the recording's surroundings, and moments it happened to catch.

Each entry is for one step of one scenario, names the recorded text or value it stands for, and gives the only other one
that is right there; all changes of an entry go together. Nothing else about the step is forgiven. An entry whose
recorded text is not in the scenario is an error.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.golden.compare import ABSENT
from tests.golden.scenario import Step

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Change:
    """`instead` for `recorded` at a place of the step: a part of a text, or a whole value.

    ABSENT: there is none; in a list, `instead` comes at its end, and the place is the index after the last.
    """

    place: Place
    recorded: Any
    instead: Any

    def apply(self, step: Step) -> None:
        """Raises ValueError when the recording has something else there."""
        holder: Any = step
        try:
            for key in self.place[:-1]:
                holder = holder[key]
            if self.recorded is ABSENT and isinstance(holder, list) and self.place[-1] == len(holder):
                holder.append(ABSENT)
            value = holder.get(self.place[-1], ABSENT) if isinstance(holder, dict) else holder[self.place[-1]]
        except (KeyError, IndexError, TypeError):
            raise ValueError(f"{step.get('id')}: there is nothing at {self.place}") from None
        if isinstance(value, str) and isinstance(self.recorded, str) and self.recorded and self.recorded in value:
            holder[self.place[-1]] = value.replace(self.recorded, self.instead)
        elif value == self.recorded or _are_events(value, self.recorded):
            holder[self.place[-1]] = self.instead
        else:
            raise ValueError(f"{step.get('id')}: {self.recorded!r} is not at {self.place}")


@dataclass(frozen=True)
class Dropped(Change):
    """What has `recorded` at `place` (below an item of a list) is not there; `instead` is how many steps of the place
    lead to the item."""

    def apply(self, step: Step) -> None:
        super_place, item = self.place, int(self.instead)
        Change(super_place, self.recorded, self.recorded).apply(step)  # raises when it is another
        holder: Any = step
        for key in super_place[: item - 1]:
            holder = holder[key]
        del holder[super_place[item - 1]]


@dataclass(frozen=True)
class Listed(Change):
    """The sorted names at `place` are without those of `recorded`, and with those of `instead`."""

    def apply(self, step: Step) -> None:
        holder: Any = step
        for key in self.place[:-1]:
            holder = holder[key]
        names = set(holder[self.place[-1]])
        if not names >= set(self.recorded) or names & set(self.instead):
            raise ValueError(
                f"{step.get('id')}: {self.recorded!r} are not all at {self.place}, or some of {self.instead!r}"
            )
        holder[self.place[-1]] = sorted(names - set(self.recorded) | set(self.instead))


def _are_events(value: Any, told: Any) -> bool:
    """Whether the list is of these events, in order."""
    lists = isinstance(value, list) and isinstance(told, list) and len(value) == len(told)
    return lists and all(fact.items() <= event.items() for event, fact in zip(value, told, strict=True))


def _event(reason: str, message: str, type_: str = "Normal") -> dict[str, str]:
    return {"type": type_, "reason": reason, "message": message}


@dataclass(frozen=True)
class Alternative:
    reason: str
    changes: tuple[Change, ...]


def _printed(reason: str, recorded: str, instead: str) -> Alternative:
    return Alternative(reason, (Change(("stdout",), recorded, instead),))


_PATH = _printed(
    "PATH is that of the named busybox image, not of the recorder's stand-in",
    "PATH=/bin:/usr/bin:/usr/sbin:/sbin\n",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
)

_APPLIED = (
    "    kubectl.kubernetes.io/last-applied-configuration: |\n"
    '      {"apiVersion":"v1","kind":"Service","metadata":{"annotations":{"prometheus.io/port":"9153",'
    '"prometheus.io/scrape":"true"},"labels":{"k8s-app":"kube-dns","kubernetes.io/cluster-service":"true",'
    '"kubernetes.io/name":"CoreDNS"},"name":"kube-dns","namespace":"kube-system"},"spec":{"clusterIP":"10.96.0.10",'
    '"ports":[{"name":"dns","port":53,"protocol":"UDP","targetPort":53},'
    '{"name":"dns-tcp","port":53,"protocol":"TCP","targetPort":53},'
    '{"name":"metrics","port":9153,"protocol":"TCP","targetPort":9153}],"selector":{"k8s-app":"kube-dns"}}}\n'
)

_BODY: Place = ("response", "body")
_FINALIZERS = "snapshot.storage.kubernetes.io/volumesnapshot"
_UNTOUCHED = "seconds later the recorded controllers had not got further with it; this is what they write next"
_NO_HANDLE = {
    "error": {
        "message": "Failed to check and update snapshot content: failed to list snapshot for content "
        'golden-csi06-ghost: "can not find snapshot for snapshotID no-such-handle"',
        "time": "<time>",
    },
    "readyToUse": False,
}
_NO_CONTENT = "VolumeSnapshotContent is missing"


_STARTED = {"type": "Normal", "reason": "Started", "message": "Container started"}
_MIGRATED_PLUGINS = (
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,kubernetes.io/gce-pd,"
    "kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume"
)
_PROVISIONED = Alternative(
    "the recorded provisioner had not told yet that it had made the volume to which the claim was bound",
    (
        Change(
            (*_BODY, "items", 2),
            ABSENT,
            {
                "type": "Normal",
                "reason": "ProvisioningSucceeded",
                "message": "Successfully provisioned volume pvc-<uid>",
            },
        ),
    ),
)
_LIVE: Place = (*_BODY, "status")
_KILLED_AGAIN = "its probe fails every second, so that it is killed again two seconds after it was restarted"
_BACK_OFF = "back-off 10s restarting failed container=c pod=live_golden-pods-04(<uid>)"
_WELL = {"observedGeneration": 1, "status": "True", "lastProbeTime": None, "lastTransitionTime": "<time>"}
_UNWELL = {"status": "False", "reason": "ContainersNotReady", "message": "containers with unready status: [c]"}
_RESIZED = "the recorded resizer was caught between its two writes; this is what both make"
_FOR_THE_NODE = {
    "type": "FileSystemResizePending",
    "status": "True",
    "lastProbeTime": None,
    "lastTransitionTime": "<time>",
    "message": "Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
}
_ATTACHMENT = {
    "metadata": {"name": "csi-<id>", "uid": "<uid>", "resourceVersion": "<rv>", "creationTimestamp": "<time>"},
    "spec": {
        "attacher": "hostpath.csi.k8s.io",
        "source": {"persistentVolumeName": "pvc-<uid>"},
        "nodeName": "node-1",
    },
    "status": {"attached": True},
}


def _scheduled(pod: str) -> dict[str, str]:
    return _event("Scheduled", f"Successfully assigned golden-csi-10/{pod} to node-1")


_ATTACHED = _event("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "pvc-<uid>" ')
_NOT_A_DEVICE = _event(
    "FailedMount",
    "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process "
    "volumes=[data]: volume data has volumeMode Filesystem, but is specified in volumeDevices",
    "Warning",
)
_EPHEMERAL_STARTED = [
    _scheduled("eph"),
    _ATTACHED,
    _event("Pulled", 'Container image "busybox:1.36" already present on machine and can be accessed by the pod'),
    _event("Created", "Container created"),
    _event("Started", "Container started"),
]
_NO_CLAIM_YET = _event(
    "FailedScheduling",
    '0/1 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "eph-data". '
    "not found",
    "Warning",
)
_UNBOUND = _event(
    "FailedScheduling",
    "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
    "Warning",
)

_IPV6_SLICE: Place = ("response", "body", "items", 0)
_GREEN_SLICE: Place = ("response", "body", "items", 1)

_MEASURED = (
    "what Pods use is looked at every second here, so the autoscaler's first look finds numbers, and the look after a "
    "change numbers of after the change; the recorded ones were of the fifteen seconds before, half idle and half busy"
)
_HPA_EVENTS = (*_BODY, "items")
_NO_NUMBERS = "no metrics returned from resource metrics API"
_NOT_YET = "failed to get cpu utilization: unable to get metrics for resource cpu: " + _NO_NUMBERS
_NONE_AT_ALL = (
    "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: " + _NOT_YET
)
_NO_FAILURES = Alternative(
    _MEASURED,
    (
        Dropped((*_HPA_EVENTS, 2, "message"), _NONE_AT_ALL, len(_HPA_EVENTS) + 1),
        Dropped((*_HPA_EVENTS, 1, "message"), _NOT_YET, len(_HPA_EVENTS) + 1),
    ),
)
_DESCRIBED_FAILURES = (
    f"  Warning  FailedGetResourceMetric       <age>  horizontal-pod-autoscaler  {_NOT_YET}\n"
    f"  Warning  FailedComputeMetricsReplicas  <age>  horizontal-pod-autoscaler  {_NONE_AT_ALL}\n"
)
_DESCRIBED_TITLES = (
    "Events:\n"
    "  Type     Reason                        Age    From                       Message\n"
    "  ----     ------                        ----   ----                       -------\n"
)
_NO_SUCH_HOOKS = tuple(
    f"poststarthook/{hook}"
    for hook in (
        *("priority-and-fairness-config-consumer", "priority-and-fairness-filter", "storage-object-count-tracker-hook"),
        *("peer-endpoint-reconciler-controller", "start-kube-apiserver-identity-lease-controller"),
        *("start-kube-apiserver-identity-lease-garbage-collector", "start-legacy-token-tracking-controller"),
        "aggregator-reload-proxy-client-cert",
    )
)
"""Of health checks: what they start is not here (pocketkube/apiserver/health.py)."""
_NO_SUCH_PATHS = (
    *("/flagz", "/metrics", "/metrics/slis", "/statusz"),
    *("/healthz/loopback-serving-certificate", "/livez/loopback-serving-certificate"),
    *(f"/{name}/{hook}" for name in ("healthz", "livez", "readyz") for hook in _NO_SUCH_HOOKS),
)
_LIMIT = ("response", "events", 0, "object", "status", "conditions", 2)
_SEEN_REASON = ("response", "events", 1, "object", "status", "conditions", 1, "reason")

_TOO_LARGE = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Timeout: Too large resource version: 17310, current: <rv>",
        "reason": "Timeout",
        "details": {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
        "code": 504,
    },
}
_BECAME_AVAILABLE = (
    ('"f:status":{"f:conditions"', '"f:status":{"f:availableReplicas":{},"f:conditions"'),
    ('"f:observedGeneration":{},"f:replicas"', '"f:observedGeneration":{},"f:readyReplicas":{},"f:replicas"'),
    ('"f:unavailableReplicas":{},', ""),
    ('"status":{"conditions":[', '"status":{"availableReplicas":2,"conditions":['),
    (
        '"Deployment does not have minimum availability.","reason":"MinimumReplicasUnavailable","status":"False"',
        '"Deployment has minimum availability.","reason":"MinimumReplicasAvailable","status":"True"',
    ),
    (
        'is progressing.","reason":"ReplicaSetUpdated"',
        'has successfully progressed.","reason":"NewReplicaSetAvailable"',
    ),
    ('"observedGeneration":1,"replicas":2', '"observedGeneration":1,"readyReplicas":2,"replicas":2'),
    ('"unavailableReplicas":2,', ""),
)
_MANAGED_BY_CONTROLLER = (
    '{"apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":'
    '{"f:deployment.kubernetes.io/revision":{}}},"f:status":{"f:conditions":{".":{},'
    '"k:{\\"type\\":\\"Available\\"}":{".":{},"f:lastTransitionTime":{},"f:lastUpdateTime":{},"f:message":{},'
    '"f:reason":{},"f:status":{},"f:type":{}},"k:{\\"type\\":\\"Progressing\\"}":{".":{},"f:lastTransitionTime":{},'
    '"f:lastUpdateTime":{},"f:message":{},"f:reason":{},"f:status":{},"f:type":{}}},"f:observedGeneration":{},'
    '"f:replicas":{},"f:terminatingReplicas":{},"f:unavailableReplicas":{},"f:updatedReplicas":{}}},'
    '"manager":"kube-controller-manager","operation":"Update","subresource":"status","time":"<time>"}'
)
_MANAGED_BY_KUBECTL = (
    '{"apiVersion":"apps/v1","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},'
    '"f:kubectl.kubernetes.io/last-applied-configuration":{}}},"f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},'
    '"f:revisionHistoryLimit":{},"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},'
    '"f:maxUnavailable":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":'
    '{"f:containers":{"k:{\\"name\\":\\"c\\"}":{".":{},"f:args":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},'
    '"f:ports":{".":{},"k:{\\"containerPort\\":8080,\\"protocol\\":\\"TCP\\"}":{".":{},"f:containerPort":{},"f:name":{},'
    '"f:protocol":{}}},"f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},'
    '"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},'
    '"f:terminationGracePeriodSeconds":{}}}}},"manager":"kubectl-client-side-apply","operation":"Update",'
    '"time":"<time>"}'
)
"""Entries of managedFields come in the order of their times, in whole seconds, then of their managers' names."""
_WRITTEN_A_SECOND_LATER = (
    f"{_MANAGED_BY_CONTROLLER},{_MANAGED_BY_KUBECTL}",
    f"{_MANAGED_BY_KUBECTL},{_MANAGED_BY_CONTROLLER}",
)
_LEFT_OVER = "another scenario had left a Node behind in the recorded cluster"
_BEFORE_ITS_CONFIGMAP = (
    "the Pod is applied before its ConfigMap, and here it starts so soon that its kubelet misses that"
)
_KEY_A, _KEY_MULTI = "a:\n----\n1\n\n", "multi:\n----\nx\ny\n\n\n"
_NO_TRIGGER = "the trigger time is there when the last write was of another second than the one before (see timing.py)"
_TRIGGERED = "Annotations:  endpoints.kubernetes.io/last-change-trigger-time: <time>"
_SUBSETS_BY_NAME = (
    "subsets of Endpoints are ordered by the names of their ports here, by a hash of uids there; which Pod has the "
    "lower address is a matter of which was the first"
)

ALTERNATIVES: dict[tuple[str, str], tuple[Alternative, ...]] = {
    ("mechanics-01-tables-workloads", "table-endpoints"): tuple(
        Alternative(
            _SUBSETS_BY_NAME,
            (
                *(
                    Change(
                        (*_BODY, "rows", row, "cells", 1),
                        "<podIP.2>:80,<podIP.1>:80",
                        f"<podIP.{one}>:80,<podIP.{other}>:80",
                    )
                    for row in (0, 1)
                ),
                Change(
                    (*_BODY, "rows", 2, "cells", 1),
                    "<podIP.2>:8080,<podIP.1>:8080,<podIP.2>:53",
                    f"<podIP.{one}>:53,<podIP.{other}>:53,<podIP.{one}>:8080",
                ),
            ),
        )
        for one, other in ((1, 2), (2, 1))
    ),
    ("mechanics-04-watch", "watch-times-out-empty"): (
        Alternative(
            "the recorded server had its watch cache off and knew of no revision as new as the one to start from; with "
            "the cache the watch shows nothing until it ends",
            (Change(_BODY, _TOO_LARGE, ""),),
        ),
    ),
    ("explain-01", "auth-whoami"): (
        _printed(
            "the recording machine's user was another",
            "ATTRIBUTE                                           VALUE\n"
            "Username                                            kubernetes-super-admin\n"
            "Groups                                              [system:masters system:authenticated]\n"
            "Extra: authentication.kubernetes.io/credential-id   [X509SHA256=<id>]\n",
            "ATTRIBUTE                                           VALUE\n"
            "Username                                            kubernetes-admin\n"
            "Groups                                              [system:masters system:authenticated]\n"
            "Extra: authentication.kubernetes.io/credential-id   [X509SHA256=<id>]\n",
        ),
    ),
    ("mechanics-08-discovery", "root"): (
        Alternative(
            "paths and checks of what is not here; the recorded server checked its storage for /livez only",
            (Listed((*_BODY, "paths"), _NO_SUCH_PATHS, ("/readyz/etcd", "/readyz/etcd-readiness")),),
        ),
    ),
    ("mechanics-08-discovery", "healthz-verbose"): (
        Alternative(
            "checks of what is not here",
            tuple(Change(_BODY, f"[+]{check} ok\n", "") for check in ("loopback-serving-certificate", *_NO_SUCH_HOOKS)),
        ),
    ),
    ("mistakes-01", "container-no-name"): (
        Alternative(
            "the Deployment that the patch was for has become available",
            tuple(Change(("stderr",), recorded, instead) for recorded, instead in _BECAME_AVAILABLE),
        ),
        Alternative(
            "the Deployment that the patch was for has become available, in another second than it was made in",
            tuple(
                Change(("stderr",), recorded, instead)
                for recorded, instead in (_WRITTEN_A_SECOND_LATER, *_BECAME_AVAILABLE)
            ),
        ),
    ),
    ("explain-01", "get-nodes"): (_printed(_LEFT_OVER, "golden-fake-b   NotReady   <none>   <age>\n", ""),),
    ("explain-01", "get-nodes-o-wide"): (
        _printed(
            _LEFT_OVER,
            "golden-fake-b   NotReady   <none>   <age>             <none>        <none>        <unknown>   <unknown>"
            "        <unknown>\n",
            "",
        ),
    ),
    ("explain-01", "get-nodes-show-labels"): (
        _printed(
            _LEFT_OVER,
            "golden-fake-b   NotReady   <none>   <age>             topology.kubernetes.io/zone=zone-a\n",
            "",
        ),
    ),
    ("explain-01", "get-componentstatuses"): (
        _printed(
            "kubectl fills up the last column, too; the recorder cut that off",
            "Healthy   ok\n",
            "Healthy   ok        \n",
        ),
    ),
    ("describe-01-workloads", "describe-pod-full"): (
        _printed(
            _BEFORE_ITS_CONFIGMAP,
            "  Normal   Created    <age>                    kubelet            spec.containers{c}: ",
            "  Warning  Failed     <age>                    kubelet            spec.containers{c}: "
            'Error: configmap "cfg" not found\n'
            "  Normal   Created    <age>                    kubelet            spec.containers{c}: ",
        ),
    ),
    ("describe-01-workloads", "describe-endpointslice-l-kubernetes-io-service-name-web"): (
        _printed(_NO_TRIGGER, _TRIGGERED, "Annotations:  <none>"),
    ),
    ("describe-01-workloads", "describe-endpoints-web"): (_printed(_NO_TRIGGER, _TRIGGERED, "Annotations:  <none>"),),
    ("describe-01-workloads", "describe-cm-cfg"): (
        _printed("kubectl prints the keys in any order", _KEY_A + _KEY_MULTI, _KEY_MULTI + _KEY_A),
    ),
    ("metrics-02-hpa-load", "watch-idle"): (
        Alternative(_MEASURED, (Dropped(_SEEN_REASON, "FailedGetResourceMetric", 3),)),
    ),
    ("metrics-02-hpa-load", "kubectl-describe-idle"): (
        _printed(_MEASURED, _DESCRIBED_TITLES + _DESCRIBED_FAILURES, "Events:           <none>\n"),
    ),
    ("metrics-02-hpa-load", "events-idle"): (_NO_FAILURES,),
    ("metrics-02-hpa-load", "watch-scale-up"): (
        Alternative(
            _MEASURED,
            (
                Change((*_LIMIT, "status"), "False", "True"),
                Change((*_LIMIT, "reason"), "DesiredWithinRange", "TooManyReplicas"),
                Change(
                    (*_LIMIT, "message"),
                    "the desired count is within the acceptable range",
                    "the desired replica count is more than the maximum replica count",
                ),
            ),
        ),
    ),
    ("metrics-02-hpa-load", "kubectl-describe-maximum"): (_printed(_MEASURED, _DESCRIBED_FAILURES, ""),),
    ("metrics-02-hpa-load", "events-scale-up"): (_NO_FAILURES,),
    ("metrics-02-hpa-load", "watch-scale-down"): (
        Alternative(_MEASURED, (Dropped((*_LIMIT, "reason"), "TooManyReplicas", 3),)),
    ),
    ("metrics-02-hpa-load", "events-all"): (_NO_FAILURES,),
    ("metrics-02-hpa-load", "kubectl-describe-minimum"): (_printed(_MEASURED, _DESCRIBED_FAILURES, ""),),
    ("metrics-02-hpa-load", "kubectl-events"): (
        _printed(
            _MEASURED,
            f"<age>       Warning   FailedGetResourceMetric        horizontalpodautoscaler/web   {_NOT_YET}\n"
            f"<age>       Warning   FailedComputeMetricsReplicas   horizontalpodautoscaler/web   {_NONE_AT_ALL}\n",
            "",
        ),
    ),
    ("endpointslices-13-mirroring", "mirrored-per-family"): (
        Alternative(
            "the mirroring controller had already seen the second of two edits, not the first only; in how many "
            "writes is its affair (see timing.py)",
            (
                Change((*_IPV6_SLICE, "metadata", "generation"), 1, 2),
                Change((*_IPV6_SLICE, "ports", 0, "name"), "", "c"),
            ),
        ),
    ),
    ("dns-03-statefulset", "peer-from-inside"): (
        _printed(
            "in the named agnhost image `sh` finds BIND's nslookup, which searches a name with dots, too; the "
            "stand-in's has BusyBox's, which asks for it as it is",
            "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n"
            "** server can't find db-1.db: NXDOMAIN\n\n** server can't find db-1.db: NXDOMAIN\n\n",
            ";; Got recursion not available from 10.96.0.10\nServer:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n"
            "Name:\tdb-1.db.golden-dns-03.svc.cluster.local\nAddress: <podIP.2>\n"
            ";; Got recursion not available from 10.96.0.10\n\n",
        ),
    ),
    ("csi-06-snapshot-policies", "snapshot-wrong-handle"): (
        Alternative(
            _UNTOUCHED,
            (
                Change(
                    (*_BODY, "status"),
                    ABSENT,
                    {"boundVolumeSnapshotContentName": "golden-csi06-ghost", **_NO_HANDLE},
                ),
            ),
        ),
    ),
    ("csi-06-snapshot-policies", "content-wrong-handle"): (
        Alternative(
            _UNTOUCHED,
            (
                Change((*_BODY, "metadata", "generation"), 1, 2),
                Change((*_BODY, "metadata", "finalizers"), ABSENT, [f"{_FINALIZERS}content-bound-protection"]),
                Change((*_BODY, "spec", "volumeSnapshotRef", "uid"), ABSENT, "<uid>"),
                Change((*_BODY, "status"), ABSENT, _NO_HANDLE),
            ),
        ),
    ),
    ("csi-06-snapshot-policies", "nocontent-state"): (
        Alternative(
            _UNTOUCHED,
            (
                Change(
                    (*_BODY, "status"),
                    ABSENT,
                    {"error": {"message": _NO_CONTENT, "time": "<time>"}, "readyToUse": False},
                ),
            ),
        ),
    ),
    ("csi-06-snapshot-policies", "nocontent-events"): (
        Alternative(
            _UNTOUCHED,
            (
                Change(
                    (*_BODY, "items"),
                    [],
                    [{"type": "Warning", "reason": "SnapshotContentMissing", "message": _NO_CONTENT}],
                ),
            ),
        ),
    ),
    ("csi-06-snapshot-policies", "delete-pre"): (
        Alternative(
            "the snapshot controller had already seen the policy of the content, changed one request before",
            (
                Change(
                    (*_BODY, "metadata", "finalizers"),
                    [f"{_FINALIZERS}-as-source-protection"],
                    [f"{_FINALIZERS}-as-source-protection", f"{_FINALIZERS}-bound-protection"],
                ),
            ),
        ),
    ),
    ("csi-07-snapshot-invalid", "label"): (
        Alternative(
            "the snapshot controller had already seen that the class, changed one request before, is not there",
            (
                Change(
                    (*_BODY, "status", "error"),
                    ABSENT,
                    {
                        "message": "Failed to get snapshot class with error "
                        'volumesnapshotclass.snapshot.storage.k8s.io "other" not found',
                        "time": "<time>",
                    },
                ),
            ),
        ),
    ),
    ("csi-07-snapshot-invalid", "other-driver-state"): (
        Alternative(
            _UNTOUCHED,
            (
                Change(
                    (*_BODY, "metadata", "finalizers"),
                    [f"{_FINALIZERS}-as-source-protection"],
                    [f"{_FINALIZERS}-as-source-protection", f"{_FINALIZERS}-bound-protection"],
                ),
                Change(
                    (*_BODY, "status"),
                    ABSENT,
                    {"boundVolumeSnapshotContentName": "snapcontent-<uid>", "readyToUse": False},
                ),
            ),
        ),
    ),
    ("csi-10-modes-and-faults", "device-of-filesystem-events"): (
        Alternative(
            "seconds later the recorded controller would have attached it too: it looks at no volume's mode",
            (
                Change(
                    (*_BODY, "items"),
                    [_scheduled("fsdev"), _NOT_A_DEVICE],
                    [_scheduled("fsdev"), _ATTACHED, _NOT_A_DEVICE],
                ),
            ),
        ),
    ),
    ("csi-10-modes-and-faults", "generic-ephemeral-events"): tuple(
        Alternative(
            "how often the scheduler looked before the claim was there, and before it was bound, is chance",
            (
                Change(
                    (*_BODY, "items"),
                    [_NO_CLAIM_YET, _UNBOUND, _UNBOUND, *_EPHEMERAL_STARTED],
                    [*waited, *_EPHEMERAL_STARTED],
                ),
            ),
        )
        for waited in ([_UNBOUND], [_NO_CLAIM_YET, _UNBOUND], [_UNBOUND, _UNBOUND], [])
    ),
    ("dns-06-pod-config", "alias-wins"): (
        _printed(
            "in the named agnhost image `sh` finds BIND's nslookup, which names what was asked for; the stand-in's has "
            "BusyBox's, which names each domain of the search list as its answer comes",
            "can't find two.svc.cluster.local:",
            "can't find two:",
        ),
    ),
    ("dns-07-env", "env-before"): (_PATH,),
    ("dns-07-env", "env-after"): (_PATH,),
    ("dns-07-env", "env-nolinks"): (_PATH,),
    ("dns-08-outage", "kubectl-get-cm"): (
        _printed(
            "kubeadm's Corefile forwards to the node's resolvers, the recorder's to a stand-in for the outside",
            "    forward . <nodeIP>:5353 {\n",
            "    forward . /etc/resolv.conf {\n",
        ),
    ),
    ("dns-08-outage", "kubectl-get-svc-yaml"): (
        _printed("the recorder installed DNS with `kubectl apply`; kubeadm does not", _APPLIED, ""),
    ),
    ("dns-08-outage", "kubectl-logs"): (
        _printed(
            "kubeadm 1.36 deploys CoreDNS 1.14.2, the recorder's was 1.13.1 built without a commit",
            "CoreDNS-1.13.1\nlinux/amd64, go<version>\n",
            "CoreDNS-1.14.2\nlinux/amd64, go<version>, <id>\n",
        ),
    ),
    ("storage-06-default-class", "nil-class-two-defaults-newest-wins"): (
        Alternative(
            "both classes were made within one second: then neither is newer, and the first by name is taken",
            (Change(("response", "body", "spec", "storageClassName"), "golden-st06-b", "golden-st06-a"),),
        ),
    ),
    ("storage-09-volume-limits", "patch-fake-node-status"): (
        Alternative(
            "the ttl controller had already seen the new node",
            (Change((*_BODY, "metadata", "annotations"), ABSENT, {"node.alpha.kubernetes.io/ttl": "0"}),),
        ),
    ),
    ("storage-09-volume-limits", "rwop-1-events"): (
        Alternative(
            "the container that had been created had already been started",
            (Change((*_BODY, "items", 3), ABSENT, _STARTED),),
        ),
    ),
    ("csi-01-provision-immediate", "csinode"): (
        Alternative(
            "the recorded object was shown without an annotation that every kubelet writes (csi-12 describes it)",
            (
                Change(
                    (*_BODY, "metadata", "annotations"),
                    ABSENT,
                    {"storage.alpha.kubernetes.io/migrated-plugins": _MIGRATED_PLUGINS},
                ),
            ),
        ),
    ),
    ("csi-01-provision-immediate", "attachment-after-pod-and-volume"): (
        Alternative(
            "the kubelet had already told that the volume is not in use any more; upstream's tells every ten seconds",
            (Change((*_BODY, "items"), [_ATTACHMENT], []),),
        ),
    ),
    ("csi-03-expansion", "recovered"): (
        Alternative(
            _RESIZED,
            (
                Change((*_BODY, "status", "conditions", 1), ABSENT, _FOR_THE_NODE),
                Change(
                    (*_BODY, "status", "allocatedResourceStatuses", "storage"),
                    "ControllerResizeInProgress",
                    "NodeResizePending",
                ),
            ),
        ),
    ),
    ("csi-03-expansion", "recovered-events"): (
        Alternative(
            _RESIZED,
            (
                Change(
                    (*_BODY, "items", 6),
                    ABSENT,
                    {
                        "type": "Normal",
                        "reason": "FileSystemResizeRequired",
                        "message": "Require file system resize of volume on node",
                    },
                ),
            ),
        ),
    ),
    ("csi-08-clone", "otherclass-events"): (_PROVISIONED,),
    ("csi-08-clone", "byref-events"): (_PROVISIONED,),
    ("csi-08-clone", "rox-events"): (_PROVISIONED,),
    ("traffic-02-selection", "named-slices"): (
        Alternative(
            "the second slice's Pod became ready in another second than it was first seen in: then the slice tells "
            "the time of the change (see timing.py)",
            (Change((*_GREEN_SLICE, "metadata", "generation"), 1, 2),),
        ),
    ),
    ("pods-04-probes", "liveness-restarted"): (
        Alternative(
            _KILLED_AGAIN,
            (
                *(
                    Change((*_LIVE, "conditions", index), _WELL | {"type": name}, _WELL | {"type": name} | _UNWELL)
                    for index, name in ((2, "Ready"), (3, "ContainersReady"))
                ),
                Change(
                    (*_LIVE, "containerStatuses", 0, "state"),
                    {"running": {"startedAt": "<time>"}},
                    {"waiting": {"reason": "CrashLoopBackOff", "message": _BACK_OFF}},
                ),
                Change((*_LIVE, "containerStatuses", 0, "ready"), True, False),
                Change((*_LIVE, "containerStatuses", 0, "started"), True, False),
            ),
        ),
    ),
    ("pods-04-probes", "liveness-events"): (
        Alternative(
            _KILLED_AGAIN,
            (
                Change(
                    (*_BODY, "items", 6),
                    ABSENT,
                    {
                        "type": "Warning",
                        "reason": "BackOff",
                        "message": "Back-off restarting failed container c in pod live_golden-pods-04(<uid>)",
                    },
                ),
            ),
        ),
    ),
    ("policy-01-pdb-quota-limitrange", "pdb-table"): (
        Alternative(
            "the pod that replaces the evicted one is ready already",
            (Change((*_BODY, "rows", 0, "cells", 3), 0, 1),),
        ),
    ),
    ("exec-logs-01", "logs-crash-previous"): (
        _printed(
            "the recorded node had already removed the log that the Pod's status still pointed at",
            "unable to retrieve container logs for <id>",
            "boom\n",
        ),
    ),
    ("dns-08-outage", "kubectl-get-broken"): tuple(
        _printed(
            "a container that fails at once was recorded in the second its kubelet took to notice",
            "0/1     Running   2 (",
            f"0/1     {state}   2 (",
        )
        for state in ("CrashLoopBackOff", "Error")
    ),
}


def readings(scenario: str, step: Step) -> Iterator[tuple[Step, str]]:
    """The step as recorded with "", then as it may be otherwise with the reason. Raises ValueError (see Change)."""
    yield step, ""
    for alternative in ALTERNATIVES.get((scenario, step.get("id", "")), ()):
        changed = copy.deepcopy(step)
        for change in alternative.changes:
            change.apply(changed)
        yield changed, alternative.reason
