"""Pulling items from where a plugin's loader reads them."""

import asyncio
from collections.abc import AsyncGenerator

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk import Loaded, Loader, LoadFailure
from embedding_studio.tasks import FailedItem, Outcome, Run
from embedding_studio.upsertion.checks import check_item
from embedding_studio.upsertion.domain import Loading, NewItem
from embedding_studio.upsertion.indexing import Indexer
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import Collection, CollectionService

__all__ = ["Ingester", "build_loader"]

_RECORDS = 1_000
_BYTES = 16_000_000
_ROUGH_BYTES_PER_FIELD = 64


def build_loader(
    collections: CollectionService, collection: Collection, name: str, options: dict[str, object]
) -> Loader:
    """The plugin's loader of this name, with the options of a request.

    Raises:
        InvalidError: The plugin has no such loader, or it does not take these options.
    """
    loaders = collections.plugin_of(collection).loaders
    if name not in loaders:
        known = ", ".join(sorted(loaders)) or "none"
        raise InvalidError.at("loader", f"the plugin {collection.plugin!r} has no {name!r}; there are: {known}")
    return loaders[name].build(options)


class Ingester:
    """Reads a chunk while the one before is indexed; what was read and where to go on are stored together."""

    def __init__(self, *, collections: CollectionService, staging: Staging, indexer: Indexer) -> None:
        self._collections = collections
        self._staging = staging
        self._indexer = indexer

    async def run(self, run: Run) -> Outcome:
        """Read the source to its end, index all of it, and tell what failed."""
        collection = await self._collections.current(run.collection)
        task = await self._indexer.begin(run)
        async with self._indexer.discarding(run):
            if not task.is_complete:
                loader = build_loader(self._collections, collection, run.payload["loader"], run.payload["options"])
                await self._load(run, collection, loader, task.cursor)
            await self._indexer.drain(run, collection)
            return await self._indexer.end(run, collection)

    async def _load(self, run: Run, collection: Collection, loader: Loader, cursor: dict[str, object] | None) -> None:
        chunks = self._chunks(collection, loader, cursor)
        reading = asyncio.ensure_future(anext(chunks))
        try:
            while True:
                chunk = await reading
                await self._staging.append(collection, run.task_id, chunk)
                if chunk.is_complete:
                    return
                reading = asyncio.ensure_future(anext(chunks))
                await self._indexer.drain(run, collection)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            await chunks.aclose()

    async def _chunks(
        self, collection: Collection, loader: Loader, cursor: dict[str, object] | None
    ) -> AsyncGenerator[Loading, None]:
        records: list[tuple[NewItem, FailedItem | None]] = []
        size = 0
        async for one in loader.read(cursor):
            cursor = one.cursor
            records.append(self._record(collection, one))
            size += len(str(records[-1][0].payload)) + _ROUGH_BYTES_PER_FIELD
            if len(records) >= _RECORDS or size >= _BYTES:
                yield Loading(records, cursor, is_complete=False)
                records, size = [], 0
        yield Loading(records, cursor, is_complete=True)

    def _record(self, collection: Collection, one: Loaded | LoadFailure) -> tuple[NewItem, FailedItem | None]:
        if isinstance(one, LoadFailure):
            return NewItem(one.id, {}), FailedItem(one.id, "load", one.reason)
        item = NewItem(one.id, one.payload, one.source)
        try:
            check_item(self._collections.plugin_of(collection), collection, item, "")
        except InvalidError as error:
            return item, FailedItem(one.id, "load", error.detail)
        return item, None
