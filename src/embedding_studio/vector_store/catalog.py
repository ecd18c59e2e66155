"""Every query on collections, index versions and deployments."""

from contextlib import suppress
from typing import Any

import asyncpg

from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import Metric
from embedding_studio.vector_store.domain import BASE_MODEL_VERSION, Collection, IndexVersion
from embedding_studio.vector_store.errors import (
    CollectionExistsError,
    CollectionNotFoundError,
    DeploymentMovedError,
    deletable_meanwhile,
)
from embedding_studio.vector_store.sql import items_table, parts_table

__all__ = ["Catalog"]

_DROP_ATTEMPTS = 50
_COLUMNS = """
    c.id, c.name, c.plugin, c.metric, c.dimensions, c.options, c.created_at, c.deployment_id,
    d.model_version, d.index_version
"""
_COLLECTIONS = f"SELECT {_COLUMNS} FROM collections c JOIN deployments d ON d.id = c.deployment_id"


class Catalog:
    """What collections there are and which model and index each serves."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self,
        *,
        name: str,
        plugin: str,
        metric: Metric,
        dimensions: int,
        options: dict[str, Any],
    ) -> Collection:
        """Create the collection with its tables, its first index version and its first deployment, or nothing.

        Raises:
            CollectionExistsError: The name is taken.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            try:
                collection_id = await connection.fetchval(
                    "INSERT INTO collections (name, plugin, metric, dimensions, options) VALUES ($1, $2, $3, $4, $5)"
                    " RETURNING id",
                    name,
                    plugin,
                    metric,
                    dimensions,
                    options,
                )
            except asyncpg.UniqueViolationError:
                raise CollectionExistsError(name) from None
            await connection.execute(
                "INSERT INTO index_versions (collection_id, version, state, model_version)"
                " VALUES ($1, 1, 'active', $2)",
                collection_id,
                BASE_MODEL_VERSION,
            )
            await connection.execute(
                "WITH first AS (INSERT INTO deployments (collection_id, model_version, index_version)"
                " VALUES ($1, $2, 1) RETURNING id)"
                " UPDATE collections SET deployment_id = (SELECT id FROM first) WHERE id = $1",
                collection_id,
                BASE_MODEL_VERSION,
            )
            await self._create_tables(connection, collection_id, dimensions)
            return await self._get(connection, name)

    async def get(self, name: str) -> Collection:
        """The collection as it stands.

        Raises:
            CollectionNotFoundError: There is none of this name.
        """
        async with self._pool.acquire() as connection:
            return await self._get(connection, name)

    async def page(self, *, after: str, limit: int) -> list[Collection]:
        """Collections by name, from the one after `after`."""
        rows = await self._pool.fetch(f"{_COLLECTIONS} WHERE c.name > $1 ORDER BY c.name LIMIT $2", after, limit)
        return [Collection(**row) for row in rows]

    async def index_versions(self, collection: Collection) -> list[IndexVersion]:
        """The collection's index versions with the number of items and parts in each.

        Raises:
            CollectionNotFoundError: It was deleted meanwhile.
        """
        rows = await self._pool.fetch(
            "SELECT version, state, model_version FROM index_versions WHERE collection_id = $1 ORDER BY version",
            collection.id,
        )
        if not rows:
            raise CollectionNotFoundError(collection.name)
        with deletable_meanwhile(collection.name):
            return [
                IndexVersion(
                    row["version"], row["state"], row["model_version"], *await self._count(collection, row["version"])
                )
                for row in rows
                if row["state"] != "retired"
            ]

    async def delete(self, name: str) -> Collection:
        """Delete the collection with all its tables.

        Searches lock these tables in another order, so the deletion gives way to them and tries again, before the
        database would have to break a deadlock.

        Raises:
            CollectionNotFoundError: There is none of this name.
            UnavailableError: Its tables are in use for long, as when an index is being built.
        """
        for _ in range(_DROP_ATTEMPTS):
            with suppress(asyncpg.LockNotAvailableError):
                return await self._delete(name)
        raise UnavailableError(f"the collection {name!r} is being indexed or searched for long; try again later")

    async def _delete(self, name: str) -> Collection:
        async with self._pool.acquire() as connection, connection.transaction():
            collection = await self._locked(connection, name)
            await connection.execute("SET LOCAL lock_timeout = '200ms'")
            versions = await connection.fetch(
                "SELECT version FROM index_versions WHERE collection_id = $1",
                collection.id,
            )
            for row in versions:
                await connection.execute(f"DROP TABLE IF EXISTS {parts_table(collection.id, row['version'])}")
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
            await connection.execute(
                "WITH new AS (INSERT INTO deployments"
                " (collection_id, model_version, index_version, previous_id, task_id, note)"
                " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id)"
                " UPDATE collections SET deployment_id = (SELECT id FROM new) WHERE id = $1",
                present.id,
                model_version,
                present.index_version,
                present.deployment_id,
                task_id,
                note,
            )

    async def version_before(self, deployment_id: int) -> int | None:
        """The model version that a rollback from the deployment would go back to."""
        version: int | None = await self._pool.fetchval(
            "SELECT p.model_version FROM deployments d JOIN deployments p ON p.id = d.previous_id WHERE d.id = $1",
            deployment_id,
        )
        return version

    async def roll_back(self, name: str, *, leaving: int) -> Collection:
        """Point the collection at the deployment before `leaving`; if that is done already, nothing changes.

        Raises:
            DeploymentMovedError: Another deployment came first.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            present = await self._locked(connection, name)
            previous = await connection.fetchval("SELECT previous_id FROM deployments WHERE id = $1", leaving)
            if previous is None or present.deployment_id not in (leaving, previous):
                raise DeploymentMovedError("another deployment came first; look at the models and try again")
            await connection.execute("UPDATE collections SET deployment_id = $2 WHERE id = $1", present.id, previous)
            return await self._get(connection, name)

    async def deployed_versions(self, collection_id: int) -> set[int]:
        """Model versions that were ever deployed."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT model_version FROM deployments WHERE collection_id = $1",
            collection_id,
        )
        return {row["model_version"] for row in rows}

    async def _count(self, collection: Collection, version: int) -> tuple[int, int]:
        row = await self._pool.fetchrow(
            f"SELECT count(DISTINCT item_id) AS items, count(*) AS parts FROM {parts_table(collection.id, version)}",
        )
        return (row["items"], row["parts"]) if row else (0, 0)

    async def _locked(self, connection: Connection, name: str) -> Collection:
        """The collection, which stays as it is until the transaction ends.

        It is locked by one statement and read by the next: a single one, having waited for another deployment, would
        join the row as it is now with deployments as they were, and find nothing.
        """
        await connection.execute("SELECT FROM collections WHERE name = $1 FOR UPDATE", name)
        return await self._get(connection, name)

    @staticmethod
    async def _get(connection: Connection, name: str) -> Collection:
        row = await connection.fetchrow(f"{_COLLECTIONS} WHERE c.name = $1", name)
        if row is None:
            raise CollectionNotFoundError(name)
        return Collection(**row)

    @staticmethod
    async def _create_tables(connection: Connection, collection_id: int, dimensions: int) -> None:
        items, parts = items_table(collection_id), parts_table(collection_id, 1)
        await connection.execute(
            f'CREATE TABLE {items} (id text COLLATE "C" PRIMARY KEY, payload jsonb NOT NULL, source jsonb,'
            " seq bigint NOT NULL, content_hash text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now())",
        )
        await connection.execute(
            f'CREATE TABLE {parts} (item_id text COLLATE "C" NOT NULL REFERENCES {items} ON DELETE CASCADE,'
            f" part_no int NOT NULL, text text, embedding vector({dimensions:d}) NOT NULL,"
            " PRIMARY KEY (item_id, part_no))",
        )
