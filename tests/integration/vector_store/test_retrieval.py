"""Whatever the index keeps of a vector, results are ordered by float32 and nearly all of the best."""

import numpy as np
import pytest
from numpy.typing import NDArray

from embedding_studio.vector_store import (
    Collection,
    Indexes,
    Query,
    Vector,
    VectorStoreSettings,
    find,
    find_few,
    find_nearest,
    parse_filter,
)
from studio import Studio

pytestmark = pytest.mark.anyio

ITEMS, DIMENSIONS = 3_000, 64
rng = np.random.default_rng(5)
CENTRES = rng.normal(size=(40, DIMENSIONS))
VECTORS = (CENTRES[rng.integers(0, 40, ITEMS)] + 0.7 * rng.normal(size=(ITEMS, DIMENSIONS))).astype(np.float32)
QUERIES = (CENTRES[:20] + 0.7 * rng.normal(size=(20, DIMENSIONS))).astype(np.float32)
CASES = [
    ("halfvec", "cosine"),
    ("halfvec", "dot"),
    ("halfvec", "euclidean"),
    ("vector", "cosine"),
    ("vector", "euclidean"),
    ("binary", "cosine"),
]


def true_distances(query: Vector, metric: str) -> NDArray[np.float32]:
    match metric:
        case "cosine":
            return np.asarray(1 - VECTORS @ query / np.linalg.norm(VECTORS, axis=1) / np.linalg.norm(query))
        case "dot":
            return np.asarray(-(VECTORS @ query))
        case _:
            return np.asarray(np.linalg.norm(VECTORS - query, axis=1))


async def indexed(studio: Studio, storage: str, metric: str) -> Collection:
    name = f"{storage}-{metric}"
    options = {"dimensions": DIMENSIONS, "index": {"storage": storage}}
    await studio.create(name, "vectors", metric=metric, options=options)
    items = [
        {"id": f"i{n}", "payload": {"half": n % 2, "n": n}, "vector": vector.tolist()}
        for n, vector in enumerate(VECTORS)
    ]
    assert (await studio.add(name, items))["state"] == "succeeded"
    collection = await studio.container.collections.current(name)
    built = await Indexes(studio.container.pool, VectorStoreSettings(index_from=1)).build(collection, 1, {})
    assert f"parts_{collection.id}_1_{storage}" in built
    return collection


@pytest.mark.parametrize(("storage", "metric"), CASES)
@pytest.mark.parametrize("limit", [10, 200])
async def test_recall_and_order(studio: Studio, storage: str, metric: str, limit: int) -> None:
    name = f"{storage}-{metric}"
    answer = await studio.client.get(f"/api/v1/collections/{name}")
    known = answer.status_code == 200
    collection = await (studio.container.collections.current(name) if known else indexed(studio, storage, metric))
    recalls = []
    for query in QUERIES:
        async with studio.container.pool.acquire() as connection:
            hits = await find_nearest(connection, collection, Query(vector=query), limit=limit)
        truth = true_distances(query, metric)
        best = {f"i{n}" for n in np.argsort(truth)[:limit]}
        recalls.append(len(best & {hit.item_id for hit in hits}) / limit)
        distances = [hit.distance for hit in hits]
        assert distances == sorted(distances)
        assert distances == pytest.approx([truth[int(hit.item_id[1:])] for hit in hits], abs=2e-3, rel=1e-4)
    assert np.mean(recalls) >= 0.95


@pytest.mark.parametrize(("tree", "passing"), [({"field": "half", "eq": 1}, 1_500), ({"field": "n", "lt": 25}, 25)])
@pytest.mark.parametrize("at_most", [100, 5_000])
async def test_few_are_compared_one_by_one_and_many_are_not(
    studio: Studio, tree: dict[str, object], passing: int, at_most: int
) -> None:
    known = (await studio.client.get("/api/v1/collections/halfvec-cosine")).status_code == 200
    collection = await (
        studio.container.collections.current("halfvec-cosine") if known else indexed(studio, "halfvec", "cosine")
    )
    query = Query(vector=QUERIES[0], filter=parse_filter(tree))
    async with studio.container.pool.acquire() as connection:
        few = await find_few(connection, collection, query, limit=10, at_most=at_most)
        exact = await find(connection, collection, query, limit=10)
        walked = await find_nearest(connection, collection, query, limit=10)
    if passing > at_most:
        assert (few.total.value, few.total.relation, few.hits) == (at_most, "gte", None)
    else:
        assert (few.total.value, few.total.relation, few.hits) == (passing, "eq", exact)
    # Where the nearest parts hardly ever pass, the index gives no answer rather than a wrong one.
    assert walked == [] if passing == 25 else len({hit.item_id for hit in walked} & {hit.item_id for hit in exact}) >= 9


async def test_numbers_beyond_half_precision_are_refused_where_they_would_not_fit(
    studio: Studio, any_name: str
) -> None:
    for storage, metric, status in (("halfvec", "dot", 400), ("vector", "dot", 200), ("halfvec", "cosine", 200)):
        name = f"{any_name}-{storage}-{metric}"
        await studio.create(name, "vectors", metric=metric, options={"dimensions": 2, "index": {"storage": storage}})
        url = f"/api/v1/collections/{name}"
        answer = await studio.client.put(f"{url}/items/a", json={"payload": {}, "vector": [70_000, 1]})
        assert answer.status_code == status, answer.text
        asked = await studio.client.post(f"{url}/search", json={"query": {"vector": [70_000, 1]}})
        assert asked.status_code == status, asked.text
