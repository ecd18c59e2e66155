"""What the tables and indexes of a collection are like on disk, and what they lack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from embedding_studio.infra.postgres import Connection, quote
from embedding_studio.sdk import FieldKind
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.indexes import planned_indexes
from embedding_studio.vector_store.merging import is_fragmented
from embedding_studio.vector_store.options import Storage
from embedding_studio.vector_store.recall import Recall, recalls
from embedding_studio.vector_store.tables import items_table, part_leaves, parts_table, terms_table

__all__ = ["Diagnosis", "IndexState", "TableState", "diagnose", "hnsw_bytes"]

_PAGE = 8_192
_PAGE_ROOM = _PAGE - 24
_ROW_OVERHEAD = 28
_SAMPLED_PAGES = 1_000
_TIMEOUT_S = 600.0

_HNSW_PAGE_ROOM = _PAGE_ROOM - 8
_HNSW_ELEMENT = 72
_HNSW_NEIGHBOURS = 4
_HNSW_LINK = 6
_ITEM_POINTER = 4
_VECTOR_HEADER = 8
_BITS_PER_NUMBER: Mapping[Storage, int] = {"halfvec": 16, "vector": 32, "binary": 1}

_TABLE = """
    SELECT sum(s.n_dead_tup)::bigint AS dead, sum(s.n_mod_since_analyze)::bigint AS changed,
        sum(pg_table_size(s.relid))::bigint AS bytes, sum(pg_relation_size(s.relid))::bigint AS main,
        min(greatest(s.last_vacuum, s.last_autovacuum)) AS vacuumed_at,
        min(greatest(s.last_analyze, s.last_autoanalyze)) AS analyzed_at,
        bool_and(EXISTS (
            SELECT FROM pg_stats p WHERE p.schemaname = s.schemaname AND p.tablename = s.relname
        )) AS has_statistics
    FROM pg_stat_user_tables s WHERE s.relid = ANY(SELECT to_regclass(name) FROM unnest($1::text[]) name)
"""
_INDEXES = """
    SELECT c.relname AS name, t.relname AS table, a.amname AS kind, pg_relation_size(c.oid) AS bytes,
        i.indisvalid AS is_valid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = ANY(SELECT to_regclass(name) FROM unnest($1::text[]) name) ORDER BY t.relname, c.relname
"""


@dataclass(frozen=True, slots=True)
class TableState:
    """A table, with all of its partitions, as PostgreSQL has counted it since it last lost its counters, as in a crash.

    Attributes:
        rows: Counted now.
        dead: Rows that were replaced or deleted, and whose space was not given back yet.
        changed: Rows that changed since the planner's statistics were made.
        bytes: On disk, with what is kept out of line and without indexes.
        needed: Bytes that the rows would fill, about: their mean size, over a sample of the pages, times their number.
            Rows do not straddle pages, so that up to a fifth more is no bloat.
        has_statistics: Whether the planner knows anything of the values.
        vacuumed_at: By hand, by `optimize` or by itself; of partitions, the one longest ago.
        analyzed_at: Likewise.
    """

    name: str
    rows: int
    dead: int
    changed: int
    bytes: int
    needed: int
    has_statistics: bool
    vacuumed_at: datetime | None
    analyzed_at: datetime | None


@dataclass(frozen=True, slots=True)
class IndexState:
    """An index as it is.

    Attributes:
        table: Whose; a partition, where there are any.
        kind: Its access method, such as `hnsw`.
        bytes: On disk.
        is_valid: Whether searches may use it; one that a dead process left half-built is not.
        is_planned: Whether `optimize` builds it.
        needed: Of an HNSW graph, the bytes it would take if it were built now (`hnsw_bytes`).
    """

    name: str
    table: str
    kind: str
    bytes: int
    is_valid: bool
    is_planned: bool
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The state of what a collection is served from.

    Attributes:
        items: The table of the items.
        parts: The table of the parts of the active index version.
        terms: The table of their terms.
        indexes: Of all three tables.
        missing: Names of the indexes that there should be at this size.
        fragments: How many statements have added to the terms since they were merged last.
        is_fragmented: Whether searches feel that.
        recalls: What was measured of the active index version.
    """

    collection: Collection
    items: TableState
    parts: TableState
    terms: TableState
    indexes: tuple[IndexState, ...]
    missing: tuple[str, ...]
    fragments: int
    is_fragmented: bool
    recalls: tuple[Recall, ...]

    @property
    def tables(self) -> tuple[TableState, TableState, TableState]:
        """Items, parts, terms."""
        return self.items, self.parts, self.terms


