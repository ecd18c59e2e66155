"""A user who wants to be forgotten is."""

import pytest

from studio import Studio

pytestmark = pytest.mark.anyio


async def test_a_forgotten_user_leaves_nothing_and_the_others_stay(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": "sofa", "payload": {"title": "sofa"}}])
    sessions = {}
    for user in ("ann", "bob"):
        shown = await studio.search(any_name, query="sofa", user_id=f"{user}-{any_name}")
        sessions[user] = shown["session_id"]
        event = {"event_id": shown["session_id"], "session_id": shown["session_id"], "item_id": "sofa", "type": "click"}
        await studio.client.post("/api/v1/events", json={"events": [event]})

    answer = await studio.client.delete(f"/api/v1/users/ann-{any_name}")
    assert answer.status_code == 202
    task = await studio.work(answer.json()["task_id"])

    assert task["result"] == {"sessions": 1, "events": 1, "model_versions": {any_name: []}}
    assert (await studio.client.get(f"/api/v1/sessions/{sessions['ann']}")).status_code == 404
    assert len((await studio.client.get(f"/api/v1/sessions/{sessions['bob']}")).json()["events"]) == 1
    again = await studio.client.delete(f"/api/v1/users/ann-{any_name}")
    assert (await studio.work(again.json()["task_id"]))["result"]["sessions"] == 0
