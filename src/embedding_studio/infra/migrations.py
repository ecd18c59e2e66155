"""Bringing the databases to the present schema."""

from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.infra.shipped import shipped

__all__ = ["migrate"]

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('embedding_studio.migrate'))"


async def migrate(settings: PostgresSettings) -> None:
    """Apply the PostgreSQL revisions that are missing; several processes at once wait for each other.

    MongoDB's indexes are made by Beanie when a process opens the database.
    """

    async def connect() -> Any:
        # By asyncpg itself, which knows more options of a DSN, TLS among them, than SQLAlchemy hands over.
        return await asyncpg.connect(settings.dsn.get_secret_value(), timeout=settings.connect_timeout)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(_LOCK)
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations") / "postgres"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
