"""Recorded sessions become the data set of a training."""

from datetime import UTC, datetime, timedelta

import pytest

from embedding_studio.fine_tuning import dataset as module
from embedding_studio.fine_tuning.dataset import Dataset, DatasetReader
from embedding_studio.sdk import EventGains
from studio import Studio

pytestmark = pytest.mark.anyio

THINGS = ["sofa", "table", "lamp", "knife", "chair", "rug", "mirror", "shelf"]


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> str:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": thing, "payload": {"title": f"a {thing}"}} for thing in THINGS])
    return any_name


async def search(studio: Studio, name: str, thing: str, user: str, *, clicks: bool) -> str:
    shown = await studio.search(name, query=f"a nice {thing}", user_id=user, limit=5)
    session = str(shown["session_id"])
    if clicks:
        item = shown["results"][THINGS.index(thing) % 5]["id"]
        event = {"event_id": f"{session}-1", "session_id": session, "item_id": item, "type": "click"}
        answer = await studio.client.post("/api/v1/events", json={"events": [event]})
        assert answer.json()["accepted"] == 1
    return session


async def agree(studio: Studio, name: str) -> list[str]:
    """Three users click the same, which stands elsewhere for each query: at one place it could be the place."""
    users = ("ann", "bob", "cem")
    return [await search(studio, name, thing, user, clicks=True) for thing in THINGS for user in users]


async def read(studio: Studio, name: str) -> Dataset:
    container = studio.container
    reader = DatasetReader(clickstream=container.clickstream, items=container.items)
    collection = await container.collections.current(name)
    until = datetime.now(UTC) + timedelta(minutes=1)
    return await reader.read(collection, EventGains().build(), since=None, until=until, salt=name)


async def test_the_same_sessions_make_the_same_data_set(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    first, second = await read(studio, shop), await read(studio, shop)
    assert len(first.groups) == len(THINGS)
    assert first.judgments.content_hash == second.judgments.content_hash
    assert first.groups == second.groups
    group = first.groups["a nice sofa"]
    assert set(group.gains) == {"sofa"}
    assert len(group.shown) == 5
    assert 0 < group.gains["sofa"] < 0.5  # a click's gain, as far as it is sure


async def test_sessions_in_which_nothing_was_clicked_speak_against(studio: Studio, shop: str) -> None:
    await agree(studio, shop)
    before = await read(studio, shop)
    for number in range(12):
        await search(studio, shop, "sofa", f"u{number}", clicks=False)
    after = await read(studio, shop)
    assert after.sessions == before.sessions + 12
    weights = [{row.item_id: row.weight for row in one.judgments.rows} for one in (before, after)]
    assert weights[1].get("sofa", 0.0) < weights[0]["sofa"]


async def test_what_shall_not_teach_is_counted(studio: Studio, shop: str) -> None:
    sessions = await agree(studio, shop)
    for session in sessions[:2]:
        assert (await studio.client.post(f"/api/v1/sessions/{session}/irrelevant")).status_code == 204
    found = await read(studio, shop)
    assert found.dropped == {"irrelevant": 2, "too_few_users": 1}
    assert "a nice sofa" not in found.groups


async def test_of_too_many_sessions_the_newest_are_read(
    studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SESSIONS", 21)
    await agree(studio, shop)
    found = await read(studio, shop)
    assert found.dropped["too_old"] == 3
    assert "a nice sofa" not in found.groups
    assert "a nice shelf" in found.groups
