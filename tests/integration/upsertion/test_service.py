"""Items through the API, into PostgreSQL and back."""

import asyncio
from urllib.parse import quote

import numpy as np
import pytest

from embedding_studio.kernel.ids import new_id
from studio import Studio

pytestmark = pytest.mark.anyio


def sofa(item_id: str = "sofa", title: str = "red leather sofa", **payload: object) -> dict[str, object]:
    return {"id": item_id, "payload": {"title": title, **payload}}


async def test_an_accepted_item_becomes_searchable(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    task = await studio.add(any_name, [sofa(), sofa("lamp", "standing lamp")])
    assert (task["state"], task["progress"]) == ("succeeded", {"done": 2, "total": 2})
    found = await studio.search(any_name, query="couch")
    assert [result["id"] for result in found["results"]] == ["sofa", "lamp"]


async def test_of_two_items_with_one_id_the_later_counts(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [sofa(color="red"), sofa(title="green sofa", color="green")])
    item = (await studio.client.get(f"/api/v1/collections/{any_name}/items/sofa")).json()
    assert item["payload"] == {"title": "green sofa", "color": "green"}
    assert item["parts"] == [{"part_id": "0", "text": "green sofa"}]


async def test_an_older_task_does_not_undo_a_newer_put(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    items = f"/api/v1/collections/{any_name}/items"
    older = (await studio.client.post(items, json={"items": [sofa(title="old")]})).json()["task_id"]
    await studio.client.put(f"{items}/sofa", json={"payload": {"title": "new"}})
    assert (await studio.work(older))["state"] == "succeeded"
    assert (await studio.client.get(f"{items}/sofa")).json()["payload"] == {"title": "new"}


async def test_a_deleted_item_does_not_come_back_from_an_older_task(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [sofa()])
    items = f"/api/v1/collections/{any_name}/items"
    older = (await studio.client.post(items, json={"items": [sofa(title="again")]})).json()["task_id"]
    assert (await studio.client.delete(f"{items}/sofa")).status_code == 204
    await studio.work(older)
    assert (await studio.client.get(f"{items}/sofa")).status_code == 404
    assert (await studio.client.delete(f"{items}/sofa")).status_code == 404


async def test_a_payload_change_alone_keeps_the_vector(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [sofa(price=1)])
    collection = await studio.container.collections.current(any_name)
    table = f"parts_{collection.id}_{collection.index_version}"
    before = await studio.container.pool.fetchval(f"SELECT xmin::text FROM {table}")
    await studio.add(any_name, [sofa(price=2)])
    assert await studio.container.pool.fetchval(f"SELECT xmin::text FROM {table}") == before
    assert (await studio.search(any_name, query="sofa"))["results"][0]["payload"]["price"] == 2


async def test_an_item_without_text_is_reported_and_the_others_get_through(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    task = await studio.add(any_name, [sofa(), {"id": "mute", "payload": {"price": 3}}])
    assert task["state"] == "partial"
    assert task["failed_items"] == [{"id": "mute", "stage": "split", "reason": "the payload has nothing to embed"}]
    assert task["failed_total"] == 1
    only = await studio.add(any_name, [{"id": "mute", "payload": {}}])
    assert only["state"] == "failed"


async def test_a_task_that_died_half_way_continues_where_it_stopped(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    items = [sofa(f"i{number}", f"sofa number {number}") for number in range(600)]
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/items", json={"items": items})
    task_id = answer.json()["task_id"]
    staged = await studio.container.pool.fetchval("SELECT count(*) FROM staged_items WHERE task_id = $1", task_id)
    assert staged == 600
    collection = await studio.container.collections.current(any_name)
    await studio.container.pool.execute(
        "WITH gone AS (DELETE FROM staged_items WHERE task_id = $1 AND ordinal < 590)"
        " UPDATE staged_tasks SET waiting = 10 WHERE task_id = $1",
        task_id,
    )  # as a worker that wrote them and died has left it
    task = await studio.work(task_id)
    assert (task["state"], task["progress"]) == ("succeeded", {"done": 600, "total": 600})
    written = await studio.container.pool.fetchval(f"SELECT count(*) FROM items_{collection.id}")
    assert written == 10


async def test_the_same_idempotency_key_gives_the_same_task(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    url, headers = f"/api/v1/collections/{any_name}/items", {"Idempotency-Key": new_id()}
    first = await studio.client.post(url, json={"items": [sofa()]}, headers=headers)
    second = await studio.client.post(url, json={"items": [sofa()]}, headers=headers)
    other = await studio.client.post(url, json={"items": [sofa("lamp")]}, headers=headers)
    assert first.json() == second.json()
    assert other.status_code == 409
    assert (await studio.work(first.json()["task_id"]))["progress"]["total"] == 1


@pytest.mark.parametrize("item_id", ["a/b", "/a", "a//b", "a..", "%", "a b", "?#&", "ü", "delete", "x" * 512])
async def test_an_id_may_be_any_text(studio: Studio, any_name: str, item_id: str) -> None:
    await studio.create(any_name)
    url = f"/api/v1/collections/{any_name}/items/{quote(item_id, safe='')}"
    put = await studio.client.put(url, json={"payload": {"title": "x"}})
    assert (put.status_code, put.json()["id"]) == (200, item_id)
    assert (await studio.client.get(url)).json()["id"] == item_id
    assert (await studio.search(any_name, query="x"))["results"][0]["id"] == item_id
    assert (await studio.client.delete(url)).status_code == 204


async def test_given_vectors_are_searched_by_vector_and_by_text(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 3}, metric="euclidean")
    await studio.add(
        any_name,
        [
            {"id": "a", "payload": {"title": "green table"}, "vector": [1, 0, 0]},
            {"id": "b", "payload": {"title": "red chair"}, "vector": [0, 2, 0]},
            {"id": "c", "payload": {}, "vector": [0, 0, 0]},
        ],
    )
    near = await studio.search(any_name, query={"vector": [0, 1.5, 0]})
    assert [(one["id"], one["score"]) for one in near["results"]] == [
        ("b", -0.5),
        ("c", -1.5),
        ("a", pytest.approx(-(3.25**0.5))),
    ]
    assert [one["id"] for one in (await studio.search(any_name, query="chairs"))["results"]] == ["b"]
    wrong = await studio.client.post(
        f"/api/v1/collections/{any_name}/items", json={"items": [{"id": "d", "payload": {}, "vector": [1]}]}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "items[0].vector")


async def test_an_index_is_built_once_it_is_worth_it_and_finds_the_same(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 8})
    vectors = np.random.default_rng(0).normal(size=(2_100, 8))
    items = [{"id": f"v{n}", "payload": {"n": n}, "vector": vector.tolist()} for n, vector in enumerate(vectors)]
    assert (await studio.add(any_name, items))["state"] == "succeeded"
    (optimize,) = (await studio.client.get(f"/api/v1/tasks?collection={any_name}&kind=optimize")).json()["items"]
    assert (await studio.work(optimize["id"]))["result"]["built"]
    assert (await studio.add(any_name, items[:1]))["state"] == "succeeded"
    tasks = (await studio.client.get(f"/api/v1/tasks?collection={any_name}&kind=optimize")).json()["items"]
    assert len(tasks) == 1
    collection = await studio.container.collections.current(any_name)
    valid = await studio.container.pool.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", f"parts_{collection.id}_1_halfvec"
    )
    assert valid


async def test_what_is_written_by_many_at_once_ends_with_the_last_accepted(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    items = f"/api/v1/collections/{any_name}/items"
    tasks = [
        (await studio.client.post(items, json={"items": [sofa(title=f"title {n}", n=n)]})).json()["task_id"]
        for n in range(6)
    ]
    puts = (studio.client.put(f"{items}/lamp", json={"payload": {"title": f"lamp {n}", "n": n}}) for n in range(6))
    done, _ = await asyncio.gather(
        asyncio.gather(*(studio.work(task) for task in reversed(tasks))),
        asyncio.gather(*puts),
    )
    assert [task["state"] for task in done] == ["succeeded"] * 6
    assert (await studio.client.get(f"{items}/sofa")).json()["payload"] == {"title": "title 5", "n": 5}
    lamp = (await studio.client.get(f"{items}/lamp")).json()
    assert lamp["parts"] == [{"part_id": "0", "text": lamp["payload"]["title"]}]


async def test_a_task_whose_collection_is_deleted_meanwhile_leaves_nothing(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    url = f"/api/v1/collections/{any_name}"
    task_id = (await studio.client.post(f"{url}/items", json={"items": [sofa()]})).json()["task_id"]
    assert (await studio.client.delete(url)).status_code == 204
    job, handler = studio.handlers["upsert"]
    await studio.container.runner.run(job, handler, task_id)
    staged = await studio.container.pool.fetchval("SELECT count(*) FROM staged_items WHERE task_id = $1", task_id)
    assert staged == 0
    assert (await studio.client.get(f"/api/v1/tasks/{task_id}")).status_code == 404


async def test_deployments_do_not_disturb_an_ingest(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    catalog = studio.container.catalog
    items = [sofa(f"i{number}", f"sofa number {number}") for number in range(600)]

    async def deploy_again_and_again() -> None:
        while not ingest.done():
            present = await catalog.get(any_name)
            leaving = present.deployment_id
            await catalog.deploy(present, model_version=1, leaving=leaving, task_id=new_id(), note="")

    ingest = asyncio.create_task(studio.add(any_name, items))
    await deploy_again_and_again()
    assert (await ingest)["state"] == "succeeded"


async def test_optimizing_can_be_asked_for(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [sofa()])
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/optimize")
    assert answer.status_code == 202
    task = await studio.work(answer.json()["task_id"])
    assert (task["kind"], task["state"], task["result"]["built"]) == ("optimize", "succeeded", [])
