"""The stored record of a trained model is decided again; what was forged is named."""

from typing import Any

import msgspec
import pytest

from embedding_studio.infra.objects import ObjectFolder
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "judged"
THINGS = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf", "clock", "vase", "bowl", "bench"]
COLORS = ["red", "green", "blue", "black"]


@pytest.fixture(scope="module")
async def version(studio: Studio) -> int:
    """A model that was trained on the clicks of three users, who always choose the first two results."""
    await studio.create(NAME)
    items = [
        {"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color in COLORS for thing in THINGS
    ]
    await studio.add(NAME, items)
    for number in range(3 * len(THINGS)):
        shown = await studio.search(NAME, query=f"a {THINGS[number // 3]} for my home", user_id=f"user-{number % 3}")
        session = shown["session_id"]
        events = [
            {"event_id": f"{session}-{one['id']}", "session_id": session, "item_id": one["id"], "type": "click"}
            for one in shown["results"][:2]
        ]
        await studio.client.post("/api/v1/events", json={"events": events})
    wish = {"params": {"epochs": 2}, "deploy": "never"}
    answer = await studio.client.post(f"/api/v1/collections/{NAME}/fine-tuning", json=wish)
    task = await studio.work(answer.json()["task_id"])
    assert task["state"] == "succeeded", task["error"]
    return int(task["result"]["model_version"])


async def ask(studio: Studio, version: int) -> dict[str, Any]:
    answer = await studio.client.get(f"/api/v1/collections/{NAME}/models/{version}/gate")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def forge(studio: Studio, version: int, **fields: object) -> bytes:
    """Change fields of the stored record; returns what was there."""
    collection = await studio.container.collections.current(NAME)
    objects, key = ObjectFolder(studio.container.settings.objects), f"models/{collection.id}/{version}/gate.json"
    stored = await objects.get(key)
    await objects.put(key, msgspec.json.encode({**msgspec.json.decode(stored), **fields}))
    return stored


async def restore(studio: Studio, version: int, stored: bytes) -> None:
    collection = await studio.container.collections.current(NAME)
    await ObjectFolder(studio.container.settings.objects).put(f"models/{collection.id}/{version}/gate.json", stored)


async def test_a_sound_record_is_verified(studio: Studio, version: int) -> None:
    found = await ask(studio, version)
    assert (found["version"], found["differing"], found["decision"]) == (version, [], "not_enough_evidence")
    assert found["replay"]["sessions"] == 3 * found["groups"]
    assert found["replay"]["mrr"]["before"] == 1.0  # everybody clicked on the first
    assert set(found["metrics"]) == {"ndcg@10", "mrr@10", "recall@100"}


async def test_a_forged_record_is_named(studio: Studio, version: int) -> None:
    stored = await forge(studio, version, decision="promote", reasons=["because"])
    assert (await ask(studio, version))["differing"] == ["decision", "reasons"]
    await restore(studio, version, stored)
    assert (await ask(studio, version))["differing"] == []


async def test_what_is_no_record_is_refused(studio: Studio, version: int) -> None:
    stored = await forge(studio, version, decision="perhaps")
    answer = await studio.client.get(f"/api/v1/collections/{NAME}/models/{version}/gate")
    assert (answer.status_code, "gate record" in answer.json()["detail"]) == (400, True)
    await restore(studio, version, stored)


@pytest.mark.parametrize("version", [1, 999, 2**40])
async def test_only_trained_versions_have_one(studio: Studio, version: int) -> None:
    assert NAME in [one["name"] for one in (await studio.client.get("/api/v1/collections")).json()["items"]]
    answer = await studio.client.get(f"/api/v1/collections/{NAME}/models/{version}/gate")
    assert answer.status_code == 404
