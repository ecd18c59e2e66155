"""A candidate answers a share of the searches as well, and nobody sees it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from embedding_studio.inference import NewEncoder, ServedModel
from embedding_studio.kernel.ids import new_id
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk import SentenceEncoder
from embedding_studio.vector_store import Collection
from integration.inference.models import register
from studio import Studio

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
Start = Callable[..., Coroutine[Any, Any, Json]]

THINGS = ("sofa", "car", "song", "lamp", "boat")
TITLES = [f"{colour} {thing}" for colour in ("red", "green", "blue", "old", "new", "tall") for thing in THINGS]
QUERIES = ("couch", "vehicle", "music", "ship")


@pytest.fixture
async def shop(studio: Studio) -> AsyncIterator[Collection]:
    name = f"shop-{new_id()}"
    await studio.create(name)
    await studio.add(name, [{"id": title, "payload": {"title": title}} for title in TITLES])
    yield await studio.container.collections.current(name)
    await studio.client.delete(f"/api/v1/collections/{name}")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder that gives items other vectors than the plugin's does."""
    folder = tmp_path_factory.mktemp("shadow") / "encoder"
    export_encoder("all-MiniLM-L6-v2", folder, query_prompt="", item_prompt="a song of the sea, not about: ")
    return folder


def url(shop: Collection) -> str:
    return f"/api/v1/collections/{shop.name}/shadow"


@pytest.fixture
def start(studio: Studio, shop: Collection) -> Start:
    """Start a shadow that is seen at once."""

    async def started(**fields: Any) -> Json:
        answer = await studio.client.post(url(shop), json={"model_version": 1, "share": 1.0} | fields)
        assert answer.status_code == 201, answer.text
        await seen_anew(studio)
        return dict(answer.json())

    return started


async def seen_anew(studio: Studio) -> None:
    """Have the process look what shadows there are, now."""
    shadows = studio.container.mirror._shadows
    if shadows._looking is not None:
        await shadows._looking  # may have looked too early
    shadows._good_until = 0.0
    shadows.of("")
    if shadows._looking is not None:
        await shadows._looking


async def settled(studio: Studio) -> None:
    """All that was mirrored is done."""
    while studio.container.mirror._tasks:
        await asyncio.gather(*studio.container.mirror._tasks)


async def report(studio: Studio, shop: Collection) -> Json:
    await settled(studio)
    answer = await studio.client.get(url(shop))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sessions(studio: Studio, shop: Collection) -> list[Json]:
    return list((await studio.client.get(f"/api/v1/collections/{shop.name}/sessions")).json()["items"])


async def test_the_same_model_finds_the_same(studio: Studio, shop: Collection, start: Start) -> None:
    made = await start()
    assert (made["model_version"], made["share"], made["searches"]) == (1, 1.0, 0)
    for query in QUERIES:
        await studio.search(shop.name, query=query, mode="vector")
    found = await report(studio, shop)
    assert (found["searches"], found["failed"], found["late"], found["dropped"]) == (4, 0, 0, 0)
    compared = found["compared"]
    assert (compared["searches"], compared["overlap@10"], compared["rbo@10"], compared["same_first"]) == (4, 1, 1, 1)
    for side in ("live", "candidate"):
        assert 0 < compared[side]["p50_ms"] <= compared[side]["p95_ms"]
        assert compared[side]["empty"] == 0


async def test_another_model_is_compared_and_no_user_sees_it(studio: Studio, shop: Collection, start: Start) -> None:
    before = [await studio.search(shop.name, query=query, mode="vector", track=False) for query in QUERIES]
    version = (await register(studio, shop, seed=3)).version
    await start(model_version=version)
    shown = [await studio.search(shop.name, query=query, mode="vector") for query in QUERIES * 2]
    found = await report(studio, shop)
    assert [one["results"] for one in shown] == [one["results"] for one in before] * 2
    assert {(one["model_version"], one["variant"]) for one in shown} == {(1, None)}
    assert {one["model_version"] for one in await sessions(studio, shop)} == {1}
    assert len(await sessions(studio, shop)) == found["searches"] == 2 * len(QUERIES)
    assert found["live_model_version"] == 1
    assert found["compared"]["rbo@10"] < 1
    likeness = [one["rbo@10"] for one in found["differing"]]
    assert likeness == sorted(likeness)
    assert sorted(one["query"] for one in found["differing"]) == sorted(QUERIES), "each once"
    worst = found["differing"][0]
    at = QUERIES.index(worst["query"])
    assert worst["live"] == [one["id"] for one in before[at]["results"]]
    assert worst["candidate"] != worst["live"]
    assert len(worst["candidate"]) == 10


