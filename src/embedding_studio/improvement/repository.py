"""Every query on the tables of the click memory."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg

from embedding_studio.improvement.domain import Click, Direction, NewClicks
from embedding_studio.improvement.errors import MemoryBusyError
from embedding_studio.improvement.statements import NEAREST, near, silence, table_of_clicks, table_of_queries
from embedding_studio.infra.postgres import Connection, Pool, Record
from embedding_studio.sdk import ClickMemory, Remembered
from embedding_studio.vector_store import Collection

__all__ = ["LOOKUP_SETTINGS", "Memory", "MemoryRepository", "Pairs"]

LOOKUP_SETTINGS: Mapping[str, str] = {"hnsw.ef_search": f"{NEAREST:d}", "plan_cache_mode": "force_generic_plan"}
"""Of connections that look up what is near: one statement, whose plan is the same for all values."""

Pairs = set[tuple[int, str]]
"""Queries and items of rows that were written or deleted."""

_GIVE_WAY = "SET LOCAL lock_timeout = '500ms'"  # before the database looks for deadlocks with writers of items
_BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.ForeignKeyViolationError)


class Memory:
    """The tables of one encoder's queries, held alone by the transaction on `connection`."""

    def __init__(self, connection: Connection, memory_id: int, revision: int) -> None:
        """`revision` is that of the changes that are made now."""
        self._connection = connection
        self._id = memory_id
        self._clicks = table_of_clicks(memory_id)
        self._queries = table_of_queries(memory_id)
        self._revision = revision

    async def of_sessions(self, session_ids: Sequence[str]) -> dict[str, dict[str, tuple[str, Click]]]:
        """The rows of sessions, each with the key of its query, by session and item."""
        rows = await self._connection.fetch(
            f"SELECT c.*, q.key FROM {self._clicks} c JOIN {self._queries} q ON q.id = c.query_id"
            " WHERE c.session_id = ANY($1)",
            list(session_ids),
        )
        found: dict[str, dict[str, tuple[str, Click]]] = {}
        for row in rows:
            found.setdefault(row["session_id"], {})[row["item_id"]] = (row["key"], _click(row))
        return found

    async def delete(self, condition: str, *values: object) -> int:
        """Delete rows by a condition of ours with bound values; returns how many there were."""
        rows = await self._connection.fetch(
            f"DELETE FROM {self._clicks} WHERE {condition} RETURNING query_id, item_id", *values
        )
        await self._settle({(row["query_id"], row["item_id"]) for row in rows})
        await self._drop_unused({row["query_id"] for row in rows})
        return len(rows)

    async def write(self, collection: Collection, said: Sequence[NewClicks]) -> None:
        """Put the rows of sessions in the place of those that they have; rows of items that are gone are left out."""
        clicks = [(one, click) for one in said for click in one.clicks if one.direction]
        here = await self._hold_items(collection, {click.item_id for _, click in clicks})
        queries = await self._query_ids([one.direction for one, _ in clicks if one.direction])
        rows = sorted(
            (click.item_id, click.session_id, queries[one.direction.key], click.user_id, click.weight, click.at)
            for one, click in clicks
            if one.direction and click.item_id in here
        )
        gone = await self._connection.fetch(
            f"DELETE FROM {self._clicks} WHERE session_id = ANY($1) RETURNING query_id, item_id",
            [one.session_id for one in said],
        )
        await self._connection.executemany(
            f"INSERT INTO {self._clicks} (item_id, session_id, query_id, user_id, weight, at, revision)"
            f" VALUES ($1, $2, $3, $4, $5, $6, {self._revision:d})",
            rows,
        )
        await self._settle({(row["query_id"], row["item_id"]) for row in gone} | {(row[2], row[0]) for row in rows})
        await self._drop_unused({*queries.values(), *(row["query_id"] for row in gone)})

    async def _hold_items(self, collection: Collection, item_ids: Iterable[str]) -> set[str]:
        """Those of the items that there are, and that stay until the transaction ends."""
        rows = await self._connection.fetch(
            f"SELECT id FROM items_{collection.id:d} WHERE id = ANY($1) ORDER BY id FOR KEY SHARE", sorted(item_ids)
        )
        return {row["id"] for row in rows}

    async def _query_ids(self, directions: Sequence[Direction]) -> dict[str, int]:
        distinct = {one.key: one for one in directions}
        await self._connection.executemany(
            f"INSERT INTO {self._queries} (key, query, embedding)"
            " VALUES ($1, $2, $3::vector::halfvec) ON CONFLICT (key) DO NOTHING",
            [(one.key, one.query, one.vector) for one in distinct.values()],
        )
        rows = await self._connection.fetch(f"SELECT key, id FROM {self._queries} WHERE key = ANY($1)", list(distinct))
        return {row["key"]: row["id"] for row in rows}

    async def _settle(self, pairs: Pairs) -> None:
        if pairs:
            queries, items = zip(*sorted(pairs), strict=True)
            await self._connection.execute(silence(self._id), list(queries), list(items), self._revision)

    async def _drop_unused(self, query_ids: Iterable[int]) -> None:
        await self._connection.execute(
            f"DELETE FROM {self._queries} q WHERE id = ANY($1) AND NOT EXISTS"
            f" (SELECT FROM {self._clicks} c WHERE c.query_id = q.id)",
            sorted(query_ids),
        )


