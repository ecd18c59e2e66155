"""An index is trusted as deep as it was seen to be right, and what lies deeper is compared exactly."""

import numpy as np
import pytest

from embedding_studio.vector_store import Collection, Indexes, Query, VectorStoreSettings, find_nearest
from embedding_studio.vector_store.calibration import DEPTHS
from studio import Studio

pytestmark = pytest.mark.anyio

ITEMS, DIMENSIONS = 2_000, 48
VECTORS = np.random.default_rng(9).normal(size=(ITEMS, DIMENSIONS)).astype(np.float32)
"""In no clusters at all, which is the hardest for a graph."""


async def built(studio: Studio, name: str, **index: int) -> Collection:
    await studio.create(name, "vectors", options={"dimensions": DIMENSIONS, "index": index})
    items = [{"id": f"i{n}", "payload": {}, "vector": vector.tolist()} for n, vector in enumerate(VECTORS)]
    assert (await studio.add(name, items))["state"] == "succeeded"
    collection = await studio.container.collections.current(name)
    await Indexes(studio.container.pool, VectorStoreSettings(index_from=1)).build(collection, 1, {})
    return await studio.container.collections.current(name)


async def found(studio: Studio, collection: Collection, limit: int) -> list[str]:
    async with studio.container.pool.acquire() as connection:
        hits = await find_nearest(connection, collection, Query(vector=VECTORS[0]), limit=limit)
    return [hit.item_id for hit in hits]


async def test_a_good_index_is_trusted_deep(studio: Studio, any_name: str) -> None:
    collection = await built(studio, any_name, m=32, ef_construction=200, ef_search=100)
    assert collection.trusted_depth is not None
    assert collection.trusted_depth >= 800
    assert len(await found(studio, collection, 500)) == 500


async def test_a_poor_index_is_looked_through_further_and_trusted_less(studio: Studio, any_name: str) -> None:
    collection = await built(studio, any_name, m=3, ef_construction=6, ef_search=10)
    assert collection.trusted_depth is not None
    assert collection.trusted_depth < DEPTHS[-1]
    assert collection.ef_search > 10
    assert await found(studio, collection, 1_000) == []
    view = (await studio.client.get(f"/api/v1/collections/{any_name}")).json()
    assert (view["trusted_depth"], view["ef_search"]) == (collection.trusted_depth, collection.ef_search)


async def test_what_lies_deeper_is_exact(studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await built(studio, any_name, m=3, ef_construction=6, ef_search=10)
    monkeypatch.setattr(studio.container.searches._retriever, "_exact_below", 100)
    answer = await studio.search(any_name, query={"vector": VECTORS[0].tolist()}, limit=1_000, track=False)
    cosines = VECTORS @ VECTORS[0] / np.linalg.norm(VECTORS, axis=1)
    assert {one["id"] for one in answer["results"]} == {f"i{n}" for n in np.argsort(-cosines)[:1_000]}
