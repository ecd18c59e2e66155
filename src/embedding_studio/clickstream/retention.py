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
    """A chore of workers: a batch of one collection at a time, so that nothing else waits for it."""

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

    async def expire(self) -> int:
        """Delete the oldest sessions of a collection; returns how many.

        The next one by name has its turn once fewer than a batch are left, so that one that is searched much keeps no
        more than it should beside many that are not. Those that a live experiment counts stay until it has ended.
        """
        if not self._kept:
            return 0
        collection = next(iter(await self._collections.page(after=self._last, limit=1)), None)
        previous, self._last = self._last, collection.name if collection else ""
        if collection is None:
            return 0
        before = self._clock() - self._kept
        spared = await self._experiments()
        deleted = await self._repository.delete_before(collection.name, before, spared=spared, limit=_BATCH)
        if deleted == _BATCH:
            self._last = previous
        return deleted
