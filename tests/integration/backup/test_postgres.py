"""The database goes out and comes back with its functions, its triggers and what they keep."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from embedding_studio.backup.postgres import (
    clear_database,
    dump_database,
    is_database_empty,
    others_at_work,
    restore_database,
)
from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.migrations import migrate
from embedding_studio.infra.postgres import APPLICATION, Connection, PostgresSettings, open_pool
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Catalog, CollectionOptions, Indexes, VectorStoreSettings
from embedding_studio.vector_store.options import IndexOptions

pytestmark = pytest.mark.anyio

FILL = """
    INSERT INTO collections (name, plugin, metric, options) VALUES ('shop', 'text', 'cosine', '{}');
    CREATE TABLE items_1 (id text PRIMARY KEY, payload jsonb NOT NULL);
    CREATE TABLE parts_1_1 (item_id text NOT NULL REFERENCES items_1 ON DELETE CASCADE, part_no int NOT NULL, text text,
        embedding vector(2) NOT NULL, key bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (item_id, part_no));
    SELECT create_terms(1, 1, 'english');
    CREATE INDEX ON items_1 (payload_number(payload -> 'price'));
    CREATE INDEX ON items_1 USING gin (payload_words('english', payload));
    CREATE INDEX ON parts_1_1 USING hnsw ((embedding::halfvec(2)) halfvec_cosine_ops);
    INSERT INTO items_1 VALUES ('sofa', '{"price": 5, "title": "red sofa"}');
    INSERT INTO parts_1_1 (item_id, part_no, text, embedding) VALUES ('sofa', 0, 'red sofa', '[1,0]');
"""
UNKNOWN = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND reltuples < 0
"""
WORDS = "SELECT term, sum(parts)::int FROM terms_1_1 GROUP BY term ORDER BY term"


@pytest.fixture
async def database(urls: ServerUrls) -> AsyncIterator[PostgresSettings]:
    """A migrated database of the test's own."""
    connection = await asyncpg.connect(urls.postgres)
    name = f"backup_{new_id()}"
    await connection.execute(f"CREATE DATABASE {name}")
    settings = PostgresSettings(dsn=SecretStr(f"{urls.postgres.rpartition('/')[0]}/{name}"))
    await migrate(settings)
    yield settings
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def leave_and_come_back(database: PostgresSettings, connection: Connection, file: Path) -> None:
    """All that is in the database goes into a file and out of it into the same, which is empty then."""
    server = await dump_database(database, file)
    assert not await is_database_empty(connection)
    await clear_database(connection)
    assert await is_database_empty(connection)
    await restore_database(database, file, made_by=server)


async def test_all_comes_back_and_works_on(database: PostgresSettings, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.dsn.get_secret_value())
    await connection.execute(FILL)
    before = [tuple(row) for row in await connection.fetch(WORDS)]
    await leave_and_come_back(database, connection, tmp_path / "dump")
    await migrate(database)
    assert [tuple(row) for row in await connection.fetch(WORDS)] == before != []
    await connection.execute("INSERT INTO items_1 VALUES ('bed', '{}')")
    await connection.execute(
        "INSERT INTO parts_1_1 (item_id, part_no, text, embedding) VALUES ('bed', 0, 'bed', '[0,1]')"
    )
    assert ("bed", 1) in [tuple(row) for row in await connection.fetch(WORDS)]
    await connection.close()


async def test_what_came_back_is_searched_by_good_plans_at_once(database: PostgresSettings, tmp_path: Path) -> None:
    connection = await asyncpg.connect(database.dsn.get_secret_value())
    await connection.execute(FILL)
    await leave_and_come_back(database, connection, tmp_path / "dump")
    assert await connection.fetch(UNKNOWN) == []
    await connection.close()


async def test_partitions_come_back_and_are_kept_in_step(database: PostgresSettings, tmp_path: Path) -> None:
    options = CollectionOptions(2, index=IndexOptions(partitions=3))
    async with open_pool(database) as pool:
        catalog = Catalog(pool, grace=timedelta(0))
        shop = await catalog.create(name="shop", plugin="vectors", metric="cosine", dimensions=2, options=options)
        await pool.execute(
            "INSERT INTO items_1 (id, payload, seq) SELECT 'i' || n, '{}', n FROM generate_series(1, 9) n"
        )
        fill = "INSERT INTO parts_1_1 (item_id, part_no, text, embedding) SELECT id, {}, 'sofa', '[1,2]' FROM items_1"
        await pool.execute(fill.format(0))
        assert len(await Indexes(pool, VectorStoreSettings(index_from=1)).build(shop, 1, {})) == 4
        before = await pool.fetch("SELECT indexdef FROM pg_indexes WHERE tablename ~ '^parts_' ORDER BY indexname")
        async with pool.acquire() as connection:
            await leave_and_come_back(database, connection, tmp_path / "dump")
            await connection.reload_schema_state()
        after = await pool.fetch("SELECT indexdef FROM pg_indexes WHERE tablename ~ '^parts_' ORDER BY indexname")
        assert after == before
        assert not await Indexes(pool, VectorStoreSettings(index_from=1)).build(shop, 1, {})
        await pool.execute(fill.format(1))
        assert ("sofa", 18) in [tuple(row) for row in await pool.fetch(WORDS)]
        assert await pool.fetchval("SELECT count(DISTINCT key) FROM parts_1_1") == 18
        await pool.execute("DELETE FROM items_1 WHERE id <> 'i1'")
        assert ("sofa", 2) in [tuple(row) for row in await pool.fetch(WORDS)]


@pytest.mark.parametrize("place", ["before the host", "among the options"])
async def test_a_password_is_no_argument(
    database: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    seen: list[str] = []
    start = asyncio.create_subprocess_exec

    async def watched(*words: str | Path, **options: Any) -> asyncio.subprocess.Process:
        seen.extend(map(str, words))
        return await start(*words, **options)

    url = urlsplit(database.dsn.get_secret_value())
    password = url.password or ""
    assert password
    if place == "among the options":
        address = f"{url.username}@{url.hostname}:{url.port}"
        url = url._replace(netloc=address, query=f"sslmode=disable&password={password}")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    await dump_database(PostgresSettings(dsn=SecretStr(url.geturl())), tmp_path / "dump")
    assert "postgresql://" in " ".join(seen)
    assert password not in " ".join(seen)


async def test_an_older_server_is_refused(database: PostgresSettings, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="newer"):
        await restore_database(database, tmp_path / "dump", made_by=99)


async def test_whoever_works_on_it_is_seen(database: PostgresSettings) -> None:
    connection = await asyncpg.connect(database.dsn.get_secret_value())
    assert await others_at_work(connection, APPLICATION) == 0
    async with open_pool(database):
        assert await others_at_work(connection, APPLICATION) > 0
    await connection.close()
