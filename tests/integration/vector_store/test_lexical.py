"""The database keeps the words of every part: what is looked up is what is there, whatever was written before."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.vector_store import Collection, find_matches, merge_terms, parse_words
from embedding_studio.vector_store.bm25 import K1, B
from studio import Studio

pytestmark = pytest.mark.anyio

VOCABULARY = ("oak", "lamp", "chair", "sofa", "velvet", "brass")  # words that English stemming leaves alone
texts = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=8).map(" ".join)
changes = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | texts), min_size=1, max_size=10)


async def lookup(studio: Studio, collection: Collection, query: str) -> dict[str, float]:
    async with studio.container.pool.acquire() as connection:
        matches = await find_matches(connection, collection, parse_words(query))
        rows = await connection.fetch(f"SELECT key, item_id FROM parts_{collection.id}_1")
    items = {row["key"]: row["item_id"] for row in rows}
    found = zip(matches.keys.tolist(), matches.scores.tolist(), strict=True)
    return {items[key]: score for key, score in found if key in items}


def expected(present: dict[str, str], query: str) -> dict[str, float]:
    documents = {name: Counter(text.split()) for name, text in present.items()}
    mean = sum(sum(words.values()) for words in documents.values()) / max(1, len(documents))
    scores: dict[str, float] = {}
    for name, words in documents.items():
        for term in set(query.split()) & set(words):
            with_term = sum(term in other for other in documents.values())
            norm = K1 * (1 - B + B * sum(words.values()) / mean)
            idf = math.log(1 + (len(documents) - with_term + 0.5) / (with_term + 0.5))
            scores[name] = scores.get(name, 0.0) + idf * words[term] * (K1 + 1) / (words[term] + norm)
    return scores


@given(steps=changes, query=texts, merged=st.booleans())
@hypothesis_settings(max_examples=25)
async def test_scores_are_of_what_is_there_now(
    studio: Studio, steps: list[tuple[str, str | None]], query: str, merged: bool
) -> None:
    name, present = "words", dict[str, str]()
    await studio.client.delete(f"/api/v1/collections/{name}")
    await studio.create(name, "vectors", options={"dimensions": 1})
    for item, text in steps:
        await change(studio, f"/api/v1/collections/{name}/items/{item}", text)
        present = {key: value for key, value in {**present, item: text}.items() if value is not None}
    collection = await studio.container.collections.current(name)
    if merged:
        await merge_terms(studio.container.pool, collection, 1)
    assert await lookup(studio, collection, query) == pytest.approx(expected(present, query))


async def change(studio: Studio, url: str, text: str | None) -> None:
    if text is None:
        assert (await studio.client.delete(url)).status_code in (204, 404)
    else:
        answer = await studio.client.put(url, json={"payload": {"title": text}, "vector": [1]})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
async def shop(studio: Studio) -> str:
    titles = ["oak tables", "table of oak wood", "Wi-Fi router 5", "red/blue sofa", "tablet", "the of and"]
    await studio.create("word-shop", "vectors", options={"dimensions": 1})
    items = [{"id": str(n), "payload": {"title": title}, "vector": [1]} for n, title in enumerate(titles)]
    await studio.add("word-shop", items)
    return "word-shop"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("table", {"0", "1"}),
        ("OAK", {"0", "1"}),
        ('"oak table"', {"0"}),
        ('"table of oak"', {"1"}),
        ('"wi-fi router"', {"2"}),
        ('"oak table" sofa', {"0"}),
        ('17" table', {"0", "1"}),
        ("tab*", {"0", "1", "4"}),
        ("wi fi", {"2"}),
        ("blue", {"3"}),
        ("the", set()),
        ("5", {"2"}),
    ],
)
async def test_words_phrases_and_prefixes(studio: Studio, shop: str, query: str, found: set[str]) -> None:
    answer = await studio.search(shop, query=query, mode="lexical")
    assert {one["id"] for one in answer["results"]} == found
    assert answer["total"] == {"value": len(found), "relation": "eq"}


async def test_words_are_stemmed_in_the_language_of_the_collection(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1, "language": "german"})
    await studio.add(any_name, [{"id": "a", "payload": {"title": "Zwei alte Stühle"}, "vector": [1]}])
    found: list[Any] = (await studio.search(any_name, query="stuhl", mode="lexical"))["results"]
    assert [one["id"] for one in found] == ["a"]
    by_filter = await studio.search(any_name, filter={"field": "title", "match": "stuhl"})
    assert [one["id"] for one in by_filter["results"]] == ["a"]
