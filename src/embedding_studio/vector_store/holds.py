"""Every query on who needs which index version beside the one that serves."""

from datetime import timedelta

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store.catalog import Catalog
from embedding_studio.vector_store.domain import Collection
from embedding_studio.vector_store.errors import DeploymentMovedError
from embedding_studio.vector_store.turns import lock_alone

__all__ = ["IndexHolds"]

_HOLD = "INSERT INTO index_holds (collection_id, version, holder) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


class IndexHolds:
    """While somebody holds an index version, it is written to like the one that serves, and not dropped.

    A holder is named by what it is and its id, as in `experiment:17`.
    """

    def __init__(self, pool: Pool, catalog: Catalog, *, grace: timedelta) -> None:
        """`grace` is how long an index is kept that nobody holds any more."""
        self._pool = pool
        self._catalog = catalog
        self._grace = grace

    async def hold(
        self, collection: Collection, model_version: int, encoder: EncoderSource | None, holder: str
    ) -> Collection | None:
        """What `Catalog.serving` gives, held from now on; None where there is nothing to hold."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM collections WHERE id = $1 FOR SHARE", collection.id)
            found = await self._catalog.serving(collection, model_version, encoder, connection)
            if found is not None:
                await connection.execute(_HOLD, found.id, found.index_version, holder)
            return found

    async def keep(self, collection: Collection, index_version: int, holder: str) -> None:
        """Keep an index that was just filled, for a holder, without serving it; once more changes nothing.

        Raises:
            DeploymentMovedError: The index was given up meanwhile.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await lock_alone(connection, collection.id)
            kept = await connection.fetchval(
                "UPDATE index_versions SET state = CASE state WHEN 'building' THEN 'retired' ELSE state END"
                " WHERE collection_id = $1 AND version = $2 AND state <> 'failed' AND dropped_at IS NULL"
                " RETURNING version",
                collection.id,
                index_version,
            )
            if kept is None:
                raise DeploymentMovedError("the new index was given up meanwhile")
            await connection.execute(_HOLD, collection.id, index_version, holder)

    async def release(self, holder: str) -> None:
        """Let go of all that a holder holds; what nobody holds then, and does not serve, goes after the grace time."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._release(connection, holder)

    async def holders(self, kind: str) -> list[str]:
        """All holders of a kind, as in `experiment`, by name."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT holder FROM index_holds WHERE holder LIKE $1 ORDER BY holder", f"{kind}:%"
        )
        return [row["holder"] for row in rows]

    async def _release(self, connection: Connection, holder: str) -> None:
        await connection.execute(
            "WITH gone AS (DELETE FROM index_holds WHERE holder = $1 RETURNING collection_id, version)"
            " UPDATE index_versions v SET retire_at = now() + $2 FROM gone WHERE v.state = 'retired'"
            " AND v.collection_id = gone.collection_id AND v.version = gone.version",
            holder,
            self._grace,
        )
