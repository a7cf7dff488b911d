"""The stand-in beside the real kubectl: the same words on the same cluster print the same, ages apart."""

import io
import json
import re
import shlex
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.kubectl.conftest import KUBECTL, Kubectl

from kindlab.api import ApiError
from kindlab.clusters.base import Status
from kindlab.kubectl.standin import run

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine (set KUBECTL, or put it on PATH)"),
    pytest.mark.xdist_group("pocket"),
]

WORLD = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}, annotations: {note: "two\\nlines"}}
spec:
  type: LoadBalancer
  selector: {app: web}
  externalTrafficPolicy: Local
  loadBalancerSourceRanges: [10.0.0.0/8, 192.168.0.0/16]
  ports: [{name: http, port: 80, targetPort: http}, {name: more, port: 81, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: ext}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-made, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: more, port: 8080}]
endpoints:
- {addresses: [10.244.9.1]}
- {addresses: [10.244.9.2], conditions: {ready: false}}
- {addresses: [10.244.9.3]}
- {addresses: [10.244.9.4]}
- {addresses: [10.244.9.5]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: compared, annotations: {a: b}}
spec: {controller: example.com/none, parameters: {apiGroup: k8s.example.com, kind: Parameters, name: external}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, labels: {a: b, c: d}, annotations: {x/y: z, long: "%s"}}
spec:
  ingressClassName: compared
  tls: [{hosts: [a.example.com, b.example.com], secretName: s1}, {hosts: [c.example.com]}]
  rules:
  - host: a.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /missing, pathType: Exact, backend: {service: {name: nope, port: {name: http}}}}
  - http:
      paths:
      - {path: /long/path, pathType: Prefix, backend: {resource: {apiGroup: k8s.example.com, kind: Bucket, name: b}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: default}
spec: {ingressClassName: compared, defaultBackend: {service: {name: web, port: {name: http}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd], categories: [shop]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Deep, type: string, jsonPath: .spec.deep.a, priority: 1}
""" % ("a" * 150)
STORAGE = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: compared}
provisioner: kubernetes.io/no-provisioner
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: compared-hostpath, labels: {tier: fast}}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce, ReadOnlyMany]
  storageClassName: compared
  hostPath: {path: /srv/a}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: compared-local}
spec:
  capacity: {storage: 5Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: compared-none
  volumeMode: Block
  persistentVolumeReclaimPolicy: Delete
  local: {path: /dev/x}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: a, operator: In, values: [b, c]}, {key: d, operator: Exists}]
      - matchExpressions: [{key: e, operator: DoesNotExist}]
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: compared-nfs}
spec:
  capacity: {storage: 100Mi}
  accessModes: [ReadWriteMany]
  storageClassName: compared-none
  nfs: {server: s, path: /x, readOnly: true}
  claimRef: {namespace: elsewhere, name: later}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: compared-csi}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOncePod]
  storageClassName: compared-none
  volumeAttributesClassName: gold
  csi: {driver: example.com, volumeHandle: h, fsType: ext4, volumeAttributes: {b: "2", a: "1"}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: bound, labels: {a: b}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: compared}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: waiting}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  storageClassName: compared-nowhere
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: s}
"""
VOLUMES = "pv/compared-hostpath pv/compared-local pv/compared-nfs pv/compared-csi"
STORAGE_WORDS = f"""
get {VOLUMES}
get pv -l tier=fast -o wide
get pvc -o wide
get pvc bound -o jsonpath={{.status.capacity.storage}}
get pvc waiting -o custom-columns=N:.metadata.name,C:.spec.storageClassName,V:.spec.volumeName
get pvc nope
describe {VOLUMES} --show-events=true
describe pvc bound
describe pvc waiting
describe sc compared
patch pvc waiting -p '{{"spec":{{"resources":{{"requests":{{"storage":"9Gi"}}}}}}}}'
patch pvc bound -p '{{"spec":{{"accessModes":["ReadWriteMany"]}}}}'
patch pvc bound -p '{{"spec":{{"resources":{{"requests":{{"storage":"5Gi"}}}}}}}}'
patch pv compared-hostpath -p '{{"spec":{{"hostPath":{{"path":"/other"}}}}}}'
wait --for=jsonpath={{.status.phase}}=Bound pvc/waiting --timeout=1s
delete pv compared-nfs --dry-run=server
delete pvc nope
""".strip().splitlines()
SNAPSHOTS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cut}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}, storageClassName: csi-hostpath-sc}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: good, labels: {a: b}}
spec: {volumeSnapshotClassName: csi-hostpath-snapclass, source: {persistentVolumeClaimName: cut}}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: bad}
spec: {volumeSnapshotClassName: none, source: {persistentVolumeClaimName: cut}}
"""
SNAPSHOT_WORDS = """
get vs
get vs -o wide --show-labels
get volumesnapshot good bad -o name
get vs good -o jsonpath={.status.restoreSize}
get vs,pvc
get vs nope
get vsclass
get vsc -o custom-columns=P:.spec.deletionPolicy,D:.spec.driver
describe vs good
describe vs bad
describe vs --show-events=true
describe vsc --show-events=true
describe vsclass csi-hostpath-snapclass
wait --for=jsonpath={.status.readyToUse}=true vs/good
wait --for=jsonpath={.status.readyToUse}=true vs/bad --timeout=1s
api-resources --api-group=snapshot.storage.k8s.io
patch vs good --type=merge -p '{"spec":{"source":{"persistentVolumeClaimName":"other"}}}'
delete vs nope
""".strip().splitlines()
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: rich, labels: {b: c, a: b}, annotations: {note: x}}
spec:
  nodeSelector: {kubernetes.io/os: linux, no: where}
  tolerations: [{key: x, operator: Equal, value: "1", effect: NoSchedule}, {operator: Exists}]
  topologySpreadConstraints:
  - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {a: b}}}
  - {maxSkew: 2, topologyKey: host, whenUnsatisfiable: DoNotSchedule, labelSelector: {}}
  readinessGates: [{conditionType: example.com/gate}]
  initContainers: [{name: i, image: "a:1", command: [sh, -c, "echo a\necho b"]}]
  containers:
  - name: c
    image: a:1
    args: [netexec, --http-port=8080]
    ports: [{containerPort: 8080}, {containerPort: 53, protocol: UDP, hostPort: 5353}]
    resources: {limits: {cpu: 1500m, memory: 64Mi}, requests: {cpu: 100m, memory: 32Mi}}
    livenessProbe: {httpGet: {path: /a, port: 8080}}
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 3}
    startupProbe: {exec: {command: [sh, -c, "true x"]}, failureThreshold: 9}
    envFrom: [{configMapRef: {name: cm}}, {prefix: P_, secretRef: {name: se, optional: true}}]
    env:
    - {name: A, value: "x\ny"}
    - {name: EMPTY}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['a']"}}}
    - {name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: requests.memory, divisor: 1Mi}}}
    - {name: SECRET, valueFrom: {secretKeyRef: {name: se, key: a}}}
    - {name: MAP, valueFrom: {configMapKeyRef: {name: cm, key: a, optional: true}}}
    volumeMounts:
    - {name: memory, mountPath: /e, subPath: s}
    - {name: map, mountPath: /c, readOnly: true}
    - {name: claim, mountPath: /v}
    volumeDevices: [{name: ephemeral, devicePath: /dev/g}]
  volumes:
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: disk, emptyDir: {}}
  - {name: map, configMap: {name: cm}}
  - {name: secret, secret: {secretName: se, optional: true}}
  - {name: folder, hostPath: {path: /x, type: DirectoryOrCreate}}
  - {name: any, hostPath: {path: /x}}
  - {name: claim, persistentVolumeClaim: {claimName: data, readOnly: true}}
  - name: downward
    downwardAPI:
      items:
      - {path: l, fieldRef: {fieldPath: metadata.labels}}
      - {path: r, resourceFieldRef: {containerName: c, resource: limits.cpu}}
  - name: projected
    projected:
      sources:
      - secret: {name: se}
      - configMap: {name: cm, optional: true}
      - downwardAPI: {items: []}
      - serviceAccountToken: {path: t}
  - {name: nfs, nfs: {server: s, path: /p}}
  - {name: csi, csi: {driver: d.example.com, volumeAttributes: {b: "2", a: "1"}}}
  - name: ephemeral
    ephemeral:
      volumeClaimTemplate:
        metadata: {labels: {t: u, r: s}, annotations: {q: w}}
        spec:
          accessModes: [ReadWriteOnce]
          volumeMode: Block
          storageClassName: fast
          resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: plain}
spec:
  automountServiceAccountToken: false
  containers: [{name: c, image: "registry.k8s.io/e2e-test-images/agnhost:2.63.0", args: [pause]}]
"""
POD_WORDS = """
describe pod rich
describe pod plain --show-events=false
describe pods --show-events=false
describe pod pla --show-events=false
""".strip().splitlines()
CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: full, labels: {c: d, a: b}, annotations: {note: "two\\nlines"}}
data: {page.html: "<h1>one</h1>\\n<p>two</p>\\n", COLOUR: blue, tabs: "a\\tb", empty: ""}
binaryData: {raw: /wAB}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: none}
---
apiVersion: v1
kind: Secret
metadata: {name: key, annotations: {e: f}}
stringData: {password: swordfish}
---
apiVersion: v1
kind: Secret
metadata: {name: none, labels: {a: b}}
type: shop.example.com/nothing
"""
CONFIG_WORDS = """
describe cm full
describe cm none
describe cm full none
describe secret key
describe secret none
describe secrets --show-events=true
describe secret ke
""".strip().splitlines()
WIDGET = """
apiVersion: shop.example.com/v1
kind: Widget
metadata: {name: one, labels: {a: b}}
spec:
  size: 3
  deep: {a: x, things: [1, two, {c: d, clusterIPs: [a]}], enabled: true, f: 1.5, empty: {}, none: []}
