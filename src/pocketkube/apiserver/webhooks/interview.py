"""One webhook asked about one request: what it changes, whether it agrees, and what if it cannot be asked.

Models callHook and callAttrMutatingHook of apiserver/pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go.
"""

from __future__ import annotations

import asyncio
from functools import partial

from pocketkube.admission.matching import Attributes, Match
from pocketkube.apiserver.webhooks import patches, reviews
from pocketkube.apiserver.webhooks.calling import Caller, Failed, Unusable
from pocketkube.apiserver.webhooks.hooks import Hook
from pocketkube.apiserver.webhooks.requests import Matched, Requests
from pocketkube.asked import Asked
from pocketkube.errors import BadRequest, InternalError
from pocketkube.objects import Obj
from pocketkube.unanswered import answered


class Interview:
    """With the webhooks of one write."""

    def __init__(self, requests: Requests, caller: Caller, asked: Asked) -> None:
        self._requests = requests
        self._caller = caller
        self._asked = asked

    async def mutating(self, hook: Hook, match: Match, request: Attributes) -> Obj | None:
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
        shown = (await answered(partial(self._requests.in_version, request, match))).object
        if shown is None:
            attempted = "attempted to modify the object, which is not supported for this operation"
            raise InternalError(f'admission webhook "{hook.name}" {attempted}')
        changed = patches.apply(shown, operations, match)
        return await answered(partial(self._requests.back, request, match, changed))

    async def validating(self, matched: list[Matched], request: Attributes) -> None:
        """Raises what the first one that refuses says."""
        said = await asyncio.gather(
            *(self._one(hook, match, request) for hook, match in matched), return_exceptions=True
        )
        for one in said:
            if isinstance(one, BaseException):
                raise one

    async def _one(self, hook: Hook, match: Match, request: Attributes) -> None:
        try:
            await self._ask(hook, match, request, mutating=False)
        except Failed as why:
            self._fail(hook, why)

    async def _ask(self, hook: Hook, match: Match, request: Attributes, *, mutating: bool) -> reviews.Answer | None:
        """What a webhook that agrees says. Raises Failed, StatusError."""
        if request.dry_run and hook.spec.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        seen = await answered(partial(self._requests.in_version, request, match))
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
