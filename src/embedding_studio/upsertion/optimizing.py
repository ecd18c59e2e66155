"""Building indexes, merging terms, and refreshing what PostgreSQL knows of the tables."""

from embedding_studio.infra.postgres import Pool
from embedding_studio.tasks import Idempotency, Outcome, Run, Task, TaskService
from embedding_studio.upsertion.jobs import OPTIMIZE
from embedding_studio.vector_store import Collection, CollectionService, Indexes, is_fragmented, merge_terms

__all__ = ["Optimizer"]


class Optimizer:
    """Nothing waits for it: what is not indexed yet is compared one by one, which is exact and slower."""

    def __init__(self, *, pool: Pool, collections: CollectionService, tasks: TaskService, indexes: Indexes) -> None:
        self._pool = pool
        self._collections = collections
        self._tasks = tasks
        self._indexes = indexes

    async def request(self, collection: Collection, *, idempotency: Idempotency | None = None) -> Task:
        """Accept the wish."""
        return await self._tasks.submit(OPTIMIZE, collection=collection.name, idempotency=idempotency)

    async def request_if_worth_it(self, collection: Collection) -> None:
        """Ask for it where searches would be faster for it, and nobody has asked yet."""
        if await self._tasks.is_open(OPTIMIZE.kind, collection.name):
            return
        async with self._pool.acquire() as connection:
            worth_it = await is_fragmented(connection, collection, collection.index_version)
        fields = self._collections.plugin_of(collection).fields
        if worth_it or await self._indexes.lacks(collection, collection.index_version, fields):
            await self.request(collection)

    async def run(self, run: Run) -> Outcome:
        """Build what is missing, merge terms, give back the space of old rows, and refresh the statistics."""
        collection = await self._collections.current(run.collection)
        version = collection.index_version
        fields = self._collections.plugin_of(collection).fields
        built = await self._indexes.build(collection, version, fields)
        terms = await merge_terms(self._pool, collection, version)
        await self._indexes.vacuum(collection, version)
        return Outcome(result={"index_version": version, "built": built, "terms": terms})
