"""An arm whose model goes with another index gets that before the experiment starts, and keeps it until the end."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from embedding_studio.inference import NewEncoder, ServedModel
from embedding_studio.ml.export import export_encoder
from embedding_studio.sdk import SentenceEncoder
from embedding_studio.vector_store import Collection
from integration.experiments.conftest import Begin, Json
from integration.inference.models import register
from studio import Studio

pytestmark = pytest.mark.anyio

Train = Callable[[], Coroutine[Any, Any, int]]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder that gives items other vectors than the plugin's does."""
    folder = tmp_path_factory.mktemp("trained") / "encoder"
    export_encoder("all-MiniLM-L6-v2", folder, query_prompt="", item_prompt="a song of the sea, not about: ")
    return folder


@pytest.fixture
def train(studio: Studio, shop: Collection, trained: Path) -> Train:
    async def registered() -> int:
        plain = SentenceEncoder().build()
        encoder = NewEncoder(trained, of_items=True)
        fields: Json = {"encoder": encoder, "start": ServedModel(plain, plain), "root": plain}
        return (await register(studio, shop, track="both_encoders", adapter=None, **fields)).version

    return registered


async def look(studio: Studio, shop: Collection, experiment_id: str) -> Json:
    return dict((await studio.client.get(f"/api/v1/collections/{shop.name}/experiments/{experiment_id}")).json())


async def advance(studio: Studio) -> None:
    await studio.container.decider.decide()
    studio.container.trials._seen.clear()


async def indexes(studio: Studio, shop: Collection) -> dict[int, str]:
    answer = (await studio.client.get(f"/api/v1/collections/{shop.name}")).json()
    return {one["version"]: one["state"] for one in answer["index_versions"]}


async def drop_due(studio: Studio, shop: Collection) -> None:
    """Let the grace time of retired indexes pass."""
    await studio.container.pool.execute(
        "UPDATE index_versions SET retire_at = now() WHERE collection_id = $1 AND retire_at IS NOT NULL", shop.id
    )
    await studio.container.versions.drop_due()


async def arms(studio: Studio, shop: Collection, **fields: Any) -> dict[str | None, Json]:
    """An answer of each variant."""
    asked: Json = {"query": "couch", "mode": "vector", "track": False, **fields}
    answers = [await studio.search(shop.name, **asked, user_id=f"u{number}") for number in range(20)]
    return {one["variant"]: one for one in answers}


