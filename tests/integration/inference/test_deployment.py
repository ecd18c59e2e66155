"""A deployment moves what is served, if the gate or a person with a note says so; a rollback moves it back exactly."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from embedding_studio.vector_store import Collection
from studio import Studio

from .models import register

pytestmark = pytest.mark.anyio

NAME = "deployments"
URL = f"/api/v1/collections/{NAME}"
TITLES = [f"{colour} {thing}" for colour in ("red", "green", "blue", "old", "new") for thing in ("sofa", "car", "song")]
QUERIES = ["couch", "vehicle", "music", "colour of the sky", "something ancient"]


@pytest.fixture
async def collection(studio: Studio) -> AsyncIterator[Collection]:
    await studio.create(NAME)
    await studio.add(NAME, [{"id": title, "payload": {"title": title}} for title in TITLES])
    yield await studio.container.collections.current(NAME)
    await studio.client.delete(URL)


async def results(studio: Studio) -> list[list[tuple[str, float]]]:
    found = [await studio.search(NAME, query=query) for query in QUERIES]
    return [[(one["id"], one["score"]) for one in answer["results"]] for answer in found]


async def version_served(studio: Studio) -> int:
    return int((await studio.search(NAME, query="couch"))["model_version"])


async def deploy(studio: Studio, version: int, **body: object) -> dict[str, Any]:
    """Ask for the deployment and do it; returns the task, or the problem."""
    answer = await studio.client.post(f"{URL}/models/{version}/deploy", json=body)
    return await studio.work(answer.json()["task_id"]) if answer.status_code == 202 else answer.json()


async def roll_back(studio: Studio) -> dict[str, Any]:
    answer = await studio.client.post(f"{URL}/rollback")
    return await studio.work(answer.json()["task_id"]) if answer.status_code == 202 else answer.json()


async def test_a_deployment_changes_what_is_found_and_a_rollback_restores_it_exactly(
    studio: Studio, collection: Collection
) -> None:
    before = await results(studio)
    version = (await register(studio, collection)).version
    task = await deploy(studio, version)
    assert (task["state"], task["result"]) == ("succeeded", {"model_version": version, "index_version": 1})
    assert await version_served(studio) == version
    assert await results(studio) != before
    task = await roll_back(studio)
    assert (task["state"], task["result"]["model_version"]) == ("succeeded", 1)
    assert await version_served(studio) == 1
    assert await results(studio) == before


@pytest.mark.parametrize("decision", ["reject", "not_enough_evidence", "unheard of"])
async def test_what_the_gate_did_not_promote_needs_force_and_a_note(
    studio: Studio, collection: Collection, decision: str
) -> None:
    version = (await register(studio, collection, decision)).version
    for body in ({}, {"force": True}, {"note": "because"}, {"force": True, "note": " "}, {"force": False, "note": "x"}):
        problem = await deploy(studio, version, **body)
        assert problem["status"] == 409
        assert decision in problem["detail"]
    assert (await deploy(studio, version, force=True, note="we know better"))["state"] == "succeeded"
    note = await studio.container.pool.fetchval(
        "SELECT note FROM deployments WHERE collection_id = $1 ORDER BY id DESC LIMIT 1", collection.id
    )
    assert note == "we know better"
    assert await version_served(studio) == version


@pytest.mark.usefixtures("collection")
async def test_the_first_deployment_has_nothing_before_it(studio: Studio) -> None:
    assert (await roll_back(studio))["status"] == 409


async def test_the_base_may_be_deployed_again_by_anyone(studio: Studio, collection: Collection) -> None:
    before = await results(studio)
    await deploy(studio, (await register(studio, collection)).version)
    assert (await deploy(studio, 1))["state"] == "succeeded"
    assert await results(studio) == before


async def test_what_was_asked_before_another_deployment_came_is_not_done(
    studio: Studio, collection: Collection
) -> None:
    first, second = [(await register(studio, collection, seed=seed)).version for seed in (1, 2)]
    early, late = [
        (await studio.client.post(f"{URL}/models/{version}/deploy", json={})).json()["task_id"]
        for version in (first, second)
    ]
    assert (await studio.work(late))["state"] == "succeeded"
    task = await studio.work(early)
    assert (task["state"], task["error"]["title"]) == ("failed", "DeploymentMovedError")
    assert await version_served(studio) == second


async def test_a_rollback_that_is_asked_for_twice_moves_back_once(studio: Studio, collection: Collection) -> None:
    versions = [(await register(studio, collection, seed=seed)).version for seed in (1, 2)]
    for version in versions:
        await deploy(studio, version)
    asked = [(await studio.client.post(f"{URL}/rollback")).json()["task_id"] for _ in range(2)]
    assert [(await studio.work(task))["state"] for task in asked] == ["succeeded", "succeeded"]
    assert await version_served(studio) == versions[0]


async def test_an_artifact_that_was_tampered_with_is_not_deployed_and_the_old_version_serves_on(
    studio: Studio, collection: Collection
) -> None:
    before = await results(studio)
    version = (await register(studio, collection)).version
    path = studio.container.settings.objects.folder / f"models/{collection.id}/{version}/adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    task = await deploy(studio, version)
    assert (task["state"], task["attempts"]) == ("failed", 1)
    assert "not those registered" in task["error"]["detail"]
    assert await results(studio) == before


async def test_a_rollback_does_not_go_back_to_what_is_broken(studio: Studio, collection: Collection) -> None:
    first, second = [(await register(studio, collection, seed=seed)).version for seed in (1, 2)]
    await deploy(studio, first)
    await deploy(studio, second)
    serving = await results(studio)
    (studio.container.settings.objects.folder / f"models/{collection.id}/{first}/adapter.safetensors").unlink()
    studio.container.models._loaded.clear()
    assert (await roll_back(studio))["state"] == "failed"
    assert await results(studio) == serving


async def test_a_page_is_ranked_by_the_version_its_first_page_was(studio: Studio, collection: Collection) -> None:
    whole = await studio.search(NAME, query="couch", limit=len(TITLES))
    first = await studio.search(NAME, query="couch", limit=5)
    await deploy(studio, (await register(studio, collection)).version)
    second = await studio.search(NAME, query="couch", limit=10, cursor=first["next_cursor"])
    assert second["model_version"] == 1
    assert [one["id"] for page in (first, second) for one in page["results"]] == [one["id"] for one in whole["results"]]


async def test_the_same_key_deploys_once(studio: Studio, collection: Collection) -> None:
    version = (await register(studio, collection)).version
    headers = {"Idempotency-Key": f"deploy-{collection.id}"}
    asked = {
        (await studio.client.post(f"{URL}/models/{version}/deploy", json={}, headers=headers)).json()["task_id"]
        for _ in range(3)
    }
    assert len(asked) == 1