"""
WORDS = """
describe ing front
describe ing default
describe ing --show-events=true
describe ing fro --show-events=true
describe ing nope
describe ingressclass compared
describe svc --show-events=true
describe svc web
describe svc ext
describe endpointslice web-made
describe netpol --show-events=true
describe wd one
describe widgets.shop.example.com
describe crd widgets.shop.example.com
get svc -o wide
get svc web ext --show-labels
get svc -l app=web -L app
get ing -o wide
get ing front -o custom-columns=N:.metadata.name,H:.spec.rules[*].host,C:.spec.ingressClassName
get ingressclass compared
get endpointslice web-made
get netpol
get wd
get wd -o wide
get widgets.shop.example.com
get widget/one
get shop
get svc,wd
get wd one -o yaml
get wd one -o json
get wd -o name
get svc web -o jsonpath={.spec.ports[*].port}
get svc web -o 'jsonpath={.spec.ports[?(@.name=="http")].targetPort}'
get httproute,gateway
api-resources
api-resources -o wide
api-resources -o name
api-resources --api-group=networking.k8s.io
api-resources --namespaced=false --no-headers
api-resources --categories=shop
api-resources --verbs=list,create
events --for=x
events --for=wd/one
events --types=z
wait --for=jsonpath={.spec.size}=3 wd/one
wait --for=jsonpath={.spec.size}=7 wd/one --timeout=1s
wait --for=condition=Established crd/widgets.shop.example.com
patch wd one -p '{"spec":{"size":5}}'
annotate wd one nothing-
expose svc web --name=e --port=81 --session-affinity=ClientIP --external-ip=203.0.113.9 --dry-run=server
expose svc web --name=e --port=82 --session-affinity=X
create secret tls x
create secret tls x --cert=a --key=b
create service bogus x
create ing x --rule=/=web
""".strip().splitlines()


JOBS = """
apiVersion: batch/v1
kind: Job
metadata: {name: done}
spec:
  completions: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: "busybox:1.36", command: ["true"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: waits, annotations: {long: "%s"}}
