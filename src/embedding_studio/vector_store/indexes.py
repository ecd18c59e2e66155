"""Building the indexes of a collection once they are worth it, and keeping its tables tidy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil

from embedding_studio.infra.postgres import Connection, Pool, quote
from embedding_studio.sdk import FieldKind
from embedding_studio.vector_store.calibration import calibrate
from embedding_studio.vector_store.distances import hnsw_expression
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.payload_indexes import definitions
from embedding_studio.vector_store.settings import VectorStoreSettings
from embedding_studio.vector_store.tables import estimated_rows, items_table, part_leaves, parts_table, terms_table

__all__ = ["Indexes", "PlannedIndex", "planned_indexes"]

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('build_indexes ' || $1, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('build_indexes ' || $1, 0))"
_MB = 1 << 20
_BYTES_PER_NUMBER = {"halfvec": 2.0, "vector": 4.0, "binary": 0.125}
_BYTES_PER_LINK = 10
_BYTES_PER_NODE = 256
_LEAST_MEMORY_MB = 64
_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """An index that a collection of some size should have; `definition` follows `CREATE INDEX name ON table`."""

    name: str
    table: str
    definition: str


class Indexes:
    """Builds without stopping writers; what is not indexed yet is compared one by one, which is exact and slower."""

    def __init__(self, pool: Pool, settings: VectorStoreSettings) -> None:
        self._pool = pool
        self._settings = settings

    async def build(self, collection: Collection, version: int, fields: Mapping[str, FieldKind]) -> list[str]:
        """Build what is missing; returns the names of what was built.

        Below `index_from` parts nothing is built: comparing them all is fast enough. An index that a dead process left
        half-built is built anew, one that it left untried is tried. While another process builds, nothing is done.
        Partitions get theirs one after the other.
        """
        table = parts_table(collection.id, version)
        leaves = part_leaves(collection.id, version, collection.partitions)
        async with self._pool.acquire() as connection:
            parts = await _count(connection, collection, version)
            if parts < self._settings.index_from or not await connection.fetchval(_TRY_LOCK, table):
                return []
            try:
                await self._prepare(connection, collection, ceil(parts / len(leaves)))
                planned = planned_indexes(collection, version, fields)
                missing = [index for index in planned if not await _is_valid(connection, index.name)]
                for index in missing:
                    await self._create(connection, index)
                changed = {table if index.table in leaves else index.table for index in missing}
                if table in changed or not await _is_calibrated(connection, collection, version):
                    await calibrate(connection, replace(collection, index_version=version))
                for one in sorted(changed):
                    await connection.execute(f"ANALYZE {one}", timeout=self._settings.build_timeout)
                return [index.name for index in missing]
            finally:
                await _let_go(connection, table)

    async def lacks(self, collection: Collection, version: int, fields: Mapping[str, FieldKind]) -> bool:
        """Whether an index version has parts enough for indexes, and not all of them, or untried ones."""
        async with self._pool.acquire() as connection:
            if await _is_calibrated(connection, collection, version):
                planned = planned_indexes(collection, version, fields)
                if all([await _is_valid(connection, index.name) for index in planned]):
                    return False
            return await _count(connection, collection, version) >= self._settings.index_from

    async def vacuum(self, collection: Collection, version: int) -> None:
        """Give back the space of rows that were replaced and deleted, and refresh the planner's statistics."""
        async with self._pool.acquire() as connection:
            for table in (
                items_table(collection.id),
                parts_table(collection.id, version),
                terms_table(collection.id, version),
            ):
                await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=self._settings.build_timeout)

    async def _prepare(self, connection: Connection, collection: Collection, parts: int) -> None:
        index = collection.options.index
        node = (
            collection.dimensions * _BYTES_PER_NUMBER[index.storage] + 3 * index.m * _BYTES_PER_LINK + _BYTES_PER_NODE
        )
        megabytes = min(self._settings.build_memory, max(_LEAST_MEMORY_MB, int(1.2 * parts * node / _MB)))
        await connection.execute(f"SET maintenance_work_mem = '{megabytes:d}MB'")
        await connection.execute(f"SET max_parallel_maintenance_workers = {self._settings.build_workers:d}")

    async def _create(self, connection: Connection, index: PlannedIndex) -> None:
        await connection.execute(f"DROP INDEX IF EXISTS {quote(index.name)}")
        await connection.execute(
            f"CREATE INDEX CONCURRENTLY {quote(index.name)} ON {index.table} {index.definition}",
            timeout=self._settings.build_timeout,
        )


def planned_indexes(collection: Collection, version: int, fields: Mapping[str, FieldKind]) -> Iterator[PlannedIndex]:
    """What an index version with parts enough is searched through, the HNSW graph first, of each partition one."""
    items, graph = items_table(collection.id), hnsw_expression(collection)
    for leaf in part_leaves(collection.id, version, collection.partitions):
        yield PlannedIndex(f"{leaf.strip(chr(34))}_{collection.options.index.storage}", leaf, graph)
    for name, definition in definitions(items, fields, collection.language).items():
        yield PlannedIndex(name, items, definition)


async def _let_go(connection: Connection, table: str) -> None:
    """Give the lock and the settings back; if that fails, or is cancelled, they end with the connection."""
    try:
        await connection.execute("RESET maintenance_work_mem; RESET max_parallel_maintenance_workers")
        await connection.execute(_UNLOCK, table)
    except BaseException:
        connection.terminate()
        raise


async def _count(connection: Connection, collection: Collection, version: int) -> int:
    """About how many parts there are, as of the last ANALYZE; counted where that says few, or nothing."""
    estimate = await estimated_rows(connection, part_leaves(collection.id, version, collection.partitions))
    if estimate > _COUNTED:
        return estimate
    count: int = await connection.fetchval(f"SELECT count(*) FROM {parts_table(collection.id, version)}")
    return count


async def _is_valid(connection: Connection, index: str) -> bool:
    return bool(await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index))


async def _is_calibrated(connection: Connection, collection: Collection, version: int) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT trusted_depth IS NOT NULL FROM index_versions WHERE collection_id = $1 AND version = $2",
            collection.id,
            version,
        )
    )
