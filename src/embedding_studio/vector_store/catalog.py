"""Every query on collections, index versions and deployments."""

from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import msgspec

from embedding_studio.infra.postgres import Connection, Pool, PostgresSettings, open_connection
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.sdk import EncoderSource, Metric
from embedding_studio.vector_store.domain import BASE_MODEL_VERSION, Collection
from embedding_studio.vector_store.errors import (
    CollectionExistsError,
    CollectionLeavesError,
    CollectionNotFoundError,
    DeploymentMovedError,
)
from embedding_studio.vector_store.options import CollectionOptions, stored_options
from embedding_studio.vector_store.tables import create_items_table, create_parts_table, drop_parts_table, items_table
from embedding_studio.vector_store.turns import lock_alone

__all__ = ["Catalog", "leaving"]

_DROP_PATIENCE = (*[200] * 20, *[3_000] * 3)
"""Milliseconds that each attempt at a deletion waits for the locks of searches."""

_NAME = "hashtextextended('collection ' || $1, 0)"
_COLUMNS = """
    c.id, c.name, c.plugin, c.metric, c.options, c.created_at, c.deployment_id,
    v.version AS index_version, v.dimensions, v.encoder, v.ef_search AS raised_ef_search, v.trusted_depth
"""
_COLLECTIONS = (
    f"SELECT {_COLUMNS}, d.model_version FROM collections c JOIN deployments d ON d.id = c.deployment_id"
    " JOIN index_versions v ON v.collection_id = c.id AND v.version = d.index_version"
)
_SERVING = (
    f"SELECT {_COLUMNS}, $2::int AS model_version FROM collections c JOIN deployments d ON d.id = c.deployment_id"
    " JOIN index_versions v ON v.collection_id = c.id WHERE c.id = $1 AND v.dropped_at IS NULL"
    " AND v.state IN ('active', 'retired') AND (v.encoder = $3 OR ($3 IS NULL AND v.version = d.index_version))"
    " ORDER BY v.version = d.index_version DESC, v.version DESC LIMIT 1"
)


@asynccontextmanager
async def leaving(settings: PostgresSettings, name: str) -> AsyncIterator[None]:
    """While the block runs, no collection of this name is made, and nobody else deletes the one that there is.

    A connection of its own holds the name: that may take minutes, and the pool's are for those who wait for an answer.

    Raises:
        CollectionLeavesError: Somebody else is in such a block.
    """
    async with open_connection(settings) as connection:
        lock = f"SELECT pg_try_advisory_lock({_NAME})"
        if not await connection.fetchval(lock, name, timeout=settings.statement_timeout):
            raise CollectionLeavesError(name)
        yield