async def diagnose(
    connection: Connection, collection: Collection, fields: Mapping[str, FieldKind], *, index_from: int
) -> Diagnosis:
    """Look at the tables of the active index version; all of their rows are counted.

    Args:
        connection: Runs the statements.
        collection: As it stands.
        fields: What the collection's plugin declares.
        index_from: Parts from which on there should be indexes.
    """
    version = collection.index_version
    leaves = part_leaves(collection.id, version, collection.partitions)
    names = items_table(collection.id), parts_table(collection.id, version), terms_table(collection.id, version)
    lying_in = [names[0]], leaves, [names[2]]
    items, parts, terms = [await _table(connection, *one) for one in zip(names, lying_in, strict=True)]
    planned = [one.name for one in planned_indexes(collection, version, fields)]
    indexes = await _indexes(connection, collection, [names[0], *leaves, names[2]], planned, parts.rows)
    present = {one.name for one in indexes}
    return Diagnosis(
        collection=collection,
        items=items,
        parts=parts,
        terms=terms,
        indexes=indexes,
        missing=tuple(name for name in planned if name not in present and parts.rows >= index_from),
        fragments=await _fragments(connection, names[2]),
        is_fragmented=await is_fragmented(connection, collection, version),
        recalls=tuple(await recalls(connection, collection)),
    )


def hnsw_bytes(collection: Collection, parts: int) -> int:
    """Bytes of a freshly built HNSW graph, by the page layout of pgvector.

    A node is an element (72 bytes and the vector) beside its links (6 bytes each, 2 m in the lowest layer and m in each
    higher one, of which a node has 1 / (m - 1) on average); nodes do not straddle pages. Equal vectors share a node, up
    to ten of them: a graph of many such takes less than this.
    """
    index = collection.options.index
    vector = _VECTOR_HEADER + ceil(collection.dimensions * _BITS_PER_NUMBER[index.storage] / 8)
    links = (2 + 1 / (index.m - 1)) * index.m
    node = _aligned(_HNSW_ELEMENT + vector) + _aligned(_HNSW_NEIGHBOURS + links * _HNSW_LINK) + 2 * _ITEM_POINTER
    pages = ceil(parts / (_HNSW_PAGE_ROOM // node)) if node <= _HNSW_PAGE_ROOM else 2 * parts
    return (1 + pages) * _PAGE


def _aligned(size: float) -> int:
    return ceil(size / 8) * 8


async def _table(connection: Connection, table: str, leaves: Sequence[str]) -> TableState:
    (row,) = await connection.fetch(_TABLE, leaves)
    state = dict(row)
    rows: int = await connection.fetchval(f"SELECT count(*) FROM {table}", timeout=_TIMEOUT_S)
    needed = ceil(rows * await _row_size(connection, table, state.pop("main") // _PAGE) / _PAGE_ROOM) * _PAGE
    return TableState(name=table.strip('"'), **state, rows=rows, needed=needed)


async def _row_size(connection: Connection, table: str, pages: int) -> float:
    """Mean bytes of a row as it is stored, compressed and out of line included."""
    columns = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped", table
    )
    sizes = " + ".join(f"coalesce(pg_column_size({quote(row['attname'])}), 0)" for row in columns)
    share = min(100.0, 100 * _SAMPLED_PAGES / max(1, pages))
    size: float | None = await connection.fetchval(
        f"SELECT avg({sizes} + {_ROW_OVERHEAD:d})::float8 FROM {table} TABLESAMPLE SYSTEM ($1)",
        share,
        timeout=_TIMEOUT_S,
    )
    return size or 0.0


async def _indexes(
    connection: Connection, collection: Collection, tables: Sequence[str], planned: list[str], parts: int
) -> tuple[IndexState, ...]:
    rows = await connection.fetch(_INDEXES, tables)
    graphs = planned[: collection.partitions]
    needed = hnsw_bytes(collection, ceil(parts / len(graphs)))
    return tuple(
        IndexState(
            **row,
            is_planned=row["name"] in planned,
            needed=needed if row["name"] in graphs else None,
        )
        for row in rows
    )


async def _fragments(connection: Connection, terms: str) -> int:
    fragments: int = await connection.fetchval(f"SELECT count(*) FROM {terms} WHERE term = ''")
    return fragments