class MemoryRepository:
    """One memory for each encoder of a collection's queries; whoever changes one holds it alone."""

    def __init__(self, pool: Pool, lookups: Pool) -> None:
        """`lookups` is opened with `LOOKUP_SETTINGS`: searches wait for what it is asked."""
        self._pool = pool
        self._lookups = lookups

    async def find(self, collection: Collection) -> dict[tuple[str, int], int]:
        """The memories of a collection, by the key of their encoder and its dimensions."""
        rows = await self._pool.fetch(
            "SELECT id, encoder, dimensions FROM memories WHERE collection_id = $1", collection.id
        )
        return {(row["encoder"], row["dimensions"]): row["id"] for row in rows}

    async def revisions(self, *, limit: int) -> dict[str, int]:
        """The newest revision of each collection that remembers anything, of `limit` collections by name."""
        rows = await self._pool.fetch(
            "SELECT c.name, max(m.revision) AS revision FROM memories m JOIN collections c ON c.id = m.collection_id"
            " GROUP BY c.name ORDER BY c.name LIMIT $1",
            limit,
        )
        return {row["name"]: row["revision"] for row in rows}

    async def make(self, collection: Collection, encoder: str, dimensions: int) -> int | None:
        """The memory of an encoder, made if there is none; None if the collection is gone."""
        async with self._pool.acquire() as connection, connection.transaction():
            try:
                made = await connection.fetchval(
                    "INSERT INTO memories (collection_id, encoder, dimensions) VALUES ($1, $2, $3)"
                    " ON CONFLICT DO NOTHING RETURNING id",
                    collection.id,
                    encoder,
                    dimensions,
                )
            except asyncpg.ForeignKeyViolationError:
                return None
            if made is not None:
                await connection.execute("SELECT create_memory($1, $2, $3)", made, collection.id, dimensions)
                return int(made)
        return (await self.find(collection)).get((encoder, dimensions))

    async def is_whole(self, memory_id: int) -> bool:
        """Whether it has learned what was taught while another encoder served."""
        return bool(await self._pool.fetchval("SELECT is_whole FROM memories WHERE id = $1", memory_id))

    async def note_whole(self, collection: Collection, encoder: str, dimensions: int) -> None:
        """Note that the memory of an encoder, if there is one, has learned that, and that others learn no more."""
        await self._pool.execute(
            "UPDATE memories SET is_whole = (encoder = $2 AND dimensions = $3) WHERE collection_id = $1",
            collection.id,
            encoder,
            dimensions,
        )

    @asynccontextmanager
    async def hold(self, memory_id: int) -> AsyncIterator[Memory | None]:
        """The memory, held until the block ends, when its changes are there; None if it is gone.

        Raises:
            MemoryBusyError: Others write its items, or another process holds it for long.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                revision = await connection.fetchval(
                    "UPDATE memories SET revision = revision + 1 WHERE id = $1 RETURNING revision", memory_id
                )
                await connection.execute(_GIVE_WAY)
                yield None if revision is None else Memory(connection, memory_id, revision)
        except _BUSY as error:
            raise MemoryBusyError(f"the memory gave way to a writer of items: {type(error).__name__}") from error

    async def near(
        self,
        memory_id: int,
        vector: Any,
        settings: ClickMemory,
        *,
        user_id: str | None,
        at: datetime,
        revision: int | None,
    ) -> tuple[int, dict[str, Remembered]]:
        """The revision, and what is known of items near the vector, which has length 1."""
        statement = near(memory_id, len(vector), users=settings.users, as_of_revision=revision is not None)
        half_life_s = settings.half_life_days * 86_400
        values = (vector, user_id, at, settings.threshold, half_life_s, settings.voice)
        rows = await self._lookups.fetch(statement, *values, *(() if revision is None else (revision,)))
        return (rows[0]["revision"] if rows else 0), {row["item_id"]: _remembered(row) for row in rows}

    async def page(
        self, memory_id: int, *, item_id: str | None, user_id: str | None, after: tuple[str, str], limit: int
    ) -> list[tuple[str, bool, Click]]:
        """Rows by session and item, from the one after `after`: the query, whether it speaks for its user, the row."""
        conditions = ["(c.session_id, c.item_id) > ($1, $2)"]
        values: list[object] = [*after]
        for column, value in (("item_id", item_id), ("user_id", user_id)):
            if value is not None:
                values.append(value)
                conditions.append(f"c.{column} = ${len(values)}")
        rows = await self._pool.fetch(
            f"SELECT c.*, q.query FROM {table_of_clicks(memory_id)} c JOIN {table_of_queries(memory_id)} q"
            f" ON q.id = c.query_id WHERE {' AND '.join(conditions)} ORDER BY c.session_id, c.item_id LIMIT {limit:d}",
            *values,
        )
        return [(row["query"], row["silenced"] is None, _click(row)) for row in rows]

    async def of_user(self, user_id: str) -> list[int]:
        """The memories that know a user, over all collections."""
        rows = await self._pool.fetch("SELECT id FROM memories ORDER BY id")
        return [row["id"] for row in rows if await self._knows(row["id"], user_id)]

    async def _knows(self, memory_id: int, user_id: str) -> bool:
        """Whether it does once whoever holds it now has let go of it: they may be about to write what they read."""
        await self._pool.execute("SELECT FROM memories WHERE id = $1 FOR SHARE", memory_id)
        statement = f"SELECT EXISTS (SELECT FROM {table_of_clicks(memory_id)} WHERE user_id = $1)"
        try:
            return bool(await self._pool.fetchval(statement, user_id))
        except asyncpg.UndefinedTableError:  # the collection was deleted meanwhile
            return False


def _remembered(row: Record) -> Remembered:
    return Remembered(row["own_up"], row["own_down"], row["up"], row["down"], row["voices"])


def _click(row: Record) -> Click:
    return Click(row["session_id"], row["item_id"], row["user_id"], row["weight"], row["at"])
