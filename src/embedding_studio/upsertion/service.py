"""Items in, items out."""

from collections.abc import Sequence

import msgspec

from embedding_studio.infra.postgres import Pool
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.tasks import Idempotency, Task, TaskService
from embedding_studio.upsertion.domain import NewItem, StagedItem
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.jobs import UPSERT
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    ItemNotFoundError,
    ItemStore,
    StoredItem,
    checked_vector,
    deletable_meanwhile,
)

__all__ = ["UpsertionService"]

_LARGEST = 1_000_000


class UpsertionService:
    """What was accepted becomes searchable or is reported, whatever dies in between."""

    def __init__(
        self,
        *,
        pool: Pool,
        staging: Staging,
        items: ItemStore,
        indexer: Indexer,
        collections: CollectionService,
        tasks: TaskService,
    ) -> None:
        self._pool = pool
        self._staging = staging
        self._items = items
        self._indexer = indexer
        self._collections = collections
        self._tasks = tasks

    async def submit(self, name: str, items: Sequence[NewItem], *, idempotency: Idempotency | None = None) -> Task:
        """Accept items; of two with the same id the later counts.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: An item cannot be stored; nothing was accepted.
        """
        collection = await self._collections.current(name)
        for index, item in enumerate(items):
            self._check(collection, item, f"items[{index}].")

        async def stage(task_id: str) -> None:
            with deletable_meanwhile(name):
                await self._staging.add(collection, task_id, items)

        return await self._tasks.submit(
            UPSERT,
            collection=name,
            total=len(items),
            idempotency=idempotency,
            prepare=stage,
        )

    async def put(self, name: str, item: NewItem) -> StoredItem:
        """Write one item; once this returns it is searchable.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The item cannot be stored, or has no text to embed.
        """
        collection = await self._collections.current(name)
        self._check(collection, item, "")
        staged = StagedItem(await self._staging.next_seq(), 0, item)
        with deletable_meanwhile(name):
            failure = await self._indexer.index_one(collection, staged)
            if failure:
                raise InvalidError.at("payload", failure.reason)
            return await self._items.get(collection, item.id)

    async def get(self, name: str, item_id: str) -> StoredItem:
        """The item with its parts.

        Raises:
            ItemNotFoundError: The collection has no such item.
        """
        collection = await self._collections.current(name)
        with deletable_meanwhile(name):
            return await self._items.get(collection, item_id)

    async def delete(self, name: str, item_id: str) -> None:
        """Delete an item, and what still waits of it.

        Raises:
            ItemNotFoundError: The collection has no such item.
        """
        collection = await self._collections.current(name)
        with deletable_meanwhile(name):
            waiting, stored = await self._delete(collection, item_id)
        if not waiting and not stored:
            raise ItemNotFoundError(item_id)

    async def _delete(self, collection: Collection, item_id: str) -> tuple[int, int]:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._items.hold(connection, collection)
            waiting = await self._staging.forget(connection, collection, [item_id])
            return waiting, await self._items.delete(connection, collection, [item_id])

    def _check(self, collection: Collection, item: NewItem, place: str) -> None:
        for name, value in (("payload", item.payload), ("source", item.source)):
            refuse_unstorable(value, f"{place}{name}")
            if len(msgspec.json.encode(value)) > _LARGEST:
                raise InvalidError.at(f"{place}{name}", f"may have {_LARGEST:,} bytes as JSON")
        if self._collections.plugin_of(collection).gives_vectors:
            checked_vector(
                item.vector or (),
                dimensions=collection.dimensions,
                metric=collection.metric,
                place=f"{place}vector",
            )
        elif item.vector is not None:
            raise InvalidError.at(f"{place}vector", "this collection's plugin makes the vectors itself")
