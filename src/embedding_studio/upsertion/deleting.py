"""Deleting many items, by id or by filter."""

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.tasks import Outcome, Run
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    ItemStore,
    delete_items,
    delete_matching,
    hold_alone,
    noted,
)

__all__ = ["Deleter"]

_BATCH = 1_000


class Deleter:
    """Does what was noted when the deletion was accepted; items that came later stay."""

    def __init__(
        self, *, pool: Pool, staging: Staging, items: ItemStore, collections: CollectionService, indexer: Indexer
    ) -> None:
        self._pool = pool
        self._staging = staging
        self._items = items
        self._collections = collections
        self._indexer = indexer

    async def run(self, run: Run) -> Outcome:
        """Delete batch by batch, and go on where an attempt before was cut off.

        Whoever writes from now on applies what was noted, so that nobody is chased who adds items at the end.
        """
        collection = await self._collections.current(run.collection)
        last = await self._items.last(collection)
        after = str(run.payload.get("after", ""))
        deleted, looked_at = (int(run.payload.get(name, 0)) for name in ("deleted", "looked_at"))
        more = True
        while more:
            async with self._pool.acquire() as connection, connection.transaction():
                await hold_alone(connection, collection)
                gone, after, seen, more = await self._batch(connection, collection, run.task_id, after, last)
            deleted, looked_at = deleted + gone, looked_at + seen
            await run.remember(deleted=deleted, looked_at=looked_at, after=after)
            await run.advance(looked_at, max(run.total, looked_at))
        await self._staging.finish(run.task_id)
        await self._indexer.forget_deletions(collection)
        return Outcome(result={"deleted": deleted})

    async def _batch(
        self, connection: Connection, collection: Collection, task_id: str, after: str, until: str
    ) -> tuple[int, str, int, bool]:
        """How many were deleted, the last id looked at, how many that were, and whether there may be more."""
        before, item_ids, filter_tree = await noted(connection, task_id, after=after, limit=_BATCH)
        if filter_tree is not None:
            gone, seen, last = await delete_matching(
                connection, collection, filter_tree, before=before, after=after, until=until, window=_BATCH
            )
            return gone, last or after, seen, last is not None
        await self._staging.forget(connection, collection, item_ids, before=before)
        gone = await delete_items(connection, collection, item_ids, before=before)
        return gone, item_ids[-1] if item_ids else after, len(item_ids), len(item_ids) == _BATCH
