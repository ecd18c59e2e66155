"""Every query that reads and writes items and their parts."""

from collections.abc import Collection as Ids
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.vector_store.deletions import apply_deletions
from embedding_studio.vector_store.domain import Collection, IndexVersion, Item, Vector
from embedding_studio.vector_store.errors import CollectionNotFoundError, ItemNotFoundError
from embedding_studio.vector_store.tables import items_table, parts_table
from embedding_studio.vector_store.turns import share_turn
from embedding_studio.vector_store.versions import IndexVersions

__all__ = ["ItemStore", "PartText", "StoredItem"]


_STORED = "id, payload, source, seq, ordinal"


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
    """Items with their parts in every live index version, written together or not at all."""

    def __init__(self, pool: Pool, versions: IndexVersions) -> None:
        self._pool = pool
        self._versions = versions

    async def content_hashes(
        self, collection: Collection, item_ids: Ids[str], *, version: int | None = None
    ) -> dict[str, str]:
        """What the vectors of these items, in the active version or the one asked for, were made from."""
        table = parts_table(collection.id, version or collection.index_version)
        return await _hashes(self._pool, table, item_ids)

    async def hold(self, connection: Connection, collection: Collection) -> list[IndexVersion]:
        """Keep the collection from being deleted, deployed and reindexed until the caller's transaction ends.

        Whoever writes to several tables of a collection calls this first, so that writers and deletion wait for each
        other in one order.

        Returns:
            The live index versions.

        Raises:
            CollectionNotFoundError: The collection is gone.
        """
        await share_turn(connection, collection.id)
        await connection.execute("SELECT FROM collections WHERE id = $1 FOR SHARE", collection.id)
        live = await self._versions.live(collection, connection)
        if not live:
            raise CollectionNotFoundError(collection.name)
        return live

    async def write(
        self, connection: Connection, collection: Collection, live: Sequence[IndexVersion], items: Sequence[Item]
    ) -> set[str]:
        """Write the items inside the caller's transaction, which holds the collection.

        A newer item stays as it is, and one that was deleted after it was accepted stays deleted. Where an item has
        no parts for a version, it keeps its vectors there, if they are still those of its content.

        Args:
            connection: In a transaction.
            collection: Whose items these are.
            live: What `hold` returned.
            items: In any order; of two with the same id the newer counts.

        Returns:
            Ids to prepare again: they came without parts for a version that does not hold their content.
        """
        newest = {item.id: item for item in sorted(items, key=lambda item: item.place)}
        await self._lock(connection, collection, sorted(newest))
        stale: set[str] = set()
        for index in live:
            stored = await _hashes(connection, parts_table(collection.id, index.version), newest)
            stale |= {
                item.id
                for item in newest.values()
                if index.version not in item.parts and stored.get(item.id) != item.content_hash
            }
        written = await self._upsert(connection, collection, [newest[one] for one in sorted(newest.keys() - stale)])
        for index in live:
            changed = [newest[one] for one in written if index.version in newest[one].parts]
            await self._replace_parts(connection, collection, index.version, changed)
        await apply_deletions(connection, collection, [newest[one] for one in written])
        return stale

    async def fill(self, connection: Connection, collection: Collection, version: int, items: Sequence[Item]) -> None:
        """Write the parts of stored items into one version, inside the caller's transaction that holds the collection.

        An item that was changed or deleted since it was read is left alone: whoever changed it wrote all live versions.
        """
        rows = await connection.fetch(
            f"SELECT i.id FROM {items_table(collection.id)} i"
            " JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) r (id, seq, ordinal) USING (id, seq, ordinal)"
            " ORDER BY i.id FOR UPDATE OF i",
            [item.id for item in items],
            [item.seq for item in items],
            [item.ordinal for item in items],
        )
        unchanged = {row["id"] for row in rows}
        await self._replace_parts(connection, collection, version, [item for item in items if item.id in unchanged])

    async def stored_of(self, collection: Collection, item_ids: Sequence[str]) -> list[Item]:
        """These items as they are stored, without their parts, by id."""
        rows = await self._pool.fetch(
            f"SELECT {_STORED} FROM {items_table(collection.id)} WHERE id = ANY($1) ORDER BY id",
            list(item_ids),
        )
        return [Item(**row, content_hash="") for row in rows]

    async def stored(self, collection: Collection, *, after: str, limit: int, until: str | None = None) -> list[Item]:
        """Items as they are stored, without their parts, by id from the one after `after`; none after `until`."""
        rows = await self._pool.fetch(
            f"SELECT {_STORED} FROM {items_table(collection.id)} WHERE id > $1 AND ($3::text IS NULL OR id <= $3)"
            " ORDER BY id LIMIT $2",
            after,
            limit,
            until,
        )
        return [Item(**row, content_hash="") for row in rows]

    async def last(self, collection: Collection) -> str:
        """The last id; empty where there is no item."""
        last: str | None = await self._pool.fetchval(f"SELECT max(id) FROM {items_table(collection.id)}")
        return last or ""

    async def get(self, collection: Collection, item_id: str) -> StoredItem:
        """The item with its parts.

        Raises:
            ItemNotFoundError: The collection has no such item.
        """
        row = await self._pool.fetchrow(
            f"SELECT id, payload, source, updated_at FROM {items_table(collection.id)} WHERE id = $1",
            item_id,
        )
        if row is None:
            raise ItemNotFoundError(item_id)
        parts = await self._pool.fetch(
            f"SELECT part_no, text, content_hash FROM {parts_table(collection.id, collection.index_version)}"
            " WHERE item_id = $1 ORDER BY part_no",
            item_id,
        )
        return StoredItem(
            **row,
            parts=[PartText(str(part["part_no"]), part["text"]) for part in parts],
            content_hash=(parts[0]["content_hash"] or "") if parts else "",
        )

    async def payloads(self, collection: Collection, item_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The payload of each item that exists."""
        rows = await self._pool.fetch(
            f"SELECT id, payload FROM {items_table(collection.id)} WHERE id = ANY($1)", list(item_ids)
        )
        return {row["id"]: row["payload"] for row in rows}

    async def vectors(
        self, collection: Collection, item_ids: Sequence[str], *, version: int | None = None
    ) -> dict[str, Vector]:
        """The first part's vector of each item that exists, in the active version or the one asked for."""
        rows = await self._pool.fetch(
            f"SELECT item_id, embedding FROM {parts_table(collection.id, version or collection.index_version)}"
            " WHERE item_id = ANY($1) AND part_no = 0",
            list(item_ids),
        )
        return {row["item_id"]: row["embedding"] for row in rows}

    async def part_vectors(
        self, collection: Collection, parts: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], Vector]:
        """The vectors of parts, each named by its item and number, in the active version."""
        rows = await self._pool.fetch(
            "SELECT p.item_id, p.part_no, p.embedding"
            f" FROM {parts_table(collection.id, collection.index_version)} p"
            " JOIN unnest($1::text[], $2::int[]) asked (item_id, part_no) USING (item_id, part_no)",
            [item_id for item_id, _ in parts],
            [part_no for _, part_no in parts],
        )
        return {(row["item_id"], row["part_no"]): row["embedding"] for row in rows}

    async def sample(self, collection: Collection, *, limit: int, version: int | None = None) -> dict[str, Vector]:
        """The first part's vector of about `limit` items, the same ones while the collection stands still."""
        table = parts_table(collection.id, version or collection.index_version)
        parts: int = await self._pool.fetchval(f"SELECT count(*) FROM {table}")
        rows = await self._pool.fetch(
            f"SELECT item_id, embedding FROM {table} TABLESAMPLE BERNOULLI ($1) REPEATABLE (0)"
            " WHERE part_no = 0 ORDER BY item_id LIMIT $2",
            min(100.0, 100.0 * limit / max(1, parts)),
            limit,
        )
        return {row["item_id"]: row["embedding"] for row in rows}

    @staticmethod
    async def _lock(connection: Connection, collection: Collection, item_ids: Sequence[str]) -> None:
        await connection.execute(
            f"SELECT FROM {items_table(collection.id)} WHERE id = ANY($1) ORDER BY id FOR UPDATE",
            item_ids,
        )

    @staticmethod
    async def _upsert(connection: Connection, collection: Collection, items: Sequence[Item]) -> list[str]:
        rows = await connection.fetch(
            f"INSERT INTO {items_table(collection.id)} AS i (id, payload, source, seq, ordinal)"
            " SELECT id, payload::jsonb, source::jsonb, seq, ordinal"
            " FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])"
            " AS new (id, payload, source, seq, ordinal)"
            " ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, source = excluded.source, seq = excluded.seq,"
            " ordinal = excluded.ordinal, updated_at = now()"
            " WHERE (i.seq, i.ordinal) <= (excluded.seq, excluded.ordinal) RETURNING id",
            [item.id for item in items],
            [msgspec.json.encode(item.payload).decode() for item in items],
            [None if item.source is None else msgspec.json.encode(item.source).decode() for item in items],
            [item.seq for item in items],
            [item.ordinal for item in items],
        )
        return [row["id"] for row in rows]

    @staticmethod
    async def _replace_parts(
        connection: Connection, collection: Collection, version: int, items: Sequence[Item]
    ) -> None:
        if not items:
            return
        table = parts_table(collection.id, version)
        await connection.execute(f"DELETE FROM {table} WHERE item_id = ANY($1)", [item.id for item in items])
        await connection.copy_records_to_table(
            table.strip('"'),
            columns=("item_id", "part_no", "text", "content_hash", "embedding"),
            records=[
                (item.id, number, part.text, None if number else item.content_hash, part.vector)
                for item in items
                for number, part in enumerate(item.parts[version])
            ],
        )


async def _hashes(connection: Pool | Connection, table: str, item_ids: Ids[str]) -> dict[str, str]:
    rows = await connection.fetch(
        f"SELECT item_id, content_hash FROM {table} WHERE item_id = ANY($1) AND part_no = 0",
        list(item_ids),
    )
    return {row["item_id"]: row["content_hash"] for row in rows}
