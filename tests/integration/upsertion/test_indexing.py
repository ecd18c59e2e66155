"""Whatever goes wrong with some items, the others get through, and each that does not says why."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import numpy as np
import pymongo.errors
import pytest
from numpy.typing import NDArray

from embedding_studio.inference import EmbeddingService
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.kernel.ids import new_id
from embedding_studio.upsertion import NewItem
from embedding_studio.vector_store import IndexVersions, ItemStore
from studio import Studio

pytestmark = pytest.mark.anyio


def chairs(count: int, *, poison: Sequence[int] = ()) -> list[dict[str, Any]]:
    return [
        {"id": f"i{n:03}", "payload": {"title": f"{'poison' if n in poison else 'chair'} {n}"}} for n in range(count)
    ]


async def post(studio: Studio, name: str, items: Sequence[dict[str, Any]]) -> str:
    answer = await studio.client.post(f"/api/v1/collections/{name}/items", json={"items": items})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def present(studio: Studio, name: str) -> set[str]:
    collection = await studio.container.collections.current(name)
    rows = await studio.container.pool.fetch(f"SELECT item_id FROM parts_{collection.id}_1")
    return {row["item_id"] for row in rows}


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Texts with the word `poison` break the encoder."""
    embed = EmbeddingService.embed_items

    async def embed_items(self: EmbeddingService, source: Any, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("poison" in text for text in texts):
            raise RuntimeError("the graph failed")
        return await embed(self, source, texts)

    monkeypatch.setattr(EmbeddingService, "embed_items", embed_items)
    return monkeypatch


async def test_poison_in_a_batch_fails_alone_and_can_be_tried_again(
    studio: Studio, any_name: str, poison: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(40, poison=(7, 8, 31)))
    task = await studio.work(task_id)
    assert (task["state"], task["failed_total"], task["progress"]["done"]) == ("partial", 3, 40)
    assert task["failed_items"][0] == {"id": "i007", "stage": "embed", "reason": "RuntimeError: the graph failed"}
    assert await present(studio, any_name) == {f"i{n:03}" for n in range(40)} - {"i007", "i008", "i031"}

    poison.undo()
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/retry")).status_code == 202
    assert (await studio.task(task_id))["state"] == "pending"
    again = await studio.work(task_id)
    assert (again["state"], again["failed_total"], again["failed_items"]) == ("succeeded", 0, [])
    assert len(await present(studio, any_name)) == 40
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/retry")).status_code == 409


async def test_a_retry_undoes_nothing_that_came_later(
    studio: Studio, any_name: str, poison: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(3, poison=(0, 1)))
    await studio.work(task_id)
    await studio.add(any_name, [{"id": "i000", "payload": {"title": "newer"}}])
    await studio.client.delete(f"/api/v1/collections/{any_name}/items/i001")
    poison.undo()
    await studio.client.post(f"/api/v1/tasks/{task_id}/retry")
    assert (await studio.work(task_id))["state"] == "succeeded"
    item = (await studio.client.get(f"/api/v1/collections/{any_name}/items/i000")).json()
    assert item["payload"] == {"title": "newer"}
    assert await present(studio, any_name) == {"i000", "i002"}


async def test_what_cannot_be_written_fails_alone(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ItemStore.write

    async def refuse(self: ItemStore, connection: Any, collection: Any, live: Any, items: Sequence[Any]) -> set[str]:
        stale = await write(self, connection, collection, live, items)
        if any("poison" in item.payload["title"] for item in items):
            raise asyncpg.ProgramLimitExceededError("string is too long for tsvector")
        return stale

    monkeypatch.setattr(ItemStore, "write", refuse)
    await studio.create(any_name)
    task = await studio.work(await post(studio, any_name, chairs(9, poison=(4,))))
    assert (task["state"], [(one["id"], one["stage"]) for one in task["failed_items"]]) == (
        "partial",
        [("i004", "write")],
    )
    assert len(await present(studio, any_name)) == 8


async def test_an_item_that_takes_its_worker_down_is_found_and_the_others_get_through(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies leaves no error behind, only its lease."""
    embed = EmbeddingService.embed_items

    class DiedError(BaseException):
        pass

    async def embed_items(self: EmbeddingService, source: Any, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("poison" in text for text in texts):
            raise DiedError
        return await embed(self, source, texts)

    monkeypatch.setattr(EmbeddingService, "embed_items", embed_items)
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(12, poison=(5,)))
    tasks = studio.container.database["tasks"]
    for _ in range(12):
        try:
            await studio.work(task_id)
        except DiedError:
            await tasks.update_one({"_id": task_id}, {"$set": {"lease_until": None}})
        else:
            break
    task = await studio.task(task_id)
    assert task["state"] == "partial"
    assert [(one["id"], one["stage"]) for one in task["failed_items"]] == [("i005", "embed")]
    assert "died" in task["failed_items"][0]["reason"]
    assert len(await present(studio, any_name)) == 11


async def test_a_cancelled_task_stops_soon_and_leaves_nothing_waiting(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.upsertion.indexing._BATCH", 4)
    embed = EmbeddingService.embed_items
    embedded, stuck = 0, asyncio.Event()

    async def embed_items(self: EmbeddingService, source: Any, texts: Sequence[str]) -> NDArray[np.float32]:
        nonlocal embedded
        embedded += len(texts)
        if embedded > 8:
            stuck.set()
            await asyncio.sleep(60)
        return await embed(self, source, texts)

    monkeypatch.setattr(EmbeddingService, "embed_items", embed_items)
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(40))
    working = asyncio.create_task(studio.work(task_id))
    await stuck.wait()
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 202
    async with asyncio.timeout(30):
        task = await working
    assert (task["state"], task["progress"]["done"]) == ("cancelled", 8)
    assert len(await present(studio, any_name)) == 8
    collection = await studio.container.collections.current(any_name)
    assert await studio.container.staging.is_quiet(collection)
    assert await studio.container.pool.fetchval("SELECT count(*) FROM staged_items WHERE task_id = $1", task_id) == 0
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 409
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/retry")).status_code == 409


async def test_a_task_that_waits_is_cancelled_at_once_and_tidied_up(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(3))
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 202
    assert (await studio.work(task_id))["state"] == "cancelled"
    assert await present(studio, any_name) == set()
    pool = studio.container.pool
    await pool.execute("UPDATE staged_tasks SET staged_at = now() - interval '1 hour' WHERE task_id = $1", task_id)
    await studio.container.sweeper._chores[0]()
    assert await pool.fetchval("SELECT count(*) FROM staged_items WHERE task_id = $1", task_id) == 0


async def test_what_was_staged_for_a_task_that_was_never_made_is_tidied_up(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    container, task_id = studio.container, new_id()
    collection = await container.collections.current(any_name)
    await container.staging.add(collection, task_id, [NewItem("a", {"title": "a"})])
    await container.sweeper._chores[0]()
    assert not await container.staging.is_quiet(collection)
    await container.pool.execute("UPDATE staged_tasks SET staged_at = now() - interval '1 hour'")
    await container.sweeper._chores[0]()
    assert await container.staging.is_quiet(collection)


async def test_a_finished_task_is_not_staged_again_by_a_late_twin(studio: Studio, any_name: str) -> None:
    """Two requests with one Idempotency-Key: the slower one stages after the faster one's task is done."""
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(2))
    await studio.work(task_id)
    collection = await studio.container.collections.current(any_name)
    await studio.container.staging.add(collection, task_id, [NewItem("i000", {"title": "again"})])
    assert await studio.container.pool.fetchval("SELECT count(*) FROM staged_items WHERE task_id = $1", task_id) == 0


async def test_more_than_may_wait_is_refused_until_there_is_room(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    waiting = await studio.container.staging.waiting()
    monkeypatch.setattr(studio.container.settings.upsertion, "waiting_items", waiting + 3)
    task_id = await post(studio, any_name, chairs(3))
    url = f"/api/v1/collections/{any_name}/items"
    full = await studio.client.post(url, json={"items": chairs(1)})
    assert (full.status_code, int(full.headers["Retry-After"]) > 0) == (503, True)
    await studio.work(task_id)
    assert (await studio.client.post(url, json={"items": chairs(1)})).status_code == 202


async def test_large_requests_wait_where_they_hold_up_nobody(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio.container.settings.upsertion, "bulk_from", 10)
    await studio.create(any_name)
    ids = [await post(studio, any_name, chairs(count)) for count in (9, 10)]
    found = [await studio.container.database["tasks"].find_one({"_id": one}) for one in ids]
    assert [task["queue"] for task in found if task] == ["upsert", "upsert_bulk"]


async def tidy_up_after_an_hour(studio: Studio) -> None:
    await studio.container.pool.execute("UPDATE staged_tasks SET staged_at = now() - interval '1 hour'")
    await studio.container.sweeper._chores[0]()


async def test_a_task_that_failed_as_a_whole_keeps_its_items_for_a_retry(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(5))
    with monkeypatch.context() as broken:
        broken.setattr("embedding_studio.upsertion.indexing.Indexer.drain", raise_bug)
        assert (await studio.work(task_id))["state"] == "failed"
    await studio.client.delete(f"/api/v1/collections/{any_name}/items/i001")
    await tidy_up_after_an_hour(studio)
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/retry")).status_code == 202
    again = await studio.work(task_id)
    assert (again["state"], again["progress"]) == ("succeeded", {"done": 5, "total": 5})
    assert await present(studio, any_name) == {"i000", "i002", "i003", "i004"}


async def raise_bug(*_: object) -> None:
    raise ValueError("a bug")


async def test_a_request_that_was_not_accepted_can_be_sent_again_under_its_key(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The items were staged, and MongoDB went away before the task was written."""
    await studio.create(any_name)
    url, headers = f"/api/v1/collections/{any_name}/items", {"Idempotency-Key": new_id()}

    async def refuse(*_: object) -> None:
        raise pymongo.errors.AutoReconnect("gone")

    with monkeypatch.context() as broken:
        broken.setattr("embedding_studio.tasks.repository.TaskRepository.add", refuse)
        assert (await studio.client.post(url, json={"items": chairs(2)}, headers=headers)).status_code == 503
    await tidy_up_after_an_hour(studio)
    answer = await studio.client.post(url, json={"items": chairs(2)}, headers=headers)
    assert (await studio.work(answer.json()["task_id"]))["state"] == "succeeded"
    assert await present(studio, any_name) == {"i000", "i001"}


async def test_a_cancelled_task_is_not_tried_again_after_an_outage(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    task_id = await post(studio, any_name, chairs(2))

    async def cancel_and_fail(*_: object) -> None:
        await studio.client.post(f"/api/v1/tasks/{task_id}/cancel")
        raise UnavailableError("gone")

    monkeypatch.setattr("embedding_studio.upsertion.indexing.Indexer.drain", cancel_and_fail)
    assert (await studio.work(task_id))["state"] == "cancelled"


async def test_an_index_is_asked_for_once(studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio.container.settings.vector_store, "index_from", 1)
    await studio.create(any_name)
    for number in range(3):
        await studio.add(any_name, [{"id": f"i{number}", "payload": {"title": "chair"}}])
    tasks = (await studio.client.get(f"/api/v1/tasks?collection={any_name}&kind=optimize")).json()["items"]
    assert len(tasks) == 1


async def test_a_version_that_is_dropped_under_a_writer_costs_nothing(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    container = studio.container
    collection = await container.collections.current(any_name)
    index = await container.versions.begin(
        collection, task_id=new_id(), model_version=1, encoder=collection.encoder, dimensions=collection.dimensions
    )
    live = IndexVersions.live

    async def live_until_looked_at(self: IndexVersions, *arguments: Any) -> Any:
        found = await live(self, *arguments)
        await container.versions.fail(collection.id, index.version)
        await container.versions.drop_due()
        return found

    task_id = await post(studio, any_name, chairs(2))
    with monkeypatch.context() as racing:
        racing.setattr(IndexVersions, "live", live_until_looked_at)
        task = await studio.work(task_id)
    assert task["state"] == "succeeded", task
    assert await present(studio, any_name) == {"i000", "i001"}