spec:
  suspend: true
  completions: 3
  completionMode: Indexed
  activeDeadlineSeconds: 100
  ttlSecondsAfterFinished: 5
  template:
    metadata: {labels: {a: b}, annotations: {c: d, e: f}}
    spec:
      restartPolicy: Never
      serviceAccountName: default
      priorityClassName: system-node-critical
      nodeSelector: {kubernetes.io/os: linux, disk: fast}
      tolerations: [{key: a, operator: Exists}, {key: b, value: c, effect: NoSchedule}]
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway}
      volumes: [{name: data, emptyDir: {}}, {name: more, configMap: {name: none}}]
      initContainers: [{name: i, image: "busybox:1.36"}]
      containers:
      - name: c
        image: busybox:1.36
        command: ["true"]
        env: [{name: A, value: b}, {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        volumeMounts: [{name: data, mountPath: /data}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: rare}
spec:
  schedule: "0 0 29 2 *"
  timeZone: Europe/Berlin
  jobTemplate:
    metadata: {labels: {a: b}, annotations: {c: d}}
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: c, image: "busybox:1.36", command: ["true"]}]
""".replace("%s", "y" * 200)
JOB_WORDS = """
get job
get jobs -o wide
get job done
get cj
get cronjob rare -o wide
get job done -o name
describe job done
describe job waits
describe cj rare
describe cj
wait --for=condition=complete job/done
wait --for=condition=complete job/waits --timeout=1s
create job
create job x
create job x --image=busybox:1.36 --from=cronjob/rare
create job x --from=cronjob/rare -- date
create job x --from=cronjob/none
create job x --from=job/done
create cronjob x
create cronjob x --image=busybox:1.36
create cj x --image=busybox:1.36 --schedule=sometimes
create cj x --image=busybox:1.36 --schedule=@daily --restart=Always
create cj x --image=busybox:1.36 --schedule=@daily --dry-run=server -- date
create job x --from=cronjob/rare --dry-run=server
create job done --image=busybox:1.36
delete job none
""".strip().splitlines()

QUOTAS = """
apiVersion: v1
kind: ResourceQuota
metadata: {name: all}
spec: {hard: {pods: "9", count/secrets: "0", limits.memory: 1Gi, requests.cpu: "2", requests.storage: 5Gi}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: idle, labels: {a: b}}
spec: {hard: {pods: "1"}, scopes: [NotTerminating, BestEffort]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: chosen}
spec: {hard: {pods: "1"}, scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Exists}]}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: bounds}
spec:
  limits:
  - {type: Container, default: {cpu: 300m}, defaultRequest: {cpu: 100m}}
  - {type: Pod, max: {memory: 1G}, min: {memory: 4Mi}, maxLimitRequestRatio: {memory: "3"}}
  - {type: PersistentVolumeClaim, max: {storage: 2Gi}}
