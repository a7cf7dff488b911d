"""PodSecurity: a namespace's labels say which pods it takes, and which it warns of.

Models plugin/pkg/admission/security/podsecurity and pod-security-admission/admission. Pods are refused (`enforce`) and
warned of, what makes pods is warned of only; a namespace whose labels become stricter is told which of its pods would
be refused now. Left out: audit annotations (there is no audit log), the configuration file (defaults and exemptions),
metrics, and the time within which a namespace's pods are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from pocketkube import objects
from pocketkube.admission.base import Plugin
from pocketkube.admission.podsecurity_policy import Level, Policy, detail, policy, reasons, violations
from pocketkube.errors import Cause, Forbidden, Invalid
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "podtemplates": ("template",),
    "replicationcontrollers": ("spec", "template"),
    "replicasets": ("spec", "template"),
    "deployments": ("spec", "template"),
    "statefulsets": ("spec", "template"),
    "daemonsets": ("spec", "template"),
    "jobs": ("spec", "template"),
    "cronjobs": ("spec", "jobTemplate", "spec", "template"),
}
UNASKED: Final = frozenset({"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"})
"""Subresources of pods that change nothing of what is looked at."""
MOST: Final = 3000
"""Pods of a namespace that are looked at."""


class PLUGIN(Plugin):
    order: ClassVar[int] = 11

    def validate(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool) -> None:
        resource = kind.resource_id()
        if resource == "namespaces" and not subresource:
            self._check_labels(kind, new, old)
        elif resource == "pods" and _is_asked(new, old, subresource):
            level = self._policy(new)[0].enforce
            if found := violations(level, objects.meta(new), objects.spec(new)):
                why = f'violates PodSecurity "{level}": {detail(found)}'
                raise Forbidden.of(kind.qualified, objects.name(new), why)

    def warnings(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "") -> Iterator[str]:
        resource = kind.resource_id()
        if resource == "namespaces":
            if not subresource and old is not None:
                yield from self._would_refuse(new, old)
            return
        if resource == "pods":
            if not _is_asked(new, old, subresource):
                return
            pod = new
        elif resource in TEMPLATES and not subresource:
            pod = new
            for key in TEMPLATES[resource]:
                pod = pod.get(key) or {}
        else:
            return
        level = self._policy(new)[0].warn
        if found := violations(level, objects.meta(pod) if pod else {}, pod.get("spec") or {}):
            yield f'would violate PodSecurity "{level}": {detail(found)}'

    def _policy(self, obj: Obj) -> tuple[Policy, list[Cause]]:
        space = self.world.find("namespaces", "", objects.namespace(obj))
        return policy(objects.labels(space) if space else {})

    def _check_labels(self, kind: Resource, new: Obj, old: Obj | None) -> None:
        """New labels must be right; wrong ones that were there may stay as they are."""
        _, causes = policy(objects.labels(new))
        if causes and (old is None or causes != policy(objects.labels(old))[1]):
            raise Invalid.of(kind.qualified_kind, objects.name(new), causes)

    def _would_refuse(self, new: Obj, old: Obj) -> Iterator[str]:
        level, before = policy(objects.labels(new))[0].enforce, policy(objects.labels(old))[0].enforce
        if level == before or level.name == "privileged":
            return
        if level.version == before.version and level.rank <= before.rank:
            return
        yield from self._of_pods(objects.name(new), level)

    def _of_pods(self, namespace: str, level: Level) -> Iterator[str]:
        pods = _first_of_each(list(self.world.objects("pods", namespace)))
        found: dict[str, list[str]] = {}
        for pod in pods[:MOST]:
            if bad := violations(level, objects.meta(pod), objects.spec(pod)):
                found.setdefault(reasons(bad), []).append(objects.name(pod))
        if len(pods) > MOST:
            yield f"new PodSecurity enforce level only checked against the first {MOST} of {len(pods)} existing pods"
        if found:
            yield f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
        yield from sorted(f"{_with_others(sorted(names))}: {why}" for why, names in found.items())


def _with_others(names: list[str]) -> str:
    others = len(names) - 1
    return f"{names[0]} (and {others} other pod{'s' if others > 1 else ''})" if others else names[0]


def _is_asked(new: Obj, old: Obj | None, subresource: str) -> bool:
    """A new pod, or a change of what it runs."""
    if subresource in UNASKED:
        return False
    return old is None or _images(new) != _images(old)


def _images(pod: Obj) -> list[list[str]]:
    spec = objects.spec(pod)
    named = {c.get("name", ""): c.get("image", "") for c in spec.get("ephemeralContainers") or ()}
    return [
        *([c.get("image", "") for c in spec.get(key) or ()] for key in ("initContainers", "containers")),
        [f"{name} {image}" for name, image in sorted(named.items())],
    ]


def _first_of_each(pods: list[Obj]) -> list[Obj]:
    """Those of a controller that has been seen already come last."""
    seen: set[str] = set()
    first: list[Obj] = []
    rest: list[Obj] = []
    for pod in pods:
        owner = next(
            (ref["uid"] for ref in objects.meta(pod).get("ownerReferences") or () if ref.get("controller")), ""
        )
        (rest if owner and owner in seen else first).append(pod)
        seen.add(owner)
    return [*first, *rest]
