"""Sessions that have been kept long enough go, with their events."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from embedding_studio.clickstream.repository import ClickstreamRepository
from embedding_studio.clickstream.settings import ClickstreamSettings
from embedding_studio.kernel.time import Clock
from embedding_studio.vector_store import CollectionService

__all__ = ["Retention"]

Experiments = Callable[[], Awaitable[Sequence[str]]]
"""The ids of the experiments that still count their sessions."""

_BATCH = 500


class Retention:
    """A chore of workers: batch by batch, so that nothing else waits for it."""

    def __init__(
        self,
        *,
        repository: ClickstreamRepository,
        collections: CollectionService,
        experiments: Experiments,
        clock: Clock,
        settings: ClickstreamSettings,
    ) -> None:
        self._repository = repository
        self._collections = collections
        self._experiments = experiments
        self._clock = clock
        self._kept = timedelta(seconds=settings.kept)
        self._last = ""
        self._behind: set[str] = set()

    async def expire(self) -> int:
        """Delete the oldest sessions of the next collection by name, and of each of which more are left; how many.

        Each of these has a batch, so that one that is searched faster than its sessions go keeps no other waiting.
        Those that a live experiment counts stay until it has ended.
        """
        if not self._kept:
            return 0
        collection = next(iter(await self._collections.page(after=self._last, limit=1)), None)
        self._last = collection.name if collection else ""
        spared = await self._experiments()
        deleted = 0
        for name in sorted(self._behind | ({collection.name} if collection else set())):
            deleted += await self._expire(name, spared)
        return deleted

    async def _expire(self, name: str, spared: Sequence[str]) -> int:
        before = self._clock() - self._kept
        deleted = await self._repository.delete_before(name, before, spared=spared, limit=_BATCH)
        if deleted == _BATCH:
            self._behind.add(name)
        else:
            self._behind.discard(name)
        return deleted
