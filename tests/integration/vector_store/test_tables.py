"""A collection in partitions answers as one in a single table, and each partition has a graph of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count as numbers
from typing import Any

import asyncpg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import (
    Collection,
    CollectionOptions,
    Hit,
    Indexes,
    Item,
    Part,
    Query,
    VectorStoreSettings,
    count,
    count_facets,
    delete_items,
    diagnose,
    distances,
    find,
    find_few,
    find_matches,
    find_nearest,
    items_with_phrases,
    merge_terms,
    parse_filter,
    parse_sort,
    parse_words,
)
from embedding_studio.vector_store.options import IndexOptions
from studio import Studio

pytestmark = pytest.mark.anyio

Pair = tuple[Collection, Collection]
Written = Sequence[tuple[str, tuple[float, float]]]

ITEMS, DIMENSIONS, PARTITIONS = 3_000, 64, 3
WORDS = ("oak", "lamp", "chair", "sofa")
rng = np.random.default_rng(5)
CENTRES = rng.normal(size=(40, DIMENSIONS))
VECTORS = (CENTRES[rng.integers(0, 40, ITEMS)] + 0.7 * rng.normal(size=(ITEMS, DIMENSIONS))).astype(np.float32)
QUERIES = (CENTRES[:20] + 0.7 * rng.normal(size=(20, DIMENSIONS))).astype(np.float32)

places = numbers(1)
ids = st.sampled_from([f"i{number}" for number in range(12)])
coordinates = st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0])
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
parts = st.lists(st.tuples(texts, st.tuples(coordinates, coordinates)), min_size=1, max_size=3)
steps = st.lists(st.tuples(ids, st.none() | parts), min_size=1, max_size=25)
filters = st.none() | st.sampled_from(
    [{"field": "parts", "gte": 2}, {"field": "title", "match": "oak"}, {"not": {"field": "parts", "eq": 1}}]
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "max_distance": st.sampled_from([0.1, 0.5, 1.0]),
        "excluded": st.lists(ids, max_size=3),
        "only": st.lists(ids, max_size=6),
        "sort": st.just(parse_sort([{"field": "parts", "order": "desc"}])),
    },
)


@pytest.fixture
async def make(studio: Studio) -> AsyncIterator[Callable[..., Awaitable[Collection]]]:
    """Collections with so many partitions, which are gone afterwards."""
    made: list[str] = []

    async def create(partitions: int, dimensions: int = 2, **index: Any) -> Collection:
        made.append(f"parted-{new_id()}")
        options = CollectionOptions(dimensions, index=IndexOptions(partitions=partitions, **index))
        return await studio.container.catalog.create(
            name=made[-1], plugin="vectors", metric="cosine", dimensions=dimensions, options=options
        )

    yield create
    for name in made:
        await studio.container.catalog.delete(name)


@pytest.fixture
async def pair(make: Callable[..., Awaitable[Collection]]) -> Pair:
    return await make(1), await make(PARTITIONS)


async def change(studio: Studio, collection: Collection, item_id: str, written: Written | None, place: int) -> None:
    async with studio.container.pool.acquire() as connection, connection.transaction():
        live = await studio.container.items.hold(connection, collection)
        if written is None:
            await delete_items(connection, collection, [item_id])
            return
        payload = {"parts": len(written), "title": " ".join(text for text, _ in written)}
        stored = {1: tuple(Part(text, np.array(vector, np.float32)) for text, vector in written)}
        item = Item(item_id, payload, None, place, str(place), stored)
        await studio.container.items.write(connection, collection, live, [item])


async def clear(studio: Studio, collection: Collection) -> None:
    async with studio.container.pool.acquire() as connection:
        await delete_items(connection, collection, [f"i{number}" for number in range(12)])


async def words_of(studio: Studio, collection: Collection) -> list[tuple[object, ...]]:
    """What the terms count, those of which there are any."""
    rows = await studio.container.pool.fetch(
        f"SELECT term, sum(parts)::int, sum(length)::int FROM terms_{collection.id}_1"
        " GROUP BY term HAVING sum(parts) <> 0 OR sum(length) <> 0 ORDER BY term"
    )
    return [tuple(row) for row in rows]


def shown(hits: Sequence[Hit]) -> list[tuple[object, ...]]:
    return [(round(hit.distance, 9), hit.item_id, hit.part_no, str(hit.payload)) for hit in hits]


async def answers(
    studio: Studio, collection: Collection, vector: tuple[float, float], words: str, tree: object, asked: dict[str, Any]
) -> list[object]:
    """Everything that can be asked of a collection and is answered exactly."""
    restricted = {"filter": parse_filter(tree) if tree else None, **asked}
    nearest = Query(vector=np.array(vector, np.float32), **restricted)
    async with studio.container.pool.acquire() as connection:
        matches = await find_matches(connection, collection, parse_words(words))
        lexical = Query(matches=matches, **{**restricted, "max_distance": None})
        first = await find(connection, collection, nearest, limit=3)
        last = (first[-1].keys, first[-1].distance, first[-1].item_id) if first else None
        rest = Query(vector=nearest.vector, filter=nearest.filter, sort=nearest.sort, after=last)
        few = await find_few(connection, collection, nearest, limit=4, at_most=5)
        return [
            shown(first),
            shown(await find(connection, collection, rest, limit=20)),
            sorted(shown(await find(connection, collection, lexical, limit=20))),
            (few.total, few.hits and shown(few.hits)),
            await count(connection, collection, nearest),
            await count(connection, collection, lexical),
            (await count(connection, collection, lexical, stop_at=2)).value,
            await count_facets(connection, collection, nearest, ["parts"]),
            sorted(await items_with_phrases(connection, collection, matches, ("oak lamp",), limit=10_000)),
            await distances(connection, collection, np.array(vector, np.float32), ["i1", "i2", "i3"]),
        ]


@given(
    done=steps,
    vector=st.tuples(coordinates, coordinates),
    words=texts,
    tree=filters,
    asked=queries,
    merged=st.booleans(),
)
@hypothesis_settings(max_examples=50)
async def test_partitions_change_no_answer(
    studio: Studio,
    pair: Pair,
    done: list[tuple[str, Written | None]],
    vector: tuple[float, float],
    words: str,
    tree: object,
    asked: dict[str, Any],
    merged: bool,
) -> None:
    for item_id, written in done:
        place = next(places)
        for collection in pair:
            await change(studio, collection, item_id, written, place)
    if merged:
        assert await merge_terms(studio.container.pool, pair[1], 1) == len(await words_of(studio, pair[1]))
    single, several = [await answers(studio, one, vector, words, tree, asked) for one in pair]
    assert several == single
    assert await words_of(studio, pair[1]) == await words_of(studio, pair[0])
    for collection in pair:
        await clear(studio, collection)
    assert await words_of(studio, pair[1]) == []


async def test_items_are_spread_over_the_partitions(studio: Studio, pair: Pair) -> None:
    for number in range(12):
        await change(studio, pair[1], f"i{number}", [("oak", (1.0, 0.5))], number + 1)
    held = [
        await studio.container.pool.fetchval(f"SELECT count(*) FROM parts_{pair[1].id}_1_p{number}")
        for number in range(PARTITIONS)
    ]
    assert sum(held) == 12
    assert min(held) > 0


async def indexed(studio: Studio, collection: Collection) -> list[str]:
    """Fill the collection and build what it lacks; returns the names of that."""
    items = [
        Item(f"i{n}", {"half": n % 2}, None, n, "h", {1: (Part("word", vector),)})
        for n, vector in enumerate(VECTORS, 1)
    ]
    async with studio.container.pool.acquire() as connection, connection.transaction():
        live = await studio.container.items.hold(connection, collection)
        await studio.container.items.write(connection, collection, live, items)
    return await Indexes(studio.container.pool, VectorStoreSettings(index_from=1)).build(collection, 1, {})


async def recall(studio: Studio, collection: Collection, **asked: Any) -> float:
    found: list[float] = []
    async with studio.container.pool.acquire() as connection:
        for vector in QUERIES:
            query = Query(vector=vector, **asked)
            exact = {hit.item_id for hit in await find(connection, collection, query, limit=10)}
            near = await find_nearest(connection, collection, query, limit=10)
            found.append(len(exact & {hit.item_id for hit in near}) / 10)
        await connection.execute("SELECT pg_stat_force_next_flush()")
    return float(np.mean(found))


def graphs(collection: Collection) -> list[str]:
    storage = collection.options.index.storage
    return [f"parts_{collection.id}_1_p{number}_{storage}" for number in range(PARTITIONS)]


@pytest.mark.parametrize("storage", ["halfvec", "vector", "binary"])
async def test_each_partition_is_searched_through_its_graph(
    studio: Studio, make: Callable[..., Awaitable[Collection]], storage: str
) -> None:
    collection = await make(PARTITIONS, DIMENSIONS, storage=storage)
    assert await indexed(studio, collection) == [*graphs(collection), f"items_{collection.id}_payload"]
    collection = await studio.container.catalog.get(collection.name)
    assert (collection.trusted_depth or 0) >= 100
    before = await scans(studio, collection)
    assert await recall(studio, collection) >= 0.95
    assert await recall(studio, collection, filter=parse_filter({"field": "half", "eq": 1})) >= 0.95
    after = await scans(studio, collection)
    assert all(after[name] >= before[name] + 2 * len(QUERIES) for name in graphs(collection))


async def scans(studio: Studio, collection: Collection) -> dict[str, int]:
    rows = await studio.container.pool.fetch(
        "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE indexrelname = ANY($1)", graphs(collection)
    )
    return {row["indexrelname"]: row["idx_scan"] for row in rows}


async def test_a_graph_that_is_half_built_is_built_anew_and_the_others_stay(
    studio: Studio, make: Callable[..., Awaitable[Collection]]
) -> None:
    collection = await make(PARTITIONS, DIMENSIONS)
    await indexed(studio, collection)
    pool, (_, broken, _) = studio.container.pool, graphs(collection)
    await pool.execute(f"DROP INDEX {broken}")
    with pytest.raises(asyncpg.UniqueViolationError):  # which leaves an index that is not valid
        await pool.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {broken} ON parts_{collection.id}_1_p1 (part_no)")
    indexes = Indexes(pool, VectorStoreSettings(index_from=1))
    assert await indexes.lacks(collection, 1, {})
    assert await recall(studio, collection) >= 0.95
    assert await indexes.build(collection, 1, {}) == [broken]
    assert not await indexes.lacks(collection, 1, {})
    assert await indexes.build(collection, 1, {}) == []


async def test_the_diagnosis_is_of_all_partitions(studio: Studio, make: Callable[..., Awaitable[Collection]]) -> None:
    collection = await make(PARTITIONS, DIMENSIONS)
    async with studio.container.pool.acquire() as connection:
        assert len((await diagnose(connection, collection, {}, index_from=0)).missing) == PARTITIONS + 1
    await indexed(studio, collection)
    await Indexes(studio.container.pool, VectorStoreSettings()).vacuum(collection, 1)
    async with studio.container.pool.acquire() as connection:
        found = await diagnose(connection, collection, {}, index_from=1)
    assert (found.parts.name, found.parts.rows) == (f"parts_{collection.id}_1", ITEMS)
    assert found.parts.needed == pytest.approx(found.parts.bytes, rel=0.25)
    assert found.parts.has_statistics
    assert found.parts.vacuumed_at
    built = [one for one in found.indexes if one.kind == "hnsw"]
    assert [one.name for one in built] == graphs(collection)
    assert all(one.is_planned and one.needed == pytest.approx(one.bytes, rel=0.1) for one in built)
    whole = await studio.container.versions.size(collection, 1)
    assert whole >= found.parts.bytes + sum(one.bytes for one in built)
    assert await studio.container.versions.about(collection, 1) == (ITEMS, ITEMS)


async def test_rows_are_estimated_over_all_partitions(
    studio: Studio, make: Callable[..., Awaitable[Collection]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.vector_store.versions._COUNTED", 1)
    collection = await make(PARTITIONS)
    versions, pool = studio.container.versions, studio.container.pool
    assert await versions.about(collection, 1) == (0, 0)
    for number in range(12):
        await change(studio, collection, f"i{number}", [("oak", (1.0, 0.5)), ("lamp", (1.0, 1.0))], number + 1)
    await pool.execute(f"ANALYZE items_{collection.id}; ANALYZE parts_{collection.id}_1")
    await change(studio, collection, "i99", [("oak", (1.0, 0.5))], 100)
    assert await versions.about(collection, 1) == (12, 24)


async def test_a_reindex_keeps_the_partitions_and_a_deletion_leaves_nothing(studio: Studio, any_name: str) -> None:
    made = await studio.create(any_name, options={"index": {"partitions": PARTITIONS}})
    assert made["options"]["index"]["partitions"] == PARTITIONS
    url = f"/api/v1/collections/{any_name}"
    await studio.add(any_name, [{"id": f"i{n}", "payload": {"title": f"red sofa {n}"}} for n in range(12)])
    collection = await studio.container.catalog.get(any_name)
    for mode in ("vector", "lexical", "hybrid"):
        found = await studio.search(any_name, query="sofa", mode=mode, limit=12)
        assert {one["id"] for one in found["results"]} == {f"i{n}" for n in range(12)}
    for step, version in (("reindex", 2), ("rollback", 1), ("optimize", 1)):
        answer = await studio.client.post(f"{url}/{step}", json={} if step == "reindex" else None)
        assert (await studio.work(answer.json()["task_id"]))["state"] == "succeeded"
        present = (await studio.client.get(url)).json()
        assert (present["index_version"], present["items"], present["parts"]) == (version, 12, 12)
    leaves = await partitions(studio, collection)
    assert leaves == {f"parts_{collection.id}_{version}_p{n}" for version in (1, 2) for n in range(PARTITIONS)}
    assert (await studio.client.delete(url)).status_code == 204
    assert not await partitions(studio, collection)


async def partitions(studio: Studio, collection: Collection) -> set[str]:
    rows = await studio.container.pool.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ $1", f"^parts_{collection.id}_"
    )
    return {row["relname"] for row in rows}


async def test_options_of_one_partition_are_kept_as_the_release_before_reads_them(
    studio: Studio, make: Callable[..., Awaitable[Collection]]
) -> None:
    for partitions, kept in ((1, None), (2, 2)):
        collection = await make(partitions, m=8)
        options = await studio.container.pool.fetchval("SELECT options FROM collections WHERE id = $1", collection.id)
        assert options["index"].get("partitions") == kept
        assert collection.partitions == partitions
