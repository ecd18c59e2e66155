"""The curated set: written, listed and taken back through the API."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from embedding_studio.fine_tuning import curating
from hostile import hostile_strings
from refusals import check_problem
from studio import Studio

pytestmark = pytest.mark.anyio

Row = tuple[str, str, float]


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> str:
    await studio.create(any_name)
    return any_name


def url(name: str) -> str:
    return f"/api/v1/collections/{name}/judgments"


def body(*rows: Row) -> dict[str, Any]:
    return {"judgments": [{"query": query, "item_id": item, "gain": gain} for query, item, gain in rows]}


async def put(studio: Studio, name: str, *rows: Row) -> tuple[int, int, int]:
    answer = await studio.client.put(url(name), json=body(*rows))
    assert answer.status_code == 200, answer.text
    return answer.json()["added"], answer.json()["changed"], answer.json()["unchanged"]


async def rows_of(studio: Studio, name: str, **params: str) -> list[Row]:
    answer = await studio.client.get(url(name), params=params)
    assert answer.status_code == 200, answer.text
    return [(one["query"], one["item_id"], one["gain"]) for one in answer.json()["items"]]


async def test_a_pair_has_one_judgment_however_its_query_is_spelt(studio: Studio, shop: str) -> None:
    assert await put(studio, shop, ("Red Sofa", "s1", 1), ("red sofa", "s2", -0.5), ("lamp", "s1", 0)) == (3, 0, 0)
    assert await put(studio, shop, ("red  sofa!", "s1", 0.25), ("lamp", "s1", 0)) == (0, 1, 1)
    assert sorted(await rows_of(studio, shop)) == [
        ("lamp", "s1", 0),
        ("red  sofa!", "s1", 0.25),
        ("red sofa", "s2", -0.5),
    ]
    assert sorted(await rows_of(studio, shop, query="RED SOFA")) == [
        ("red  sofa!", "s1", 0.25),
        ("red sofa", "s2", -0.5),
    ]
    assert await rows_of(studio, shop, query="red sofa", item_id="s2") == [("red sofa", "s2", -0.5)]


async def test_what_is_judged_as_before_keeps_its_time(studio: Studio, shop: str) -> None:
    times = []
    for gain in (1, 1, 0.5):
        await put(studio, shop, ("lamp", "l1", gain))
        times.append((await studio.client.get(url(shop))).json()["items"][0]["at"])
    assert times[0] == times[1] < times[2]


async def test_judgments_are_listed_page_by_page(studio: Studio, shop: str) -> None:
    wanted = [(f"query {n}", "i", 1.0) for n in range(5)]
    for row in wanted:
        await put(studio, shop, row)
    found: list[Row] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await studio.client.get(url(shop), params=params)).json()
        found += [(one["query"], one["item_id"], one["gain"]) for one in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(found) == wanted


@pytest.mark.parametrize(
    ("params", "left"),
    [
        ({"query": "Lamp?"}, {("sofa", "i1")}),
        ({"item_id": "i1"}, {("lamp", "i2")}),
        ({"query": "lamp", "item_id": "i1"}, {("lamp", "i2"), ("sofa", "i1")}),
        ({"query": "chair"}, {("lamp", "i1"), ("lamp", "i2"), ("sofa", "i1")}),
        ({"query": "?"}, {("lamp", "i1"), ("lamp", "i2"), ("sofa", "i1")}),
        ({}, set()),
    ],
)
async def test_what_is_named_is_taken_back(
    studio: Studio, shop: str, params: dict[str, str], left: set[tuple[str, str]]
) -> None:
    await put(studio, shop, ("lamp", "i1", 1), ("lamp", "i2", 1), ("sofa", "i1", 1))
    assert (await studio.client.delete(url(shop), params=params)).status_code == 204
    assert {(query, item) for query, item, _ in await rows_of(studio, shop)} == left


async def test_the_set_goes_with_its_collection(studio: Studio, shop: str, any_name: str) -> None:
    other = f"{any_name}-2"
    await studio.create(other)
    for name in (shop, other):
        await put(studio, name, ("lamp", "i1", 1))
    assert (await studio.client.delete(f"/api/v1/collections/{shop}")).status_code == 204
    assert (await studio.client.get(url(shop))).status_code == 404
    await studio.create(shop)
    assert await rows_of(studio, shop) == []
    assert await rows_of(studio, other) == [("lamp", "i1", 1)]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"query": "", "item_id": "i", "gain": 1}, "judgments[0].query"),
        ({"query": "?!", "item_id": "i", "gain": 1}, "judgments[0].query"),
        ({"query": "a\0b", "item_id": "i", "gain": 1}, "judgments[0].query"),
        ({"query": "a" * 1001, "item_id": "i", "gain": 1}, "judgments[0].query"),
        ({"query": "a", "item_id": "", "gain": 1}, "judgments[0].item_id"),
        ({"query": "a", "item_id": "i" * 513, "gain": 1}, "judgments[0].item_id"),
        ({"query": "a", "item_id": "i\n", "gain": 1}, "judgments[0].item_id"),
        ({"query": "a", "item_id": "i", "gain": 1.01}, "judgments[0].gain"),
        ({"query": "a", "item_id": "i", "gain": -2}, "judgments[0].gain"),
        ({"query": "a", "item_id": "i", "gain": None}, "judgments[0].gain"),
        ({"query": "a", "item_id": "i"}, "judgments[0].gain"),
        ({"query": "a", "item_id": "i", "gain": 1, "grade": 2}, "judgments[0].grade"),
    ],
)
async def test_bad_judgments_are_refused(studio: Studio, shop: str, row: dict[str, Any], place: str) -> None:
    answer = await studio.client.put(url(shop), json={"judgments": [row]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, place)


async def test_bad_requests_are_refused(studio: Studio, shop: str) -> None:
    twice = await studio.client.put(url(shop), json=body(("lamp", "i", 1), ("a", "i", 1), ("Lamp.", "i", 0)))
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (400, "judgments[2]")
    for rows in ([], [("q", f"i{n}", 1.0) for n in range(1001)]):
        assert (await studio.client.put(url(shop), json=body(*rows))).status_code == 400
    refusals: Sequence[dict[str, str | int]] = (
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "x"},
        {"query": ""},
        {"query": "a" * 1001},
        {"query": "a\0"},
        {"item_id": "i" * 513},
    )
    for params in refusals:
        check_problem(await studio.client.get(url(shop), params=params), 400)
    for params in refusals[3:]:
        check_problem(await studio.client.delete(url(shop), params=params), 400)
    for send in (studio.client.get, studio.client.delete):
        assert (await send(url("nothing"))).status_code == 404
    assert (await studio.client.put(url("nothing"), json=body(("lamp", "i", 1)))).status_code == 404
    assert await rows_of(studio, shop) == []


async def test_a_collection_has_only_so_many(studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curating, "_MOST", 2)
    assert await put(studio, shop, ("lamp", "i1", 1), ("lamp", "i2", 1)) == (2, 0, 0)
    answer = await studio.client.put(url(shop), json=body(("lamp", "i1", 0), ("lamp", "i3", 1)))
    assert answer.status_code == 413
    assert await put(studio, shop, ("lamp", "i1", 0), ("lamp", "i2", 0)) == (0, 2, 0)


async def test_any_text_is_stored_as_it_is_or_refused(studio: Studio, shop: str) -> None:
    for text in hostile_strings(300, seed=5):
        content = json.dumps(body((text, "i", 0.5))).encode()
        headers = {"Content-Type": "application/json"}
        answer = await studio.client.put(url(shop), content=content, headers=headers)
        if answer.status_code == 200:
            assert await rows_of(studio, shop, query=text) == [(text, "i", 0.5)]
        else:
            check_problem(answer, 400)


async def test_pages_and_deletions_are_looked_up_in_indexes(studio: Studio, shop: str) -> None:
    await put(studio, shop, *((f"query {n}", f"i{n}", 1.0) for n in range(50)))
    documents = studio.container.database["curated_judgments"]
    for criteria, sort in (
        ({"collection": shop, "_id": {"$gt": ""}}, [("_id", 1)]),
        ({"collection": shop}, [("group", 1), ("item_id", 1)]),
        ({"collection": shop, "group": "query 7"}, [("_id", 1)]),
        ({"collection": shop, "item_id": "i7"}, [("_id", 1)]),
    ):
        explained = await documents.find(criteria).sort(sort).explain()
        stats = explained["executionStats"]
        assert stats["totalDocsExamined"] <= max(1, stats["nReturned"])
