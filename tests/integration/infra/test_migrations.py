"""Schemas that hold data come to the present one with all of it, and while the last release still works."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count

import asyncpg
import msgspec
import pytest
from pydantic import SecretStr

from embedding_studio.infra.migrations import known_revisions, migrate, present_revision, require_schema
from embedding_studio.infra.postgres import PostgresSettings, open_pool
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.upsertion.domain import NewItem
from embedding_studio.vector_store import Catalog, Query, find

from .databases import upgrade
from .previous_release import fill_as_before, work_as_before

pytestmark = pytest.mark.anyio

RELEASED = tomllib.loads((shipped("migrations") / "released.toml").read_text())

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


def settings_of(dsn: str) -> PostgresSettings:
    return PostgresSettings(dsn=SecretStr(dsn))


@pytest.fixture
async def released(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection to a database as the last release left it."""
    await upgrade(dsn, RELEASED["postgres"])
    connection = await asyncpg.connect(dsn)
    await fill_as_before(connection)
    yield connection
    await connection.close()


async def test_the_last_release_works_before_during_and_after(
    dsn: str, released: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    numbers, begun, over = count(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        connection = await asyncpg.connect(dsn)
        while not over.is_set():
            await work_as_before(connection, f"during-{next(numbers)}")
            begun.set()
        await connection.close()

    await work_as_before(released, "before")
    working = asyncio.create_task(work())
    await begun.wait()
    await migrate(settings_of(dsn))
    over.set()
    await working
    await work_as_before(released, "after")


async def test_the_present_release_finds_what_the_last_one_wrote(
    dsn: str, released: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await migrate(settings_of(dsn))
    async with open_pool(settings_of(dsn)) as pool, pool.acquire() as connection:
        collection = await Catalog(pool, grace=timedelta(0)).get("shop")
        found = await find(connection, collection, Query(), limit=10)
    assert [one.item_id for one in found] == ["first"]
    await released.execute("SELECT FROM memories")


async def test_nobody_waits_behind_a_migration_that_waits(
    dsn: str, released: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that reads the catalog for long: the migration gives way, again and again, until it is over."""
    monkeypatch.setattr("embedding_studio.infra.migrations._LOCK_TIMEOUT", 100)
    monkeypatch.setattr("embedding_studio.infra.migrations._PAUSE", 0.05)
    long = released.transaction()
    await long.start()
    await released.execute("LOCK TABLE index_versions IN ACCESS EXCLUSIVE MODE")
    migrating = asyncio.create_task(migrate(settings_of(dsn)))
    other = await asyncpg.connect(dsn)
    for _ in range(5):
        await asyncio.wait_for(other.fetch("SELECT FROM collections"), 60)
    assert not migrating.done()
    await long.rollback()
    await migrating
    await other.close()
    assert await present_revision(settings_of(dsn)) == known_revisions()[-1]


async def test_a_lock_that_is_never_given_ends_in_an_error(
    dsn: str, released: "asyncpg.Connection[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.infra.migrations._LOCK_TIMEOUT", 50)
    async with released.transaction():
        await released.execute("LOCK TABLE index_versions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ConflictError, match="pg_stat_activity"):
            await migrate(settings_of(dsn), within=0)
    assert await present_revision(settings_of(dsn)) == RELEASED["postgres"]


async def test_what_is_too_old_is_refused_and_what_is_newer_is_not() -> None:
    with pytest.raises(ConflictError, match="embedding-studio migrate"):
        require_schema(RELEASED["postgres"])
    require_schema(known_revisions()[-1])
    require_schema("9999")


async def test_a_database_without_a_schema_is_named(dsn: str) -> None:
    with pytest.raises(ConflictError, match="embedding-studio migrate"):
        await present_revision(settings_of(dsn))
