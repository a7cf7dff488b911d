"""What the cluster lends to the containers of provisioners, attachers and the like: their programs, to be run there.

Models leader election in what it is for: however many Pods of an image there are, one does the work, another takes over
once that one has ended. Left out: the Leases that would show who leads.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import replace

from pocketkube.client import Client
from pocketkube.registry import Registry
from pocketkube.storage.base import Backend, scan


class Sidecars:
    def __init__(self, registry: Registry, backend: Backend) -> None:
        self._registry = registry
        self._backend = backend
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self, image: str, pod: str, log: logging.Logger) -> None:
        """Run the programs of an image until cancelled, in a Pod of that name; `log` is told what they do and fail at.

        Raises what a program died of."""
        backend = replace(self._backend, pod=pod)
        turn = self._turns[image]
        if turn.locked():
            log.info("another Pod does the work of %s: this one waits until that has ended", image)
        async with turn, asyncio.TaskGroup() as programs:
            for program in scan():
                if program.image == image:
                    client = Client(self._registry, program.name, log=log)
                    programs.create_task(program(client, backend).run(), name=f"{pod}: {program.name}")
