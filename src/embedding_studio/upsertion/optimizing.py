"""Building indexes, and refreshing what PostgreSQL knows of the tables."""

from embedding_studio.infra.postgres import Pool
from embedding_studio.tasks import Idempotency, Outcome, Run, Task, TaskService
from embedding_studio.upsertion.jobs import OPTIMIZE
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    VectorStoreSettings,
    build_indexes,
    lacks_indexes,
    vacuum,
)

__all__ = ["Optimizer"]


class Optimizer:
    """Nothing waits for it: what is not indexed yet is compared one by one, which is exact and slower."""

    def __init__(
        self, *, pool: Pool, collections: CollectionService, tasks: TaskService, settings: VectorStoreSettings
    ) -> None:
        self._pool = pool
        self._collections = collections
        self._tasks = tasks
        self._index_from = settings.index_from

    async def request(self, collection: Collection, *, idempotency: Idempotency | None = None) -> Task:
        """Accept the wish."""
        return await self._tasks.submit(OPTIMIZE, collection=collection.name, idempotency=idempotency)

    async def request_if_worth_it(self, collection: Collection) -> None:
        """Ask for it where there are enough parts for an index that is not there, and nobody has asked yet."""
        if await self._tasks.is_open(OPTIMIZE.kind, collection.name):
            return
        if await lacks_indexes(self._pool, collection, collection.index_version, from_parts=self._index_from):
            await self.request(collection)

    async def run(self, run: Run) -> Outcome:
        """Build what is missing, give back the space of old rows, and refresh the statistics."""
        collection = await self._collections.current(run.collection)
        version = collection.index_version
        built = await build_indexes(self._pool, collection, version, from_parts=self._index_from)
        await vacuum(self._pool, collection, version)
        return Outcome(result={"index_version": version, "built": built})
