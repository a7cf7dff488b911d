"""What webhooks say to one write: the mutating ones in turn, then the validating ones at the same time.

Models apiserver/pkg/admission/plugin/webhook/{generic,mutating,validating}. Which ones are concerned is found out at
once; to ask them is what a caller has to wait for (pocketkube.unanswered). What was said holds for one state of the
stored object. Once the validating ones agree, the next try begins with what they have seen, so that names and
addresses that were chosen for it stay, and it is written if it is still that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from pocketkube import objects
from pocketkube.admission import matching
from pocketkube.admission.expressions import Inputs, Unmatched, conditions_hold, namespace_of
from pocketkube.admission.matching import Attributes, Match
from pocketkube.apiserver.webhooks import patches, reviews
from pocketkube.apiserver.webhooks.calling import Caller, Failed, Unusable
from pocketkube.apiserver.webhooks.hooks import Hook, Hooks
from pocketkube.asked import Asked
from pocketkube.errors import BadRequest, Forbidden, InternalError
from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import Resource
from pocketkube.unanswered import Unanswered, answered

Matched = tuple[Hook, Match]
_OF_THE_SYSTEM = ("uid", "creationTimestamp")


class Asking:
    """admission.asking.Review of one write. `declared`: the kind in the version that was asked for, where that is not
    the registry's."""

    def __init__(
        self, registry: Registry, hooks: Hooks, caller: Caller, asked: Asked, declared: Resource | None = None
    ) -> None:
        self._registry = registry
        self._hooks = hooks
        self._caller = caller
        self._asked = asked
        self._declared = declared
        self._name = ""
        """As the client gave it: a generated one is not in the request."""
        self._at: tuple[str, str] | None = None
        self._forget()

    def _forget(self) -> None:
        self._changed: dict[bool, Obj | None] = {}
        """What mutating webhooks have made of the object, first and again; None: they left it as it was."""
        self._output: Obj | None = None
        self._approved: Obj | None = None
        self._removed = False
        self._invoked: set[str] = set()
        """Webhooks to ask again if somebody changes the object after them."""
        self._again: set[str] = set()

    def _see(self, old: Obj | None) -> None:
        """What was said of another state of the stored object does not count."""
        at = ("", "") if old is None else (objects.uid(old), str(old["metadata"].get("resourceVersion", "")))
        if at != self._at:
            self._forget()
        self._at = at

    # -- Review

    def mutate(
        self,
        kind: Resource,
        new: Obj,
        old: Obj | None,
        subresource: str,
        managed: Entries | None,
        *,
        again: bool = False,
    ) -> Obj:
        if matching.is_exempt(kind):
            return new
        self._see(old)
        if self._approved is not None:
            return self._copy(self._approved)
        if again in self._changed:
            found = self._changed[again]
            return new if found is None else self._copy(found)
        if not again:
            self._name = objects.name(new)
        elif new != self._output:
            self._again |= self._invoked
        hooks = [hook for hook in self._hooks.mutating if not again or hook.id in self._again]
        if not hooks:
            return new
        request = self._request(kind, new, old, subresource, managed)
        if old is None and request.object is not None:
            meta = request.object["metadata"]
            request.object = {**request.object, "metadata": _without(meta, *_OF_THE_SYSTEM)}
        if not any(self._match(hook, request) for hook in hooks):
            return new
        raise Unanswered(partial(self._mutate, hooks, request, new, again))

    def judge(self, kind: Resource, new: Obj, old: Obj | None, subresource: str, managed: Entries | None) -> None:
        if matching.is_exempt(kind):
            return
        self._see(old)
        if not self._hooks.validating or self._approved == new:
            return
        request = self._request(kind, new, old, subresource, managed)
        if matched := self._matched(self._hooks.validating, request):
            raise Unanswered(partial(self._judge, matched, request, objects.copy(new)))

    def remove(self, kind: Resource, old: Obj) -> None:
        if matching.is_exempt(kind):
            return
        self._see(old)
        if self._removed:
            return
        request = self._request(kind, None, old, "", None)
        if self._matched((*self._hooks.mutating, *self._hooks.validating), request):
            raise Unanswered(partial(self._remove, request))

    # -- of what is no stored object: a Scale, the options of a connection

    def change(self, request: Attributes) -> None:
        """Make the request's object what webhooks want it to be. Raises Unanswered."""
        self._see(request.old)
        if False in self._changed:
            request.object = self._changed[False] or request.object
        elif any(self._match(hook, request) for hook in self._hooks.mutating):
            raise Unanswered(partial(self._mutate, list(self._hooks.mutating), request, {}, False))

    def decide(self, request: Attributes) -> None:
        """Raises Unanswered."""
        obj = request.object or {}
        if self._approved != obj and (matched := self._matched(self._hooks.validating, request)):
            raise Unanswered(partial(self._judge, matched, request, objects.copy(obj)))

    # -- who is concerned

    def _request(
        self, kind: Resource, new: Obj | None, old: Obj | None, subresource: str, managed: Entries | None
    ) -> Attributes:
        declared, asked = self._declared or kind, self._asked
        namespace, name = objects.key(new or old or {})
        operation, options = (
            (matching.DELETE, "DeleteOptions")
            if new is None
            else (matching.UPDATE, "UpdateOptions")
            if old is not None
            else (matching.CREATE, "CreateOptions")
        )
        given = asked.options or {"apiVersion": "meta.k8s.io/v1"}
        return Attributes(
            operation,
            declared,
            matching.kind_of(declared),
            subresource,
            name if declared.plural == "namespaces" and not declared.group else namespace,
            name if old is not None else self._name,
            object=self._as_asked(declared, _told(new, managed)),
            old=self._as_asked(declared, old),
            user=asked.user,
            dry_run=asked.dry_run,
            options={**given, "kind": options},
        )

    @staticmethod
    def _as_asked(declared: Resource, obj: Obj | None) -> Obj | None:
        """An object of the registry in the version of the request; a custom one is in it."""
        same = obj is None or (declared.custom and obj.get("apiVersion") == declared.api_version)
        return obj if same or obj is None else declared.present(obj)

    def _matched(self, hooks: Iterable[Hook], request: Attributes) -> list[Matched]:
        return [(hook, match) for hook in hooks if (match := self._match(hook, request)) is not None]

    def _match(self, hook: Hook, request: Attributes) -> Match | None:
        """Raises StatusError."""
        match = matching.matches_webhook(self._registry, request, hook.spec)
        if match is None or not hook.conditions:
            return match
        namespace = namespace_of(self._registry, request)
        inputs = Inputs(request, match, namespace, authorize=self._registry.authorize)
        try:
            held = conditions_hold(hook.conditions, inputs, "Ignore" if hook.may_fail else "Fail")
        except Unmatched as why:
            raise Forbidden.of(request.declared.qualified, request.name, str(why)) from None
        return match if held else None

    def _in_version(self, request: Attributes, match: Match) -> Attributes:
        """The request with its objects as `match` wants them."""
        if match.declared is request.declared or _is_other(request):
            return request
        shown = [
            None if one is None else match.declared.present(request.declared.internal(objects.copy(one)))
            for one in (request.object, request.old)
        ]
        return replace(request, object=shown[0], old=shown[1])

    # -- asking

    async def _mutate(self, hooks: list[Hook], request: Attributes, new: Obj, again: bool) -> None:
        result: Obj | None = None
        for hook in hooks:
            match = await answered(partial(self._match, hook, request))
            if match is None:
                continue
            patched = await self._ask_mutating(hook, match, request)
            if patched is not None:
                result = patched if _is_other(request) else self._defaulted(request.declared, patched)
                if _bare(result) != _bare(request.object):
                    self._again |= self._invoked
                    self._invoked.clear()
                request.object = result
            if hook.spec.get("reinvocationPolicy") == "IfNeeded":
                self._invoked.add(hook.id)
        if result is not None and not _is_other(request):
            result = self._stored(request.declared, result, new)
        self._changed[again] = self._output = result

    def _defaulted(self, declared: Resource, changed: Obj) -> Obj:
        made = declared.internal(self._copy(changed))
        self._registry.resources[declared.resource_id()].of(made).default(made)
        return declared.present(made)

    def _stored(self, declared: Resource, changed: Obj, before: Obj) -> Obj:
        """What webhooks return as the registry takes it: what is the system's is not theirs. Raises BadRequest."""
        made = declared.internal(self._copy(changed))
        if objects.namespace(made) != objects.namespace(before):
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        made["metadata"].pop("managedFields", None)
        for name in _OF_THE_SYSTEM:
            if name in before["metadata"]:
                made["metadata"][name] = before["metadata"][name]
        return made

    async def _judge(self, matched: list[Matched], request: Attributes, new: Obj) -> None:
        await self._ask_validating(matched, request)
        self._approved = new

    async def _remove(self, request: Attributes) -> None:
        for hook, match in await answered(partial(self._matched, self._hooks.mutating, request)):
            await self._ask_mutating(hook, match, request)
        matched = await answered(partial(self._matched, self._hooks.validating, request))
        await self._ask_validating(matched, request)
        self._removed = True

    async def _ask_mutating(self, hook: Hook, match: Match, request: Attributes) -> Obj | None:
        """The object (in the version of the request) as one webhook wants it, None as it is. Raises StatusError."""
        try:
            answer = await self._ask(hook, match, request, mutating=True)
            if answer is None or not answer.patch:
                return None
            operations = patches.load(answer)
        except (Failed, patches.Undecodable) as why:
            self._fail(hook, why)
            return None
        if not operations:
            return None
        shown = (await answered(partial(self._in_version, request, match))).object
        if shown is None:
            attempted = "attempted to modify the object, which is not supported for this operation"
            raise InternalError(f'admission webhook "{hook.name}" {attempted}')
        changed = patches.apply(shown, operations, match)
        if match.declared is request.declared or _is_other(request):
            return changed
        return await answered(partial(self._back, match.declared, request.declared, changed))

    def _back(self, given: Resource, wanted: Resource, obj: Obj) -> Obj:
        return objects.copy(wanted.present(given.internal(objects.copy(obj))))  # type: ignore[no-any-return]

    async def _ask_validating(self, matched: list[Matched], request: Attributes) -> None:
        """Raises what the first one that refuses says."""
        said = await asyncio.gather(
            *(self._ask_one(hook, match, request) for hook, match in matched), return_exceptions=True
        )
        for one in said:
            if isinstance(one, BaseException):
                raise one

    async def _ask_one(self, hook: Hook, match: Match, request: Attributes) -> None:
        try:
            await self._ask(hook, match, request, mutating=False)
        except Failed as why:
            self._fail(hook, why)

    async def _ask(self, hook: Hook, match: Match, request: Attributes, *, mutating: bool) -> reviews.Answer | None:
        """What a webhook that agrees says. Raises Failed, StatusError."""
        if request.dry_run and hook.spec.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        seen = await answered(partial(self._in_version, request, match))
        review = reviews.build(hook.spec, request, match, seen.object, seen.old)
        try:
            said = await self._caller.post(hook.spec["clientConfig"], review, hook.seconds)
            answer = reviews.read(review, said, mutating=mutating)
        except Unusable as why:
            raise Failed(f"could not get REST client: {why}") from None
        except Failed as why:
            raise Failed(f"failed to call webhook: {why}") from None
        except reviews.Invalid as why:
            raise Failed(f"received invalid webhook response: {why}") from None
        if (warn := self._asked.warn) is not None:
            for text in answer.warnings:
                warn(text)
        if not answer.allowed:
            raise reviews.rejection(hook.name, answer.status)
        return answer

    def _fail(self, hook: Hook, why: Exception) -> None:
        """Raises InternalError unless the webhook may fail."""
        if not hook.may_fail:
            raise InternalError(f'failed calling webhook "{hook.name}": {why}')

    @staticmethod
    def _copy(obj: Obj) -> Obj:
        return objects.copy(obj)  # type: ignore[no-any-return]


def _is_other(request: Attributes) -> bool:
    """Whether what is written is of a kind of its own, which has one version."""
    return request.kind != matching.kind_of(request.declared)


def _told(obj: Obj | None, managed: Entries | None) -> Obj | None:
    """An object with its managedFields, which the registry keeps apart while it writes."""
    if obj is None or not managed:
        return obj
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managed}}


def _without(meta: Obj, *names: str) -> Obj:
    return {name: value for name, value in meta.items() if name not in names}


def _bare(obj: Obj | None) -> Obj | None:
    """An object without its managedFields: who owns what is no change."""
    return obj if not obj or "metadata" not in obj else {**obj, "metadata": _without(obj["metadata"], "managedFields")}
