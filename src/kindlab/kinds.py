"""What several parts go by of Kubernetes' kinds: how the API is asked for those that definitions bring, and fields."""

SNAPSHOT = "VolumeSnapshot.snapshot.storage.k8s.io"
SNAPSHOT_CLASS = "VolumeSnapshotClass.snapshot.storage.k8s.io"
SNAPSHOT_CONTENT = "VolumeSnapshotContent.snapshot.storage.k8s.io"

WRITTEN = frozenset(
    {
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    }
)
"""Of metadata: what `kubectl get -o yaml` shows and nobody writes."""
NO_SOURCE = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)
"""What a PersistentVolume's spec has beside the field that says where its bytes are."""
TEMPLATES: dict[str, tuple[str, ...]] = {
    "PodTemplate": ("template",),
    "ReplicationController": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Kind -> where its Pods' template stands."""
MADE_FOR = {"PersistentVolume": "claimRef", "VolumeSnapshotContent": "volumeSnapshotRef"}
"""Kind -> the field of the spec that names what it was made for."""