class Catalog:
    """What collections there are and which model and index each serves."""

    def __init__(self, pool: Pool, *, grace: timedelta) -> None:
        """`grace` is how long a superseded index is kept, and kept in step, for a rollback."""
        self._pool = pool
        self._grace = grace

    async def create(
        self,
        *,
        name: str,
        plugin: str,
        metric: Metric,
        dimensions: int,
        options: CollectionOptions,
        encoder: EncoderSource | None = None,
    ) -> Collection:
        """Create the collection with its tables, its first index version and its first deployment, or nothing.

        Raises:
            CollectionExistsError: The name is taken, or not all is gone yet of the collection that had it.
            InvalidError: The database does not know the language.
        """
        language = options.language or "english"
        async with self._pool.acquire() as connection, connection.transaction():
            await self._check_language(connection, language)
            if not await connection.fetchval(f"SELECT pg_try_advisory_xact_lock_shared({_NAME})", name):
                raise CollectionExistsError(name)
            try:
                collection_id = await connection.fetchval(
                    "INSERT INTO collections (name, plugin, metric, options) VALUES ($1, $2, $3, $4) RETURNING id",
                    name,
                    plugin,
                    metric,
                    stored_options(options),
                )
            except asyncpg.UniqueViolationError:
                raise CollectionExistsError(name) from None
            await connection.execute(
                "INSERT INTO index_versions (collection_id, version, state, model_version, dimensions, encoder)"
                " VALUES ($1, 1, 'active', $2, $3, $4)",
                collection_id,
                BASE_MODEL_VERSION,
                dimensions,
                encoder,
            )
            await connection.execute(
                "WITH first AS (INSERT INTO deployments (collection_id, model_version, index_version)"
                " VALUES ($1, $2, 1) RETURNING id)"
                " UPDATE collections SET deployment_id = (SELECT id FROM first) WHERE id = $1",
                collection_id,
                BASE_MODEL_VERSION,
            )
            await create_items_table(connection, collection_id)
            await create_parts_table(
                connection,
                collection_id,
                1,
                dimensions=dimensions,
                language=language,
                partitions=options.index.partitions,
            )
            return await self._get(connection, name)

    async def note_encoders(self, encoders: Mapping[str, EncoderSource]) -> None:
        """Note, by plugin, what made the indexes of which it was not noted; those of an older schema."""
        for plugin, encoder in encoders.items():
            await self._pool.execute(
                "UPDATE index_versions v SET encoder = $2 FROM collections c"
                " WHERE c.id = v.collection_id AND c.plugin = $1 AND v.encoder IS NULL",
                plugin,
                encoder,
            )

    async def get(self, name: str) -> Collection:
        """The collection as it stands.

        Raises:
            CollectionNotFoundError: There is none of this name.
        """
        async with self._pool.acquire() as connection:
            return await self._get(connection, name)

    async def serving(
        self,
        collection: Collection,
        model_version: int,
        encoder: EncoderSource | None,
        connection: Connection | None = None,
    ) -> Collection | None:
        """The collection as it would be with a model version on a filled index of an encoder.

        That is the active index, if it is one of this encoder, else the newest that is kept in step; None if there is
        none. Only who holds the index can rely on it for longer than the grace time of a deployment.

        Args:
            collection: Which.
            model_version: What is to serve.
            encoder: What made the vectors; None: they are given, and the active index has them.
            connection: Of a transaction that the look belongs to.
        """
        row = await (connection or self._pool).fetchrow(_SERVING, collection.id, model_version, encoder)
        return _collection(row) if row else None

    async def page(self, *, after: str, limit: int, within: AbstractSet[str] | None = None) -> list[Collection]:
        """Collections by name, from the one after `after`; of those `within`, if not of all."""
        rows = await self._pool.fetch(
            f"{_COLLECTIONS} WHERE c.name > $1 AND ($3::text[] IS NULL OR c.name = ANY ($3)) ORDER BY c.name LIMIT $2",
            after,
            limit,
            None if within is None else list(within),
        )
        return [_collection(row) for row in rows]

    async def delete(self, name: str) -> Collection:
        """Delete the collection with all its tables.

        Searches lock these tables in another order, so the deletion gives way to them and tries again, before the
        database would have to break a deadlock. Where they are slow and never rest, it lets it come to that.

        Raises:
            CollectionNotFoundError: There is none of this name.
            UnavailableError: Its tables are in use for long, as when an index is being built.
        """
        for patience in _DROP_PATIENCE:
            with suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                return await self._delete(name, patience)
        raise UnavailableError(f"the collection {name!r} is being indexed or searched for long; try again later")

    async def _delete(self, name: str, patience: int) -> Collection:
        async with self._pool.acquire() as connection, connection.transaction():
            collection = await self._locked(connection, name)
            await connection.execute(f"SET LOCAL lock_timeout = {patience:d}")
            await connection.execute("SELECT drop_memories($1)", collection.id)
            versions = await connection.fetch(
                "SELECT version FROM index_versions WHERE collection_id = $1",
                collection.id,
            )
            for row in versions:
                await drop_parts_table(connection, collection.id, row["version"])
            await connection.execute(f"DROP TABLE IF EXISTS {items_table(collection.id)}")
            await connection.execute("DELETE FROM collections WHERE id = $1", collection.id)
        return collection

    async def next_model_version(self, collection_id: int) -> int:
        """A model version that was never given before."""
        version: int | None = await self._pool.fetchval(
            "UPDATE collections SET last_model_version = last_model_version + 1 WHERE id = $1"
            " RETURNING last_model_version",
            collection_id,
        )
        if version is None:
            raise CollectionNotFoundError(str(collection_id))
        return version

    async def deploy(
        self,
        collection: Collection,
        *,
        model_version: int,
        leaving: int,
        task_id: str,
        note: str,
    ) -> None:
        """Point the collection at a model on its present index, if it still serves the deployment `leaving`.

        The same task may come again: its deployment is made once.

        Raises:
            DeploymentMovedError: Another deployment came first.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            present = await self._locked(connection, collection.name)
            if await connection.fetchval("SELECT true FROM deployments WHERE task_id = $1", task_id):
                return
            if present.deployment_id != leaving:
                raise DeploymentMovedError("another deployment came first; look at the models and try again")
            await self._point_at(connection, present, model_version, present.index_version, task_id, note)

    async def switch_index(
        self, collection: Collection, *, index_version: int, model_version: int | None, task_id: str
    ) -> None:
        """Point the collection at a filled index, new or kept, whatever it served before; a model not named stays.

        The same task may come again: its deployment is made once.

        Raises:
            DeploymentMovedError: The index was given up meanwhile, or dropped.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            present = await self._locked(connection, collection.name)
            if await connection.fetchval("SELECT true FROM deployments WHERE task_id = $1", task_id):
                return
            filled = await connection.fetchval(
                "UPDATE index_versions SET state = 'active' WHERE collection_id = $1 AND version = $2"
                " AND state IN ('building', 'retired') AND dropped_at IS NULL RETURNING version",
                present.id,
                index_version,
            )
            if filled is None:
                raise DeploymentMovedError("the new index was given up meanwhile")
            await self._point_at(
                connection, present, model_version or present.model_version, index_version, task_id, "reindexed"
            )
            await self._retire_all_but(connection, present.id, index_version)

    async def version_before(self, deployment_id: int) -> int | None:
        """The model version that a rollback from the deployment would go back to, if its index is still there."""
        version: int | None = await self._pool.fetchval(
            "SELECT p.model_version FROM deployments d JOIN deployments p ON p.id = d.previous_id"
            " JOIN index_versions v ON v.collection_id = p.collection_id AND v.version = p.index_version"
            " WHERE d.id = $1 AND v.dropped_at IS NULL",
            deployment_id,
        )
        return version

    async def roll_back(self, name: str, *, leaving: int) -> Collection:
        """Point the collection at the deployment before `leaving`; if that is done already, nothing changes.

        Raises:
            DeploymentMovedError: Another deployment came first, or the index of that before is gone.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            present = await self._locked(connection, name)
            previous = await connection.fetchrow(
                "SELECT p.id, p.index_version FROM deployments d JOIN deployments p ON p.id = d.previous_id"
                " JOIN index_versions v ON v.collection_id = p.collection_id AND v.version = p.index_version"
                " WHERE d.id = $1 AND v.dropped_at IS NULL",
                leaving,
            )
            if previous is None or present.deployment_id not in (leaving, previous["id"]):
                raise DeploymentMovedError("another deployment came first; look at the models and try again")
            await connection.execute(
                "UPDATE collections SET deployment_id = $2 WHERE id = $1", present.id, previous["id"]
            )
            await self._retire_all_but(connection, present.id, previous["index_version"])
            return await self._get(connection, name)

    async def versions_at_hand(self) -> list[tuple[int, int]]:
        """The collection's id and the model version of each deployment that serves or that a rollback goes back to."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT c.id, d.model_version FROM collections c JOIN deployments now ON now.id = c.deployment_id"
            " JOIN deployments d ON d.id IN (now.id, now.previous_id)"
        )
        return [(row["id"], row["model_version"]) for row in rows]

    async def deployed_versions(self, collection_id: int) -> set[int]:
        """Model versions that were ever deployed."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT model_version FROM deployments WHERE collection_id = $1",
            collection_id,
        )
        return {row["model_version"] for row in rows}

    @staticmethod
    async def _point_at(
        connection: Connection, present: Collection, model_version: int, index_version: int, task_id: str, note: str
    ) -> None:
        await connection.execute(
            "WITH new AS (INSERT INTO deployments"
            " (collection_id, model_version, index_version, previous_id, task_id, note)"
            " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id)"
            " UPDATE collections SET deployment_id = (SELECT id FROM new) WHERE id = $1",
            present.id,
            model_version,
            index_version,
            present.deployment_id,
            task_id,
            note,
        )

    async def _retire_all_but(self, connection: Connection, collection_id: int, index_version: int) -> None:
        """One version is active; the other filled ones are kept in step until their grace time is over."""
        await connection.execute(
            "UPDATE index_versions SET state = CASE WHEN version = $2 THEN 'active' ELSE 'retired' END,"
            " retire_at = CASE WHEN version = $2 THEN NULL ELSE coalesce(retire_at, now() + $3) END"
            " WHERE collection_id = $1 AND state IN ('active', 'retired') AND dropped_at IS NULL",
            collection_id,
            index_version,
            self._grace,
        )

    async def _locked(self, connection: Connection, name: str) -> Collection:
        """The collection, which stays as it is until the transaction ends.

        It is locked by one statement and read by the next: a single one, having waited for another deployment, would
        join the row as it is now with deployments as they were, and find nothing.
        """
        known: int | None = await connection.fetchval("SELECT id FROM collections WHERE name = $1", name)
        if known is not None:
            await lock_alone(connection, known)
        return await self._get(connection, name)

    @staticmethod
    async def _check_language(connection: Connection, language: str) -> None:
        known = await connection.fetch("SELECT cfgname FROM pg_ts_config ORDER BY cfgname")
        names = [row["cfgname"] for row in known]
        if language not in names:
            raise InvalidError.at("options.language", f"there are: {', '.join(names)}")

    @staticmethod
    async def _get(connection: Connection, name: str) -> Collection:
        row = await connection.fetchrow(f"{_COLLECTIONS} WHERE c.name = $1", name)
        if row is None:
            raise CollectionNotFoundError(name)
        return _collection(row)


def _collection(row: asyncpg.Record) -> Collection:
    encoder = row["encoder"]
    options = msgspec.convert(row["options"], CollectionOptions)
    return Collection(**{**row, "options": options, "encoder": encoder and EncoderSource(**encoder)})
