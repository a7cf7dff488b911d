"""The replication controller: ReplicationControllers, the older form of ReplicaSets.

Models pkg/controller/replication, which is the ReplicaSet controller behind an adapter there, too.
"""

from __future__ import annotations

from pocketkube.controllers.replicaset import ReplicaSetController


class ReplicationController(ReplicaSetController):
    name = "replication-controller"
    resource = "replicationcontrollers"
    kind = "ReplicationController"
    counts_terminating = False


CONTROLLER = ReplicationController
