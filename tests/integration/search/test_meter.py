"""Live searches are repeated exactly now and then; where the index finds too little, searches look further."""

import numpy as np
import pytest

from embedding_studio.search.meter import RecallMeter, bucket_of
from embedding_studio.vector_store import Collection, Hit, Query, VectorStoreSettings, recall_of
from studio import Studio

pytestmark = pytest.mark.anyio

EAGER = {"recall_share": 1.0, "recall_every": 0.0}


def meter(studio: Studio, **settings: float) -> RecallMeter:
    return RecallMeter(studio.container.pool, VectorStoreSettings.model_validate({**EAGER, **settings}))


async def shelf(studio: Studio, name: str) -> tuple[Collection, Query]:
    await studio.create(name, "vectors", options={"dimensions": 2})
    vectors = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    items = [{"id": f"i{n}", "payload": {"n": n}, "vector": vector.tolist()} for n, vector in enumerate(vectors)]
    await studio.add(name, items)
    return await studio.container.collections.current(name), Query(vector=vectors[0])


async def measured(one: RecallMeter, collection: Collection, query: Query, hits: list[Hit], seconds: float) -> None:
    one.sample(collection, query, hits, limit=10, seconds=seconds)
    assert one._running is not None
    await one._running


async def test_a_search_that_finds_half_is_noted_as_half(studio: Studio, any_name: str) -> None:
    collection, query = await shelf(studio, any_name)
    exact, _ = await studio.container.searches._retriever.nearest(collection, query, limit=10)
    await measured(meter(studio), collection, query, exact[:5], 0.001)
    view = (await studio.client.get(f"/api/v1/collections/{any_name}")).json()
    assert view["recall"] == [{"bucket": "no filter", "samples": 1, "recall": 0.5, "ef_search": 100}]


async def test_searches_look_further_where_recall_is_too_low(studio: Studio, any_name: str) -> None:
    collection, query = await shelf(studio, any_name)
    eager = meter(studio)
    for _ in range(20):
        await measured(eager, collection, query, [], 0.001)
    raised = await studio.container.collections.current(any_name)
    assert raised.ef_search == 150
    await measured(eager, raised, query, [], 0.001)
    (noted,) = (await studio.client.get(f"/api/v1/collections/{any_name}")).json()["recall"]
    assert (noted["samples"], noted["ef_search"]) == (1, 150)


@pytest.mark.parametrize(("asked", "seconds"), [({}, 0.04), ({"recall_target": 0.0}, 0.001)])
async def test_the_budget_and_the_target_are_kept(
    studio: Studio, any_name: str, asked: dict[str, float], seconds: float
) -> None:
    collection, query = await shelf(studio, any_name)
    eager = meter(studio, **asked)
    for _ in range(25):
        await measured(eager, collection, query, [], seconds)
    assert (await studio.container.collections.current(any_name)).ef_search == 100


async def test_one_is_measured_at_a_time_and_closing_ends_it(studio: Studio, any_name: str) -> None:
    collection, query = await shelf(studio, any_name)
    eager = meter(studio)
    eager.sample(collection, query, [], limit=10, seconds=0.001)
    running = eager._running
    eager.sample(collection, query, [], limit=10, seconds=0.001)
    assert eager._running is running
    await eager.close()
    assert eager._running is None


async def test_nothing_is_sampled_where_nothing_is_asked_for(studio: Studio, any_name: str) -> None:
    collection, query = await shelf(studio, any_name)
    never = meter(studio, recall_share=0.0)
    never.sample(collection, query, [], limit=10, seconds=0.001)
    assert never._running is None


def test_recall_counts_what_is_as_near_as_the_last() -> None:
    exact = [Hit("a", 0, 0.1, {}), Hit("b", 0, 0.2, {})]
    assert recall_of([], []) == 1.0
    assert recall_of([Hit("a", 0, 0.1, {}), Hit("c", 0, 0.2, {})], exact) == 1.0
    assert recall_of([Hit("a", 0, 0.1, {}), Hit("c", 0, 0.3, {})], exact) == 0.5


def test_buckets_cover_all_shares() -> None:
    assert [bucket_of(share) for share in (1, 0.5, 0.2, 0.1, 0.05, 0.01, 0.001, 0)] == [
        ">=50%", ">=50%", "10-50%", "10-50%", "1-10%", "1-10%", "<1%", "<1%",
    ]  # fmt: skip
