"""Tasks as clients see them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from embedding_studio.kernel.ids import new_id
from studio import Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def name(studio: Studio) -> AsyncIterator[str]:
    name = f"tasks-{new_id()}"
    await studio.create(name, "vectors", options={"dimensions": 1})
    yield name
    await studio.client.delete(f"/api/v1/collections/{name}")


async def submit(studio: Studio, name: str, *ids: str) -> str:
    items = [{"id": one, "payload": {}, "vector": [1]} for one in ids]
    answer = await studio.client.post(f"/api/v1/collections/{name}/items", json={"items": items})
    return str(answer.json()["task_id"])


async def listed(studio: Studio, **params: Any) -> list[str]:
    """The ids on all pages."""
    found: list[str] = []
    while params.get("cursor", "") is not None:
        page = (await studio.client.get("/api/v1/tasks", params=params)).json()
        assert len(page["items"]) <= params["limit"]
        found += [task["id"] for task in page["items"]]
        params["cursor"] = page["next_cursor"]
    return found


@pytest.mark.parametrize("limit", [1, 2, 5, 1000])
async def test_pages_hold_every_task_once_newest_first(studio: Studio, name: str, limit: int) -> None:
    ids = [await submit(studio, name, "a") for _ in range(5)]
    assert await listed(studio, collection=name, limit=limit) == sorted(ids, reverse=True)


async def test_tasks_are_filtered_by_what_they_are(studio: Studio, name: str) -> None:
    waiting, done = await submit(studio, name, "a"), await submit(studio, name, "a", "b")
    task = await studio.work(done)
    assert await listed(studio, collection=name, state="succeeded", limit=10) == [done]
    assert await listed(studio, collection=name, state="pending", kind="upsert", limit=10) == [waiting]
    assert await listed(studio, collection=name, kind="deploy", limit=10) == []
    assert task == {
        "id": done,
        "kind": "upsert",
        "collection": name,
        "state": "succeeded",
        "progress": {"done": 2, "total": 2},
        "attempts": 1,
        "paused": False,
        "failed_items": [],
        "failed_total": 0,
        "result": None,
        "error": None,
        "created_at": task["created_at"],
        "started_at": task["started_at"],
        "finished_at": task["finished_at"],
        "request_id": task["request_id"],
    }
    assert task["created_at"] <= task["started_at"] <= task["finished_at"]


async def test_who_waits_for_a_task_gets_it_when_it_is_done(studio: Studio, name: str) -> None:
    body = {"items": [{"id": "a", "payload": {}, "vector": [1]}]}
    posting = asyncio.create_task(studio.client.post(f"/api/v1/collections/{name}/items?wait=true", json=body))
    async with asyncio.timeout(60):
        while not (ids := await listed(studio, collection=name, limit=10)):  # noqa: ASYNC110  # MongoDB tells nobody
            await asyncio.sleep(0.01)
        await studio.work(ids[0])
        answer = await posting
    assert (answer.status_code, answer.json()["state"], answer.json()["id"]) == (200, "succeeded", ids[0])


async def test_a_collections_tasks_go_with_it(studio: Studio, name: str) -> None:
    task_id = await submit(studio, name, "a")
    await studio.client.delete(f"/api/v1/collections/{name}")
    assert (await studio.client.get(f"/api/v1/tasks/{task_id}")).status_code == 404
    assert await listed(studio, collection=name, limit=10) == []
