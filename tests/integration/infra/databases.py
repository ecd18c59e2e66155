"""Databases of a test's own, at any revision."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from embedding_studio.infra.shipped import shipped

__all__ = ["upgrade"]


async def upgrade(dsn: str, revision: str) -> None:
    """Bring a database to a revision."""

    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(shipped("migrations") / "postgres"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
