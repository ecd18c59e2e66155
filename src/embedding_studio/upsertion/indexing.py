"""Accepted items to searchable ones: prepare, embed, write."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedding_studio.inference import EmbeddingService
from embedding_studio.infra.postgres import Pool
from embedding_studio.tasks import FailedItem, Outcome, Run
from embedding_studio.upsertion.domain import PreparedItem, StagedItem, prepare
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import (
    Collection,
    CollectionService,
    Item,
    ItemStore,
    Part,
    VectorStoreSettings,
    build_indexes,
)

__all__ = ["Indexer"]

_BATCH = 256
"""Items embedded and written together: enough to sort by length, few enough to lose little in a crash."""


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A batch that is ready to be written."""

    items: Sequence[Item]
    failures: Sequence[tuple[int, FailedItem]]


class Indexer:
    """Writes whole batches; whatever dies, an item is either searchable or still staged."""

    def __init__(
        self,
        *,
        pool: Pool,
        staging: Staging,
        items: ItemStore,
        collections: CollectionService,
        embeddings: EmbeddingService,
        settings: VectorStoreSettings,
    ) -> None:
        self._pool = pool
        self._staging = staging
        self._items = items
        self._collections = collections
        self._embeddings = embeddings
        self._index_from = settings.index_from

    async def run(self, run: Run) -> Outcome:
        """Index all that a task staged; the next batch is embedded while the last is written."""
        collection = await self._collections.current(run.collection)
        while await self._staging.remaining(run.task_id):
            await self._pass(run, collection)
        if await self._staging.is_quiet(collection):
            await build_indexes(self._pool, collection, from_parts=self._index_from)
        failed, failures = await self._staging.failures(run.task_id)
        return Outcome.of_items(run.total, failures, failed_total=failed)

    async def index_one(self, collection: Collection, staged: StagedItem) -> FailedItem | None:
        """Index an item that is not staged; returns why it cannot be."""
        while True:
            embedded = await self._embed(collection, [staged])
            if embedded.failures:
                return embedded.failures[0][1]
            async with self._pool.acquire() as connection, connection.transaction():
                if not await self._items.write(connection, collection, embedded.items):
                    return None

    async def _pass(self, run: Run, collection: Collection) -> None:
        """Go once over what waits. Items whose content another writer changed meanwhile stay for the next pass."""
        ordinal = -1
        writing: asyncio.Task[None] | None = None
        while batch := await self._staging.next(run.task_id, after=ordinal, limit=_BATCH):
            ordinal = batch[-1].ordinal
            try:
                embedded = await self._embed(collection, batch)
            finally:
                if writing:
                    await writing
            writing = asyncio.create_task(self._write(run, collection, embedded))
        if writing:
            await writing

    async def _embed(self, collection: Collection, batch: Sequence[StagedItem]) -> _Embedded:
        text_of = self._collections.plugin_of(collection).text.build()
        outcomes = [prepare(staged, text_of) for staged in batch]
        prepared = [one for one in outcomes if isinstance(one, PreparedItem)]
        known = await self._items.content_hashes(collection, [one.staged.item.id for one in prepared])
        changed = [one for one in prepared if known.get(one.staged.item.id) != one.content_hash]
        parts = dict(zip((one.staged.seq for one in changed), await self._parts(collection, changed), strict=True))
        return _Embedded(
            items=[
                Item(
                    id=one.staged.item.id,
                    payload=one.staged.item.payload,
                    source=one.staged.item.source,
                    seq=one.staged.seq,
                    content_hash=one.content_hash,
                    parts=parts.get(one.staged.seq, ()),
                )
                for one in prepared
            ],
            failures=[
                (staged.seq, one) for staged, one in zip(batch, outcomes, strict=True) if isinstance(one, FailedItem)
            ],
        )

    async def _parts(self, collection: Collection, changed: Sequence[PreparedItem]) -> list[list[Part]]:
        texts = [text or "" for one in changed if one.staged.item.vector is None for text in one.texts]
        vectors = iter(await self._embeddings.embed(collection, texts, "item") if texts else ())
        return [
            [Part(text, next(vectors) if given is None else np.asarray(given, np.float32)) for text in one.texts]
            for one in changed
            for given in (one.staged.item.vector,)
        ]

    async def _write(self, run: Run, collection: Collection, embedded: _Embedded) -> None:
        seqs = [item.seq for item in embedded.items]
        async with self._pool.acquire() as connection, connection.transaction():
            await self._items.hold(connection, collection)
            waiting = await self._staging.lock(connection, seqs)
            stale = await self._items.write(
                connection,
                collection,
                [item for item in embedded.items if item.seq in waiting],
            )
            await self._staging.remove(connection, [item.seq for item in embedded.items if item.id not in stale])
            await self._staging.fail(connection, embedded.failures)
        await run.advance(run.total - await self._staging.remaining(run.task_id))
