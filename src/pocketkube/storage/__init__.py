"""What stores bytes and who asks it to: the drivers' back end, and the programs that turn claims into volumes.

`driver.py` keeps volumes and snapshots as folders; the programs beside it (one file each, `PROGRAM`) are the sidecars
of a CSI driver, the snapshot controller and the local-path provisioner. In a cluster they run in Pods; here they are
parts of it, each with the name its events carry.
"""
