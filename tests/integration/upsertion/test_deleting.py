"""What is deleted is gone, and nothing that was accepted before brings it back."""

import asyncio
import random
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import now
from embedding_studio.tasks import Task
from embedding_studio.upsertion.deleting import Deleter
from embedding_studio.upsertion.domain import Loading, NewItem
from studio import Studio

pytestmark = pytest.mark.anyio


def lamps(*names: str, **payload: object) -> list[dict[str, Any]]:
    return [{"id": name, "payload": {"title": f"lamp {name}", **payload}} for name in names]


async def post(studio: Studio, path: str, body: object) -> str:
    answer = await studio.client.post(f"/api/v1/collections/{path}", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def ids(studio: Studio, name: str) -> list[str]:
    collection = await studio.container.collections.current(name)
    rows = await studio.container.pool.fetch(f"SELECT id FROM items_{collection.id} ORDER BY id")
    return [row["id"] for row in rows]


async def notes(studio: Studio, name: str) -> int:
    """How many deletions are noted, once they are old enough to be forgotten."""
    collection = await studio.container.collections.current(name)
    await studio.container.pool.execute("UPDATE deletions SET accepted_at = now() - interval '1 hour'")
    await studio.container.indexer.forget_deletions(collection)
    count: int = await studio.container.pool.fetchval(
        "SELECT count(*) FROM deletions WHERE collection_id = $1", collection.id
    )
    return count


async def test_by_ids(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, lamps("a", "b", "c"))
    task = await studio.work(await post(studio, f"{any_name}/items/delete", {"ids": ["a", "c", "c", "none"]}))
    assert (task["state"], task["result"], task["progress"]) == (
        "succeeded",
        {"deleted": 2},
        {"done": 3, "total": 3},
    )
    assert await ids(studio, any_name) == ["b"]
    assert await notes(studio, any_name) == 0


async def test_by_filter(studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.upsertion.deleting._BATCH", 2)
    await studio.create(any_name)
    await studio.add(any_name, [*lamps("a", "b", "c", "d", "e", price=1), *lamps("f", price=9), *lamps("g")])
    body = {"filter": {"field": "price", "lt": 5}}
    task = await studio.work(await post(studio, f"{any_name}/items/delete", body))
    assert task["result"] == {"deleted": 5}
    assert await ids(studio, any_name) == ["f", "g"]


async def test_a_deletion_by_filter_has_an_end_though_items_come_all_the_while(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.upsertion.deleting._BATCH", 2)
    batch, numbers = Deleter._batch, count(2)

    async def batch_and_write(self: Deleter, connection: Any, collection: Any, *place: str) -> Any:
        outcome = await batch(self, connection, collection, *place)
        rows = [(f"i{next(numbers):04}", {"old": True}, 2**40) for _ in range(2)]
        await connection.executemany(
            f"INSERT INTO items_{collection.id} (id, payload, seq, ordinal) VALUES ($1, $2, $3, 0)", rows
        )
        return outcome

    await studio.create(any_name)
    await studio.add(any_name, lamps("i0000", "i0001", old=True))
    task_id = await post(studio, f"{any_name}/items/delete", {"filter": {"field": "old", "eq": True}})
    monkeypatch.setattr(Deleter, "_batch", batch_and_write)
    async with asyncio.timeout(300):
        assert (await studio.work(task_id))["result"] == {"deleted": 2}


async def test_a_deletion_that_was_cut_off_goes_on_where_it_was(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.upsertion.deleting._BATCH", 1)
    batch, places = Deleter._batch, list[str]()

    async def fragile(self: Deleter, connection: Any, collection: Any, task_id: str, after: str, *rest: str) -> Any:
        places.append(after)
        if len(places) == 3:
            raise UnavailableError("PostgreSQL does not answer")
        return await batch(self, connection, collection, task_id, after, *rest)

    await studio.create(any_name)
    await studio.add(any_name, lamps("a", "b", "c", old=True))
    task_id = await post(studio, f"{any_name}/items/delete", {"filter": {"field": "old", "eq": True}})
    monkeypatch.setattr(Deleter, "_batch", fragile)
    await studio.work(task_id)
    await (await studio.container.tasks.get(task_id)).set({"not_before": None})
    task = await studio.work(task_id)
    assert (task["result"], task["progress"]["done"]) == ({"deleted": 3}, 3)
    assert places[:4] == ["", "a", "b", "b"]


@pytest.mark.parametrize("bound", [1e20, -1e300, 9223372036854775808.0])
async def test_by_a_number_that_jsonb_writes_as_a_long_integer(studio: Studio, any_name: str, bound: float) -> None:
    """The deletion is done, and what is written meanwhile does not stumble over it."""
    await studio.create(any_name)
    await studio.add(any_name, [*lamps("a", price=bound), *lamps("b", price=1)])
    written = await post(studio, f"{any_name}/items", {"items": lamps("c", price=bound)})
    wish = await post(studio, f"{any_name}/items/delete", {"filter": {"field": "price", "eq": bound}})
    assert (await studio.work(written))["state"] == "succeeded"
    assert (await studio.work(wish))["state"] == "succeeded"
    assert await ids(studio, any_name) == ["b"]


@pytest.mark.parametrize("body", [{"ids": ["a"]}, {"filter": {"field": "title", "exists": True}}])
async def test_what_comes_after_the_wish_stays(studio: Studio, any_name: str, body: dict[str, Any]) -> None:
    await studio.create(any_name)
    await studio.add(any_name, lamps("a"))
    wish = await post(studio, f"{any_name}/items/delete", body)
    await studio.add(any_name, lamps("a"))
    assert (await studio.work(wish))["result"] == {"deleted": 0}
    assert await ids(studio, any_name) == ["a"]


@pytest.mark.parametrize("body", [{"ids": ["a"]}, {"filter": {"field": "title", "exists": True}}])
async def test_what_was_accepted_before_the_wish_never_comes(
    studio: Studio, any_name: str, body: dict[str, Any]
) -> None:
    await studio.create(any_name)
    older = await post(studio, f"{any_name}/items", {"items": lamps("a")})
    wish = await post(studio, f"{any_name}/items/delete", body)
    await studio.work(wish)
    await studio.work(older)
    assert await ids(studio, any_name) == []
    assert await notes(studio, any_name) == 0


@pytest.mark.parametrize("deletion", ["one", "ids", "filter"])
async def test_an_older_ingest_brings_nothing_back(studio: Studio, any_name: str, deletion: str) -> None:
    """An ingest that was asked for before reads the item from its source only afterwards."""
    await studio.create(any_name)
    await studio.add(any_name, lamps("a", "b"))
    container = studio.container
    collection = await container.collections.current(any_name)
    ingest = new_id()
    async with container.pool.acquire() as connection:
        await container.staging.open(connection, collection, ingest, is_complete=False)
    match deletion:
        case "one":
            await studio.client.delete(f"/api/v1/collections/{any_name}/items/a")
        case "ids":
            await studio.work(await post(studio, f"{any_name}/items/delete", {"ids": ["a"]}))
        case _:
            body = {"filter": {"field": "title", "eq": "lamp a"}}
            await studio.work(await post(studio, f"{any_name}/items/delete", body))
    await container.staging.append(
        collection,
        ingest,
        Loading([(NewItem(one["id"], one["payload"]), None) for one in lamps("a", "b")], None, is_complete=True),
    )
    await container.tasks._tasks.add(task_of(ingest, any_name))
    assert (await studio.work(ingest))["state"] == "succeeded"
    assert await ids(studio, any_name) == ["b"]
    assert await notes(studio, any_name) == 0


def task_of(task_id: str, name: str) -> Any:
    return Task(id=task_id, kind="upsert", queue="upsert", collection=name, created_at=now())


steps = st.lists(
    st.tuples(
        st.sampled_from(["upsert", "upsert", "delete", "filter", "one"]),
        st.sets(st.sampled_from("abc"), min_size=1),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=7,
)


@given(steps=steps, seed=st.integers(0, 1000))
@example(steps=[("upsert", {"a"}, 1), ("upsert", {"a"}, 0), ("filter", {"a"}, 1)], seed=1)
@hypothesis_settings(max_examples=25)
async def test_whatever_order_workers_take_the_end_is_that_of_acceptance(
    studio: Studio, steps: list[tuple[str, set[str], int]], seed: int
) -> None:
    name = f"order-{new_id()}"
    await studio.create(name)
    expected: dict[str, int] = {}
    tasks = []
    for kind, names, price in steps:
        match kind:
            case "upsert":
                tasks.append(await post(studio, f"{name}/items", {"items": lamps(*sorted(names), price=price)}))
                expected |= dict.fromkeys(names, price)
            case "delete":
                tasks.append(await post(studio, f"{name}/items/delete", {"ids": sorted(names)}))
                expected = {one: value for one, value in expected.items() if one not in names}
            case "filter":
                body = {"filter": {"field": "price", "lt": price}}
                tasks.append(await post(studio, f"{name}/items/delete", body))
                expected = {one: value for one, value in expected.items() if value >= price}
            case _:
                gone = min(names)
                await studio.client.delete(f"/api/v1/collections/{name}/items/{gone}")
                expected.pop(gone, None)
    random.Random(seed).shuffle(tasks)
    for task in tasks:
        await studio.work(task)
    collection = await studio.container.collections.current(name)
    rows = await studio.container.pool.fetch(f"SELECT id, payload FROM items_{collection.id}")
    assert {row["id"]: row["payload"]["price"] for row in rows} == expected
    assert await notes(studio, name) == 0
    await studio.client.delete(f"/api/v1/collections/{name}")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ids"),
        ({"ids": ["a"], "filter": {"field": "a", "eq": 1}}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": ["x" * 513]}, "ids[0]"),
        ({"filter": {"field": "a", "near": 1}}, "filter.near"),
        ({"all": True}, "all"),
    ],
)
async def test_a_bad_wish_deletes_nothing(studio: Studio, any_name: str, body: dict[str, Any], field: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, lamps("a"))
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/items/delete", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert await ids(studio, any_name) == ["a"]
