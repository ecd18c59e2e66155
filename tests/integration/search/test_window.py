"""Every way of searching pages through all that matches, once, and its parts add up."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio import Studio

pytestmark = pytest.mark.anyio

ITEMS = 300
NAME = "window-shelf"
rng = np.random.default_rng(11)
VECTORS = rng.normal(size=(ITEMS, 6)).astype(np.float32)
WORDS = ["oak", "lamp", "chair", "sofa", "velvet", "brass"]
TITLES = [" ".join(rng.choice(WORDS, size=rng.integers(1, 5))) for _ in range(ITEMS)]


@pytest.fixture(scope="module")
async def shelf(studio: Studio) -> str:
    await studio.create(NAME, "vectors", options={"dimensions": 6})
    items = [
        {
            "id": f"i{n:03}",
            "payload": {"title": TITLES[n], "n": n % 7, "kind": ["a", "b"][n % 2], "tags": WORDS[: n % 3]},
            "vector": VECTORS[n].tolist(),
        }
        for n in range(ITEMS)
    ]
    assert (await studio.add(NAME, items))["state"] == "succeeded"
    return NAME


async def pages(studio: Studio, name: str, limit: int, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(2 * ITEMS):
        page = await studio.search(name, limit=limit, cursor=cursor, track=False, explain=True, **fields)
        assert [one["position"] for one in page["results"]] == list(
            range(len(found) + 1, len(found) + len(page["results"]) + 1)
        )
        assert [one["payload"]["title"] for one in page["results"]] == [
            TITLES[int(one["id"][1:])] for one in page["results"]
        ]
        found += page["results"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
    raise AssertionError("the pages do not end")


queries = st.one_of(
    st.builds(lambda n: {"vector": VECTORS[n].tolist()}, st.integers(0, ITEMS - 1)),
    st.builds(
        lambda n, words: {"vector": VECTORS[n].tolist(), "text": " ".join(words)},
        st.integers(0, ITEMS - 1),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    st.builds(lambda n: {"item_id": f"i{n:03}"}, st.integers(0, ITEMS - 1)),
    st.none(),
)
filters = st.sampled_from([None, {"field": "kind", "eq": "a"}, {"field": "n", "lt": 3}])
sorts = st.sampled_from([[], [], [{"field": "n", "order": "desc"}], [{"field": "tags"}, {"field": "n"}]])


@given(query=queries, limit=st.integers(7, 150), where=filters, sort=sorts)
@hypothesis_settings(max_examples=40)
async def test_pages_repeat_and_skip_nothing(
    studio: Studio, shelf: str, query: Any, limit: int, where: Any, sort: Any
) -> None:
    found = await pages(studio, shelf, limit, query=query, filter=where, sort=sort)
    expected = {f"i{n:03}" for n in range(ITEMS) if where is None or matches(where, n)}
    if isinstance(query, str):
        expected = {name for name in expected if set(query.split()) & set(TITLES[int(name[1:])].split())}
    if isinstance(query, dict) and "item_id" in query:
        expected -= {query["item_id"]}
    assert len(found) == len({one["id"] for one in found})
    assert {one["id"] for one in found} == expected
    for one in found:
        parts = one["explanation"]
        assert parts["vector"] + parts["lexical"] + parts["memory"] + parts["ranker"] == pytest.approx(one["score"])
    if not sort:
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True)


def matches(where: dict[str, Any], n: int) -> bool:
    return n % 2 == 0 if where["field"] == "kind" else n % 7 < 3


async def test_a_sorted_search_is_in_that_order_then_by_score_then_by_id(studio: Studio, shelf: str) -> None:
    found = await pages(
        studio, shelf, 50, query={"vector": VECTORS[0].tolist()}, sort=[{"field": "n", "order": "desc"}]
    )
    keys = [(-one["payload"]["n"], -one["score"], one["id"]) for one in found]
    assert keys == sorted(keys)


async def test_facets_count_all_that_match(studio: Studio, shelf: str) -> None:
    answer = await studio.search(shelf, query="oak", mode="lexical", limit=1, facets=["kind", "tags", "nothing"])
    matching = [n for n in range(ITEMS) if "oak" in TITLES[n].split()]
    kinds = {one["value"]: one["count"] for one in answer["facets"]["kind"]}
    assert kinds == {"a": sum(n % 2 == 0 for n in matching), "b": sum(n % 2 == 1 for n in matching)}
    tags = {one["value"]: one["count"] for one in answer["facets"]["tags"]}
    assert tags == {"oak": sum(n % 3 >= 1 for n in matching), "lamp": sum(n % 3 == 2 for n in matching)}
    assert answer["facets"]["nothing"] == []
    listed = await studio.search(shelf, facets=["n"], filter={"field": "n", "gte": 5}, limit=1)
    assert {one["value"]: one["count"] for one in listed["facets"]["n"]} == {
        n: sum(m % 7 == n for m in range(ITEMS)) for n in (5, 6)
    }


@pytest.mark.parametrize("text", [None, "oak"])
async def test_what_is_too_far_is_left_out(studio: Studio, shelf: str, text: str | None) -> None:
    query = {"vector": VECTORS[0].tolist()} | ({"text": text} if text else {})
    similarity = VECTORS @ VECTORS[0] / np.linalg.norm(VECTORS, axis=1) / np.linalg.norm(VECTORS[0])
    near = {f"i{n:03}" for n in np.flatnonzero(1 - similarity <= 0.5)}
    found = await pages(studio, shelf, 20, query=query, max_distance=0.5)
    assert {one["id"] for one in found} == near
    url = f"/api/v1/collections/{shelf}/count"
    answer = await studio.client.post(url, json={"query": query, "max_distance": 0.5})
    assert answer.json() == {"total": {"value": len(near), "relation": "eq"}}


async def test_a_count_goes_to_the_end(studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio.container.searches._retriever, "_exact_below", 20)
    url = f"/api/v1/collections/{shelf}/count"
    for body, count in (({}, 300), ({"filter": {"field": "n", "eq": 0}}, 43), ({"query": "oak sofa"}, None)):
        answer = await studio.client.post(url, json=body)
        expected = sum(bool({"oak", "sofa"} & set(title.split())) for title in TITLES) if count is None else count
        assert answer.json() == {"total": {"value": expected, "relation": "eq"}}


async def test_results_bring_their_vectors_where_asked(studio: Studio, shelf: str) -> None:
    found = await studio.search(shelf, query={"vector": VECTORS[3].tolist()}, vectors=True, limit=2)
    assert found["results"][0]["vector"] == VECTORS[3].tolist()
    assert "vector" not in (await studio.search(shelf, query="oak", limit=1))["results"][0]


async def test_ranks_may_be_fused_instead_of_scores(studio: Studio, any_name: str) -> None:
    options = {"dimensions": 6, "fusion": {"kind": "reciprocal_rank", "k": 1}}
    await studio.create(any_name, "vectors", options=options)
    items = [{"id": f"i{n}", "payload": {"title": TITLES[n]}, "vector": VECTORS[n].tolist()} for n in range(9)]
    await studio.add(any_name, items)
    found = await studio.search(any_name, query={"vector": VECTORS[0].tolist(), "text": "oak"}, explain=True)
    assert max(one["explanation"]["vector"] for one in found["results"]) == 1 / 2
    assert {one["explanation"]["lexical"] for one in found["results"]} <= {
        0.0,
        *(1 / (1 + rank) for rank in range(1, 10)),
    }


async def test_what_is_deleted_before_it_is_shown_is_left_out(
    studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = studio.container.searches._pager._items
    query = {"vector": VECTORS[0].tolist(), "text": "oak lamp"}
    (first, *others) = [one["id"] for one in (await studio.search(shelf, query=query, limit=5))["results"]]
    read = type(items).payloads

    async def without_the_first(itself: Any, *args: Any) -> dict[str, dict[str, Any]]:
        return {item: payload for item, payload in (await read(itself, *args)).items() if item != first}

    monkeypatch.setattr(type(items), "payloads", without_the_first)
    page = await studio.search(shelf, query=query, limit=5)
    assert [one["id"] for one in page["results"]] == others
    assert page["next_cursor"]