async def test_each_arm_reads_its_own_index_from_when_both_are_there(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    version = await train()
    plain = await studio.search(shop.name, query="couch", mode="vector", track=False)
    made = await begin(treatment={"model_version": version})
    assert made["state"] == "preparing"
    assert set(await arms(studio, shop)) == {None}
    for _ in range(2):
        await advance(studio)
    assert (await look(studio, shop, made["id"]))["state"] == "preparing"
    task = await studio.work(made["build_task_id"])
    assert (task["kind"], task["state"]) == ("reindex", "succeeded")
    assert task["result"]["index_version"] == 2
    assert await indexes(studio, shop) == {1: "active", 2: "retired"}
    for _ in range(2):
        await advance(studio)
    assert (await look(studio, shop, made["id"]))["state"] == "running"
    found = await arms(studio, shop)
    served = {name: (one["model_version"], one["index_version"]) for name, one in found.items()}
    assert served == {"control": (1, 1), "treatment": (version, 2)}
    assert found["control"]["results"] == plain["results"]
    assert [one["score"] for one in found["treatment"]["results"]] != [one["score"] for one in plain["results"]]


async def test_the_indexes_of_arms_are_kept_and_kept_in_step_whatever_is_deployed(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    version = await train()
    made = await begin(treatment={"model_version": version})
    await studio.work(made["build_task_id"])
    await advance(studio)
    task = await studio.client.post(f"/api/v1/collections/{shop.name}/models/{version}/deploy")
    deployed = await studio.work(task.json()["task_id"])
    assert deployed["result"]["index_version"] == 2, "the kept index serves: none is built"
    await drop_due(studio, shop)
    assert await indexes(studio, shop) == {1: "retired", 2: "active"}
    await studio.add(shop.name, [{"id": "settee", "payload": {"title": "couch"}}])
    found = await arms(studio, shop)
    served = {name: (one["model_version"], one["index_version"]) for name, one in found.items()}
    assert served == {"control": (1, 1), "treatment": (version, 2)}
    assert found["control"]["results"][0]["id"] == "settee"
    assert "settee" in [one["id"] for one in found["treatment"]["results"]]
    await studio.client.post(f"/api/v1/collections/{shop.name}/experiments/{made['id']}/stop")
    await advance(studio)
    await drop_due(studio, shop)
    assert await indexes(studio, shop) == {2: "active"}


async def test_an_arm_with_an_index_of_its_own_is_promoted_in_a_moment(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    version = await train()
    made = await begin(treatment={"model_version": version})
    await studio.work(made["build_task_id"])
    await advance(studio)
    url = f"/api/v1/collections/{shop.name}/experiments/{made['id']}/stop"
    ended = (await studio.client.post(url, json={"promote": "treatment"})).json()
    await advance(studio)
    await drop_due(studio, shop)
    task = await studio.work(ended["task_id"])
    assert task["result"] == {"index_version": 2, "model_version": version, "verification": None}
    answer = await studio.search(shop.name, query="couch", track=False)
    assert (answer["model_version"], answer["index_version"]) == (version, 2)


@pytest.mark.parametrize("end", ["cancel", "fail"])
async def test_an_experiment_whose_index_cannot_be_built_is_stopped_with_the_reason(
    studio: Studio, shop: Collection, begin: Begin, train: Train, end: str
) -> None:
    made = await begin(treatment={"model_version": await train()})
    if end == "cancel":
        await studio.client.post(f"/api/v1/tasks/{made['build_task_id']}/cancel")
    else:
        await studio.container.database["tasks"].update_one(
            {"_id": made["build_task_id"]}, {"$set": {"state": "failed"}}
        )
    await advance(studio)
    seen = await look(studio, shop, made["id"])
    assert seen["state"] == "stopped"
    assert made["build_task_id"] in seen["reason"]
    assert f"experiment:{made['id']}" not in await studio.container.holds.holders("experiment")


async def test_an_experiment_that_is_stopped_while_it_is_prepared_has_no_index_built(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    made = await begin(treatment={"model_version": await train()})
    await studio.client.post(f"/api/v1/collections/{shop.name}/experiments/{made['id']}/stop")
    assert (await studio.work(made["build_task_id"]))["state"] == "cancelled"
    assert await indexes(studio, shop) == {1: "active"}


async def test_an_index_that_comes_after_the_end_is_not_kept(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    made = await begin(treatment={"model_version": await train()})
    gone = {"state": "stopped", "is_live": False}
    await studio.container.database["experiments"].update_one({"_id": made["id"]}, {"$set": gone})
    await studio.work(made["build_task_id"])
    assert await indexes(studio, shop) == {1: "active", 2: "retired"}
    await advance(studio)
    await drop_due(studio, shop)
    assert await indexes(studio, shop) == {1: "active"}


async def test_a_crash_after_the_task_was_asked_for_asks_for_no_second(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    made = await begin(treatment={"model_version": await train()})
    await studio.container.database["experiments"].update_one({"_id": made["id"]}, {"$set": {"build_task": None}})
    await advance(studio)
    assert (await look(studio, shop, made["id"]))["build_task_id"] == made["build_task_id"]


async def test_an_experiment_waits_while_another_index_is_built(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    version = await train()
    encoder = SentenceEncoder().build()
    index = await studio.container.versions.begin(
        shop, task_id="another", model_version=1, encoder=encoder, dimensions=384
    )
    made = await begin(treatment={"model_version": version})
    assert (made["state"], made["build_task_id"]) == ("preparing", None)
    await studio.container.versions.fail(shop.id, index.version)
    await advance(studio)
    task_id = (await look(studio, shop, made["id"]))["build_task_id"]
    assert (await studio.work(task_id))["state"] == "succeeded"
    await advance(studio)
    assert (await look(studio, shop, made["id"]))["state"] == "running"


async def test_two_arms_with_indexes_of_their_own_are_built_one_after_the_other(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    versions = [await train(), await train()]
    made = await begin(control={"model_version": versions[0]}, treatment={"model_version": versions[1]})
    tasks = [made["build_task_id"]]
    await studio.work(tasks[0])
    await advance(studio)
    tasks.append((await look(studio, shop, made["id"]))["build_task_id"])
    assert len(set(tasks)) == 2
    await studio.work(tasks[1])
    await advance(studio)
    assert (await look(studio, shop, made["id"]))["state"] == "running"
    found = await arms(studio, shop)
    served = {name: (one["model_version"], one["index_version"]) for name, one in found.items()}
    assert served == {"control": (versions[0], 2), "treatment": (versions[1], 3)}


async def test_an_attempt_that_died_after_the_index_was_kept_is_done(
    studio: Studio, shop: Collection, begin: Begin, train: Train
) -> None:
    made = await begin(treatment={"model_version": await train()})
    await studio.work(made["build_task_id"])
    again = {"state": "pending", "result": None, "finished_at": None}
    await studio.container.database["tasks"].update_one({"_id": made["build_task_id"]}, {"$set": again})
    task = await studio.work(made["build_task_id"])
    assert (task["state"], task["result"]["index_version"]) == ("succeeded", 2)
    assert await indexes(studio, shop) == {1: "active", 2: "retired"}
