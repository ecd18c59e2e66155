"""Every query that reads and writes items and their parts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.vector_store.domain import Collection, Item, Vector
from embedding_studio.vector_store.errors import CollectionNotFoundError, ItemNotFoundError
from embedding_studio.vector_store.sql import items_table, parts_table

__all__ = ["ItemStore", "PartText", "StoredItem"]


class PartText(msgspec.Struct):
    """A part as it is shown."""

    part_id: str
    text: str | None


class StoredItem(msgspec.Struct):
    """An item as it is shown."""

    id: str
    payload: dict[str, Any]
    source: dict[str, Any] | None
    parts: list[PartText]
    content_hash: str
    updated_at: datetime


class ItemStore:
    """Items with their parts in the active index version, written together or not at all."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def content_hashes(self, collection: Collection, item_ids: Sequence[str]) -> dict[str, str]:
        """What the stored vectors of these items were made from."""
        rows = await self._pool.fetch(
            f"SELECT id, content_hash FROM {items_table(collection.id)} WHERE id = ANY($1)",
            list(item_ids),
        )
        return {row["id"]: row["content_hash"] for row in rows}

    async def hold(self, connection: Connection, collection: Collection) -> int:
        """Keep the collection from being deleted and deployed until the caller's transaction ends.

        Whoever writes to several tables of a collection calls this first, so that writers and deletion wait for each
        other in one order.

        Returns:
            The active index version.

        Raises:
            CollectionNotFoundError: The collection is gone.
        """
        await connection.execute("SELECT FROM collections WHERE id = $1 FOR SHARE", collection.id)
        version: int | None = await connection.fetchval(
            "SELECT d.index_version FROM collections c JOIN deployments d ON d.id = c.deployment_id WHERE c.id = $1",
            collection.id,
        )
        if version is None:
            raise CollectionNotFoundError(collection.name)
        return version

    async def write(self, connection: Connection, collection: Collection, items: Sequence[Item]) -> set[str]:
        """Write the items inside the caller's transaction, which holds the collection.

        A newer item stays as it is. An item without parts keeps its vectors, if they are still those of its
        content.

        Returns:
            Ids to prepare again: they came without parts, and the stored content is not theirs any more.

        Raises:
            CollectionNotFoundError: The collection is gone.
        """
        index_version = await self.hold(connection, collection)
        newest = {item.id: item for item in sorted(items, key=lambda item: item.seq)}
        stored = await self._lock(connection, collection, sorted(newest))
        stale = {item.id for item in newest.values() if not item.parts and stored.get(item.id) != item.content_hash}
        batch = [newest[item_id] for item_id in sorted(newest.keys() - stale)]
        written = await self._upsert(connection, collection, batch)
        changed = [item for item in batch if item.parts and item.id in written]
        await self._replace_parts(connection, parts_table(collection.id, index_version), changed)
        return stale

    async def get(self, collection: Collection, item_id: str) -> StoredItem:
        """The item with its parts.

        Raises:
            ItemNotFoundError: The collection has no such item.
        """
        row = await self._pool.fetchrow(
            f"SELECT id, payload, source, content_hash, updated_at FROM {items_table(collection.id)} WHERE id = $1",
            item_id,
        )
        if row is None:
            raise ItemNotFoundError(item_id)
        parts = await self._pool.fetch(
            f"SELECT part_no, text FROM {parts_table(collection.id, collection.index_version)}"
            " WHERE item_id = $1 ORDER BY part_no",
            item_id,
        )
        return StoredItem(**row, parts=[PartText(str(part["part_no"]), part["text"]) for part in parts])

    async def delete(self, connection: Connection, collection: Collection, item_ids: Sequence[str]) -> int:
        """Delete the items from every index version, inside the caller's transaction, which holds the collection.

        Returns:
            How many there were.
        """
        rows = await connection.fetch(
            f"DELETE FROM {items_table(collection.id)} WHERE id = ANY($1) RETURNING id",
            list(item_ids),
        )
        return len(rows)

    async def vectors(self, collection: Collection, item_ids: Sequence[str]) -> dict[str, Vector]:
        """The first part's vector of each item that exists."""
        rows = await self._pool.fetch(
            f"SELECT item_id, embedding FROM {parts_table(collection.id, collection.index_version)}"
            " WHERE item_id = ANY($1) AND part_no = 0",
            list(item_ids),
        )
        return {row["item_id"]: row["embedding"] for row in rows}

    async def sample(self, collection: Collection, *, limit: int) -> dict[str, Vector]:
        """The first part's vector of about `limit` items, the same ones while the collection stands still."""
        table = parts_table(collection.id, collection.index_version)
        parts: int = await self._pool.fetchval(f"SELECT count(*) FROM {table}")
        rows = await self._pool.fetch(
            f"SELECT item_id, embedding FROM {table} TABLESAMPLE BERNOULLI ($1) REPEATABLE (0)"
            " WHERE part_no = 0 ORDER BY item_id LIMIT $2",
            min(100.0, 100.0 * limit / max(1, parts)),
            limit,
        )
        return {row["item_id"]: row["embedding"] for row in rows}

    @staticmethod
    async def _lock(connection: Connection, collection: Collection, item_ids: Sequence[str]) -> dict[str, str]:
        rows = await connection.fetch(
            f"SELECT id, content_hash FROM {items_table(collection.id)} WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            item_ids,
        )
        return {row["id"]: row["content_hash"] for row in rows}

    @staticmethod
    async def _upsert(connection: Connection, collection: Collection, items: Sequence[Item]) -> set[str]:
        rows = await connection.fetch(
            f"INSERT INTO {items_table(collection.id)} AS i (id, payload, source, seq, content_hash)"
            " SELECT id, payload::jsonb, source::jsonb, seq, content_hash"
            " FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])"
            " AS new (id, payload, source, seq, content_hash)"
            " ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, source = excluded.source,"
            " seq = excluded.seq, content_hash = excluded.content_hash, updated_at = now()"
            " WHERE i.seq <= excluded.seq RETURNING id",
            [item.id for item in items],
            [msgspec.json.encode(item.payload).decode() for item in items],
            [None if item.source is None else msgspec.json.encode(item.source).decode() for item in items],
            [item.seq for item in items],
            [item.content_hash for item in items],
        )
        return {row["id"] for row in rows}

    @staticmethod
    async def _replace_parts(connection: Connection, table: str, items: Sequence[Item]) -> None:
        if not items:
            return
        await connection.execute(f"DELETE FROM {table} WHERE item_id = ANY($1)", [item.id for item in items])
        await connection.copy_records_to_table(
            table.strip('"'),
            columns=("item_id", "part_no", "text", "embedding"),
            records=[
                (item.id, number, part.text, part.vector) for item in items for number, part in enumerate(item.parts)
            ],
        )
