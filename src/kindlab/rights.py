"""What the one whose kubeconfig it is may do, as the API server says."""

from __future__ import annotations

from kindlab.api import Api, Obj

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def may(api: Api, verb: str, resource: str, namespace: str = "") -> bool:
    """Whether `verb` (get, list, create, ...) is allowed on a resource, in one namespace or, without one, in all of
    them and on what lies in none. `resource` is the plural, with group and part if it has any: `pods`, `pods/eviction`,
    `endpointslices.discovery.k8s.io`. Everybody with credentials may ask that. Raises ApiError."""
    plural, _, part = resource.partition("/")
    name, _, group = plural.partition(".")
    asked: Obj = {"verb": verb, "resource": name, "group": group, "subresource": part, "namespace": namespace}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    answer = api.request("POST", REVIEW, {**review, "spec": {"resourceAttributes": asked}})
    return bool(answer["status"].get("allowed"))
