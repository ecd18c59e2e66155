"""Merging changes how terms are stored and nothing of what they say, whatever is written meanwhile."""

import asyncio

import pytest

from embedding_studio.vector_store import Collection, is_fragmented, merge_terms
from studio import Studio

pytestmark = pytest.mark.anyio


async def put(studio: Studio, name: str, item: str, title: str) -> None:
    url = f"/api/v1/collections/{name}/items/{item}"
    answer = await studio.client.put(url, json={"payload": {"title": title}, "vector": [1]})
    assert answer.status_code == 200, answer.text


async def found(studio: Studio, name: str, query: str) -> dict[str, float]:
    answer = await studio.search(name, query=query, mode="lexical", limit=100)
    return {one["id"]: one["score"] for one in answer["results"]}


async def rows(studio: Studio, collection: Collection) -> list[tuple[str, int, int]]:
    table = f"terms_{collection.id}_1"
    stored = await studio.container.pool.fetch(
        f"SELECT term, parts, length(postings) / 14 AS n FROM {table} ORDER BY 1, 2"
    )
    return [tuple(row) for row in stored]


async def test_one_row_a_term_is_left_without_what_is_gone(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    for item, title in (("a", "oak"), ("b", "oak lamp"), ("a", "lamp"), ("c", "sofa"), ("b", "oak lamp lamp")):
        await put(studio, any_name, item, title)
    await studio.client.delete(f"/api/v1/collections/{any_name}/items/c")
    before = await found(studio, any_name, "oak lamp sofa")
    collection = await studio.container.collections.current(any_name)
    assert await merge_terms(studio.container.pool, collection, 1) == 3
    assert await rows(studio, collection) == [("", 2, 0), ("lamp", 2, 2), ("oak", 1, 1)]
    assert await found(studio, any_name, "oak lamp sofa") == pytest.approx(before)


async def test_what_is_written_while_terms_are_merged_is_found(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    collection = await studio.container.collections.current(any_name)

    async def write() -> None:
        for n in range(40):
            await put(studio, any_name, f"i{n % 25}", f"oak number{n}")

    async def merge() -> None:
        for _ in range(8):
            await merge_terms(studio.container.pool, collection, 1)

    await asyncio.gather(write(), merge())
    assert set(await found(studio, any_name, "oak")) == {f"i{n}" for n in range(25)}
    await merge_terms(studio.container.pool, collection, 1)
    assert set(await found(studio, any_name, "oak")) == {f"i{n}" for n in range(25)}
    assert [row[1:] for row in await rows(studio, collection) if row[0] == "oak"] == [(25, 25)]


async def test_many_statements_make_it_worth_it(studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.vector_store.merging._FRAGMENTS", 3)
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    collection = await studio.container.collections.current(any_name)
    for n in range(3):
        async with studio.container.pool.acquire() as connection:
            assert not await is_fragmented(connection, collection, 1)
        await put(studio, any_name, f"i{n}", "oak")
    async with studio.container.pool.acquire() as connection:
        assert await is_fragmented(connection, collection, 1)
