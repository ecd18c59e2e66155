"""A user who wants to be forgotten is."""

from typing import Any

import pytest

from embedding_studio.kernel.errors import UnavailableError
from studio import Studio

pytestmark = pytest.mark.anyio


async def forget(studio: Studio, user: str) -> dict[str, Any]:
    answer = await studio.client.delete(f"/api/v1/users/{user}")
    assert answer.status_code == 202
    return await studio.work(answer.json()["task_id"])


async def test_a_forgotten_user_leaves_nothing_and_the_others_stay(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": "sofa", "payload": {"title": "sofa"}}])
    sessions = {}
    for user in ("ann", "bob"):
        shown = await studio.search(any_name, query="sofa", user_id=f"{user}-{any_name}")
        sessions[user] = shown["session_id"]
        event = {"event_id": shown["session_id"], "session_id": shown["session_id"], "item_id": "sofa", "type": "click"}
        await studio.client.post("/api/v1/events", json={"events": [event]})

    task = await forget(studio, f"ann-{any_name}")

    assert task["result"] == {"sessions": 1, "events": 1, "memory": 0, "model_versions": {any_name: []}}
    assert (await studio.client.get(f"/api/v1/sessions/{sessions['ann']}")).status_code == 404
    assert len((await studio.client.get(f"/api/v1/sessions/{sessions['bob']}")).json()["events"]) == 1
    again = await forget(studio, f"ann-{any_name}")
    assert (again["state"], again["result"]) == (
        "succeeded",
        {"sessions": 0, "events": 0, "memory": 0, "model_versions": {}},
    )


async def test_what_the_user_did_in_the_sessions_of_others_goes_too(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": "sofa", "payload": {"title": "sofa"}}])
    session = (await studio.search(any_name, query="sofa"))["session_id"]
    events = [
        {"event_id": f"{user}-{session}", "session_id": session, "item_id": "sofa", "type": "click", "user_id": user}
        for user in (f"eve-{any_name}", f"adam-{any_name}")
    ]
    await studio.client.post("/api/v1/events", json={"events": events})
    assert (await forget(studio, f"eve-{any_name}"))["result"]["events"] == 1
    left = (await studio.client.get(f"/api/v1/sessions/{session}")).json()["events"]
    assert [one["user_id"] for one in left] == [f"adam-{any_name}"]


async def test_an_attempt_that_died_half_way_loses_no_model_from_the_list(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": "sofa", "payload": {"title": "sofa"}}])
    await studio.search(any_name, query="sofa", user_id=f"zoe-{any_name}")
    forgetting = studio.container.forgetting
    task = await forgetting.request(f"zoe-{any_name}")
    job, handler = studio.handlers["forget"]
    delete = forgetting._repository.delete_user

    async def delete_and_die(user: str) -> tuple[int, int]:
        await delete(user)
        raise UnavailableError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(forgetting._repository, "delete_user", delete_and_die)
        await studio.container.runner.run(job, handler, task.id)
    await studio.container.database["tasks"].update_one({"_id": task.id}, {"$set": {"not_before": None}})
    await studio.container.runner.run(job, handler, task.id)

    done = await studio.task(task.id)
    assert (done["state"], done["result"]["model_versions"]) == ("succeeded", {any_name: []})
    document = await studio.container.database["tasks"].find_one({"_id": task.id})
    assert document is not None
    assert f"zoe-{any_name}" not in str(document)


async def test_others_are_asked_to_forget_the_user_once_the_sessions_are_gone(
    studio: Studio, any_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await studio.create(any_name)
    await studio.search(any_name, query="sofa", user_id=f"kim-{any_name}")
    left: list[int] = []

    async def forget_memory(user: str) -> dict[str, int]:
        left.append(await studio.container.database["sessions"].count_documents({"user_id": user}))
        return {"memory": 3}

    monkeypatch.setattr(studio.container.forgetting, "_on_forget", (forget_memory,))
    task = await forget(studio, f"kim-{any_name}")
    assert task["result"] == {"sessions": 1, "events": 0, "memory": 3, "model_versions": {any_name: []}}
    assert left == [0]
