"""A user who asks for it is forgotten."""

from typing import Any

import pytest

from studio import Studio

from .conftest import NAME, event, send

pytestmark = pytest.mark.anyio


async def forget(studio: Studio, user: str) -> dict[str, Any]:
    answer = await studio.client.delete(f"/api/v1/users/{user}")
    assert answer.status_code == 202
    return await studio.work(answer.json()["task_id"])


async def test_sessions_and_events_of_the_user_go_and_those_of_others_stay(studio: Studio) -> None:
    gone, kept = [await studio.search(NAME, query="item", user_id=user) for user in ("eve", "adam")]
    await send(studio, event(gone, "i0"), event(kept, "i1"), event(kept, "i2", user_id="eve"))
    task = await forget(studio, "eve")
    assert (task["state"], task["result"]["sessions"], task["result"]["events"]) == ("succeeded", 1, 2)
    assert (await studio.client.get(f"/api/v1/sessions/{gone['session_id']}")).status_code == 404
    view = (await studio.client.get(f"/api/v1/sessions/{kept['session_id']}")).json()
    assert [one["item_id"] for one in view["events"]] == ["i1"]


async def test_who_was_never_here_is_forgotten_too(studio: Studio) -> None:
    task = await forget(studio, "nobody")
    assert (task["state"], task["result"]) == ("succeeded", {"sessions": 0, "events": 0, "model_versions": {}})
