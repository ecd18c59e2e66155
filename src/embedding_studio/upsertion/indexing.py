"""Accepted items to searchable ones: prepare, embed, write."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.tasks import FailedItem, Outcome, Run
from embedding_studio.upsertion.domain import PreparedItem, StagedItem
from embedding_studio.upsertion.embedding import Embedder
from embedding_studio.upsertion.isolation import isolate
from embedding_studio.upsertion.optimizing import Optimizer
from embedding_studio.upsertion.preparing import Preparer, Preparers
from embedding_studio.upsertion.staging import StagedTask, Staging
from embedding_studio.vector_store import (
    Collection,
    CollectionNotFoundError,
    CollectionService,
    IndexVersions,
    Item,
    ItemStore,
    forget_deletions,
)

__all__ = ["Indexer"]

_BATCH = 1_024
"""Items embedded and written together: enough to pad little when they are sorted by length (ten percent faster than
256), few enough to lose seconds in a crash."""
_BATCH_OF_IMAGES = 64
"""Items with images, which take more memory."""

_SUSPECT = 2
_POISON = 5
_LONGEST_REASON = 500
_LOOKS = 3

Items = Sequence[tuple[int, Item]]
"""Items by their ordinal."""

Failures = Sequence[tuple[int, FailedItem]]
"""Failed items by their ordinal."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is ready to be written."""

    items: Items
    failures: Failures