"""
SETS = """
apiVersion: v1
kind: ReplicationController
metadata: {name: old, annotations: {c: d}}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: old, tier: x}}
    spec:
      containers:
      - name: c
        image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
        args: [pause]
        resources: {requests: {memory: 100M}, limits: {memory: 256M}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: held}
spec:
  replicas: 1
  selector: {matchLabels: {app: held}, matchExpressions: [{key: tier, operator: DoesNotExist}]}
  template:
    metadata: {labels: {app: held}}
    spec: {containers: [{name: c, image: "busybox:1.36"}]}
"""
QUOTA_WORDS = """
get quota,limits
get rc,rs
get rc old -o wide
get resourcequota all -o jsonpath={.status.used.pods}
describe quota
describe quota idle
describe resourcequota all
describe limits bounds
describe limitrange
describe rc old --show-events=false
describe rs held --show-events=false
describe rc none
scale rc old --replicas=2
create quota
create quota all --hard=pods=1
create quota x --hard=pods
create quota x --hard=pods=1=2
create quota x --hard=pods=many
create quota x --hard=pods=1,cpu=2 --scopes=BestEffort
create quota x --hard=pods=1 --scopes=BestEffort,
create resourcequota x --hard=pods=1,count/jobs.batch=3 --scopes=BestEffort,NotTerminating --dry-run=server
create quota x --hard=odd=1
create secret generic more
expose rc old --port=80 --dry-run=server
""".strip().splitlines()

AUTOSCALERS = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: many, labels: {a: b}, annotations: {note: x}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ghost}
  minReplicas: 2
  maxReplicas: 9
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}}
  - type: ContainerResource
    containerResource: {name: cpu, container: c, target: {type: Utilization, averageUtilization: 70}}
  - type: ContainerResource
    containerResource: {name: memory, container: c, target: {type: AverageValue, averageValue: 1Gi}}
  - {type: Pods, pods: {metric: {name: hits}, target: {type: AverageValue, averageValue: "5"}}}
  - type: Object
    object: {metric: {name: h}, describedObject: {kind: Service, name: web}, target: {type: Value, value: 7k}}
  - type: Object
    object:
      metric: {name: h}
      describedObject: {kind: Service, name: web}
      target: {type: AverageValue, averageValue: 1}
  - {type: External, external: {metric: {name: q}, target: {type: Value, value: "30"}}}
  - {type: External, external: {metric: {name: q}, target: {type: AverageValue, averageValue: "3"}}}
  behavior:
    scaleDown: {selectPolicy: Disabled}
    scaleUp: {policies: [{type: Pods, value: 2, periodSeconds: 60}], stabilizationWindowSeconds: 30}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: new}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: ghost}, maxReplicas: 3}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: "busybox:1.36"}]}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: asleep}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3}
"""
MEASURED = """
{"status": {"currentReplicas": 3, "desiredReplicas": 4, "currentMetrics": [
 {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12, "averageValue": "12m"}}},
 {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "7Mi"}}},
 {"type": "ContainerResource",
  "containerResource": {"name": "cpu", "container": "c", "current": {"averageUtilization": 1, "averageValue": "1m"}}},
 {"type": ""},
 {"type": "Pods", "pods": {"metric": {"name": "hits"}, "current": {"averageValue": "4"}}},
 {"type": "Object", "object": {"metric": {"name": "h"}, "describedObject": {"kind": "Service", "name": "web"},
  "current": {"value": "6k"}}},
 {"type": ""},
 {"type": "External", "external": {"metric": {"name": "q"}, "current": {"value": "29"}}}]}}
"""
AUTOSCALER_WORDS = """
get hpa
get hpa many -o wide
get horizontalpodautoscalers.v1.autoscaling many -o jsonpath={.apiVersion}
get horizontalpodautoscaler.v2.autoscaling many -o jsonpath={.apiVersion}
get all
get hpa -o name
describe hpa many --show-events=false
describe hpa new --show-events=false
describe hpa asleep
describe hpa --show-events=false
autoscale deployment
autoscale deployment web
autoscale deployment web --max=0
autoscale deployment web --min=5 --max=3
autoscale deployment none --max=3
autoscale deploy web --max=3 --min=2 --name=y --dry-run=server
autoscale deploy web --max=3 --name=z --dry-run=client
delete hpa none
""".strip().splitlines()


