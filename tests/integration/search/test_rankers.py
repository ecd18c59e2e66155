"""Processors and rankers of plugins in real searches."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cross_encoder import save_cross_encoder
from embedding_studio.inference.exporting import export_missing
from embedding_studio.kernel.time import now
from embedding_studio.sdk import CrossEncoderRerank, EmbeddingPlugin, Ranking
from studio import Json, Studio

pytestmark = pytest.mark.anyio

SHOP = "ranked-shop"
ITEMS: list[Json] = [
    {"id": "cheap", "payload": {"title": "sleeper sofa", "brand": "Acme", "price": 90, "sold": 0}},
    {"id": "sold", "payload": {"title": "sleeper sofa", "brand": "Acme", "price": 99, "sold": 10_000}},
    {"id": "dear", "payload": {"title": "sleeper sofa", "brand": "Acme", "price": 900, "sold": 50}},
    {"id": "other", "payload": {"title": "sleeper sofa", "brand": "Zed", "price": 90, "added_at": now().isoformat()}},
]


@pytest.fixture(scope="module", autouse=True)
async def _shop(studio: Studio) -> AsyncIterator[None]:
    await studio.create(SHOP, "shop")
    await studio.add(SHOP, ITEMS)
    yield
    await studio.client.delete(f"/api/v1/collections/{SHOP}")


def ids(found: Json) -> list[str]:
    return [one["id"] for one in found["results"]]


async def test_a_query_becomes_filters_and_the_popular_come_first(studio: Studio) -> None:
    found = await studio.search(SHOP, query="sofa bed under $500 brand:Acme", explain=True)
    assert ids(found) == ["sold", "cheap"]
    assert [(step["processor"], step["text"]) for step in found["query"]] == [
        ("SplitFilters", "sofa bed"),
        ("Rewrite", "sleeper sofa"),
        ("Expand", "sleeper sofa"),
    ]
    assert found["query"][0]["filters"] == [{"field": "price", "lt": 500}, {"field": "brand", "eq": "Acme"}]
    assert found["query"][2]["expansions"] == ["couch"]


async def test_shares_are_explained_by_name_and_sum_to_the_score(studio: Studio) -> None:
    found = await studio.search(SHOP, query="sofa", explain=True)
    shares = {one["id"]: one["explanation"]["rankers"] for one in found["results"]}
    assert shares["sold"] == {"popularity:sold": pytest.approx(0.05, rel=0.02), "recency:added_at": 0}
    assert shares["other"] == {"popularity:sold": 0, "recency:added_at": pytest.approx(0.05, rel=0.01)}
    for one in found["results"]:
        parts = one["explanation"]
        assert one["score"] == pytest.approx(parts["vector"] + parts["lexical"] + sum(parts["rankers"].values()))


async def test_a_query_of_conditions_alone_lists_what_keeps_to_them(studio: Studio) -> None:
    assert sorted(ids(await studio.search(SHOP, query="under 500 brand:Acme"))) == ["cheap", "sold"]


async def test_pages_of_a_ranked_search_neither_repeat_nor_skip(studio: Studio) -> None:
    whole = ids(await studio.search(SHOP, query="sofa"))
    seen: list[str] = []
    cursor = None
    for _ in whole:
        page = await studio.search(SHOP, query="sofa", limit=1, cursor=cursor)
        seen += ids(page)
        cursor = page["next_cursor"]
    assert seen == whole
    assert len(whole) == 4


@pytest.fixture
async def reranked(studio: Studio, any_name: str, tmp_path: Path) -> AsyncIterator[tuple[str, CrossEncoderRerank]]:
    rerank = CrossEncoderRerank(model=save_cross_encoder(tmp_path / "model"), weight=0.5)
    plugins = studio.container.plugins._plugins
    plugins[any_name] = EmbeddingPlugin(name=any_name, ranking=Ranking(mode="vector", rankers=(rerank,)))
    await studio.create(any_name, any_name)
    await studio.add(any_name, [{"id": str(n), "payload": {"title": f"sofa number {n}"}} for n in range(5)])
    yield any_name, rerank
    await studio.client.delete(f"/api/v1/collections/{any_name}")
    del plugins[any_name]


async def test_a_cross_encoder_reads_what_was_found(
    studio: Studio, encoders: Path, reranked: tuple[str, CrossEncoderRerank]
) -> None:
    name, rerank = reranked
    before = await studio.search(name, query="a sofa", explain=True)
    assert all(one["explanation"]["rankers"] == {"cross_encoder": 0} for one in before["results"])
    export_missing([rerank.build()], encoders)
    await studio.container.encoders.score_pairs(rerank.build(), "loaded", ["once"])
    after = await studio.search(name, query="a sofa", explain=True)
    shares = [one["explanation"]["rankers"]["cross_encoder"] for one in after["results"]]
    assert all(0 < share <= 0.5 for share in shares)
    assert len(set(shares)) == 5
    scores = [one["score"] for one in after["results"]]
    assert scores == sorted(scores, reverse=True)