class Indexer:
    """Writes whole batches; whatever dies, an item is either searchable or still staged."""

    def __init__(
        self,
        *,
        pool: Pool,
        staging: Staging,
        items: ItemStore,
        versions: IndexVersions,
        collections: CollectionService,
        preparers: Preparers,
        embedder: Embedder,
        optimizer: Optimizer,
    ) -> None:
        self._pool = pool
        self._staging = staging
        self._items = items
        self._versions = versions
        self._collections = collections
        self._preparers = preparers
        self._embedder = embedder
        self._optimizer = optimizer

    async def run(self, run: Run) -> Outcome:
        """Index all that a task staged."""
        collection = await self._collections.current(run.collection)
        await self.begin(run)
        async with self.discarding(run):
            await self.drain(run, collection)
            return await self.end(run, collection)

    async def begin(self, run: Run) -> StagedTask:
        """What the task staged; where a retry was asked for, its failed items wait again.

        Raises:
            ConflictError: Nothing is left of what it staged.
        """
        if run.retries:
            await self._staging.retry(run.task_id, number=run.retries)
        task = await self._staging.task(run.task_id)
        if task is None:
            raise ConflictError("what this task was to do is no longer there; send it again")
        return task

    @asynccontextmanager
    async def discarding(self, run: Run) -> AsyncIterator[None]:
        """Drop what waits of a task that is cancelled."""
        try:
            yield
        except asyncio.CancelledError:
            if run.wish == "cancel":
                await self._staging.discard(run.task_id)
            raise

    async def drain(self, run: Run, collection: Collection) -> None:
        """Index what waits of the task; the next batch is embedded while the last is written."""
        preparer = await self._preparers.of(collection)
        while (task := await self._staging.task(run.task_id)) and task.waiting:
            await self._pass(run, collection, preparer)

    async def end(self, run: Run, collection: Collection) -> Outcome:
        """Note that all is done, ask for an index if it is worth it, and tell what failed."""
        collection = await self._collections.current(collection.name)
        await self._report(run)
        await self._staging.finish(run.task_id)
        await self.forget_deletions(collection)
        if await self._staging.is_quiet(collection):
            await self._optimizer.request_if_worth_it(collection)
        failed, failures = await self._staging.failures(run.task_id)
        return Outcome.of_items(run.total, failures, failed_total=failed)

    async def forget_deletions(self, collection: Collection) -> None:
        """Drop the notes of deletions that nothing older is left for."""
        before = await self._staging.oldest(collection)
        async with self._pool.acquire() as connection:
            await forget_deletions(connection, collection, before=before)

    async def index_one(self, collection: Collection, staged: StagedItem) -> FailedItem | None:
        """Index an item that is not staged; returns why it cannot be."""
        preparer = await self._preparers.of(collection)
        while True:
            batch = await self._embed(collection, preparer, [staged])
            if batch.failures:
                return batch.failures[0][1]
            async with self._pool.acquire() as connection, connection.transaction():
                live = await self._items.hold(connection, collection)
                if not await self._items.write(connection, collection, live, [item for _, item in batch.items]):
                    return None

    async def _pass(self, run: Run, collection: Collection, preparer: Preparer) -> None:
        """Go once over what waits. Items whose content another writer changed meanwhile stay for the next pass."""
        ordinal, limit = -1, _BATCH_OF_IMAGES if preparer.images_of else _BATCH
        writing: asyncio.Task[None] | None = None
        try:
            while staged := await self._next(run, after=ordinal, limit=limit):
                ordinal = staged[-1].ordinal
                batch = await self._embed(collection, preparer, staged)
                if writing:
                    await writing
                writing = asyncio.create_task(self._write(run, collection, batch))
        finally:
            if writing:
                await writing

    async def _next(self, run: Run, *, after: int, limit: int) -> list[StagedItem]:
        """The next batch. One that took its worker down before is tried alone, so that it takes nothing with it."""
        staged = await self._staging.next(run.task_id, after=after, limit=limit)
        suspect = next((place for place, one in enumerate(staged) if one.tries >= _SUSPECT), len(staged))
        staged = staged[: max(1, suspect)]
        if run.attempts > 1 and staged:
            await self._staging.tried(run.task_id, [one.ordinal for one in staged])
        return staged

    async def _embed(self, collection: Collection, preparer: Preparer, staged: Sequence[StagedItem]) -> _Batch:
        poison = [(one.ordinal, _poisoned(one)) for one in staged if one.tries >= _POISON]
        prepared, unprepared = await preparer.prepare([one for one in staged if one.tries < _POISON])
        items, failures = await self._embed_live(collection, preparer, prepared)
        return _Batch(items, [*poison, *((one.ordinal, failed) for one, failed in unprepared), *failures])

    async def _embed_live(
        self, collection: Collection, preparer: Preparer, prepared: Sequence[PreparedItem]
    ) -> tuple[Items, Failures]:
        """Embed for the versions that are live now; one that is dropped meanwhile is not one of them any more."""
        for _ in range(_LOOKS):
            live = await self._versions.live(collection)
            with suppress(asyncpg.UndefinedTableError):
                return await self._embedder.embed(collection, live, preparer, prepared)
        raise CollectionNotFoundError(collection.name)

    async def _write(self, run: Run, collection: Collection, batch: _Batch) -> None:
        async def attempt(items: Items) -> list[None]:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._write_items(connection, run, collection, items)
            return []

        _, failed = await isolate(batch.items, attempt) if batch.items else ([], [])
        failures = [
            *batch.failures,
            *(
                (ordinal, FailedItem(item.id, "write", f"{type(error).__name__}: {error}"[:_LONGEST_REASON]))
                for (ordinal, item), error in failed
            ),
        ]
        if failures:
            await self._fail(run, failures)
        await self._report(run)

    async def _report(self, run: Run) -> None:
        if task := await self._staging.task(run.task_id):
            await run.advance(task.total - task.waiting, task.total)

    async def _write_items(self, connection: Connection, run: Run, collection: Collection, items: Items) -> None:
        live = await self._items.hold(connection, collection)
        waiting = await self._staging.lock(connection, run.task_id, [ordinal for ordinal, _ in items])
        wanted = [item for ordinal, item in items if ordinal in waiting]
        stale = await self._items.write(connection, collection, live, wanted)
        done = [ordinal for ordinal, item in items if ordinal in waiting and item.id not in stale]
        await self._staging.remove(connection, run.task_id, done)

    async def _fail(self, run: Run, failures: Failures) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            waiting = await self._staging.lock(connection, run.task_id, [ordinal for ordinal, _ in failures])
            await self._staging.fail(connection, run.task_id, [one for one in failures if one[0] in waiting])


def _poisoned(staged: StagedItem) -> FailedItem:
    return FailedItem(
        staged.item.id, "embed", f"its worker died {staged.tries - _SUSPECT} times while it had only this"
    )
