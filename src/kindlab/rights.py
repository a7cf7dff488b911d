"""What the one whose kubeconfig it is may do, as the API server says, and the words for it when that is not enough.

Whoever runs the cluster grants what is missing by the manifest of `kindlab rights` (grants.py).
"""

from __future__ import annotations

from kindlab.api import Api, ApiError, Obj
from kindlab.errors import Problem
from kindlab.labs import Lab

FORBIDDEN = 403
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


def namespace(api: Api, name: str) -> Obj | None:
    """A Namespace as far as it is ours to see: with its name only where we may work in it and not look at it, None
    where there is none for us. Who has no rights in a namespace is not told whether it is there."""
    try:
        return api.get("Namespace", name)
    except ApiError as error:
        if error.code != FORBIDDEN:
            raise
        return {"metadata": {"name": name}} if may(api, "create", "pods", name) else None


def visible(api: Api, kind: str, *spaces: str) -> list[Obj]:
    """The objects of all namespaces; for who may not see these, those of `spaces`, as far as they may be seen."""
    try:
        return api.list(kind)
    except ApiError as error:
        if error.code != FORBIDDEN:
            raise
    found: list[Obj] = []
    for space in dict.fromkeys(spaces):
        try:
            found += api.list(kind, space)
        except ApiError as error:
            if error.code != FORBIDDEN:
                raise
    return found


def refused(error: ApiError) -> Problem:
    """The API server's refusal as a learner reads it; one for want of rights says who can help."""
    if error.code != FORBIDDEN:
        return Problem("The cluster refused that.", error.message)
    return Problem(
        "You may not do that on this cluster.",
        error.message,
        "kubectl auth can-i --list -n NAMESPACE shows what you may. Whoever runs the cluster can grant more: kindlab "
        "rights prints what they apply. Or use a cluster of your own: kindlab up --cluster pocket",
    )


def no_namespace(lab: Lab, name: str, error: ApiError) -> Problem:
    """Somebody else must make the namespace, or let us into it."""
    prefix = f" --prefix {lab.owner}" if lab.owner else ""
    return Problem(
        f"You may not make or use namespace {name} on this cluster.",
        error.message,
        f"Ask whoever runs the cluster for the namespaces of lab {lab.number}: {', '.join(lab.spaces)}. They get all "
        f"that is needed from: kindlab rights{prefix} --user YOU --labs {lab.number} (kubectl auth whoami says who you "
        "are). "
        "Or use a cluster of your own: kindlab up --cluster pocket",
    )
