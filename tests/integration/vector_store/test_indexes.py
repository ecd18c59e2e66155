"""Indexes are built once they are worth it, beside writers, and anew if a dead process left them half-built."""

import asyncio

import asyncpg
import numpy as np
import pytest

from embedding_studio.vector_store import Collection, Indexes, Item, Part, VectorStoreSettings
from studio import Studio

pytestmark = pytest.mark.anyio

KEY = {"key_item_id_part_no_key": True}
BUILT = {**KEY, "halfvec": True}


def from_parts(studio: Studio, count: int) -> Indexes:
    return Indexes(studio.container.pool, VectorStoreSettings(index_from=count))


@pytest.fixture
async def filled(studio: Studio, points: Collection) -> Collection:
    rng = np.random.default_rng(3)
    items = [
        Item(f"i{n}", {}, None, n, f"h{n}", {1: (Part(f"word{n}", rng.normal(size=2).astype(np.float32)),)})
        for n in range(1, 51)
    ]
    async with studio.container.pool.acquire() as connection, connection.transaction():
        live = await studio.container.items.hold(connection, points)
        await studio.container.items.write(connection, points, live, items)
    return points


async def indexes(studio: Studio, collection: Collection) -> dict[str, bool]:
    """Names without the table's, and whether each is valid."""
    table = f"parts_{collection.id}_1"
    rows = await studio.container.pool.fetch(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = $1::regclass AND NOT i.indisprimary",
        table,
    )
    return {row["relname"].removeprefix(f"{table}_"): row["indisvalid"] for row in rows}


async def test_a_small_collection_has_none(studio: Studio, filled: Collection) -> None:
    assert not await from_parts(studio, 51).build(filled, 1, {})
    assert await indexes(studio, filled) == KEY


async def test_they_are_built_once(studio: Studio, filled: Collection) -> None:
    assert await from_parts(studio, 50).build(filled, 1, {})
    assert await indexes(studio, filled) == BUILT
    assert not await from_parts(studio, 50).build(filled, 1, {})


@pytest.mark.parametrize("kind", ["halfvec"])
async def test_one_that_is_half_built_is_built_anew(studio: Studio, filled: Collection, kind: str) -> None:
    table = f"parts_{filled.id}_1"
    with pytest.raises(asyncpg.UniqueViolationError):  # which leaves an index that is not valid
        await studio.container.pool.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {table}_{kind} ON {table} (part_no)")
    assert await indexes(studio, filled) == {**KEY, kind: False}
    assert await from_parts(studio, 50).build(filled, 1, {})
    assert await indexes(studio, filled) == BUILT


async def test_what_a_dead_process_left_untried_is_tried(
    studio: Studio, filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        raise ConnectionError

    ours = from_parts(studio, 50)
    with monkeypatch.context() as broken:
        broken.setattr("embedding_studio.vector_store.indexes.calibrate", die)
        with pytest.raises(ConnectionError):
            await ours.build(filled, 1, {})
    assert await indexes(studio, filled) == BUILT
    assert await ours.lacks(filled, 1, {})
    assert await ours.build(filled, 1, {}) == []
    assert not await ours.lacks(filled, 1, {})
    assert (await studio.container.catalog.get(filled.name)).trusted_depth is not None


async def test_of_many_builders_at_once_one_builds_and_nobody_waits(studio: Studio, filled: Collection) -> None:
    built = await asyncio.gather(*(from_parts(studio, 50).build(filled, 1, {}) for _ in range(4)))
    assert any(built)
    assert await indexes(studio, filled) == BUILT


async def test_the_connection_goes_back_as_it_was(studio: Studio, filled: Collection) -> None:
    await from_parts(studio, 50).build(filled, 1, {})
    held = await studio.container.pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert held == 0
    memory = {await studio.container.pool.fetchval("SHOW maintenance_work_mem") for _ in range(10)}
    assert memory == {"64MB"}


async def test_the_lock_of_a_builder_that_could_not_give_it_back_ends_with_its_connection(
    studio: Studio, filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("embedding_studio.vector_store.indexes._UNLOCK", "SELECT 1 / length(left($1, 0))")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await from_parts(studio, 50).build(filled, 1, {})
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    while await studio.container.pool.fetchval(held):  # noqa: ASYNC110  # PostgreSQL tells nobody
        await asyncio.sleep(0.01)
