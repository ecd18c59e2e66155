"""A new index beside the one that serves: filled while people write, verified, switched to, taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count as ticks
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embedding_studio.inference.exporting import export_missing
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, SentenceEncoder, TextTemplate
from embedding_studio.upsertion import Reindexer, verification
from embedding_studio.upsertion.embedding import Embedder
from embedding_studio.vector_store import Collection, ItemStore, Vector
from integration.upsertion.conftest import AddPlugin
from studio import Studio

pytestmark = pytest.mark.anyio

Hook = Callable[[], Awaitable[object]]


def sofas(*numbers: int, title: str = "red sofa") -> list[dict[str, Any]]:
    return [{"id": f"i{number:04}", "payload": {"title": f"{title} {number}"}} for number in numbers]


async def request(studio: Studio, name: str, **body: object) -> str:
    answer = await studio.client.post(f"/api/v1/collections/{name}/reindex", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def reindex(studio: Studio, name: str, **body: object) -> dict[str, Any]:
    return await studio.work(await request(studio, name, **body))


async def versions(studio: Studio, name: str) -> dict[int, tuple[str, int]]:
    """State and items by version."""
    collection = (await studio.client.get(f"/api/v1/collections/{name}")).json()
    return {one["version"]: (one["state"], one["items"]) for one in collection["index_versions"]}


async def texts(studio: Studio, collection: Collection, version: int) -> dict[str, str]:
    rows = await studio.container.pool.fetch(f"SELECT item_id, text FROM parts_{collection.id}_{version}")
    return {row["item_id"]: row["text"] for row in rows}


@pytest.fixture
def after_batch(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Hook], None]:
    """Do something once the filling has written so many batches of four."""
    monkeypatch.setattr("embedding_studio.upsertion.reindexing._BATCH", 4)

    def arrange(number: int, hook: Hook) -> None:
        original, count = Reindexer._fill_batch, 0

        async def fill_batch(self: Reindexer, *arguments: Any, **named: Any) -> Any:
            nonlocal count
            failures = await original(self, *arguments, **named)
            count += 1
            if count == number:
                await hook()
            return failures

        monkeypatch.setattr(Reindexer, "_fill_batch", fill_batch)

    return arrange


async def test_the_new_index_serves_and_the_old_one_goes_when_its_time_is_over(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(5)))
    before = (await studio.search(any_name, query="sofa 3", track=False))["results"]
    task = await reindex(studio, any_name)
    assert (task["state"], task["result"]["index_version"]) == ("succeeded", 2)
    assert task["result"]["verification"]["vectors"] == 5
    assert await versions(studio, any_name) == {1: ("retired", 5), 2: ("active", 5)}
    after = await studio.search(any_name, query="sofa 3", track=False)
    assert (after["index_version"], after["results"]) == (2, before)

    await studio.container.sweeper._chores[0]()
    assert 1 in await versions(studio, any_name)
    await studio.container.pool.execute("UPDATE index_versions SET retire_at = now() WHERE state = 'retired'")
    await studio.container.sweeper._chores[0]()
    assert await versions(studio, any_name) == {2: ("active", 5)}
    collection = await studio.container.collections.current(any_name)
    table = await studio.container.pool.fetchval("SELECT to_regclass($1)", f"parts_{collection.id}_1")
    assert table is None
    assert (await studio.client.post(f"/api/v1/collections/{any_name}/rollback")).status_code == 409


async def test_what_is_written_and_deleted_meanwhile_is_in_both(
    studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(12)))
    url = f"/api/v1/collections/{any_name}/items"

    async def write() -> None:
        await studio.add(any_name, sofas(1, 9, 20, title="blue lamp"))
        for number in (0, 11):
            assert (await studio.client.delete(f"{url}/i{number:04}")).status_code == 204

    after_batch(1, write)
    assert (await reindex(studio, any_name))["state"] == "succeeded"
    collection = await studio.container.collections.current(any_name)
    expected = {f"i{n:04}": f"{'blue lamp' if n in (1, 9, 20) else 'red sofa'} {n}" for n in (*range(1, 11), 20)}
    assert await texts(studio, collection, 1) == expected
    assert await texts(studio, collection, 2) == expected


async def test_the_filling_has_an_end_though_items_come_all_the_while(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.upsertion.reindexing._BATCH", 4)
    numbers, fill_batch = ticks(4), Reindexer._fill_batch

    async def fill_and_write(self: Reindexer, *arguments: Any, **named: Any) -> Any:
        failures = await fill_batch(self, *arguments, **named)
        await studio.add(any_name, sofas(*(next(numbers) for _ in range(4))))
        return failures

    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(4)))
    monkeypatch.setattr(Reindexer, "_fill_batch", fill_and_write)
    async with asyncio.timeout(300):
        assert (await reindex(studio, any_name))["state"] == "succeeded"
    assert (await versions(studio, any_name))[2] == ("active", next(numbers))


async def test_the_retired_index_is_kept_in_step_and_a_rollback_is_exact(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(1, 2, 3))
    await reindex(studio, any_name)
    await studio.add(any_name, sofas(2, 4, title="blue lamp"))
    await studio.client.delete(f"/api/v1/collections/{any_name}/items/i0001")
    back = await studio.client.post(f"/api/v1/collections/{any_name}/rollback")
    assert (await studio.work(back.json()["task_id"]))["state"] == "succeeded"
    assert await versions(studio, any_name) == {1: ("active", 3), 2: ("retired", 3)}
    collection = await studio.container.collections.current(any_name)
    assert collection.index_version == 1
    assert await texts(studio, collection, 1) == {"i0002": "blue lamp 2", "i0003": "red sofa 3", "i0004": "blue lamp 4"}


async def test_an_attempt_that_died_is_taken_up_at_the_batch_where_it_stopped(
    studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(12)))
    collection = await studio.container.collections.current(any_name)

    async def die() -> None:
        raise UnavailableError("gone")

    after_batch(2, die)
    task_id = await request(studio, any_name)
    assert (await studio.work(task_id))["state"] == "pending"
    before = await studio.container.pool.fetch(f"SELECT item_id, xmin::text FROM parts_{collection.id}_2")
    assert len(before) == 8
    await studio.container.database["tasks"].update_one({"_id": task_id}, {"$set": {"not_before": None}})
    assert (await studio.work(task_id))["state"] == "succeeded"
    after = await studio.container.pool.fetch(f"SELECT item_id, xmin::text FROM parts_{collection.id}_2")
    assert set(before) < set(after)
    assert len(after) == 12


async def test_an_attempt_that_died_after_the_switch_is_done(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(1))
    task_id = await request(studio, any_name)
    await studio.work(task_id)
    await studio.container.database["tasks"].update_one(
        {"_id": task_id}, {"$set": {"state": "pending", "payload": {"model_version": None, "share": 1.0}}}
    )
    assert (await studio.work(task_id))["result"]["index_version"] == 2
    assert await versions(studio, any_name) == {1: ("retired", 1), 2: ("active", 1)}


async def test_a_changed_plugin_takes_effect(studio: Studio, any_name: str, add_plugin: AddPlugin) -> None:
    add_plugin(EmbeddingPlugin(name="goods", text=TextTemplate(("{title}.",))))
    await studio.create(any_name, plugin="goods")
    await studio.add(any_name, sofas(1))
    add_plugin(EmbeddingPlugin(name="goods", text=TextTemplate(("Buy {title}!",))))
    await reindex(studio, any_name)
    collection = await studio.container.collections.current(any_name)
    assert await texts(studio, collection, 1) == {"i0001": "red sofa 1."}
    assert await texts(studio, collection, 2) == {"i0001": "Buy red sofa 1!"}


async def test_an_index_that_would_lose_an_item_never_serves(
    studio: Studio, any_name: str, add_plugin: AddPlugin
) -> None:
    add_plugin(EmbeddingPlugin(name="goods", text=TextTemplate(("{title}",))))
    await studio.create(any_name, plugin="goods")
    await studio.add(any_name, [*sofas(1), {"id": "b", "payload": {"title": "lamp", "name": "lamp"}}])
    add_plugin(EmbeddingPlugin(name="goods", text=TextTemplate(("{name}",))))
    task = await reindex(studio, any_name)
    assert (task["state"], task["failed_total"]) == ("failed", 1)
    assert task["failed_items"] == [{"id": "i0001", "stage": "split", "reason": "the payload has nothing to embed"}]
    assert await versions(studio, any_name) == {1: ("active", 2)}
    assert (await reindex(studio, any_name))["result"]["index_version"] == 3


@pytest.mark.parametrize("fault", ["vector", "recall"])
async def test_an_index_that_does_not_hold_what_it_should_never_serves(
    studio: Studio, any_name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(1, 2, 3))
    if fault == "vector":
        vectors = ItemStore.vectors

        async def other(*arguments: Any, **named: Any) -> dict[str, Vector]:
            return {one: vector + np.float32(0.1) for one, vector in (await vectors(*arguments, **named)).items()}

        monkeypatch.setattr(ItemStore, "vectors", other)
    else:

        async def finds_nothing(*_: object, **__: object) -> list[Any]:
            return []

        monkeypatch.setattr(verification, "find_nearest", finds_nothing)
    task = await reindex(studio, any_name)
    assert task["state"] == "failed"
    assert "given up" in task["error"]["detail"]
    assert await versions(studio, any_name) == {1: ("active", 3)}


async def test_what_is_written_while_the_index_is_verified_does_not_speak_against_it(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(5)))
    embed_all = Embedder.embed_all

    async def embed_while_others_write(self: Embedder, *arguments: Any, **named: Any) -> Any:
        await studio.client.put(f"/api/v1/collections/{any_name}/items/i0003", json={"payload": {"title": "a lamp"}})
        await studio.client.delete(f"/api/v1/collections/{any_name}/items/i0004")
        return await embed_all(self, *arguments, **named)

    stored_of = ItemStore.stored_of

    async def stored_before_others_write(self: ItemStore, *arguments: Any, **named: Any) -> Any:
        stored = await stored_of(self, *arguments, **named)
        await studio.client.put(f"/api/v1/collections/{any_name}/items/i0002", json={"payload": {"title": "a desk"}})
        return stored

    monkeypatch.setattr(Embedder, "embed_all", embed_while_others_write)
    monkeypatch.setattr(ItemStore, "stored_of", stored_before_others_write)
    task = await reindex(studio, any_name)
    assert (task["state"], task["result"]["verification"]["vectors"]) == ("succeeded", 2)


async def test_given_vectors_move_as_they_are(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, plugin="vectors", options={"dimensions": 2})
    await studio.add(any_name, [{"id": "a", "payload": {}, "vector": [0.25, 1.0]}])
    assert (await reindex(studio, any_name))["state"] == "succeeded"
    collection = await studio.container.collections.current(any_name)
    vectors = await studio.container.items.vectors(collection, ["a"])
    assert (collection.index_version, vectors["a"].tolist()) == (2, [0.25, 1.0])


async def test_one_reindex_at_a_time(studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(1))
    statuses = []

    async def ask_again() -> None:
        answer = await studio.client.post(f"/api/v1/collections/{any_name}/reindex", json={})
        statuses.append(answer.status_code)

    after_batch(1, ask_again)
    both = [await request(studio, any_name) for _ in range(2)]
    assert [(await studio.work(one))["state"] for one in both] == ["succeeded", "succeeded"]
    assert statuses == [409]


async def test_a_cancelled_reindex_gives_its_space_back(
    studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(12)))
    collection = await studio.container.collections.current(any_name)
    task_id = await request(studio, any_name)

    async def cancel() -> None:
        assert (await studio.client.post(f"/api/v1/tasks/{task_id}/cancel")).status_code == 202
        await asyncio.sleep(30)

    after_batch(1, cancel)
    assert (await studio.work(task_id))["state"] == "cancelled"
    assert await versions(studio, any_name) == {1: ("active", 12)}
    await studio.container.sweeper._chores[0]()
    assert await studio.container.pool.fetchval("SELECT to_regclass($1)", f"parts_{collection.id}_2") is None


async def test_a_paused_reindex_goes_on_where_it_was(
    studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(12)))
    task_id = await request(studio, any_name)

    async def pause() -> None:
        assert (await studio.client.post(f"/api/v1/tasks/{task_id}/pause")).status_code == 202
        await asyncio.sleep(30)

    after_batch(2, pause)
    paused = await studio.work(task_id)
    assert (paused["state"], paused["paused"], paused["progress"]["done"]) == ("pending", True, 4)
    assert (await studio.work(task_id))["attempts"] == 1
    assert (await studio.client.post(f"/api/v1/tasks/{task_id}/resume")).status_code == 202
    assert (await studio.work(task_id))["state"] == "succeeded"


async def test_a_collection_that_is_deleted_meanwhile_leaves_nothing(
    studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(12)))
    collection = await studio.container.collections.current(any_name)
    task_id = await request(studio, any_name)
    after_batch(1, lambda: studio.client.delete(f"/api/v1/collections/{any_name}"))
    job, handler = studio.handlers["reindex"]
    await studio.container.runner.run(job, handler, task_id)
    left = await studio.container.pool.fetchval(
        "SELECT count(*) FROM pg_tables WHERE tablename ~ $1", f"^(items|parts)_{collection.id}(_|$)"
    )
    assert left == 0


@pytest.mark.parametrize(("share", "rest"), [(1.0, 0.0), (0.5, 1.0), (0.1, 9.0)])
async def test_the_share_is_kept(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch, share: float, rest: float
) -> None:
    """On a clock that a second passes on with each look at it, a batch takes one."""
    clock, rests = ticks(), list[float]()

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr("embedding_studio.upsertion.reindexing._BATCH", 4)
    monkeypatch.setattr("embedding_studio.upsertion.reindexing.time", SimpleNamespace(perf_counter=clock.__next__))
    monkeypatch.setattr("embedding_studio.upsertion.reindexing.sleep", sleep)
    await studio.create(any_name)
    await studio.add(any_name, sofas(*range(12)))
    assert (await reindex(studio, any_name, share=share))["state"] == "succeeded"
    assert rests[:3] == [pytest.approx(rest)] * 3


async def test_an_estimate_says_what_it_would_take(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    url = f"/api/v1/collections/{any_name}/reindex/estimate"
    assert (await studio.client.get(url)).json()["items"] == 0
    await studio.add(any_name, sofas(*range(80)))
    estimate = (await studio.client.get(url)).json()
    assert (estimate["items"], estimate["parts"]) == (80, 80)
    assert 0 < estimate["seconds"] < 60
    assert estimate["bytes"] > 80 * 384 * 4


@pytest.mark.parametrize("body", [{"share": 0}, {"share": 1.5}, {"model_version": 0}, {"unknown": 1}])
async def test_a_bad_wish_is_refused(studio: Studio, any_name: str, body: dict[str, Any]) -> None:
    await studio.create(any_name)
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/reindex", json=body)
    assert answer.status_code == 400
    missing = await studio.client.post(f"/api/v1/collections/{any_name}/reindex", json={"model_version": 77})
    assert missing.status_code == 404


async def test_the_grace_is_that_of_the_settings(studio: Studio) -> None:
    seconds = studio.container.settings.vector_store.index_grace
    assert studio.container.catalog._grace == timedelta(seconds=seconds)


async def test_an_index_whose_task_ended_without_it_is_given_up(
    studio: Studio, any_name: str, after_batch: Callable[[int, Hook], None]
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, sofas(1))

    async def break_down() -> None:
        raise ValueError("a part of the plugin is broken")

    after_batch(1, break_down)
    assert (await reindex(studio, any_name))["state"] == "failed"
    assert (await versions(studio, any_name))[2] == ("building", 1)
    await studio.container.sweeper._chores[0]()
    assert await versions(studio, any_name) == {1: ("active", 1)}
    assert (await reindex(studio, any_name))["state"] == "succeeded"


async def test_another_encoder_comes_with_the_new_index_and_not_before(
    studio: Studio, any_name: str, add_plugin: AddPlugin
) -> None:
    add_plugin(EmbeddingPlugin(name="goods"))
    await studio.create(any_name, plugin="goods")
    await studio.add(any_name, sofas(1))
    prompted = SentenceEncoder(item_prompt="a thing to sit on: ")
    export_missing([prompted.build()], studio.container.settings.inference.encoders)
    add_plugin(EmbeddingPlugin(name="goods", encoder=prompted))

    async def item_vector() -> list[float]:
        body = {"texts": ["red sofa 1"], "kind": "item"}
        answer = await studio.client.post(f"/api/v1/collections/{any_name}/embed", json=body)
        vectors: list[list[float]] = answer.json()["vectors"]
        return vectors[0]

    async def stored_vector() -> Vector:
        collection = await studio.container.collections.current(any_name)
        return (await studio.container.items.vectors(collection, ["i0001"]))["i0001"]

    before = await item_vector()
    assert before == pytest.approx(await stored_vector(), abs=1e-4)
    await studio.add(any_name, sofas(1, 2))
    assert before == pytest.approx(await stored_vector(), abs=1e-4)
    assert (await reindex(studio, any_name))["state"] == "succeeded"
    after = await item_vector()
    assert after != pytest.approx(before, abs=1e-2)
    assert after == pytest.approx(await stored_vector(), abs=1e-4)
    back = await studio.client.post(f"/api/v1/collections/{any_name}/rollback")
    await studio.work(back.json()["task_id"])
    assert await item_vector() == pytest.approx(before, abs=1e-6)


async def test_an_index_that_is_not_trusted_is_followed_by_one_that_is_tried(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    items = [{"id": f"i{n}", "payload": {}, "vector": [n + 1]} for n in range(20)]
    assert (await studio.add(any_name, items))["state"] == "succeeded"
    collection = await studio.container.collections.current(any_name)
    await studio.container.pool.execute(
        "UPDATE index_versions SET trusted_depth = 0 WHERE collection_id = $1", collection.id
    )
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/reindex", json={})
    task = await studio.work(answer.json()["task_id"])
    assert (task["state"], task["error"]) == ("succeeded", None)