async def test_a_ranking_is_a_candidate_too_and_empty_answers_are_counted(
    studio: Studio, shop: Collection, start: Start
) -> None:
    await start(ranking={"mode": "lexical"})
    await studio.search(shop.name, query="couch")  # no item has this word
    await studio.search(shop.name, query="sofa")
    compared = (await report(studio, shop))["compared"]
    assert (compared["live"]["empty"], compared["candidate"]["empty"]) == (0.0, 0.5)


async def test_only_ranked_first_pages_of_users_are_mirrored(studio: Studio, shop: Collection, start: Start) -> None:
    await start()
    first = await studio.search(shop.name, query="sofa", limit=5)
    await studio.search(shop.name, query="sofa", limit=5, cursor=first["next_cursor"])
    await studio.search(shop.name, query="sofa", track=False)
    await studio.search(shop.name, query="sofa", sort=[{"field": "title", "order": "asc"}])
    await studio.search(shop.name)
    assert (await report(studio, shop))["searches"] == 1


async def test_given_vectors_are_mirrored_too(studio: Studio) -> None:
    name = f"vectors-{new_id()}"
    await studio.create(name, "vectors", options={"dimensions": 2})
    await studio.add(name, [{"id": "east", "payload": {}, "vector": [1, 0]}])
    collection = await studio.container.collections.current(name)
    wish: Json = {"model_version": 1, "share": 1}
    refused = await studio.client.post(url(collection), json=wish | {"ranking": {"mode": "hybrid"}})
    assert [one["field"] for one in refused.json()["errors"]] == ["ranking.mode"]
    assert (await studio.client.post(url(collection), json=wish)).status_code == 201
    await seen_anew(studio)
    await studio.search(name, query={"vector": [0.5, 0.5]})
    found = await report(studio, collection)
    assert (found["searches"], found["differing"][0]["query"]) == (1, None)
    await studio.client.delete(f"/api/v1/collections/{name}")


