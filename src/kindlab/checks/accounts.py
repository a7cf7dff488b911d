"""What a ServiceAccount may do, by asking the API server in its name."""

from __future__ import annotations

from kindlab.checks.live import LiveLab
from kindlab.checks.probe import Probe

SECONDS = 600
"""How long the grader's token for an account is good for."""


class Account:
    """A ServiceAccount of the lab's namespace. `client` sends the requests, from inside the cluster."""

    def __init__(self, lab: LiveLab, name: str, client: Probe) -> None:
        self.name, self._client = name, client
        spec = {"expirationSeconds": SECONDS}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = lab.api.path("ServiceAccount", lab.namespace, name)
        self._token = lab.api.request("POST", f"{path}/token", body)["status"]["token"]

    def code(self, verb: str, path: str) -> int:
        """The HTTP code of a request: 403 where it may not. Ask for what is not there, so that nothing is lost."""
        options = f"-k -X {verb} -H 'Authorization: Bearer {self._token}'"
        return self._client.get(f"https://kubernetes.default.svc{path}", options=options).code
