"""Collections through the API: listed, remembered for a moment, deleted with all of it, also in the midst of use."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest

from embedding_studio.kernel.ids import new_id
from embedding_studio.vector_store import Collection
from studio import Studio

pytestmark = pytest.mark.anyio

URL = "/api/v1/collections"


async def test_a_collection_is_shown_as_it_stands(studio: Studio, any_name: str) -> None:
    made = await studio.create(any_name, "vectors", options={"dimensions": 2}, metric="dot")
    await studio.add(any_name, [{"id": "a", "payload": {}, "vector": [1, 2]}])
    shown = (await studio.client.get(f"{URL}/{any_name}")).json()
    assert shown == {
        **made,
        "metric": "dot",
        "dimensions": 2,
        "items": 1,
        "parts": 1,
        "model_version": 1,
        "index_version": 1,
        "index_versions": [{"version": 1, "state": "active", "model_version": 1, "items": 1}],
    }
    again = await studio.client.post(URL, json={"name": any_name, "plugin": "text"})
    assert (again.status_code, again.json()["status"]) == (409, 409)


async def test_collections_are_listed_page_by_page(studio: Studio) -> None:
    prefix = f"pages-{new_id()[:12]}"
    names = [f"{prefix}-{n}" for n in range(5)]
    for name in names:
        await studio.create(name, "vectors", options={"dimensions": 1})
    found: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while params.get("cursor", "") is not None:
        page = (await studio.client.get(URL, params=params)).json()
        found += [one["name"] for one in page["items"]]
        params["cursor"] = page["next_cursor"]
    assert [name for name in found if name.startswith(prefix)] == names
    assert found == sorted(set(found))
    for name in names:
        assert (await studio.client.delete(f"{URL}/{name}")).status_code == 204
        assert (await studio.client.delete(f"{URL}/{name}")).status_code == 404


async def test_a_deployment_is_seen_by_everyone_in_time(
    studio: Studio, points: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process deploys: what is remembered here is never older than was promised."""
    collections, catalog = studio.container.collections, studio.container.catalog
    monkeypatch.setattr(studio.container.settings.vector_store, "seen_within", 60.0)
    assert (await collections.get(points.name)).model_version == 1
    await catalog.deploy(points, model_version=2, leaving=points.deployment_id, task_id=new_id(), note="")
    assert (await collections.get(points.name)).model_version == 1
    assert (await collections.current(points.name)).model_version == 2
    await catalog.roll_back(points.name, leaving=(await catalog.get(points.name)).deployment_id)
    assert (await collections.get(points.name)).model_version == 2
    monkeypatch.undo()
    await asyncio.sleep(studio.container.settings.vector_store.seen_within)
    assert (await collections.get(points.name)).model_version == 1


async def test_what_another_process_deleted_is_not_found_though_it_is_remembered(studio: Studio) -> None:
    for body in ({}, {"query": {"vector": [1, 2]}}, {"query": "a"}):
        name = f"gone-{new_id()}"
        await studio.create(name, "vectors", options={"dimensions": 2})
        await studio.search(name)
        await studio.container.catalog.delete(name)
        answer = await studio.client.post(f"{URL}/{name}/search", json=body)
        assert answer.status_code == 404


async def test_deleting_a_collection_while_it_is_used_harms_nobody(studio: Studio) -> None:
    name = f"busy-{new_id()}"
    vectors = {"name": name, "plugin": "vectors", "options": {"dimensions": 2}}
    one = {"payload": {"title": "apple"}, "vector": [1, 2]}
    requests = (
        ("POST", f"{URL}/{name}/search", {"query": {"vector": [1, 2]}}),
        ("POST", f"{URL}/{name}/search", {"query": "apple"}),
        ("PUT", f"{URL}/{name}/items/a", one),
        ("POST", f"{URL}/{name}/items", {"items": [{"id": "a", **one}]}),
        ("GET", f"{URL}/{name}/items/a", None),
        ("DELETE", f"{URL}/{name}/items/a", None),
        ("GET", f"{URL}/{name}", None),
        ("GET", URL, None),
    )
    statuses: Counter[int] = Counter()
    done = asyncio.Event()

    async def use(method: str, url: str, body: object) -> None:
        while not done.is_set():
            answer = await studio.client.request(method, url, json=body)
            statuses[answer.status_code] += 1

    async def make_and_delete() -> None:
        for _ in range(8):
            assert (await studio.client.post(URL, json=vectors)).status_code == 201
            await asyncio.sleep(0.02)
            assert (await studio.client.delete(f"{URL}/{name}")).status_code == 204
        done.set()

    async with asyncio.timeout(300):
        await asyncio.gather(make_and_delete(), *(use(*request) for request in requests))
    assert set(statuses) <= {200, 202, 204, 404}, statuses
    assert statuses[200]
    assert statuses[404]
    assert await leftovers(studio, name) == []


