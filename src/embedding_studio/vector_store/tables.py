"""The tables of one collection: its items, and the parts and terms of each of its index versions."""

from collections.abc import Sequence

from embedding_studio.infra.postgres import Connection, Pool, quote

__all__ = [
    "create_items_table",
    "create_parts_table",
    "drop_parts_table",
    "estimated_rows",
    "items_table",
    "part_leaves",
    "parts_table",
    "terms_table",
]


def items_table(collection_id: int) -> str:
    """The quoted name of the table of a collection's items."""
    return quote(f"items_{collection_id:d}")


def parts_table(collection_id: int, index_version: int) -> str:
    """The quoted name of the table of an index version's parts."""
    return quote(f"parts_{collection_id:d}_{index_version:d}")


def part_leaves(collection_id: int, index_version: int, partitions: int) -> list[str]:
    """The quoted names of the tables that the parts lie in: the table of all, or its partitions by hash of the item."""
    if partitions == 1:
        return [parts_table(collection_id, index_version)]
    return [quote(f"parts_{collection_id:d}_{index_version:d}_p{number:d}") for number in range(partitions)]


def terms_table(collection_id: int, index_version: int) -> str:
    """The quoted name of the table of the terms of an index version's parts, which triggers keep in step."""
    return quote(f"terms_{collection_id:d}_{index_version:d}")


async def create_items_table(connection: Connection, collection_id: int) -> None:
    """Create the items' table; `seq` is an item's place in the order of acceptance, `ordinal` that within its task."""
    await connection.execute(
        f'CREATE TABLE {items_table(collection_id)} (id text COLLATE "C" PRIMARY KEY, payload jsonb NOT NULL,'
        " source jsonb, seq bigint NOT NULL, ordinal bigint NOT NULL DEFAULT 0,"
        " updated_at timestamptz NOT NULL DEFAULT now())",
    )


async def create_parts_table(
    connection: Connection, collection_id: int, index_version: int, *, dimensions: int, language: str, partitions: int
) -> None:
    """Create the parts' table of an index version, with that of their terms.

    An item's first part carries the hash of what all of its parts were made from. Deleting an item takes its parts
    along, in every version. `key` is what the terms call a part; it is never given twice. A partitioned table cannot
    have it unique by an index, nor, before PostgreSQL 17, by identity.
    """
    table = parts_table(collection_id, index_version)
    key, kind = "bigint GENERATED ALWAYS AS IDENTITY, UNIQUE (key) INCLUDE (item_id, part_no)", ""
    if partitions > 1:
        key, kind = "bigserial", " PARTITION BY HASH (item_id)"
    await connection.execute(
        f'CREATE TABLE {table} (item_id text COLLATE "C" NOT NULL'
        f" REFERENCES {items_table(collection_id)} ON DELETE CASCADE, part_no int NOT NULL, text text,"
        f" content_hash text, embedding vector({dimensions:d}) NOT NULL,"
        f" key {key}, PRIMARY KEY (item_id, part_no)){kind}",
    )
    if partitions > 1:
        await _partition(connection, table, part_leaves(collection_id, index_version, partitions))
    await connection.execute("SELECT create_terms($1, $2, $3)", collection_id, index_version, language)


async def drop_parts_table(connection: Connection, collection_id: int, index_version: int) -> None:
    """Drop the parts of an index version and their terms."""
    for table in (parts_table(collection_id, index_version), terms_table(collection_id, index_version)):
        await connection.execute(f"DROP TABLE IF EXISTS {table}")


async def estimated_rows(connection: Connection | Pool, tables: Sequence[str]) -> int:
    """About how many rows the tables have together, as of their last ANALYZE; 0 where one never had any."""
    rows: int | None = await connection.fetchval(
        "SELECT CASE WHEN min(reltuples) >= 0 THEN sum(reltuples)::bigint END FROM unnest($1::text[]) name"
        " JOIN pg_class ON oid = to_regclass(name)",
        list(tables),
    )
    return rows or 0


async def _partition(connection: Connection, table: str, leaves: Sequence[str]) -> None:
    await connection.execute(f"CREATE INDEX ON {table} (key) INCLUDE (item_id, part_no)")
    for number, leaf in enumerate(leaves):
        await connection.execute(
            f"CREATE TABLE {leaf} PARTITION OF {table} FOR VALUES WITH (MODULUS {len(leaves):d}, REMAINDER {number:d})",
        )
