"""Searching through the API: filters, pages, sessions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from embedding_studio.search.metrics import SESSIONS_LOST
from studio import Studio

pytestmark = pytest.mark.anyio

ITEMS = 2_500
DIMENSIONS = 8
rng = np.random.default_rng(7)
VECTORS = rng.normal(size=(ITEMS, DIMENSIONS)).astype(np.float32)
COLORS = ["red", "green", "blue"]


@pytest.fixture(scope="module")
async def shelf(studio: Studio) -> str:
    """2,500 items with given vectors and an HNSW index; anything above 100 matches counts as many."""
    name = "shelf"
    await studio.create(name, "vectors", options={"dimensions": DIMENSIONS})
    items = [
        {"id": f"i{n:04}", "payload": {"n": n, "color": COLORS[n % 3]}, "vector": vector.tolist()}
        for n, vector in enumerate(VECTORS)
    ]
    assert (await studio.add(name, items))["state"] == "succeeded"
    return name


def exact(query: np.ndarray[Any, Any], keep: range | None = None) -> list[str]:
    similarity = VECTORS @ query / np.linalg.norm(VECTORS, axis=1)
    order = np.lexsort((np.arange(ITEMS), -similarity))
    return [f"i{n:04}" for n in order if keep is None or n in keep]


async def pages(studio: Studio, name: str, limit: int, until: int, **fields: object) -> list[str]:
    found: list[str] = []
    cursor = None
    while len(found) < until:
        page = await studio.search(name, limit=limit, cursor=cursor, track=False, **fields)
        assert [one["position"] for one in page["results"]] == list(
            range(len(found) + 1, len(found) + len(page["results"]) + 1)
        )
        found += [one["id"] for one in page["results"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found


async def test_filtered_results_are_exact(studio: Studio, shelf: str) -> None:
    query = rng.normal(size=DIMENSIONS).astype(np.float32)
    found = await studio.search(
        shelf, query={"vector": query.tolist()}, limit=20, filter={"field": "n", "gte": 40, "lt": 400}
    )
    assert [one["id"] for one in found["results"]] == exact(query, range(40, 400))[:20]
    assert found["total"] == {"value": 360, "relation": "eq"}


@given(limit=st.integers(30, 400), seed=st.integers(0, 1000), filtered=st.booleans())
@hypothesis_settings(max_examples=15)
async def test_pages_repeat_and_skip_nothing(studio: Studio, shelf: str, limit: int, seed: int, filtered: bool) -> None:
    query = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    fields: dict[str, object] = {"query": {"vector": query.tolist()}}
    expected = exact(query)
    if filtered:
        fields["filter"] = {"field": "color", "in": ["red", "blue"]}
        expected = [one for one in expected if int(one[1:]) % 3 != 1]
    found = await pages(studio, shelf, limit, len(expected), **fields)
    assert len(found) == len(set(found))
    assert set(found) == set(expected)


async def test_pages_hold_also_where_the_first_comes_from_the_index(
    studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.container.searches._retriever, "_exact_below", 100)
    monkeypatch.setattr(studio.container.searches._retriever, "_large", {})
    query = rng.normal(size=DIMENSIONS).astype(np.float32)
    first = await studio.search(shelf, query={"vector": query.tolist()}, limit=30)
    assert first["total"] == {"value": 100, "relation": "gte"}
    assert len({one["id"] for one in first["results"]} & set(exact(query)[:30])) >= 28
    found = await pages(studio, shelf, 300, ITEMS, query={"vector": query.tolist()})
    assert sorted(found) == [f"i{n:04}" for n in range(ITEMS)]


async def test_a_broad_filter_gets_all_it_asked_for(
    studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.container.searches._retriever, "_exact_below", 100)
    monkeypatch.setattr(studio.container.searches._retriever, "_large", {})
    query = VECTORS[0].tolist()
    found = await studio.search(shelf, query={"vector": query}, limit=600, filter={"field": "color", "eq": "green"})
    assert len(found["results"]) == 600
    assert {one["payload"]["color"] for one in found["results"]} == {"green"}


async def test_without_a_query_items_are_listed_by_id(studio: Studio, shelf: str) -> None:
    found = await pages(studio, shelf, 100, ITEMS, filter={"field": "color", "eq": "red"})
    assert found == [f"i{n:04}" for n in range(0, ITEMS, 3)]


async def test_a_cursor_belongs_to_its_search(studio: Studio, shelf: str) -> None:
    page = await studio.search(shelf, limit=5)
    url = f"/api/v1/collections/{shelf}/search"
    other = await studio.client.post(url, json={"cursor": page["next_cursor"], "filter": {"field": "n", "gte": 1}})
    broken = await studio.client.post(url, json={"cursor": "AAAA"})
    for answer in (other, broken):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


async def test_a_tracked_search_records_what_it_showed(studio: Studio, shelf: str) -> None:
    tracked = await studio.search(
        shelf, query={"vector": VECTORS[5].tolist()}, limit=3, user_id="u1", filter={"field": "n", "lt": 100}
    )
    session = (await studio.client.get(f"/api/v1/sessions/{tracked['session_id']}")).json()
    assert session["results"] == [
        {"id": one["id"], "position": one["position"], "score": one["score"], "propensity": 1.0}
        for one in tracked["results"]
    ]
    assert (session["user_id"], session["filter"]) == ("u1", {"field": "n", "lt": 100})
    assert (session["model_version"], session["index_version"], session["mode"]) == (1, 1, "vector")
    untracked = await studio.search(shelf, track=False)
    assert untracked["session_id"] is None


async def test_an_explanation_sums_to_the_score(studio: Studio, shelf: str) -> None:
    found = await studio.search(shelf, query={"vector": VECTORS[5].tolist()}, explain=True)
    for one in found["results"]:
        parts = one["explanation"]
        assert parts["vector"] + parts["lexical"] + parts["memory"] + parts["ranker"] == one["score"]
    assert found["results"][0]["id"] == "i0005"
    assert found["results"][0]["score"] == pytest.approx(1.0, abs=1e-6)


async def test_pages_go_on_after_the_longest_ids(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1}, metric="euclidean")
    ids = [character * 512 for character in "\U0001f600\U0001f601\U0001f602"]
    await studio.add(any_name, [{"id": one, "payload": {}, "vector": [n]} for n, one in enumerate(ids)])
    assert await pages(studio, any_name, 1, 3) == ids
    assert await pages(studio, any_name, 1, 3, query={"vector": [0]}) == ids


async def test_pages_go_on_after_any_number(studio: Studio, any_name: str) -> None:
    numbers = [1e20, 1e300, -1e20, 2**63 - 1, -(2**63), 9223372036854775808.0, 5e-324, 0.1, -0.0]
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    items = [{"id": str(i), "payload": {"n": n}, "vector": [1.0]} for i, n in enumerate(numbers)]
    assert (await studio.add(any_name, items))["state"] == "succeeded"
    seen = []
    cursor = None
    for _ in numbers:
        page = await studio.search(any_name, sort=[{"field": "n"}], limit=1, cursor=cursor)
        seen += [one["id"] for one in page["results"]]
        cursor = page["next_cursor"]
    assert seen == [str(i) for i, _ in sorted(enumerate(numbers), key=lambda one: one[1])]


async def test_one_text_of_very_many_words_stops_no_search_by_words(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    words = " ".join(f"word{n}" for n in range(90_000))
    for item_id, title in (("long", f"apple {words}"), ("short", "apple")):
        url = f"/api/v1/collections/{any_name}/items/{item_id}"
        answer = await studio.client.put(url, json={"payload": {"title": title}, "vector": [1]})
        assert answer.status_code == 200
    found = await studio.search(any_name, query="apples")
    assert {one["id"] for one in found["results"]} == {"long", "short"}


async def test_a_search_is_answered_though_its_session_cannot_be_recorded(
    studio: Studio, shelf: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:  # in place of a coroutine
        raise AutoReconnect("MongoDB is gone")

    monkeypatch.setattr(studio.container.clickstream._repository, "add_session", down)
    before = SESSIONS_LOST._value.get()
    found = await studio.search(shelf, query={"vector": VECTORS[5].tolist()}, limit=3)
    assert found["session_id"] is None
    assert found["results"][0]["id"] == "i0005"
    assert SESSIONS_LOST._value.get() == before + 1


@pytest.mark.parametrize(
    "query", ["'", "a'b\\c & | ! ( ) :* <->", "(" * 5000, "the of and", "-" * 100, "x" * 10_000, "木"]
)
async def test_any_text_may_be_searched_for_by_words(studio: Studio, shelf: str, query: str) -> None:
    found = await studio.search(shelf, query=query, mode="lexical")
    assert found["results"] == []


async def test_very_many_words_may_be_searched_for(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    await studio.add(any_name, [{"id": "a", "payload": {"title": "zebra"}, "vector": [1]}])
    words = " ".join(chr(0x4E00 + n) for n in range(4_990)) + " zebras"
    assert [one["id"] for one in (await studio.search(any_name, query=words))["results"]] == ["a"]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "lexical"])
async def test_ranking_for_a_judge_is_the_order_of_the_pages(studio: Studio, any_name: str, mode: str) -> None:
    things = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf", "clock", "vase", "bowl", "bench"]
    colors = ["red", "green", "blue", "black", "white", "pink", "grey", "brown", "golden", "silver", "beige"]
    titles = [f"{color} {thing}" for color in colors for thing in things]
    await studio.create(any_name, options={"mode": mode})
    await studio.add(any_name, [{"id": title.replace(" ", "-"), "payload": {"title": title}} for title in titles])
    collection = await studio.container.collections.current(any_name)
    text = "a red or blue sofa"
    (vector,) = await studio.container.embeddings.embed(collection, [text], "query")

    paged = await pages(studio, any_name, 100, len(titles), query=text)
    asked = [title.replace(" ", "-") for title in titles[::3]]
    order = await studio.container.searches.rank(collection, text, vector, limit=100, among=asked)
    assert list(order.found) == paged[:100]
    assert list(order.among) == [item for item in paged if item in asked]
    assert len(order.among) == (len(asked) if mode != "lexical" else len([item for item in asked if item in paged]))


async def test_a_vector_of_another_model_ranks_beside_the_words(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": word, "payload": {"title": word}} for word in ("sofa", "knife", "lamp")])
    collection = await studio.container.collections.current(any_name)
    vectors = await studio.container.embeddings.embed(collection, ["sofa", "knife"], "query")
    orders = [
        await studio.container.searches.rank(collection, "lamp", vector, limit=3, among=["sofa", "knife", "lamp"])
        for vector in vectors
    ]
    assert [order.found for order in orders] == [("lamp", "sofa", "knife"), ("lamp", "knife", "sofa")]
