"""Bringing the databases to the present schema."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from embedding_studio.infra.postgres import PostgresSettings, open_connection
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import ConflictError

__all__ = ["known_revisions", "migrate", "migrating_alone", "present_revision", "require_schema"]

logger = logging.getLogger(__name__)

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('embedding_studio.migrate'))"
_TRY_ALONE = "SELECT pg_try_advisory_lock(hashtext('embedding_studio.migrate_all'))"
_LOCK_TIMEOUT = 3_000  # milliseconds
_PAUSE = 1.0
_WITHIN = 600.0
_OTHERS_WITHIN = 3_600.0


@asynccontextmanager
async def migrating_alone(settings: PostgresSettings, *, within: float = _OTHERS_WITHIN) -> AsyncIterator[None]:
    """While the block runs, no other process is in one; of several, each waits for those before.

    Who waits asks again and again: a statement that waited would hold up an index that is built meanwhile.

    Args:
        settings: Of the database that is migrated.
        within: Seconds to wait for the others.

    Raises:
        ConflictError: They were not done by then.
    """
    end = time.monotonic() + within
    async with open_connection(settings) as connection:
        while not await connection.fetchval(_TRY_ALONE):
            if time.monotonic() > end:
                raise ConflictError(f"for {within:g} s another process has been migrating; try again once it has ended")
            logger.info("another process is migrating; waiting for it")
            await asyncio.sleep(_PAUSE)
        yield


async def migrate(settings: PostgresSettings, *, within: float = _WITHIN) -> None:
    """Apply the PostgreSQL revisions that are missing, all or none; several processes at once wait for each other.

    Who waits for a lock on a table has everybody wait who comes later. So no lock is waited for longer than three
    seconds: then all is taken back, and tried again.

    Args:
        settings: Where the server is.
        within: Seconds after which no other try is made.

    Raises:
        ConflictError: A lock was not to be had; says for how long.
    """
    end = time.monotonic() + within
    while not await _try(settings):
        if time.monotonic() > end:
            raise ConflictError(
                f"the schema was not changed: for {within:g} s others held locks on it;"
                " look for long transactions in pg_stat_activity, and try again"
            )
        logger.warning("the schema is in use; trying again")
        await asyncio.sleep(_PAUSE)


async def _try(settings: PostgresSettings) -> bool:
    """Apply what is missing; False if a lock was not to be had."""

    async def connect() -> Any:
        # By asyncpg itself, which knows more options of a DSN, TLS among them, than SQLAlchemy hands over.
        return await asyncpg.connect(settings.dsn.get_secret_value(), timeout=settings.connect_timeout)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}")
            await connection.exec_driver_sql(_LOCK)
            await connection.run_sync(_upgrade)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == asyncpg.LockNotAvailableError.sqlstate:
            return False
        raise
    return True


def require_schema(revision: str) -> None:
    """See that a revision is not older than this release; a newer one has all that this one needs.

    Raises:
        ConflictError: It is older.
    """
    known = known_revisions()
    if revision in known[:-1]:
        raise ConflictError(
            f"the database is at revision {revision}, and this release needs {known[-1]}; run: embedding-studio migrate"
        )


def known_revisions() -> list[str]:
    """The revisions of PostgreSQL's schema that this release knows, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


async def present_revision(settings: PostgresSettings) -> str:
    """The revision that the database is at.

    Raises:
        ConflictError: It was never migrated.
    """
    revision: str | None = None
    async with open_connection(settings) as connection:
        with suppress(asyncpg.UndefinedTableError):
            revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    if revision is None:
        raise ConflictError("the database was never migrated; run: embedding-studio migrate")
    return revision


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations") / "postgres"))
    return config