async def test_what_was_known_is_mirrored_while_the_database_is_away(
    studio: Studio, shop: Collection, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> None:
        raise asyncpg.InterfaceError("connection is closed")

    await start(model_version=1)
    shadows = studio.container.mirror._shadows
    with monkeypatch.context() as broken:
        broken.setattr(shadows._catalog, "serving", lost)
        await seen_anew(studio)
    assert shadows.of(shop.name) is not None


async def test_no_share_mirrors_nothing(studio: Studio, shop: Collection, start: Start) -> None:
    await start(share=0)
    await studio.search(shop.name, query="sofa")
    found = await report(studio, shop)
    assert (found["searches"], found["compared"], found["differing"]) == (0, None, [])


async def test_other_comparisons_than_with_what_serves_now_are_left_out(
    studio: Studio, shop: Collection, start: Start
) -> None:
    await start()
    await studio.search(shop.name, query="sofa")
    await settled(studio)
    version = (await register(studio, shop, seed=5)).version
    task = await studio.client.post(f"/api/v1/collections/{shop.name}/models/{version}/deploy", json={})
    assert (await studio.work(task.json()["task_id"]))["state"] == "succeeded"
    found = await report(studio, shop)
    assert (found["live_model_version"], found["searches"], found["compared"]) == (version, 1, None)


async def test_a_deleted_shadow_leaves_nothing(studio: Studio, shop: Collection, start: Start) -> None:
    await start()
    await studio.search(shop.name, query=f"sofa {shop.id}")
    await settled(studio)
    assert await left(studio, shop) == 2
    assert await studio.container.holds.holders("shadow")
    assert (await studio.client.delete(url(shop))).status_code == 204
    assert f"shadow:{shop.id}" not in await studio.container.holds.holders("shadow")
    assert await left(studio, shop) == 0
    assert (await studio.client.get(url(shop))).status_code == 404
    assert (await studio.client.delete(url(shop))).status_code == 404
    await start()


async def test_a_shadow_goes_with_its_collection(studio: Studio, shop: Collection, start: Start) -> None:
    await start()
    await studio.search(shop.name, query=f"sofa {shop.id}")
    await settled(studio)
    assert await left(studio, shop) == 2
    await studio.client.delete(f"/api/v1/collections/{shop.name}")
    assert await left(studio, shop) == 0


async def left(studio: Studio, shop: Collection) -> int:
    """Documents of the shop's shadows, whose comparisons show its own items alone."""
    database = studio.container.database
    shadows = await database["shadows"].count_documents({"collection": shop.name})
    return shadows + await database["mirrored_searches"].count_documents({"query": f"sofa {shop.id}"})


async def test_a_collection_has_one_shadow(studio: Studio, shop: Collection, start: Start) -> None:
    await start()
    again = await studio.client.post(url(shop), json={"model_version": 1, "share": 0.5})
    assert again.status_code == 409
    assert "delete it first" in again.json()["detail"]


async def test_a_model_of_another_encoder_needs_and_holds_an_index_of_its_own(
    studio: Studio, shop: Collection, start: Start, trained: Path
) -> None:
    plain = SentenceEncoder().build()
    encoder: Json = {"encoder": NewEncoder(trained, of_items=True), "start": ServedModel(plain, plain), "root": plain}
    version = (await register(studio, shop, track="both_encoders", adapter=None, **encoder)).version
    refused = await studio.client.post(url(shop), json={"model_version": version, "share": 1})
    assert refused.status_code == 409
    assert "experiment with `traffic` 0" in refused.json()["detail"]
    assert (await studio.client.get(url(shop))).status_code == 404
    experiment = await built_by_an_experiment(studio, shop, version)
    await start(model_version=version)
    await studio.client.post(f"/api/v1/collections/{shop.name}/experiments/{experiment}/stop")
    await studio.container.decider.decide()
    await drop_due(studio, shop)
    shown = await studio.search(shop.name, query="couch", mode="vector")
    assert shown["index_version"] == 1
    found = await report(studio, shop)
    assert (found["searches"], found["failed"]) == (1, 0)
    await studio.client.delete(url(shop))
    await drop_due(studio, shop)
    left = (await studio.client.get(f"/api/v1/collections/{shop.name}")).json()["index_versions"]
    assert [one["version"] for one in left] == [1]


async def built_by_an_experiment(studio: Studio, shop: Collection, version: int) -> str:
    """Do what the refusal says; returns the id of the experiment, which runs."""
    wish = {
        "name": "index",
        "kind": "ab",
        "control": {"model_version": 1},
        "treatment": {"model_version": version},
        "traffic": 0,
    }
    made = (await studio.client.post(f"/api/v1/collections/{shop.name}/experiments", json=wish)).json()
    await studio.work(made["build_task_id"])
    await studio.container.decider.decide()
    seen = (await studio.client.get(f"/api/v1/collections/{shop.name}/experiments/{made['id']}")).json()
    assert seen["state"] == "running"
    return str(made["id"])


async def drop_due(studio: Studio, shop: Collection) -> None:
    """Let the grace time of retired indexes pass."""
    await studio.container.pool.execute(
        "UPDATE index_versions SET retire_at = now() WHERE collection_id = $1 AND retire_at IS NOT NULL", shop.id
    )
    await studio.container.versions.drop_due()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"share": 1.5}, "share"),
        ({"share": -0.1}, "share"),
        ({"model_version": 0}, "model_version"),
        ({"model_version": 99}, "model_version"),
        ({"ranking": {"depth": 0}}, "ranking.depth"),
        ({"ranking": {"speed": 1}}, "ranking.speed"),
        ({"deadline": 1}, "deadline"),
    ],
)
async def test_a_bad_wish_names_its_place(studio: Studio, shop: Collection, change: Json, field: str) -> None:
    answer = await studio.client.post(url(shop), json={"model_version": 1, "share": 0.5} | change)
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == [field]


async def test_what_is_not_there_is_not_found(studio: Studio, shop: Collection) -> None:
    nowhere = "/api/v1/collections/nowhere/shadow"
    assert (await studio.client.get(url(shop))).status_code == 404
    for answer in (
        await studio.client.get(nowhere),
        await studio.client.delete(nowhere),
        await studio.client.post(nowhere, json={"model_version": 1, "share": 1}),
    ):
        assert answer.status_code == 404
