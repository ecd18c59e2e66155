"""What is said of a collection's tables and indexes is what was done to them."""

from collections.abc import Awaitable, Callable, Mapping

import asyncpg
import numpy as np
import pytest

from embedding_studio.sdk import FieldKind
from embedding_studio.vector_store import Collection, Diagnosis, Indexes, Item, Part, VectorStoreSettings, diagnose
from studio import Studio

pytestmark = pytest.mark.anyio

FIELDS: Mapping[str, FieldKind] = {"n": "number"}
COUNT = 2_000
Look = Callable[[], Awaitable[Diagnosis]]


@pytest.fixture
async def filled(studio: Studio, points: Collection) -> Collection:
    rng = np.random.default_rng(5)
    items = [
        Item(f"i{n}", {"n": n, "text": "x" * 500}, None, n, "h", {1: (Part("w", rng.normal(size=2).astype("f4")),)})
        for n in range(1, COUNT + 1)
    ]
    async with studio.container.pool.acquire() as connection, connection.transaction():
        await connection.execute(f"ALTER TABLE items_{points.id} SET (autovacuum_enabled = off)")
        await connection.execute(f"ALTER TABLE parts_{points.id}_1 SET (autovacuum_enabled = off)")
        live = await studio.container.items.hold(connection, points)
        await studio.container.items.write(connection, points, live, items)
    return points


@pytest.fixture
def look(studio: Studio, filled: Collection) -> Look:
    async def diagnosis() -> Diagnosis:
        async with studio.container.pool.acquire() as connection:
            return await diagnose(connection, filled, FIELDS, index_from=COUNT)

    return diagnosis


async def change(studio: Studio, *statements: str) -> None:
    """Run statements, and let PostgreSQL count what they did at once."""
    async with studio.container.pool.acquire() as connection:
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("SELECT pg_stat_force_next_flush()")


def planned(collection: Collection) -> set[str]:
    return {f"parts_{collection.id}_1_halfvec", f"items_{collection.id}_payload"}


async def test_what_was_never_optimized_lacks_indexes_and_statistics(filled: Collection, look: Look) -> None:
    found = await look()
    assert (found.items.rows, found.parts.rows) == (COUNT, COUNT)
    assert planned(filled) < set(found.missing)
    assert len(found.missing) == 3
    assert not found.items.has_statistics
    assert found.items.analyzed_at is None


async def test_what_was_optimized_lacks_nothing(studio: Studio, filled: Collection, look: Look) -> None:
    indexes = Indexes(studio.container.pool, VectorStoreSettings(index_from=COUNT))
    built = await indexes.build(filled, 1, FIELDS)
    await indexes.vacuum(filled, 1)
    found = await look()
    assert not found.missing
    assert {one.name for one in found.indexes if one.is_planned} == set(built)
    assert all(table.has_statistics and table.vacuumed_at and table.analyzed_at for table in found.tables)
    assert found.items.needed == pytest.approx(found.items.bytes, rel=0.25)
    assert found.parts.needed == pytest.approx(found.parts.bytes, abs=65_536)
    (graph,) = [one for one in found.indexes if one.kind == "hnsw"]
    assert graph.needed == pytest.approx(graph.bytes, rel=0.1)


@pytest.mark.parametrize(
    ("dimensions", "storage", "m"), [(384, "halfvec", 16), (768, "vector", 24), (1024, "binary", 8)]
)
async def test_a_graph_needs_what_it_takes_when_it_is_new(
    studio: Studio, dimensions: int, storage: str, m: int, any_name: str
) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": dimensions, "index": {"storage": storage, "m": m}})
    collection = await studio.container.catalog.get(any_name)
    await change(
        studio,
        f"INSERT INTO items_{collection.id} (id, payload, seq) SELECT 'i' || n, '{{}}', n"
        " FROM generate_series(1, 500) n",
        f"INSERT INTO parts_{collection.id}_1 (item_id, part_no, embedding) SELECT id, 0,"
        f" (SELECT array_agg(random() - 0.5 + 0 * length(id) * n) FROM generate_series(1, {dimensions}) n)::vector"
        f" FROM items_{collection.id}",
    )
    assert await Indexes(studio.container.pool, VectorStoreSettings(index_from=1)).build(collection, 1, {})
    async with studio.container.pool.acquire() as connection:
        found = await diagnose(connection, collection, {}, index_from=1)
    (graph,) = [one for one in found.indexes if one.kind == "hnsw"]
    assert graph.needed == pytest.approx(graph.bytes, rel=0.15)
    assert found.parts.needed == pytest.approx(found.parts.bytes, rel=0.3)


async def test_replaced_rows_are_dead_and_then_bloat(studio: Studio, filled: Collection, look: Look) -> None:
    indexes = Indexes(studio.container.pool, VectorStoreSettings(index_from=COUNT))
    await indexes.build(filled, 1, FIELDS)
    moves = [f"UPDATE parts_{filled.id}_1 SET embedding = ARRAY[random(), random()]::vector"] * 4
    await change(studio, *[f"UPDATE items_{filled.id} SET seq = seq + 1"] * 4, *moves)
    found = await look()
    assert found.items.dead == found.parts.dead == 4 * COUNT
    assert found.items.bytes > 4 * found.items.needed
    (graph,) = [one for one in found.indexes if one.kind == "hnsw"]
    assert graph.needed
    assert graph.bytes > 4 * graph.needed


async def test_a_half_built_index_is_not_valid(studio: Studio, filled: Collection, look: Look) -> None:
    name = f"parts_{filled.id}_1_halfvec"
    with pytest.raises(asyncpg.UniqueViolationError):
        await studio.container.pool.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON parts_{filled.id}_1 (part_no)")
    found = await look()
    assert {one.name: one.is_valid for one in found.indexes}[name] is False
    assert name not in found.missing


async def test_terms_come_in_fragments(studio: Studio, filled: Collection, look: Look) -> None:
    assert (await look()).fragments == 1
    await change(studio, f"INSERT INTO terms_{filled.id}_1 SELECT '', 0, 0, '' FROM generate_series(1, 600)")
    found = await look()
    assert (found.fragments, found.is_fragmented) == (601, True)
