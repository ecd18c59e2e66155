"""What nobody asks for is done all the same: indexes of collections that are written item by item."""

import pytest

from embedding_studio.upsertion import Tidier
from studio import Studio

pytestmark = pytest.mark.anyio


def tidier(studio: Studio) -> Tidier:
    container = studio.container
    return Tidier(
        staging=container.staging,
        versions=container.versions,
        tasks=container.tasks,
        collections=container.collections,
        optimizer=container.optimizer,
        settings=container.settings.upsertion,
    )


async def wishes(studio: Studio, name: str) -> int:
    return len((await studio.client.get(f"/api/v1/tasks?collection={name}&kind=optimize")).json()["items"])


async def look_at_all(studio: Studio) -> None:
    one = tidier(studio)
    await one.optimize_next()
    while one._optimized:
        await one.optimize_next()


async def test_a_collection_that_outgrew_comparing_gets_its_indexes(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    url = f"/api/v1/collections/{any_name}/items/a"
    assert (await studio.client.put(url, json={"payload": {"title": "oak"}, "vector": [1]})).status_code == 200
    await look_at_all(studio)
    assert await wishes(studio, any_name) == 0
    monkeypatch.setattr(studio.container.settings.vector_store, "index_from", 1)
    await look_at_all(studio)
    assert await wishes(studio, any_name) == 1


async def test_one_whose_items_still_wait_is_left_alone(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    items = [{"id": "a", "payload": {"title": "oak"}, "vector": [1]}]
    assert (await studio.add(any_name, items))["state"] == "succeeded"
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/items", json={"items": items})
    monkeypatch.setattr(studio.container.settings.vector_store, "index_from", 1)
    await look_at_all(studio)
    assert await wishes(studio, any_name) == 0
    await studio.work(answer.json()["task_id"])
