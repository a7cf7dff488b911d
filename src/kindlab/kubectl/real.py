"""The real kubectl, pointed at the cluster in use with the lab's namespace as its default.

The default is set as a person would set it, in a kubeconfig context, and not with --namespace: a manifest that names
another namespace then still works. Our context lies in a small file of its own before the cluster's kubeconfig
(KUBECONFIG takes a list), so no credential is copied and the user's files stay as they are.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kindlab import paths
from kindlab.clusters.base import Status
from kindlab.errors import Problem
from kindlab.kubectl import Completed


def capture(binary: str, status: Status, namespace: str, words: Sequence[str], stdin: str) -> Completed:
    """Run it to its end with its output captured; Ctrl-C (a kernel's interrupt) ends it and gives what it printed."""
    process = subprocess.Popen(
        [binary, *words],
        env=environment(status, namespace),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(stdin)
    except KeyboardInterrupt:
        process.terminate()
        out, err = process.communicate()
        err += "\nStopped.\n"
    return Completed(process.returncode, out, err)


def attached(binary: str, status: Status, namespace: str, words: Sequence[str]) -> int:
    return subprocess.run([binary, *words], env=environment(status, namespace), check=False).returncode


def environment(status: Status, namespace: str) -> dict[str, str]:
    """This process's environment with a KUBECONFIG for kubectl. Raises Problem when there is no usable kubeconfig."""
    own = status.kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    context = _context(own, status)
    name = f"kindlab-{status.kind}-{namespace}"
    overlay = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {**context, "namespace": namespace}}],
    }
    file = paths.home() / "kubectl" / f"{status.kind}-{status.name.replace(os.sep, '_')}-{namespace}.json"
    paths.write_atomically(file, json.dumps(overlay), mode=0o600)
    return {**os.environ, "KUBECONFIG": os.pathsep.join((str(file), own))}


def _context(kubeconfig: str, status: Status) -> dict[str, str]:
    from kubernetes import config
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    try:
        contexts, current = config.list_kube_config_contexts(kubeconfig)
    except (ConfigException, OSError, YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        raise Problem(
            "There is no usable kubeconfig.",
            str(error),
            "Start a cluster with kindlab up, or point KUBECONFIG at yours.",
        ) from error
    named = [c for c in contexts if c["name"] == status.context]
    found: dict[str, str] = dict((named[0] if named else current)["context"])
    return found
