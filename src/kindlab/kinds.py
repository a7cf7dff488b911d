"""Kinds that are served by definitions, as the API is asked for them."""

SNAPSHOT = "VolumeSnapshot.snapshot.storage.k8s.io"
SNAPSHOT_CLASS = "VolumeSnapshotClass.snapshot.storage.k8s.io"
SNAPSHOT_CONTENT = "VolumeSnapshotContent.snapshot.storage.k8s.io"
