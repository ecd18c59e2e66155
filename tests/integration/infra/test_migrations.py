"""A schema that holds data comes to the present one with all of it."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.migrations import migrate
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.ids import new_id
from embedding_studio.upsertion.domain import NewItem

pytestmark = pytest.mark.anyio

OLD_DATA = """
    INSERT INTO collections (name, plugin, metric, dimensions, options) VALUES ('shop', 'text', 'cosine', 2, '{}');
    INSERT INTO index_versions (collection_id, version, state, model_version) VALUES (1, 1, 'active', 1);
    INSERT INTO deployments (collection_id, model_version, index_version) VALUES (1, 1, 1);
    UPDATE collections SET deployment_id = 1;
    CREATE TABLE items_1 (id text PRIMARY KEY, payload jsonb NOT NULL, source jsonb, seq bigint NOT NULL,
        content_hash text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE parts_1_1 (item_id text NOT NULL REFERENCES items_1 ON DELETE CASCADE, part_no int NOT NULL,
        text text, embedding vector(2) NOT NULL, PRIMARY KEY (item_id, part_no));
    SELECT setval('staged_items_seq_seq', 700);
    INSERT INTO items_1 VALUES ('sofa', '{"title": "sofa"}', NULL, 900, 'hash of sofa');
    SELECT setval('staged_items_seq_seq', 901);
    INSERT INTO parts_1_1 VALUES ('sofa', 0, 'sofa', '[1,0]'), ('sofa', 1, 'bed', '[0,1]');
"""


@pytest.fixture
async def dsn(urls: ServerUrls) -> AsyncIterator[str]:
    """Of a database of the test's own."""
    name = f"migrated_{new_id()}"
    connection = await asyncpg.connect(urls.postgres)
    await connection.execute(f"CREATE DATABASE {name}")
    yield f"{urls.postgres.rpartition('/')[0]}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def upgrade(dsn: str, revision: str) -> None:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(shipped("migrations") / "postgres"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)


async def test_items_and_what_waits_come_along(dsn: str) -> None:
    await upgrade(dsn, "0001")
    connection = await asyncpg.connect(dsn)
    await connection.execute(OLD_DATA)
    body = msgspec.json.encode(NewItem("lamp", {"title": "lamp"}, vector=[0.5, 1.0]))
    await connection.execute(
        "INSERT INTO staged_items (collection_id, task_id, ordinal, item_id, body, failed_stage)"
        " VALUES (1, 't', 0, 'lamp', $1, NULL), (1, 't', 1, 'mute', $1, 'split')",
        body,
    )
    await migrate(PostgresSettings(dsn=SecretStr(dsn)))
    task = await connection.fetchrow("SELECT total, waiting, is_complete FROM staged_tasks WHERE task_id = 't'")
    assert tuple(task or ()) == (2, 1, True)
    (stored,) = await connection.fetch("SELECT body FROM staged_items WHERE failed_stage IS NULL")
    item = msgspec.msgpack.decode(stored["body"], type=NewItem)
    assert item == NewItem("lamp", {"title": "lamp"}, vector=[0.5, 1.0])
    parts = await connection.fetch("SELECT part_no, content_hash FROM parts_1_1 ORDER BY part_no")
    assert [tuple(part) for part in parts] == [(0, "hash of sofa"), (1, None)]
    assert await connection.fetchval("SELECT dimensions FROM index_versions") == 2
    newest = await connection.fetchval("SELECT greatest(max(s.seq), max(i.seq)) FROM staged_items s, items_1 i")
    assert await connection.fetchval("SELECT nextval('acceptance')") > newest
    assert await connection.fetchval("SELECT ordinal FROM items_1") == 0
    await connection.close()


async def test_the_words_of_stored_parts_are_found_and_kept(dsn: str) -> None:
    await upgrade(dsn, "0001")
    connection = await asyncpg.connect(dsn)
    await connection.execute(OLD_DATA)
    await migrate(PostgresSettings(dsn=SecretStr(dsn)))
    counted = "SELECT term, sum(parts)::int FROM terms_1_1 GROUP BY term HAVING sum(parts) > 0 ORDER BY term"
    assert [tuple(row) for row in await connection.fetch(counted)] == [("", 2), ("bed", 1), ("sofa", 1)]
    await connection.execute("DELETE FROM items_1")
    assert await connection.fetch(counted) == []
    await connection.close()
