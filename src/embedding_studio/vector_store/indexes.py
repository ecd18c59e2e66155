"""Building the indexes of a parts table once it is worth it."""

from embedding_studio.infra.postgres import Pool, quote
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.sql import OPERATOR_CLASS, words_of
from embedding_studio.vector_store.tables import parts_table

__all__ = ["build_indexes"]

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('build_indexes ' || $1, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('build_indexes ' || $1, 0))"
_BUILD_TIMEOUT = 3600.0


async def build_indexes(pool: Pool, collection: Collection, version: int, *, from_parts: int) -> bool:
    """Build what is missing of an index version, without stopping writers; returns whether anything was built.

    Below `from_parts` parts every search compares them all, which is exact and fast enough.
    An index that a dead process left half-built is built anew. While another process builds, nothing is done.
    """
    table = parts_table(collection.id, version)
    definitions = {
        "hnsw": f"USING hnsw (embedding {OPERATOR_CLASS[collection.metric]})",
        "words": f"USING gin ({words_of('text')})",
    }
    async with pool.acquire() as connection:
        enough = await connection.fetchval(
            f"SELECT count(*) >= $1 FROM (SELECT 1 FROM {table} LIMIT $1) first",
            from_parts,
        )
        if not enough or not await connection.fetchval(_TRY_LOCK, table):
            return False
        try:
            await connection.execute("SET maintenance_work_mem = '256MB'")
            built = False
            for kind, definition in definitions.items():
                name = f"{table.strip(chr(34))}_{kind}"
                valid = await connection.fetchval(
                    "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)",
                    name,
                )
                if valid:
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