def test_they_print_the_same_of_autoscalers(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=AUTOSCALERS)
    kubectl.ok("wait", "--for=condition=AbleToScale=False", "hpa/many", "hpa/new")
    kubectl.ok("wait", "--for=condition=ScalingActive=False", "hpa/asleep")
    kubectl.ok("patch", "hpa", "many", "--subresource=status", "--type=merge", "-p", MEASURED)
    for line in AUTOSCALER_WORDS:
        same(kubectl, pocket, line)


def test_they_print_the_same(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=WORLD)
    kubectl.ok("wait", "--for=condition=Established", "crd/widgets.shop.example.com")
    kubectl.ok("wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=60s")
    kubectl.ok("apply", "-f", "-", stdin=WIDGET)
    try:
        kubectl.ok("wait", "--for=jsonpath={.status.loadBalancer.ingress}", "svc/web")
        for line in WORDS:
            same(kubectl, pocket, line)
    finally:
        kubectl.ok("delete", "crd/widgets.shop.example.com", "ingressclass/compared")


def test_they_print_the_same_of_storage(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=STORAGE)
    try:
        kubectl.ok("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/bound")
        for line in STORAGE_WORDS:
            same(kubectl, pocket, line)
    finally:
        kubectl.ok("delete", "--wait=false", "pvc", "--all")
        kubectl.ok("delete", "sc/compared", *VOLUMES.split())


