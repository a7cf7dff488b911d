"""The root CA publisher: ConfigMap `kube-root-ca.crt` in every active namespace, put back when changed.

Models pkg/controller/certificates/rootcacertpublisher/publisher.go. The certificate is the registry's
`zone["ca_crt"]` (PEM).
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

NAME = "kube-root-ca.crt"
ANNOTATION = "kubernetes.io/description"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class RootCAPublisher(Controller):
    name = "root-ca-certificate-publisher-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "namespaces", own_key
        yield "configmaps", _namespace_of_changed

    async def reconcile(self, at: Key) -> float | None:
        namespace = self.client.find("namespaces", *at)
        if namespace is None or objects.status(namespace).get("phase") == "Terminating":
            return None
        data = {"ca.crt": self.client.registry.zone["ca_crt"]}
        found = self.client.find("configmaps", at[1], NAME)
        if found is None:
            meta = {"name": NAME, "namespace": at[1], "annotations": {ANNOTATION: DESCRIPTION}}
            try:
                self.client.create("configmaps", {"metadata": meta, "data": data})
            except StatusError as error:
                if not namespace_is_terminating(error):
                    raise
        elif found.get("data") != data or not objects.annotations(found).get(ANNOTATION):

            def restore(copy: Obj) -> None:
                copy["data"] = data
                copy["metadata"].setdefault("annotations", {})[ANNOTATION] = DESCRIPTION

            self.client.patch("configmaps", (at[1], NAME), restore)
        return None


def _namespace_of_changed(event: Event) -> Iterable[Key]:
    if objects.name(event.object) == NAME:
        yield "", objects.namespace(event.object)


CONTROLLER = RootCAPublisher
