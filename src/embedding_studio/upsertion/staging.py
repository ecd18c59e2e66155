"""Every query on items that were accepted and wait to be embedded."""

from collections.abc import Sequence

import msgspec

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.tasks import FailedItem
from embedding_studio.upsertion.domain import NewItem, StagedItem
from embedding_studio.vector_store import Collection

__all__ = ["Staging"]

_SHOWN_FAILURES = 1000


class Staging:
    """A durable queue of items.

    An item leaves it in the transaction that writes it to the index, or by deletion; one that failed stays, with
    the reason, to be tried again.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, collection: Collection, task_id: str, items: Sequence[NewItem]) -> None:
        """Stage a task's items; a second call for the same task changes nothing."""
        records = [
            (collection.id, task_id, ordinal, item.id, msgspec.json.encode(item)) for ordinal, item in enumerate(items)
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", task_id)
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM staged_items WHERE task_id = $1)", task_id):
                await connection.copy_records_to_table(
                    "staged_items",
                    columns=("collection_id", "task_id", "ordinal", "item_id", "body"),
                    records=records,
                )

    async def next(self, task_id: str, *, after: int, limit: int) -> list[StagedItem]:
        """The task's items that wait, in order, from the one after the ordinal `after`."""
        rows = await self._pool.fetch(
            "SELECT seq, ordinal, body FROM staged_items"
            " WHERE task_id = $1 AND ordinal > $2 AND failed_stage IS NULL ORDER BY ordinal LIMIT $3",
            task_id,
            after,
            limit,
        )
        return [StagedItem(row["seq"], row["ordinal"], msgspec.json.decode(row["body"], type=NewItem)) for row in rows]

    async def next_seq(self) -> int:
        """A place in the order of acceptance for an item that is not staged."""
        seq: int = await self._pool.fetchval("SELECT nextval(pg_get_serial_sequence('staged_items', 'seq'))")
        return seq

    async def lock(self, connection: Connection, seqs: Sequence[int]) -> set[int]:
        """Hold items until the caller's transaction ends; returns those that still wait."""
        rows = await connection.fetch(
            "SELECT seq FROM staged_items WHERE seq = ANY($1) AND failed_stage IS NULL ORDER BY seq FOR UPDATE",
            list(seqs),
        )
        return {row["seq"] for row in rows}

    async def remove(self, connection: Connection, seqs: Sequence[int]) -> None:
        """Take items off, inside the caller's transaction."""
        await connection.execute("DELETE FROM staged_items WHERE seq = ANY($1)", list(seqs))

    async def fail(self, connection: Connection, failures: Sequence[tuple[int, FailedItem]]) -> None:
        """Mark items as failed, inside the caller's transaction."""
        await connection.executemany(
            "UPDATE staged_items SET failed_stage = $2, failed_reason = $3 WHERE seq = $1",
            [(seq, failure.stage, failure.reason.replace("\0", "")) for seq, failure in failures],
        )

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

    async def remaining(self, task_id: str) -> int:
        """How many of the task's items wait."""
        count: int = await self._pool.fetchval(
            "SELECT count(*) FROM staged_items WHERE task_id = $1 AND failed_stage IS NULL",
            task_id,
        )
        return count

    async def forget(self, connection: Connection, collection: Collection, item_ids: Sequence[str]) -> int:
        """Drop what waits of these items, so that it never comes back; returns how many there were."""
        rows = await connection.fetch(
            "DELETE FROM staged_items WHERE collection_id = $1 AND item_id = ANY($2) RETURNING seq",
            collection.id,
            list(item_ids),
        )
        return len(rows)

    async def is_quiet(self, collection: Collection) -> bool:
        """Whether nothing waits for this collection."""
        quiet: bool = await self._pool.fetchval(
            "SELECT NOT EXISTS (SELECT FROM staged_items WHERE collection_id = $1 AND failed_stage IS NULL)",
            collection.id,
        )
        return quiet
