"""What webhooks say to one write: the mutating ones in turn, then the validating ones at the same time.

Models apiserver/pkg/admission/plugin/webhook/{generic,mutating,validating}. Which ones are concerned is found out at
once; to ask them is what a caller has to wait for (pocketkube.unanswered). What was said holds for one state of the
stored object. Once the validating ones agree, the next try begins with what they have seen, so that names and
addresses that were chosen for it stay, and it is written if it is still that.
"""

from __future__ import annotations

from functools import partial

from pocketkube import objects
from pocketkube.admission import matching
from pocketkube.admission.asking import Write
from pocketkube.admission.matching import Attributes
from pocketkube.apiserver.webhooks.calling import Caller
from pocketkube.apiserver.webhooks.hooks import Hook, Hooks
from pocketkube.apiserver.webhooks.interview import Interview
from pocketkube.apiserver.webhooks.requests import OF_THE_SYSTEM, Matched, Requests, bare, is_other, without
from pocketkube.asked import Asked
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import Resource
from pocketkube.unanswered import Unanswered, answered


class Asking:
    """admission.asking.Review of one write. `declared`: the kind in the version that was asked for, where that is not
    the registry's."""

    def __init__(
        self, registry: Registry, hooks: Hooks, caller: Caller, asked: Asked, declared: Resource | None = None
    ) -> None:
        self._hooks = hooks
        self._requests = Requests(registry, asked, declared)
        self._interview = Interview(self._requests, caller, asked)
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

    def mutate(self, write: Write, *, again: bool = False) -> Obj:
        new, old = write.new, write.old
        if matching.is_exempt(write.kind):
            return new
        self._see(old)
        known = self._approved
        if known is not None or again in self._changed:
            made: Obj | None = objects.copy(known if known is not None else self._changed[again])
            return new if made is None else made
        if not again:
            self._requests.name = objects.name(new)
        elif new != self._output:
            self._again |= self._invoked
        hooks = [hook for hook in self._hooks.mutating if not again or hook.id in self._again]
        if not hooks:
            return new
        request = self._requests.of(*write)
        if old is None and request.object is not None:
            meta = request.object["metadata"]
            request.object = {**request.object, "metadata": without(meta, *OF_THE_SYSTEM)}
        if not any(self._requests.match(hook, request) for hook in hooks):
            return new
        raise Unanswered(partial(self._mutate, hooks, request, new, again))

    def judge(self, write: Write) -> None:
        if matching.is_exempt(write.kind):
            return
        self._see(write.old)
        if not self._hooks.validating or self._approved == write.new:
            return
        request = self._requests.of(*write)
        if matched := self._requests.matched(self._hooks.validating, request):
            raise Unanswered(partial(self._judge, matched, request, objects.copy(write.new)))

    def remove(self, kind: Resource, old: Obj) -> None:
        if matching.is_exempt(kind):
            return
        self._see(old)
        if self._removed:
            return
        request = self._requests.of(kind, None, old, "", None)
        if self._requests.matched((*self._hooks.mutating, *self._hooks.validating), request):
            raise Unanswered(partial(self._remove, request))

    # -- of what is no stored object: a Scale, the options of a connection

    def change(self, request: Attributes) -> None:
        """Make the request's object what webhooks want it to be. Raises Unanswered."""
        self._see(request.old)
        if False in self._changed:
            request.object = self._changed[False] or request.object
        elif any(self._requests.match(hook, request) for hook in self._hooks.mutating):
            raise Unanswered(partial(self._mutate, list(self._hooks.mutating), request, {}, False))

    def decide(self, request: Attributes) -> None:
        """Raises Unanswered."""
        obj = request.object or {}
        if self._approved != obj and (matched := self._requests.matched(self._hooks.validating, request)):
            raise Unanswered(partial(self._judge, matched, request, objects.copy(obj)))

    # -- asking

    async def _mutate(self, hooks: list[Hook], request: Attributes, new: Obj, again: bool) -> None:
        result: Obj | None = None
        for hook in hooks:
            match = await answered(partial(self._requests.match, hook, request))
            if match is None:
                continue
            patched = await self._interview.mutating(hook, match, request)
            if patched is not None:
                result = patched if is_other(request) else self._requests.defaulted(request.declared, patched)
                if bare(result) != bare(request.object):
                    self._again |= self._invoked
                    self._invoked.clear()
                request.object = result
            if hook.spec.get("reinvocationPolicy") == "IfNeeded":
                self._invoked.add(hook.id)
        if result is not None and not is_other(request):
            result = self._requests.stored(request.declared, result, new)
        self._changed[again] = self._output = result

    async def _judge(self, matched: list[Matched], request: Attributes, new: Obj) -> None:
        await self._interview.validating(matched, request)
        self._approved = new

    async def _remove(self, request: Attributes) -> None:
        for hook, match in await answered(partial(self._requests.matched, self._hooks.mutating, request)):
            await self._interview.mutating(hook, match, request)
        matched = await answered(partial(self._requests.matched, self._hooks.validating, request))
        await self._interview.validating(matched, request)
        self._removed = True
