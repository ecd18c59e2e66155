"""Streams that are whole and streams that are broken in one way each, sent through the API; the right finding comes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from embedding_studio.clickstream import EventDoctor
from embedding_studio.kernel.ids import new_id
from studio import Studio

from .conftest import event, send

pytestmark = pytest.mark.anyio

Json = dict[str, Any]


@pytest.fixture
async def shop(studio: Studio, any_name: str) -> AsyncIterator[str]:
    """A collection of twelve items; what came for no session before is forgotten, since it is of all collections."""
    await studio.container.database["intake"].delete_many({"collection": ""})
    await studio.create(any_name, "vectors", options={"dimensions": 2})
    items = [{"id": f"i{n:02}", "payload": {"title": "lamp"}, "vector": [1.0, n / 20]} for n in range(12)]
    await studio.add(any_name, items)
    yield any_name
    await studio.client.delete(f"/api/v1/collections/{any_name}")


async def searches(studio: Studio, shop: str, count: int, **fields: object) -> list[Json]:
    asked: Json = {"query": {"vector": [1, 0]}, "limit": 10, "user_id": "ann", **fields}
    return [await studio.search(shop, **asked) for _ in range(count)]


async def stream(studio: Studio, shop: str, count: int = 40, **fields: Any) -> list[Json]:
    """Searches, and a click in every second one, each with its position, time and user."""
    sessions = await searches(studio, shop, count)
    clicks = [click(session, **fields) for session in sessions[::2]]
    await send(studio, *clicks)
    return clicks


def click(session: Json, item: str = "i01", position: int | None = 2, **fields: object) -> Json:
    now = datetime.now(UTC).isoformat()
    return event(session, item, **{"timestamp": now, "position": position, "user_id": "ann", **fields})


async def examine(studio: Studio, shop: str, query: str = "") -> Json:
    answer = await studio.client.get(f"/api/v1/collections/{shop}/events/doctor{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def worst(studio: Studio, shop: str) -> Json:
    """The only thing that is wrong."""
    found = await examine(studio, shop)
    (finding,) = [one for one in found["findings"] if one["severity"] != "ok"]
    assert finding["remedy"]
    assert found["ok"] == (finding["severity"] != "bad")
    return dict(finding)


def named(finding: Json) -> tuple[str, str, str, int, int]:
    return finding["check"], finding["field"], finding["severity"], finding["count"], finding["of"]


async def test_nothing_is_wrong_with_a_whole_stream(studio: Studio, shop: str) -> None:
    await stream(studio, shop)
    found = await examine(studio, shop)
    assert {one["severity"] for one in found["findings"]} == {"ok"}
    assert (found["ok"], found["sessions"], found["events"], found["collection"]) == (True, 40, 20, shop)
    shares = {one["check"]: (one["count"], one["of"]) for one in found["findings"]}
    assert shares["silent"] == (20, 40)
    assert shares["positions"] == (0, 20)


async def test_events_for_sessions_that_there_are_not(studio: Studio, shop: str) -> None:
    clicks = await stream(studio, shop)
    answer = await send(studio, *({**one, "session_id": new_id(), "event_id": new_id()} for one in clicks[:10]))
    assert len(answer["rejected"]) == 10
    finding = await worst(studio, shop)
    assert (finding["check"], finding["field"], finding["severity"], finding["count"]) == (
        "joined",
        "session_id",
        "bad",
        10,
    )


async def test_items_that_were_not_shown(studio: Studio, shop: str) -> None:
    clicks = await stream(studio, shop)
    await send(studio, *({**one, "item_id": "i11", "event_id": new_id(), "position": None} for one in clicks))
    assert named(await worst(studio, shop)) == ("not_shown", "item_id", "bad", 20, 40)


async def test_positions_that_are_not_the_sessions(studio: Studio, shop: str) -> None:
    await stream(studio, shop, position=1)
    assert named(await worst(studio, shop)) == ("positions", "position", "bad", 20, 20)


async def test_positions_that_are_not_sent_are_taken_from_the_session(studio: Studio, shop: str) -> None:
    await stream(studio, shop, position=None)
    found = await examine(studio, shop)
    assert found["ok"]
    (positions,) = [one for one in found["findings"] if one["check"] == "positions"]
    assert positions["problem"].startswith("0.0% of events say a position")


@pytest.mark.parametrize(("hours", "said"), [(2, "+2 h"), (-3, "-3 h"), (5.75, "+5.75 h")])
async def test_times_of_another_zone(studio: Studio, shop: str, hours: float, said: str) -> None:
    """A sender that writes local time with a Z; its events are refused, and counted all the same."""
    await stream(studio, shop)
    sessions = await searches(studio, shop, 20)
    local = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    await send(studio, *(click(one, timestamp=local) for one in sessions))
    found = {one["check"]: one for one in (await examine(studio, shop))["findings"]}
    assert named(found["time_zone"])[1:] == ("timestamp", "bad", 20, 40)
    assert said in found["time_zone"]["problem"]
    assert named(found["time_refused"])[1:4] == ("timestamp", "bad", 20)


async def test_clocks_that_are_ahead(studio: Studio, shop: str) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()
    await stream(studio, shop, timestamp=ahead)
    assert named(await worst(studio, shop)) == ("clock", "timestamp", "bad", 20, 20)


async def test_events_that_are_sent_again_and_again(studio: Studio, shop: str) -> None:
    clicks = await stream(studio, shop)
    for _ in range(3):
        await send(studio, *clicks)
    assert named(await worst(studio, shop)) == ("duplicates", "event_id", "bad", 60, 80)


async def test_duplicates_are_counted_for_their_own_collection(studio: Studio, shop: str) -> None:
    other = shop + "b"
    await studio.create(other, "vectors", options={"dimensions": 2})
    await studio.add(other, [{"id": f"i{n:02}", "payload": {}, "vector": [1.0, n / 20]} for n in range(12)])
    ours, theirs = await stream(studio, shop), await stream(studio, other)
    await send(studio, *ours, *(click({"session_id": one["session_id"]}) for one in theirs))
    counts = await studio.container.database["intake"].find({"collection": {"$in": [shop, other]}}).to_list()
    assert {one["collection"]: one["counts"].get("duplicate", 0) for one in counts} == {shop: 20, other: 0}
    assert {one["collection"]: one["counts"]["accepted"] for one in counts} == {shop: 20, other: 40}
    await studio.client.delete(f"/api/v1/collections/{other}")


async def test_searches_of_nobody(studio: Studio, shop: str) -> None:
    await searches(studio, shop, 60, user_id=None)
    finding = await worst(studio, shop)
    assert named(finding) == ("users", "user_id", "warn", 60, 60)


async def test_events_that_never_came(studio: Studio, shop: str) -> None:
    await studio.container.database["sessions"].insert_many([stored(shop) for _ in range(100)])
    assert (await examine(studio, shop))["ok"]
    await studio.container.database["sessions"].insert_many([stored(shop) for _ in range(100)])
    finding = await worst(studio, shop)
    assert named(finding) == ("stopped", "events", "bad", 200, 200)
    assert "no event came ever" in finding["problem"]


async def test_searches_that_are_hardly_ever_answered(studio: Studio, shop: str) -> None:
    await studio.container.database["sessions"].insert_many([stored(shop) for _ in range(1_000)])
    await stream(studio, shop, 2)
    assert named(await worst(studio, shop)) == ("silent", "events", "warn", 1_001, 1_002)


async def test_events_that_stopped(studio: Studio, shop: str) -> None:
    await stream(studio, shop, 20)
    await searches(studio, shop, 30)
    finding = await worst(studio, shop)
    assert named(finding)[:3] == ("stopped", "events", "bad")
    assert "no event came since" in finding["problem"]


async def test_a_collection_that_nobody_searches(studio: Studio, shop: str) -> None:
    assert named(await worst(studio, shop))[:3] == ("alive", "track", "warn")
    old = datetime.now(UTC) - timedelta(days=9)
    await studio.container.database["sessions"].insert_one(stored(shop, created_at=old))
    assert named(await worst(studio, shop))[:3] == ("alive", "track", "bad")


async def test_nothing_but_views(studio: Studio, shop: str) -> None:
    await stream(studio, shop, type="view")
    finding = await worst(studio, shop)
    assert named(finding)[:3] == ("types", "type", "bad")
    assert "click" in finding["problem"]


async def test_propensities_that_are_none(studio: Studio, shop: str) -> None:
    await stream(studio, shop)
    wrong: list[Json] = [{"id": "a", "position": 1, "score": 1.0}, {"id": "a", "position": 1, "propensity": 0.0}]
    await studio.container.database["sessions"].insert_many([stored(shop, results=[one]) for one in wrong])
    assert named(await worst(studio, shop)) == ("propensities", "results[].propensity", "warn", 2, 42)


async def test_a_program_that_clicks_too_fast_in_many_searches(studio: Studio, shop: str) -> None:
    """Its events name no user; its searches do."""
    await stream(studio, shop)
    minute = datetime.now(UTC).replace(second=0, microsecond=0).isoformat()
    sessions = await searches(studio, shop, 25, user_id="robot")
    events = [click(one, f"i{n:02}", n + 1, timestamp=minute, user_id=None) for one in sessions for n in range(5)]
    await send(studio, *events)
    assert named(await worst(studio, shop)) == ("bots_rate", "user_id", "bad", 125, 145)


async def test_a_program_that_clicks_on_everything(studio: Studio, shop: str) -> None:
    await stream(studio, shop)
    sessions = await searches(studio, shop, 9, user_id="robot")
    await send(studio, *(click(one, f"i{n:02}", n + 1) for one in sessions for n in range(10)))
    assert named(await worst(studio, shop)) == ("bots_everything", "type", "warn", 9, 29)


async def test_only_the_time_that_is_asked_for_counts(studio: Studio, shop: str) -> None:
    await stream(studio, shop)
    old = datetime.now(UTC) - timedelta(days=20)
    await studio.container.database["sessions"].insert_one(stored(shop, created_at=old, user_id=None))
    assert (await examine(studio, shop))["sessions"] == 40
    since = (old - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (await examine(studio, shop, f"?since={since}"))["sessions"] == 41


async def test_what_is_looked_through_is_bounded(studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await stream(studio, shop)
    monkeypatch.setattr("embedding_studio.clickstream.reporting.LOOKED_THROUGH", 7)
    found = await examine(studio, shop)
    assert (found["sessions"], found["events"]) == (7, 7)


async def test_what_cannot_be_counted_is_accepted_all_the_same(
    studio: Studio, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise AutoReconnect("gone")

    monkeypatch.setattr(studio.container.clickstream._reporting, "count", fails)
    (session,) = await searches(studio, shop, 1)
    assert (await send(studio, click(session)))["accepted"] == 1


async def test_with_its_collection_the_counts_are_gone(studio: Studio, shop: str) -> None:
    await stream(studio, shop, 4)
    assert await studio.container.database["intake"].count_documents({"collection": shop}) == 1
    await studio.client.delete(f"/api/v1/collections/{shop}")
    assert await studio.container.database["intake"].count_documents({"collection": shop}) == 0


@pytest.mark.parametrize("since", ["yesterday", "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2026-01-01T00:00:00"])
async def test_times_that_cannot_be_looked_at(studio: Studio, shop: str, since: str) -> None:
    answer = await studio.client.get(f"/api/v1/collections/{shop}/events/doctor?since={since}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "since"


async def test_a_collection_that_is_not_there(studio: Studio) -> None:
    assert (await studio.client.get("/api/v1/collections/nothing/events/doctor")).status_code == 404
    assert isinstance(studio.container.event_doctor, EventDoctor)


def stored(shop: str, **fields: object) -> Json:
    """A session as it is stored."""
    return {
        "_id": new_id(),
        "collection": shop,
        "query": {"text": "lamp"},
        "user_id": "ann",
        "results": [{"id": "i01", "position": 1, "score": 1.0, "propensity": 1.0}],
        "mode": "hybrid",
        "model_version": 1,
        "index_version": 1,
        "created_at": datetime.now(UTC),
        "has_events": False,
        **fields,
    }
