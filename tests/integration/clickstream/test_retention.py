"""What was kept long enough goes, whole, and nothing else does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from embedding_studio.clickstream import ClickstreamRepository, ClickstreamSettings, Event, Retention, Session
from studio import Studio

from .conftest import NAME, event, send

pytestmark = pytest.mark.anyio


def retention(studio: Studio, days: float, *, later: float, spared: Sequence[str] = ()) -> Retention:
    """As it works so many days from now."""

    async def experiments() -> Sequence[str]:
        return spared

    return Retention(
        repository=ClickstreamRepository(),
        collections=studio.container.collections,
        experiments=experiments,
        clock=lambda: studio.container.clock() + timedelta(days=later),
        settings=ClickstreamSettings(kept=days * 86_400),
    )


async def until_all_were_looked_at(expire: Callable[[], Awaitable[int]]) -> None:
    for _ in range(200):
        await expire()


async def left(session: dict[str, Any]) -> tuple[int, int]:
    """How many sessions and events there are of it."""
    found = session["session_id"]
    return await Session.find({"_id": found}).count(), await Event.find({"session_id": found}).count()


async def test_old_sessions_go_with_their_events(studio: Studio, session: dict[str, Any]) -> None:
    await send(studio, event(session), event(session, "i2"))
    await until_all_were_looked_at(retention(studio, 30, later=29).expire)
    assert await left(session) == (1, 2)
    await until_all_were_looked_at(retention(studio, 30, later=31).expire)
    assert await left(session) == (0, 0)


async def test_what_a_live_experiment_counts_stays(studio: Studio, session: dict[str, Any]) -> None:
    await Session.find({"_id": session["session_id"]}).update({"$set": {"experiment": "e1"}})
    await until_all_were_looked_at(retention(studio, 30, later=31, spared=["e1"]).expire)
    assert await left(session) == (1, 0)
    await until_all_were_looked_at(retention(studio, 30, later=31).expire)
    assert await left(session) == (0, 0)


async def test_nothing_goes_where_all_is_kept_for_ever(studio: Studio, session: dict[str, Any]) -> None:
    assert await retention(studio, 0, later=10_000).expire() == 0
    assert await left(session) == (1, 0)


async def test_batches_are_taken_from_the_oldest(studio: Studio, session: dict[str, Any]) -> None:
    younger = await studio.search(NAME, query={"vector": [1, 0]}, limit=1)
    before = studio.container.clock() + timedelta(days=1)
    while (await left(session))[0]:
        assert (await left(younger))[0] == 1
        assert await ClickstreamRepository().delete_before(NAME, before, spared=[], limit=1) == 1


async def test_all_of_a_collection_goes_in_batches(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.clickstream.repository._SESSIONS_PER_DELETION", 2)
    sessions = [session, *[await studio.search(NAME, query={"vector": [1, 0]}, limit=1) for _ in range(4)]]
    await ClickstreamRepository().delete_of(NAME)
    assert [await left(one) for one in sessions] == [(0, 0)] * 5


async def test_all_of_a_collection_goes_though_it_is_searched_all_the_while(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = ClickstreamRepository()
    delete = repository._delete

    async def delete_and_search(*args: Any, **options: Any) -> tuple[int, int]:
        deleted = await delete(*args, **options)
        await studio.search(NAME, query={"vector": [1, 0]}, limit=1)
        return deleted

    monkeypatch.setattr(repository, "_delete", delete_and_search)
    async with asyncio.timeout(300):
        await repository.delete_of(NAME)
    assert await left(session) == (0, 0)


async def test_a_collection_has_its_turn_until_less_than_a_batch_is_left(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.clickstream.retention._BATCH", 1)
    younger = [await studio.search(NAME, query={"vector": [1, 0]}, limit=1) for _ in range(2)]
    expire = retention(studio, 30, later=31).expire
    while (await left(session))[0]:
        await expire()
    for one in younger:
        assert await expire() == 1
        assert await left(one) == (0, 0)


@pytest.mark.usefixtures("session")
async def test_a_collection_that_never_comes_to_its_end_keeps_no_other_waiting(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    async def delete(name: str, *_: object, limit: int, **__: object) -> int:
        looked_at.append(name)
        return limit if name == NAME else 0

    other = f"{NAME}-beside"
    await studio.create(other, "vectors", options={"dimensions": 2})
    chore = retention(studio, 30, later=31)
    monkeypatch.setattr(chore._repository, "delete_before", delete)
    await until_all_were_looked_at(chore.expire)
    await studio.client.delete(f"/api/v1/collections/{other}")
    assert other in looked_at[looked_at.index(NAME) :]


def test_sessions_that_take_events_are_kept() -> None:
    with pytest.raises(ValidationError, match="open_for"):
        ClickstreamSettings(kept=60, open_for=3_600)
