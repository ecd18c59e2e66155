"""Every query on the index versions of a collection."""

from contextlib import suppress
from typing import Any

import asyncpg

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store.domain import Collection, IndexVersion
from embedding_studio.vector_store.errors import CollectionNotFoundError, ReindexRunsError
from embedding_studio.vector_store.recall import Recall, recalls
from embedding_studio.vector_store.tables import (
    create_parts_table,
    drop_parts_table,
    estimated_rows,
    items_table,
    part_leaves,
    parts_table,
)
from embedding_studio.vector_store.turns import lock_alone

__all__ = ["IndexVersions", "is_served"]

_COLUMNS = "version, state, model_version, dimensions, encoder, filled_to, task_id"
_LIVE = "(state IN ('building', 'active') OR (state = 'retired' AND dropped_at IS NULL))"
_HELD = "EXISTS (SELECT FROM index_holds h WHERE (h.collection_id, h.version) = (v.collection_id, v.version))"
_DUE = f"dropped_at IS NULL AND (state = 'failed' OR (state = 'retired' AND retire_at <= now() AND NOT {_HELD}))"
_COUNTED = 100_000
_DROP_TIMEOUT = "SET LOCAL lock_timeout = '200ms'"


async def is_served(connection: Connection, collection_id: int, version: int) -> bool:
    """Whether a version serves or did, as far as this server knows: a replica may not have come so far."""
    served: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM index_versions WHERE collection_id = $1 AND version = $2"
        " AND state IN ('active', 'retired') AND dropped_at IS NULL)",
        collection_id,
        version,
    )
    return served