def test_they_print_the_same_of_snapshots(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=SNAPSHOTS)
    kubectl.ok("wait", "--for=jsonpath={.status.readyToUse}=true", "vs/good")
    kubectl.ok("wait", "--for=jsonpath={.status.error.message}", "vs/bad")
    for line in SNAPSHOT_WORDS:
        same(kubectl, pocket, line)
    kubectl.ok("delete", "vs", "--all")


def test_they_print_the_same_of_pods(kubectl: Kubectl, pocket: Status) -> None:
    """Events of containers apart, which 1.36 tells with the container's place and older ones without."""
    kubectl.ok("apply", "-f", "-", stdin=PODS)
    kubectl.ok("wait", "--for=condition=Ready", "pod/plain")
    kubectl.ok("wait", "--for=condition=PodScheduled=False", "pod/rich")
    for line in POD_WORDS:
        same(kubectl, pocket, line)


def test_they_print_the_same_of_configuration(kubectl: Kubectl, pocket: Status) -> None:
    """Lines of a ConfigMap's or Secret's data in any order: kubectls before 1.36 print the keys as a map gives them."""
    kubectl.ok("apply", "-f", "-", stdin=CONFIG)
    for line in CONFIG_WORDS:
        same(kubectl, pocket, line, lambda text: "\n".join(sorted(text.splitlines())))


def test_they_print_the_same_of_quotas(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=QUOTAS)
    kubectl.ok("wait", "--for=jsonpath={.status.used}", "quota/all", "quota/idle")
    kubectl.ok("apply", "-f", "-", stdin=SETS)
    kubectl.ok("wait", "--for=jsonpath={.status.readyReplicas}=2", "rc/old")
    kubectl.ok("wait", "--for=jsonpath={.status.conditions[0].reason}=FailedCreate", "rs/held")
    for line in QUOTA_WORDS:
        same(kubectl, pocket, line)
    same(kubectl, pocket, f"describe ns {kubectl.namespace}")
    same(kubectl, pocket, "describe ns kube-node-lease")


def test_they_print_the_same_of_jobs(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=JOBS)
    kubectl.ok("wait", "--for=condition=Complete", "job/done")
    kubectl.ok("wait", "--for=condition=Suspended", "job/waits")
    for line in JOB_WORDS:
        same(kubectl, pocket, line)
    made = kubectl.ok("create", "job", "mine", "--from=cronjob/rare")
    out, err = io.StringIO(), io.StringIO()
    words = ["-n", kubectl.namespace, "create", "job", "ours", "--from=cronjob/rare"]
    assert run(pocket.api(), "default", words, stdin=io.StringIO(), out=out, err=err) == 0
    assert made.replace("mine", "ours") == out.getvalue()
    theirs, ours = (pocket.api().get("Job", name, kubectl.namespace) or {} for name in ("mine", "ours"))
    for field in ("annotations", "labels", "ownerReferences"):
        assert without_ids(theirs["metadata"][field]) == without_ids(ours["metadata"][field])
    assert without_ids(theirs["spec"]) == without_ids(ours["spec"])


USERS = """
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: m, n: "1"}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: "registry.k8s.io/pause:3.10"}]
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {app: m, n: "2"}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: "registry.k8s.io/pause:3.10"}, {name: b, image: "registry.k8s.io/pause:3.10"}]
---
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec: {nodeSelector: {no: where}, containers: [{name: c, image: "registry.k8s.io/pause:3.10"}]}
"""
TOP_WORDS = """
top pod
top pods a
top po --containers
top pod b --containers --sum
top pod --sum
top pod --sum --no-headers
top pod --sort-by=memory
top pod --sort-by memory --containers -l n=2
top pod -A -l app=m
top pod -A -l app=m --containers --sum
top pod --field-selector=metadata.name=a
top pod --no-headers -l n=1
top pod --sort-by=disk
top pod nope
top pod waits
top pod -l no=body
top pod a -l app=m
top pod a --field-selector=metadata.name=a
top pod a b
top node nope
top node a -l app=m
top node --sort-by=disk
top node a b
top deployment
""".strip().splitlines()
TOP_OF_NODES = [
    "top node",
    "top nodes --no-headers",
    "top no --show-capacity",
    "top node -l node-role.kubernetes.io/control-plane",
]


