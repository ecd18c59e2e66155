"""Telling the workers that there is something to learn, at once and again."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

from redis import RedisError

from embedding_studio.improvement.backlog import Backlog
from embedding_studio.improvement.jobs import LEARN
from embedding_studio.infra.jobs import JobQueue
from embedding_studio.kernel.time import Clock

__all__ = ["Announcer"]

logger = logging.getLogger(__name__)

_PAUSE_S = 0.02
_FORGOTTEN_AFTER = timedelta(seconds=3)


class Announcer:
    """Notes what is to be learned, then sends a message; many at a time share one."""

    def __init__(self, *, backlog: Backlog, queue: JobQueue, clock: Clock) -> None:
        self._backlog = backlog
        self._queue = queue
        self._clock = clock
        self._names: set[str] = set()
        self._sending: asyncio.Task[None] | None = None

    async def tell(self, collection: str, session_ids: Sequence[str]) -> None:
        """Note sessions with new events; once this returns, they will be learned whatever becomes of this process."""
        await self._backlog.add(collection, session_ids, self._clock())
        self.ask(collection)

    def ask(self, collection: str) -> None:
        """Have a collection learn what was noted of it, after those that were asked for before."""
        self._names.add(collection)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())

    async def remind(self) -> None:
        """Send again what has waited for some seconds: its message was lost, or whoever had it is gone."""
        for name in await self._backlog.waiting(self._clock() - _FORGOTTEN_AFTER):
            await self._queue.signal(LEARN, name)

    async def close(self) -> None:
        """Wait for the messages that are being sent."""
        if self._sending is not None:
            await self._sending

    async def _send_all(self) -> None:
        try:
            while self._names:
                await self._send(self._names.pop())
                if self._names:
                    await asyncio.sleep(_PAUSE_S)
        finally:
            self._sending = None

    async def _send(self, name: str) -> None:
        try:
            await self._queue.signal(LEARN, name)
        except RedisError as error:
            logger.warning("what was sent to %r is learned some seconds later: %s", name, error)