async def test_a_collection_whose_searches_are_slow_and_never_rest_can_be_deleted(
    studio: Studio, any_name: str
) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    await studio.add(any_name, [{"id": "a", "payload": {}, "vector": [1, 2]}])
    collection = await studio.container.collections.current(any_name)
    slow = f"SELECT pg_sleep($1) FROM items_{collection.id} i JOIN parts_{collection.id}_1 p ON p.item_id = i.id"

    async def search(seconds: float) -> None:
        while True:
            await studio.container.pool.fetch(slow, seconds)

    searches = [asyncio.create_task(search(0.4 + number * 0.13)) for number in range(3)]
    answer = await studio.client.delete(f"{URL}/{any_name}")
    assert answer.status_code == 204, answer.text
    ends = await asyncio.gather(*searches, return_exceptions=True)
    assert {type(one) for one in ends} <= {asyncpg.UndefinedTableError, asyncpg.DeadlockDetectedError}


async def test_nothing_is_made_under_a_name_until_all_that_had_it_is_gone(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = {"name": any_name, "plugin": "vectors", "options": {"dimensions": 2}}
    items = {"items": [{"id": "a", "payload": {}, "vector": [1, 2]}]}
    collections = studio.container.collections
    made, accepted = list[int](), list[str]()

    async def meanwhile(name: str) -> None:
        made.append((await studio.client.post(URL, json=vectors)).status_code)
        if made[-1] == 201:
            accepted.append((await studio.client.post(f"{URL}/{name}/items", json=items)).json()["task_id"])

    await studio.create(any_name, "vectors", options={"dimensions": 2})
    with monkeypatch.context() as busy:
        busy.setattr(collections, "_on_delete", (meanwhile, *collections._on_delete))
        assert (await studio.client.delete(f"{URL}/{any_name}")).status_code == 204
    assert [(await studio.task(one))["state"] for one in accepted] == ["pending"] * len(accepted)
    assert made == [409, 409]
    await studio.create(any_name, "vectors", options={"dimensions": 2})


async def test_what_is_being_deleted_is_not_deleted_once_more(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collections = studio.container.collections
    began, may_go = asyncio.Event(), asyncio.Event()

    async def slow(_: str) -> None:
        began.set()
        await may_go.wait()

    await studio.create(any_name, "vectors", options={"dimensions": 2})
    monkeypatch.setattr(collections, "_on_delete", (slow, *collections._on_delete))
    first = asyncio.create_task(studio.client.delete(f"{URL}/{any_name}"))
    await began.wait()
    assert (await studio.client.delete(f"{URL}/{any_name}")).status_code == 409
    may_go.set()
    assert (await first).status_code == 204
    assert (await studio.client.get(f"{URL}/{any_name}")).status_code == 404


async def leftovers(studio: Studio, name: str) -> list[str]:
    """Tables of collections that are gone, and staged items of them."""
    pool = studio.container.pool
    tables = await pool.fetch(
        "SELECT tablename FROM pg_tables t WHERE tablename ~ '^(items|parts)_[0-9]' AND NOT EXISTS"
        " (SELECT FROM collections c WHERE c.id = split_part(t.tablename, '_', 2)::bigint)"
    )
    tasks = await studio.container.tasks.page(collections={name})
    return [row["tablename"] for row in tables] + [task.id for task in tasks if task.state == "running"]


async def test_a_collection_that_lost_its_plugin_is_our_fault_and_not_the_clients(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    monkeypatch.setattr(studio.container.plugins, "_plugins", {})
    for method, path, body in (
        ("POST", "search", {"query": "a"}),
        ("POST", "items", {"items": [{"id": "a", "payload": {"title": "a"}}]}),
        ("PUT", "items/a", {"payload": {"title": "a"}}),
    ):
        answer = await studio.client.request(method, f"{URL}/{any_name}/{path}", json=body)
        assert (answer.status_code, "lost its plugin" in answer.text) == (503, True)
    assert (await studio.client.get(f"{URL}/{any_name}")).status_code == 200
    assert (await studio.client.delete(f"{URL}/{any_name}")).status_code == 204
