"""The bare query: what PostgreSQL answers without the product, through the same index."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from asyncpg.prepared_stmt import PreparedStatement

from embedding_studio.bench.search.clusters import Vectors
from embedding_studio.bench.search.timing import Call
from embedding_studio.infra.postgres import Connection, open_pool
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.settings import Settings
from embedding_studio.vector_store import Catalog

__all__ = ["Statement", "bare_call", "bare_queries", "bare_sql", "connection_to"]

if TYPE_CHECKING:
    Statement: TypeAlias = PreparedStatement[Any]
else:
    Statement = PreparedStatement

_INDEX = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid, 1, false) AS expression,
    format_type(a.atttypid, a.atttypmod) AS type, o.oprname AS operator
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am m ON m.oid = c.relam AND m.amname = 'hnsw'
JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = 1
JOIN pg_opclass k ON k.oid = i.indclass[0]
JOIN pg_amop p ON p.amopfamily = k.opcfamily AND p.amoplefttype = k.opcintype AND p.amopstrategy = 1
JOIN pg_operator o ON o.oid = p.amopopr
WHERE i.indrelid = to_regclass($1) AND i.indisvalid
"""


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    expression: str
    type: str
    operator: str


@asynccontextmanager
async def bare_queries(
    settings: Settings, name: str, example: Vectors, *, count: int
) -> AsyncIterator[list[Statement]]:
    """The prepared query for the ten nearest of a collection, on connections of their own.

    The connections have the settings of the product's, and `hnsw.ef_search` as its searches of the collection have.

    Args:
        settings: Of the running servers.
        name: Of the collection.
        example: A vector, (dimensions,), to look at the plan with.
        count: How many connections.

    Raises:
        UnavailableError: There is no HNSW index, or PostgreSQL does not use it.
    """
    options = settings.postgres.model_copy(update={"pool_size": max(2, count)})
    async with open_pool(options) as pool, AsyncExitStack() as held:
        collection = await Catalog(pool, grace=timedelta(0)).get(name)
        table = f"parts_{collection.id}_{collection.index_version}"
        connections = [await held.enter_async_context(pool.acquire()) for _ in range(count)]
        sql = await _sql(connections[0], table, collection.dimensions)
        for connection in connections:
            await connection.execute(f"SET hnsw.ef_search = {collection.ef_search:d}")
        await _check(connections[0], table, sql, example)
        yield [await connection.prepare(sql) for connection in connections]


def bare_call(statement: Statement, vectors: Vectors) -> Call:
    """Asks for the ten nearest of one of the vectors, over and over."""

    async def call(number: int) -> object:
        return await statement.fetch(vectors[number % len(vectors)])

    return call


@asynccontextmanager
async def connection_to(settings: Settings) -> AsyncIterator[Connection]:
    """One connection, as the product's."""
    async with open_pool(settings.postgres) as pool, pool.acquire() as connection:
        yield connection


def bare_sql(table: str, dimensions: int, *, expression: str, kind: str, operator: str) -> str:
    """The ten nearest by the index over `expression`, which is of type `kind`, each with its distance in float32."""
    given = f"$1::vector({dimensions:d})"
    ordered = given if kind.startswith("vector") else f"{given}::{kind}"
    return (
        f"SELECT item_id, embedding {operator} {given} AS distance FROM {table}"  # noqa: S608  # names of our catalog
        f" ORDER BY {expression} {operator} {ordered} LIMIT 10"
    )


async def _sql(connection: Connection, table: str, dimensions: int) -> str:
    index = await _index(connection, table)
    if index.type.startswith("bit"):
        raise UnavailableError(f"{index.name} keeps one bit a number: no bare query of one line gives what it gives")
    return bare_sql(table, dimensions, expression=index.expression, kind=index.type, operator=index.operator)


async def _index(connection: Connection, table: str) -> _Index:
    rows = await connection.fetch(_INDEX, table)
    if len(rows) != 1:
        raise UnavailableError(f"{table} has {len(rows)} HNSW indexes and not one: are there enough items?")
    return _Index(**rows[0])


async def _check(connection: Connection, table: str, sql: str, example: Vectors) -> None:
    index = await _index(connection, table)
    plan = [row[0] for row in await connection.fetch(f"EXPLAIN {sql}", example)]
    if not _uses(plan, index.name):
        raise UnavailableError(f"the bare query does not use {index.name}:\n" + "\n".join(plan))


def _uses(plan: Sequence[str], index: str) -> bool:
    return any(f"Index Scan using {index} " in line for line in plan)
