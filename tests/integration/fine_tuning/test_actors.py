"""A fine-tuning on real sessions, in this process."""

from typing import Any

import msgspec
import pytest

from embedding_studio.fine_tuning.gate import GateRecord, verify
from studio import Studio

pytestmark = pytest.mark.anyio

THINGS = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf", "clock", "vase", "bowl", "bench"]
COLORS = ["red", "green", "blue", "black"]


@pytest.fixture(scope="module")
async def clicked(studio: Studio) -> str:
    """A shop whose three users agree on two results of each query, which stand elsewhere for each."""
    name = "clicked"
    await studio.create(name)
    items = [
        {"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color in COLORS for thing in THINGS
    ]
    await studio.add(name, items)
    for number, thing in enumerate(THINGS):
        for user in ("ann", "bob", "cem"):
            await click_two(studio, name, f"a {thing} for my home", user, first=number % 8)
    return name


async def click_two(studio: Studio, name: str, query: str, user: str, *, first: int) -> None:
    shown = await studio.search(name, query=query, user_id=user)
    events = [
        {
            "event_id": f"{shown['session_id']}-{one['position']}",
            "session_id": shown["session_id"],
            "item_id": one["id"],
        }
        for one in shown["results"][first : first + 2]
    ]
    answer = await studio.client.post(
        "/api/v1/events", json={"events": [{**event, "type": "click"} for event in events]}
    )
    assert answer.json()["accepted"] == 2


async def fine_tune(studio: Studio, name: str, **fields: object) -> dict[str, Any]:
    answer = await studio.client.post(f"/api/v1/collections/{name}/fine-tuning", json=fields)
    assert answer.status_code == 202, answer.text
    return await studio.work(answer.json()["task_id"])


async def test_too_few_groups_train_a_model_that_is_not_deployed(studio: Studio, clicked: str) -> None:
    task = await fine_tune(studio, clicked, params={"epochs": 3})
    result = task["result"]
    assert task["state"] == "succeeded", task["error"]
    assert result["gate"]["decision"] == "not_enough_evidence"
    assert result["data"] == {"sessions": 36, "judgments": 24, "curated": 0, "groups": 12, "dropped": {}}
    assert not result["deployed"]
    collection = await studio.container.collections.current(clicked)
    assert collection.model_version == 1


async def test_the_gates_record_can_be_computed_again(studio: Studio, clicked: str) -> None:
    result = (await fine_tune(studio, clicked, params={"epochs": 3}))["result"]
    collection = await studio.container.collections.current(clicked)
    objects = studio.container.objects
    stored = await objects.get(f"models/{collection.id}/{result['model_version']}/gate.json")

    record = GateRecord.from_dict(msgspec.json.decode(stored))
    assert record.decision == result["gate"]["decision"]
    assert verify(record) == ()


async def test_a_task_that_runs_twice_registers_one_model(studio: Studio, clicked: str) -> None:
    task = await fine_tune(studio, clicked, params={"epochs": 3})
    tasks = studio.container.database["tasks"]
    await tasks.update_one({"_id": task["id"]}, {"$set": {"state": "pending", "finished_at": None}})
    again = await studio.work(task["id"])
    assert again["result"] == task["result"]
    collection = await studio.container.collections.current(clicked)
    models = await studio.container.models.page(collection, before=10_000, limit=100)
    assert len([model for model in models if model.task_id == task["id"]]) == 1


async def test_without_clicks_there_is_nothing_to_learn(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    result = (await fine_tune(studio, any_name))["result"]
    assert (result["model_version"], result["gate"]["decision"]) == (None, "not_enough_evidence")


async def test_one_users_clicks_do_not_move_the_shared_model(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": thing, "payload": {"title": thing}} for thing in THINGS])
    for query in ("something to sit on", "something to see by"):
        await click_two(studio, any_name, query, "ann", first=0)
    data = (await fine_tune(studio, any_name))["result"]["data"]
    assert data == {"sessions": 2, "judgments": 0, "curated": 0, "groups": 0, "dropped": {"too_few_users": 4}}


async def test_given_vectors_have_no_encoder_to_train(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    answer = await studio.client.post(f"/api/v1/collections/{any_name}/fine-tuning", json={})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "track")