def test_they_print_the_same_of_usage(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=USERS)
    for name in "a", "b":
        measured(pocket, f"namespaces/{kubectl.namespace}/pods/{name}")
    for line in TOP_WORDS:
        same(kubectl, pocket, line)
    for line in TOP_OF_NODES:  # what these use goes up and down
        same(kubectl, pocket, line, lambda text: re.sub(r"\d+(m|Mi|%) *", r"<n>\1 ", text))


def measured(pocket: Status, path: str) -> None:
    """Wait until there are metrics."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(ApiError):
            pocket.api().request("GET", f"/apis/metrics.k8s.io/v1beta1/{path}")
            return
        time.sleep(0.2)
    pytest.fail(f"there are no metrics of {path}")


def without_ids(found: object) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b(mine|ours)\b", "", json.dumps(found, sort_keys=True))


def same(kubectl: Kubectl, pocket: Status, line: str, comparable: Callable[[str], str] = str) -> None:
    """Both say it, one after the other; `comparable`: what is compared of what they print."""
    real = kubectl.run(*shlex.split(line))
    out, err = io.StringIO(), io.StringIO()
    words = ["-n", kubectl.namespace, *shlex.split(line)]
    code = run(pocket.api(), "default", words, stdin=io.StringIO(), out=out, err=err)
    ours = (code, comparable(plain(out.getvalue())), plain(err.getvalue()))
    assert ours == (real.returncode, comparable(plain(real.stdout)), plain(real.stderr)), line


def plain(text: str) -> str:
    """Without ages, which differ between two commands, without the columns that are as wide as they are, and as newer
    kubectls tell what older ones tell otherwise: the time zone of CronJobs not at all, of what is projected not
    whether it is optional but where that is kept, a missing flag as a line of a log."""
    text = re.sub(r"^Time Zone:.*\n", "", text, flags=re.MULTILINE)
    for older, newer in ((r"<nil>", "false"), (r"0x\w+", "true")):
        words = rf"^( +)(?:ConfigMapOptional|SecretOptionalName): +{older}$"
        text = re.sub(words, rf"\1Optional:  {newer}", text, flags=re.MULTILINE)
    if logged := re.fullmatch(r'E\d{4} .*"command failed" err="(.*)"\n', text):
        text = f"error: {logged[1]}\n".replace('\\"', '"')
    return re.sub(r" {2,}|-{5,}", "  ", re.sub(r"\b(\d+[dhms]){1,2}\b", "<age>", text))


CLASSES = """
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: compared-high, annotations: {b: c, a: b}, labels: {e2e: compared}}
value: 1000
description: for what must not wait
preemptionPolicy: Never
"""
CLASS_WORDS = """
get pc
get priorityclasses -o wide
get priorityclass compared-high -o yaml
get pc -l e2e=compared -o name
describe pc --show-events=true
describe priorityclass compared-high system-node-critical --show-events=false
create priorityclass
create pc compared-low --value=1 --dry-run=server
create priorityclass compared-low --value=-1 --description=last --preemption-policy=Never --dry-run=client -o yaml
create pc compared-low --value=5 --global-default --dry-run=client -o yaml
create pc compared-low --value=5 --global-default=false --dry-run=client -o yaml
create priorityclass system-mine --value=1
create priorityclass compared-high --value=1
""".strip().splitlines()


def test_they_print_the_same_of_priority_classes(kubectl: Kubectl, pocket: Status) -> None:
    kubectl.ok("apply", "-f", "-", stdin=CLASSES)
    try:
        for line in CLASS_WORDS:  # older kubectls write a time that there is not
            same(kubectl, pocket, line, lambda text: text.replace("  creationTimestamp: null\n", ""))
    finally:
        kubectl.ok("delete", "priorityclass", "compared-high")