class IndexVersions:
    """Physical indexes: one is active, one may be building, those retired of late or held are kept in step."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def live(self, collection: Collection, connection: Connection | None = None) -> list[IndexVersion]:
        """The versions that writes and deletions go to, oldest first."""
        rows = await (connection or self._pool).fetch(
            f"SELECT {_COLUMNS} FROM index_versions WHERE collection_id = $1 AND {_LIVE} ORDER BY version",
            collection.id,
        )
        return [_version(row) for row in rows]

    async def live_encoders(self) -> list[EncoderSource]:
        """What makes the vectors of indexes that serve, are being built or are kept in step."""
        rows = await self._pool.fetch(
            f"SELECT DISTINCT encoder FROM index_versions WHERE {_LIVE} AND encoder IS NOT NULL"
        )
        return [EncoderSource(**row["encoder"]) for row in rows]

    async def begin(
        self,
        collection: Collection,
        *,
        task_id: str,
        model_version: int,
        encoder: EncoderSource | None,
        dimensions: int,
    ) -> IndexVersion:
        """The empty version that a task fills; the same task gets the same one, as far as it came.

        Raises:
            CollectionNotFoundError: The collection is gone.
            ReindexRunsError: Another task builds one.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await lock_alone(connection, collection.id):
                raise CollectionNotFoundError(collection.name)
            known = await connection.fetchrow(f"SELECT {_COLUMNS} FROM index_versions WHERE task_id = $1", task_id)
            if known:
                return _version(known)
            row = await self._insert(connection, collection, task_id, model_version, encoder, dimensions)
            await create_parts_table(
                connection,
                collection.id,
                row["version"],
                dimensions=dimensions,
                language=collection.language,
                partitions=collection.partitions,
            )
            return _version(row)

    async def is_building(self, collection: Collection) -> bool:
        """Whether a version is being built."""
        building: bool = await self._pool.fetchval(
            "SELECT EXISTS (SELECT FROM index_versions WHERE collection_id = $1 AND state = 'building')",
            collection.id,
        )
        return building

    async def building_tasks(self) -> list[tuple[int, int, str]]:
        """Each version that is being built: its collection's id, its number, its task."""
        rows = await self._pool.fetch(
            "SELECT collection_id, version, task_id FROM index_versions WHERE state = 'building'"
        )
        return [(row["collection_id"], row["version"], row["task_id"]) for row in rows]

    async def advance(self, connection: Connection, collection: Collection, version: int, filled_to: str) -> None:
        """Note how far the version is filled, inside the caller's transaction."""
        await connection.execute(
            "UPDATE index_versions SET filled_to = $3 WHERE collection_id = $1 AND version = $2",
            collection.id,
            version,
            filled_to,
        )

    async def missing(self, collection: Collection, version: int, *, after: str, limit: int) -> list[str]:
        """Ids of items, from the one after `after`, that have no part in the version."""
        rows = await self._pool.fetch(
            f"SELECT id FROM {items_table(collection.id)} i WHERE id > $1 AND NOT EXISTS"
            f" (SELECT FROM {parts_table(collection.id, version)} p WHERE p.item_id = i.id) ORDER BY id LIMIT $2",
            after,
            limit,
        )
        return [row["id"] for row in rows]

    async def count(self, collection: Collection, version: int) -> tuple[int, int]:
        """How many items and parts the version holds."""
        row = await self._pool.fetchrow(
            "SELECT count(*) FILTER (WHERE part_no = 0) AS items, count(*) AS parts"
            f" FROM {parts_table(collection.id, version)}",
        )
        return (row["items"], row["parts"]) if row else (0, 0)

    async def about(self, collection: Collection, version: int) -> tuple[int, int]:
        """How many items and parts the version holds: as of the last ANALYZE where that says many, else counted."""
        parts = await estimated_rows(self._pool, part_leaves(collection.id, version, collection.partitions))
        if parts <= _COUNTED:
            return await self.count(collection, version)
        return await estimated_rows(self._pool, [items_table(collection.id)]), parts

    async def recalls(self, collection: Collection) -> list[Recall]:
        """What was measured of the active version's recall."""
        async with self._pool.acquire() as connection:
            return await recalls(connection, collection)

    async def size(self, collection: Collection, version: int) -> int:
        """Bytes of the version on disk, its indexes included."""
        size: int = await self._pool.fetchval(
            "SELECT sum(pg_total_relation_size(to_regclass(name)))::bigint FROM unnest($1::text[]) name",
            part_leaves(collection.id, version, collection.partitions),
        )
        return size

    async def fail(self, collection_id: int, version: int) -> None:
        """Give up a version that was being built; `drop_due` gives its space back."""
        await self._pool.execute(
            "UPDATE index_versions SET state = 'failed'"
            " WHERE collection_id = $1 AND version = $2 AND state = 'building'",
            collection_id,
            version,
        )

    async def drop_due(self) -> None:
        """Drop the tables of versions that were given up, and of those whose grace time is over and that nobody holds.

        A table that is in use is left to the next call.
        """
        rows = await self._pool.fetch(f"SELECT collection_id, version FROM index_versions v WHERE {_DUE} LIMIT 10")
        for row in rows:
            with suppress(asyncpg.LockNotAvailableError):
                await self._drop(row["collection_id"], row["version"])

    async def _drop(self, collection_id: int, version: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_DROP_TIMEOUT)
            await lock_alone(connection, collection_id)
            still_due = await connection.fetchval(
                "UPDATE index_versions v SET dropped_at = now() WHERE collection_id = $1 AND version = $2"
                f" AND {_DUE} RETURNING version",
                collection_id,
                version,
            )
            if still_due is not None:
                await drop_parts_table(connection, collection_id, version)

    @staticmethod
    async def _insert(
        connection: Connection,
        collection: Collection,
        task_id: str,
        model_version: int,
        encoder: EncoderSource | None,
        dimensions: int,
    ) -> asyncpg.Record:
        try:
            rows = await connection.fetch(
                "INSERT INTO index_versions"
                " (collection_id, version, state, model_version, dimensions, encoder, task_id)"
                " SELECT $1, max(version) + 1, 'building', $2, $3, $4, $5 FROM index_versions WHERE collection_id = $1"
                f" RETURNING {_COLUMNS}",
                collection.id,
                model_version,
                dimensions,
                encoder,
                task_id,
            )
        except asyncpg.UniqueViolationError:
            raise ReindexRunsError(collection.name) from None
        return rows[0]


def _version(row: Any) -> IndexVersion:
    encoder = row["encoder"]
    return IndexVersion(**{**row, "encoder": encoder and EncoderSource(**encoder)})
