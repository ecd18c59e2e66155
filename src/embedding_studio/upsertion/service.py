"""Items in, items out."""

from collections.abc import Sequence
from typing import Any

from embedding_studio.inference import ModelService
from embedding_studio.infra.postgres import Pool
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.tasks import Idempotency, Task, TaskService
from embedding_studio.upsertion.checks import check_item
from embedding_studio.upsertion.domain import NewItem, StagedItem
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.ingesting import build_loader
from embedding_studio.upsertion.jobs import DELETE, INGEST, REINDEX, UPSERT
from embedding_studio.upsertion.optimizing import Optimizer
from embedding_studio.upsertion.reindexing import Estimate, Reindexer
from embedding_studio.upsertion.settings import UpsertionSettings
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    IndexVersions,
    ItemNotFoundError,
    ItemStore,
    ReindexRunsError,
    StoredItem,
    deletable_meanwhile,
    delete_items,
    hold_alone,
    note_deletion,
    parse_filter,
)

__all__ = ["UpsertionService"]

_RETRY_AFTER = 10


class UpsertionService:
    """What was accepted becomes searchable or is reported, whatever dies in between."""

    def __init__(  # noqa: PLR0913  # keyword-only: its collaborators
        self,
        *,
        pool: Pool,
        staging: Staging,
        items: ItemStore,
        indexer: Indexer,
        reindexer: Reindexer,
        optimizer: Optimizer,
        versions: IndexVersions,
        collections: CollectionService,
        models: ModelService,
        tasks: TaskService,
        settings: UpsertionSettings,
    ) -> None:
        self._pool = pool
        self._staging = staging
        self._items = items
        self._indexer = indexer
        self._collections = collections
        self._tasks = tasks
        self._reindexer = reindexer
        self._optimizer = optimizer
        self._versions = versions
        self._models = models
        self._settings = settings

    async def submit(self, name: str, items: Sequence[NewItem], *, idempotency: Idempotency | None = None) -> Task:
        """Accept items; of two with the same id the later counts.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: An item cannot be stored; nothing was accepted.
            UnavailableError: Too many items wait already.
        """
        collection = await self._collections.current(name)
        plugin = self._collections.plugin_of(collection)
        for index, item in enumerate(items):
            check_item(plugin, collection, item, f"items[{index}].")
        await self._refuse_flood()

        async def stage(task_id: str) -> None:
            with deletable_meanwhile(name):
                await self._staging.add(collection, task_id, items)

        return await self._tasks.submit(
            UPSERT,
            collection=name,
            total=len(items),
            is_bulk=len(items) >= self._settings.bulk_from,
            idempotency=idempotency,
            prepare=stage,
        )

    async def ingest(
        self, name: str, loader: str, options: dict[str, Any], *, idempotency: Idempotency | None = None
    ) -> Task:
        """Accept the wish to pull items through a loader of the plugin.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The plugin has no such loader, or it does not take these options.
        """
        collection = await self._collections.current(name)
        build_loader(self._collections, collection, loader, options)

        async def begin(task_id: str) -> None:
            with deletable_meanwhile(name):
                async with self._pool.acquire() as connection, connection.transaction():
                    await self._staging.open(connection, collection, task_id, is_complete=False)

        payload: dict[str, object] = {"loader": loader, "options": options}
        return await self._tasks.submit(
            INGEST, collection=name, payload=payload, idempotency=idempotency, prepare=begin
        )

    async def delete_many(
        self,
        name: str,
        *,
        item_ids: Sequence[str] = (),
        filter_tree: dict[str, Any] | None = None,
        idempotency: Idempotency | None = None,
    ) -> Task:
        """Accept the deletion of items by id or by filter; items that are accepted after this stay.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The filter is none.
        """
        if filter_tree is not None:
            parse_filter(filter_tree)
        collection = await self._collections.current(name)

        async def note(task_id: str) -> None:
            with deletable_meanwhile(name):
                async with self._pool.acquire() as connection, connection.transaction():
                    await hold_alone(connection, collection)
                    if await self._staging.open(connection, collection, task_id, is_complete=False):
                        ids = sorted(set(item_ids))
                        await note_deletion(
                            connection, collection, item_ids=ids, filter_tree=filter_tree, task_id=task_id
                        )

        return await self._tasks.submit(
            DELETE, collection=name, total=len(set(item_ids)), idempotency=idempotency, prepare=note
        )

    async def reindex(
        self, name: str, *, model_version: int | None, share: float, idempotency: Idempotency | None = None
    ) -> Task:
        """Accept the wish for a new index, filled beside the one that serves.

        Args:
            name: The collection.
            model_version: What is to serve with it; None: what serves now.
            share: Of the time that the filling may take of its worker, above 0 to 1.
            idempotency: The client's key.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ModelNotFoundError: There is no such version.
            OtherEncoderError: It does not fit the encoder that the plugin names now.
            ReindexRunsError: An index is being built already.
        """
        collection = await self._collections.current(name)
        if model_version is not None:
            await self._reindexer.refuse_other_encoder(collection, model_version)
        if await self._versions.is_building(collection):
            raise ReindexRunsError(name)
        payload: dict[str, object] = {"model_version": model_version, "share": share}
        return await self._tasks.submit(REINDEX, collection=name, payload=payload, idempotency=idempotency)

    async def build_beside(self, name: str, model_version: int, holder: str) -> str:
        """Ask for an index that goes with a model version and is kept for a holder, while what serves goes on serving.

        Returns:
            The task; the same again for the same holder and version.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ModelNotFoundError: There is no such version.
            OtherEncoderError: It does not fit the encoder that the plugin names now.
        """
        collection = await self._collections.current(name)
        await self._reindexer.refuse_other_encoder(collection, model_version)
        payload: dict[str, object] = {"model_version": model_version, "share": 1.0, "switch": False, "holder": holder}
        key = Idempotency(f"{holder} {model_version}", "index", b"")
        return (await self._tasks.submit(REINDEX, collection=name, payload=payload, idempotency=key)).id

    async def optimize(self, name: str, *, idempotency: Idempotency | None = None) -> Task:
        """Accept the wish to build indexes, vacuum and refresh statistics.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        return await self._optimizer.request(await self._collections.current(name), idempotency=idempotency)

    async def estimate(self, name: str) -> Estimate:
        """What a reindex would take.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        collection = await self._collections.current(name)
        with deletable_meanwhile(name):
            return await self._reindexer.estimate(collection)

    async def put(self, name: str, item: NewItem) -> StoredItem:
        """Write one item; once this returns it is searchable.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The item cannot be stored, or has no text to embed.
        """
        collection = await self._collections.current(name)
        check_item(self._collections.plugin_of(collection), collection, item, "")
        staged = StagedItem(await self._staging.next_seq(), 0, item)
        with deletable_meanwhile(name):
            failure = await self._indexer.index_one(collection, staged)
            if failure and failure.is_outage:
                raise UnavailableError(failure.reason)
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
            await hold_alone(connection, collection)
            waiting = await self._staging.forget(connection, collection, [item_id])
            await note_deletion(connection, collection, item_ids=[item_id])
            return waiting, await delete_items(connection, collection, [item_id])

    async def _refuse_flood(self) -> None:
        if await self._staging.waiting() >= self._settings.waiting_items:
            raise UnavailableError("too many items wait to be indexed", retry_after=_RETRY_AFTER)
