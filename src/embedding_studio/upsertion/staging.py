"""Every query on items that were accepted and wait to be indexed, and on the tasks they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.tasks import FailedItem
from embedding_studio.upsertion.domain import Loading, NewItem, StagedItem
from embedding_studio.vector_store import Collection

__all__ = ["StagedTask", "Staging"]

_SHOWN_FAILURES = 1000


@dataclass(frozen=True, slots=True)
class StagedTask:
    """How far a task is.

    Attributes:
        seq: Its place in the order of acceptance.
        total: Items staged so far, the failed ones included.
        waiting: Items that are neither indexed nor failed.
        is_complete: Nothing more will be staged.
        cursor: Where its loader goes on.
    """

    seq: int
    total: int
    waiting: int
    is_complete: bool
    cursor: dict[str, Any] | None


class Staging:
    """A durable queue of items.

    An item leaves it in the transaction that writes it to the index, or by deletion; one that failed stays, with
    the reason, to be tried again.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open(
        self, connection: Connection, collection: Collection, task_id: str, *, is_complete: bool = True
    ) -> bool:
        """Begin a task, inside the caller's transaction; False if it has begun before."""
        begun = await connection.fetchval(
            "INSERT INTO staged_tasks (task_id, collection_id, is_complete) VALUES ($1, $2, $3)"
            " ON CONFLICT DO NOTHING RETURNING task_id",
            task_id,
            collection.id,
            is_complete,
        )
        return begun is not None

    async def add(self, collection: Collection, task_id: str, items: Sequence[NewItem]) -> None:
        """Stage a task's items; a second call for the same task changes nothing, though it be long finished."""
        async with self._pool.acquire() as connection, connection.transaction():
            if await self.open(connection, collection, task_id):
                await self._copy(connection, collection, task_id, [(item, None) for item in items], first=0, seq=None)
                await connection.execute(
                    "UPDATE staged_tasks SET total = $2, waiting = $2 WHERE task_id = $1", task_id, len(items)
                )

    async def append(self, collection: Collection, task_id: str, loading: Loading) -> None:
        """Stage what a loader read, together with where it goes on.

        All items of one ingest have the task's own place in the order of acceptance: whatever was written or deleted
        since the ingest was asked for is newer.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "SELECT seq, total FROM staged_tasks WHERE task_id = $1 FOR UPDATE", task_id
            )
            if row is None:
                return
            await self._copy(connection, collection, task_id, loading.records, first=row["total"], seq=row["seq"])
            await connection.execute(
                "UPDATE staged_tasks SET total = total + $2, waiting = waiting + $3, cursor = $4, is_complete = $5"
                " WHERE task_id = $1",
                task_id,
                len(loading.records),
                sum(failure is None for _, failure in loading.records),
                loading.cursor,
                loading.is_complete,
            )

    async def task(self, task_id: str) -> StagedTask | None:
        """How far the task is; None if it never began, or was discarded."""
        row = await self._pool.fetchrow(
            "SELECT seq, total, waiting, is_complete, cursor FROM staged_tasks WHERE task_id = $1", task_id
        )
        return StagedTask(**row) if row else None

    async def waiting(self) -> int:
        """How many items wait in all."""
        waiting: int = await self._pool.fetchval(
            "SELECT coalesce(sum(waiting), 0)::bigint FROM staged_tasks WHERE finished_at IS NULL"
        )
        return waiting

    async def next(self, task_id: str, *, after: int, limit: int) -> list[StagedItem]:
        """The task's items that wait, in order, from the one after the ordinal `after`."""
        rows = await self._pool.fetch(
            "SELECT seq, ordinal, tries, body FROM staged_items"
            " WHERE task_id = $1 AND ordinal > $2 AND failed_stage IS NULL ORDER BY ordinal LIMIT $3",
            task_id,
            after,
            limit,
        )
        return [
            StagedItem(row["seq"], row["ordinal"], msgspec.msgpack.decode(row["body"], type=NewItem), row["tries"])
            for row in rows
        ]

    async def tried(self, task_id: str, ordinals: Sequence[int]) -> None:
        """Count a try of items whose task was cut short before: one of them may be what cuts it short."""
        await self._pool.execute(
            "UPDATE staged_items SET tries = tries + 1 WHERE task_id = $1 AND ordinal = ANY($2)",
            task_id,
            list(ordinals),
        )

    async def next_seq(self) -> int:
        """A place in the order of acceptance for an item that is not staged."""
        seq: int = await self._pool.fetchval("SELECT nextval('acceptance')")
        return seq

    async def lock(self, connection: Connection, task_id: str, ordinals: Sequence[int]) -> set[int]:
        """Hold items until the caller's transaction ends; returns those that still wait."""
        rows = await connection.fetch(
            "SELECT ordinal FROM staged_items WHERE task_id = $1 AND ordinal = ANY($2) AND failed_stage IS NULL"
            " ORDER BY ordinal FOR UPDATE",
            task_id,
            list(ordinals),
        )
        return {row["ordinal"] for row in rows}

    async def remove(self, connection: Connection, task_id: str, ordinals: Sequence[int]) -> None:
        """Take waiting items off, inside the caller's transaction, which holds them."""
        await connection.execute(
            "DELETE FROM staged_items WHERE task_id = $1 AND ordinal = ANY($2)", task_id, list(ordinals)
        )
        await self._wait_less(connection, task_id, len(ordinals))

    async def fail(self, connection: Connection, task_id: str, failures: Sequence[tuple[int, FailedItem]]) -> None:
        """Mark waiting items as failed, inside the caller's transaction, which holds them."""
        await connection.executemany(
            "UPDATE staged_items SET failed_stage = $3, failed_reason = $4 WHERE task_id = $1 AND ordinal = $2",
            [(task_id, ordinal, one.stage, one.reason.replace("\0", "")) for ordinal, one in failures],
        )
        await self._wait_less(connection, task_id, len(failures))

    async def failures(self, task_id: str) -> tuple[int, list[FailedItem]]:
        """How many of the task's items failed, and the first thousand of them."""
        total: int = await self._pool.fetchval(
            "SELECT count(*) FROM staged_items WHERE task_id = $1 AND failed_stage IS NOT NULL",
            task_id,
        )
        rows = await self._pool.fetch(
            "SELECT item_id, failed_stage, failed_reason FROM staged_items"
            " WHERE task_id = $1 AND failed_stage IS NOT NULL ORDER BY ordinal LIMIT $2",
            task_id,
            _SHOWN_FAILURES,
        )
        return total, [FailedItem(*row) for row in rows]

    async def retry(self, task_id: str, *, number: int) -> None:
        """Let the failed items wait again; the same retry twice does so once.

        Records that a loader could not read stay failed: there is nothing of them to try.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            first = await connection.fetchval(
                "UPDATE staged_tasks SET retries = $2, finished_at = NULL WHERE task_id = $1 AND retries < $2"
                " RETURNING task_id",
                task_id,
                number,
            )
            if first is None:
                return
            rows = await connection.fetch(
                "UPDATE staged_items SET failed_stage = NULL, failed_reason = NULL, tries = 0"
                " WHERE task_id = $1 AND failed_stage IS NOT NULL AND length(body) > 0 RETURNING ordinal",
                task_id,
            )
            await self._wait_less(connection, task_id, -len(rows))

    async def finish(self, task_id: str) -> None:
        """Note that all of the task was done; what failed of it is kept for a retry."""
        await self._pool.execute(
            "UPDATE staged_tasks SET finished_at = now(), is_complete = true WHERE task_id = $1", task_id
        )

    async def rest(self, task_id: str) -> None:
        """Note that the task has failed as a whole; what is left of it is kept for a retry."""
        await self._pool.execute("UPDATE staged_tasks SET finished_at = now() WHERE task_id = $1", task_id)

    async def erase(self, task_id: str) -> None:
        """Drop a task that was never accepted, as if it had not begun; the same request may come again."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM deletions WHERE task_id = $1", task_id)
            await connection.execute("DELETE FROM staged_tasks WHERE task_id = $1", task_id)

    async def discard(self, task_id: str) -> None:
        """Drop all that waits or failed of a task that was cancelled."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("DELETE FROM staged_items WHERE task_id = $1", task_id)
            await connection.execute(
                "UPDATE staged_tasks SET finished_at = now(), waiting = 0, is_complete = true WHERE task_id = $1",
                task_id,
            )

    async def forget(
        self, connection: Connection, collection: Collection, item_ids: Sequence[str], *, before: int | None = None
    ) -> int:
        """Drop what waits or failed of these items and was accepted before `before`; returns how many there were."""
        rows = await connection.fetch(
            "WITH gone AS (DELETE FROM staged_items WHERE collection_id = $1 AND item_id = ANY($2)"
            " AND ($3::bigint IS NULL OR seq < $3) RETURNING task_id, failed_stage IS NULL AS waited),"
            " counted AS (SELECT task_id, count(*) FILTER (WHERE waited) AS waited, count(*) AS all_of_them"
            " FROM gone GROUP BY task_id)"
            " UPDATE staged_tasks t SET waiting = t.waiting - c.waited FROM counted c WHERE t.task_id = c.task_id"
            " RETURNING c.all_of_them",
            collection.id,
            list(item_ids),
            before,
        )
        return sum(row["all_of_them"] for row in rows)

    async def oldest(self, collection: Collection) -> int | None:
        """The place in the order of acceptance of the oldest work under way or to be retried; None if there is none."""
        seq: int | None = await self._pool.fetchval(
            "SELECT least((SELECT min(seq) FROM staged_tasks"
            " WHERE collection_id = $1 AND (finished_at IS NULL OR NOT is_complete)),"
            " (SELECT min(seq) FROM staged_items WHERE collection_id = $1))",
            collection.id,
        )
        return seq

    async def is_quiet(self, collection: Collection) -> bool:
        """Whether nothing waits for this collection."""
        quiet: bool = await self._pool.fetchval(
            "SELECT NOT EXISTS (SELECT FROM staged_tasks"
            " WHERE collection_id = $1 AND finished_at IS NULL AND (waiting > 0 OR NOT is_complete))",
            collection.id,
        )
        return quiet

    async def open_tasks(self, *, older_than: float, after: str, limit: int) -> list[str]:
        """Tasks that began more than so many seconds ago and have not ended, by id from the one after `after`."""
        rows = await self._pool.fetch(
            "SELECT task_id FROM staged_tasks WHERE finished_at IS NULL AND task_id > $1"
            " AND staged_at < now() - make_interval(secs => $2) ORDER BY task_id LIMIT $3",
            after,
            older_than,
            limit,
        )
        return [row["task_id"] for row in rows]

    async def expire(self, *, failed_after: float, limit: int) -> int:
        """Drop tasks that ended more than a day ago, those with failed items after `failed_after` seconds."""
        rows = await self._pool.fetch(
            "DELETE FROM staged_tasks WHERE task_id IN (SELECT task_id FROM staged_tasks t"
            " WHERE finished_at < now() - interval '25 hours' AND (finished_at < now() - make_interval(secs => $1)"
            " OR (is_complete AND NOT EXISTS (SELECT FROM staged_items i WHERE i.task_id = t.task_id))) LIMIT $2)"
            " RETURNING task_id",
            failed_after,
            limit,
        )
        return len(rows)

    @staticmethod
    async def _wait_less(connection: Connection, task_id: str, count: int) -> None:
        await connection.execute("UPDATE staged_tasks SET waiting = waiting - $2 WHERE task_id = $1", task_id, count)

    @staticmethod
    async def _copy(
        connection: Connection,
        collection: Collection,
        task_id: str,
        records: Sequence[tuple[NewItem, FailedItem | None]],
        *,
        first: int,
        seq: int | None,
    ) -> None:
        columns = ["collection_id", "task_id", "ordinal", "item_id", "body", "failed_stage", "failed_reason"]
        rows = [
            (
                collection.id,
                task_id,
                ordinal,
                item.id,
                b"" if failure else msgspec.msgpack.encode(item),
                failure and failure.stage,
                failure and failure.reason.replace("\0", ""),
                *(() if seq is None else (seq,)),
            )
            for ordinal, (item, failure) in enumerate(records, first)
        ]
        if seq is not None:
            columns.append("seq")
        await connection.copy_records_to_table("staged_items", columns=columns, records=rows)
