"""Building the indexes of a parts table once it is worth it."""

from embedding_studio.infra.postgres import Connection, Pool, quote
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.sql import OPERATOR_CLASS, words_of
from embedding_studio.vector_store.tables import items_table, parts_table

__all__ = ["build_indexes", "lacks_indexes", "vacuum"]

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('build_indexes ' || $1, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('build_indexes ' || $1, 0))"
_BUILD_TIMEOUT = 3600.0


async def build_indexes(pool: Pool, collection: Collection, version: int, *, from_parts: int) -> bool:
    """Build what is missing of an index version, without stopping writers; returns whether anything was built.

    Below `from_parts` parts every search compares them all, which is exact and fast enough.
    An index that a dead process left half-built is built anew. While another process builds, nothing is done.
    """
    table = parts_table(collection.id, version)
    async with pool.acquire() as connection:
        if not await _has_parts(connection, table, from_parts) or not await connection.fetchval(_TRY_LOCK, table):
            return False
        try:
            await connection.execute("SET maintenance_work_mem = '256MB'")
            built = False
            for name, definition in _definitions(collection, table).items():
                if await _is_valid(connection, name):
                    continue
                await connection.execute(f"DROP INDEX IF EXISTS {quote(name)}")
                await connection.execute(
                    f"CREATE INDEX CONCURRENTLY {quote(name)} ON {table} {definition}",
                    timeout=_BUILD_TIMEOUT,
                )
                built = True
            if built:
                await connection.execute(f"ANALYZE {table}", timeout=_BUILD_TIMEOUT)
            return built
        finally:
            await connection.execute("RESET maintenance_work_mem")
            await connection.execute(_UNLOCK, table)


async def lacks_indexes(pool: Pool, collection: Collection, version: int, *, from_parts: int) -> bool:
    """Whether an index version has `from_parts` parts and not all of its indexes."""
    table = parts_table(collection.id, version)
    async with pool.acquire() as connection:
        valid = [await _is_valid(connection, name) for name in _definitions(collection, table)]
        return not all(valid) and await _has_parts(connection, table, from_parts)


async def vacuum(pool: Pool, collection: Collection, version: int) -> None:
    """Give back the space of rows that were replaced and deleted, and refresh the planner's statistics."""
    async with pool.acquire() as connection:
        for table in (items_table(collection.id), parts_table(collection.id, version)):
            await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=_BUILD_TIMEOUT)


def _definitions(collection: Collection, table: str) -> dict[str, str]:
    """The indexes of a parts table, by name."""
    name = table.strip('"')
    return {
        f"{name}_hnsw": f"USING hnsw (embedding {OPERATOR_CLASS[collection.metric]})",
        f"{name}_words": f"USING gin ({words_of('text')})",
    }


async def _has_parts(connection: Connection, table: str, count: int) -> bool:
    enough: bool = await connection.fetchval(
        f"SELECT count(*) >= $1 FROM (SELECT 1 FROM {table} LIMIT $1) first", count
    )
    return enough


async def _is_valid(connection: Connection, index: str) -> bool:
    return bool(await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index))
