"""Sending again what got lost, and what a dead worker left; and the chores that keep other contexts tidy."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from embedding_studio.infra.jobs import JobQueue
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.kernel.time import Clock
from embedding_studio.tasks.repository import TaskRepository
from embedding_studio.tasks.service import TaskService
from embedding_studio.tasks.settings import TaskSettings

__all__ = ["Chore", "Sweeper"]

logger = logging.getLogger(__name__)

_BATCH = 100
_TURN_WITHIN = 3_600.0
"""Seconds after which a chore is taken to hang: an experiment may be counted for a quarter of an hour."""

Chore = Callable[[], Awaitable[object]]
"""Something small to be done every few seconds, by every worker; safe to do at once and twice."""


class Sweeper:
    """Runs in every worker; two sweepers at once only send a message twice, which claims make harmless."""

    def __init__(
        self,
        *,
        tasks: TaskRepository,
        service: TaskService,
        queue: JobQueue,
        queues: Sequence[str],
        clock: Clock,
        settings: TaskSettings,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._tasks = tasks
        self._service = service
        self._queue = queue
        self._queues = queues
        self._clock = clock
        self._settings = settings
        self._chores = chores

    async def sweep(self) -> int:
        """Send one batch of forgotten tasks again; returns how many.

        What was sent after the first message that still waits in its queue waits there too: it is not forgotten.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        at = self._clock()
        sent_before = at - timedelta(seconds=self._settings.resend_after)
        found = await self._queue.waiting(self._queues)
        firsts = {name: at - timedelta(seconds=one.oldest) for name, one in found.items() if one.count}
        waiting = await self._tasks.waiting(at=at, sent_before=sent_before, firsts=firsts, limit=_BATCH)
        for task in waiting:
            await self._service.send(task)
        return len(waiting)

    async def expire(self) -> int:
        """Delete one batch of tasks that were kept long enough after they ended; returns how many."""
        if not self._settings.kept:
            return 0
        return await self._tasks.delete_before(self._clock() - timedelta(seconds=self._settings.kept), limit=_BATCH)

    async def run(self, *of_role: Chore) -> None:
        """Sweep until cancelled; whatever goes wrong is logged and outlived, for nobody else finds lost tasks.

        No chore waits for another: one that takes long, or hangs, is late by itself.

        Args:
            of_role: Chores of this worker alone.
        """
        await asyncio.gather(*map(self._repeat, (self.sweep, self.expire, *self._chores, *of_role)))

    async def _repeat(self, chore: Chore) -> None:
        while True:
            await self._do(chore)
            await asyncio.sleep(self._settings.sweep_every)

    @staticmethod
    async def _do(chore: Chore) -> None:
        try:
            async with asyncio.timeout(_TURN_WITHIN):
                await chore()
        except OUTAGES as error:
            logger.warning("sweep skipped: %s", as_unavailable(error).detail)
        except Exception:
            logger.exception("sweep failed")
