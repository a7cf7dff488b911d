"""Many questions at once: several clients, each with several URLs, in the time of the slowest answer. Silence takes
its full time-out, and what network policies forbid is silent."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from kindlab.checks.probe import Probe, Reply
from kindlab.witness import beside

Question = tuple[Probe, str]
"""Who asks, and for which URL."""


def ask_together(questions: Iterable[Question], *, timeout: float = 1.5) -> dict[Question, Reply]:
    """The reply to each question; certificates are not verified. Raises CouldNotGrade when a client cannot ask."""
    by_client: dict[Probe, list[str]] = {}
    for client, url in questions:
        by_client.setdefault(client, []).append(url)

    def ask(client: Probe) -> dict[Question, Reply]:
        replies = client.get_each(sorted(by_client[client]), timeout=timeout, options="-k")
        return {(client, url): reply for url, reply in replies.items()}

    # in one order, however the questions came: what each draws by chance is found again when a grade is repeated
    clients = sorted(by_client, key=lambda one: (one.namespace, getattr(one, "pod", ""), getattr(one, "container", "")))
    asked = [beside(partial(ask, client)) for client in clients]
    with ThreadPoolExecutor(max_workers=len(by_client) or 1) as pool:
        return {question: reply for found in pool.map(lambda work: work(), asked) for question, reply in found.items()}
