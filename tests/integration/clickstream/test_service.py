"""Events count once, for what was shown, and come back joined to their sessions."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from embedding_studio.clickstream import Answer, AnsweredSession, Session, Shown
from embedding_studio.kernel.ids import new_id
from studio import Studio

from .conftest import NAME, event, send

pytestmark = pytest.mark.anyio

LONG_AGO, SOON = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


async def events_of(studio: Studio, session: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await studio.client.get(f"/api/v1/sessions/{session['session_id']}")
    return list(answer.json()["events"])


async def answered(studio: Studio, session: dict[str, Any]) -> AnsweredSession | None:
    found = studio.container.clickstream.answered(NAME, since=LONG_AGO, until=SOON)
    return {one.session_id: one async for one in found}.get(session["session_id"])


async def test_an_event_is_written_as_it_was_sent(studio: Studio, session: dict[str, Any]) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    there = at.astimezone(timezone(timedelta(hours=1))).isoformat()
    sent = event(session, type="dwell", value=12.5, timestamp=there, user_id="u", meta={"a": [1]})
    assert await send(studio, sent) == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert await events_of(studio, session) == [
        {
            "event_id": sent["event_id"],
            "item_id": "i1",
            "type": "dwell",
            "value": 12.5,
            "position": 2,
            "user_id": "u",
            "meta": {"a": [1]},
            "timestamp": at.isoformat().replace("+00:00", "Z"),
        }
    ]


async def test_the_position_is_the_one_that_was_shown(studio: Studio, session: dict[str, Any]) -> None:
    await send(studio, event(session, "i2", position=1), event(session, "i0", position=99))
    assert {one["item_id"]: one["position"] for one in await events_of(studio, session)} == {"i2": 3, "i0": 1}


async def test_an_event_without_a_time_gets_that_of_its_arrival(studio: Studio, session: dict[str, Any]) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await send(studio, event(session))
    (written,) = await events_of(studio, session)
    assert before <= datetime.fromisoformat(written["timestamp"]) <= datetime.now(UTC)


async def test_what_cannot_count_is_rejected_with_its_reason(studio: Studio, session: dict[str, Any]) -> None:
    answer = await send(
        studio,
        event({"session_id": "nobody"}),
        event(session, "i4"),
        event(session),
        event(session, "no such item"),
    )
    assert answer == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [
            {"index": 0, "reason": "no session 'nobody'"},
            {"index": 1, "reason": "the item 'i4' was not shown in the session"},
            {"index": 3, "reason": "the item 'no such item' was not shown in the session"},
        ],
    }


async def test_an_event_counts_once_also_within_a_batch(studio: Studio, session: dict[str, Any]) -> None:
    one = event(session)
    assert await send(studio, one, {**one, "item_id": "i2"}, one) == {"accepted": 1, "duplicates": 2, "rejected": []}
    assert await send(studio, one, event(session)) == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert sorted(one["item_id"] for one in await events_of(studio, session)) == ["i1", "i1"]


async def test_events_that_come_many_times_at_once_count_once(studio: Studio, session: dict[str, Any]) -> None:
    batch = [event(session, f"i{n % 3}") for n in range(50)]
    answers = await asyncio.gather(*(send(studio, *batch[start:], *batch[:start]) for start in range(0, 50, 7)))
    assert sum(answer["accepted"] for answer in answers) == 50
    assert all(answer["accepted"] + answer["duplicates"] == 50 for answer in answers)
    assert {one["event_id"] for one in await events_of(studio, session)} == {one["event_id"] for one in batch}


@given(sends=st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=6))
@hypothesis_settings(max_examples=20)
async def test_whatever_is_sent_however_often_each_id_counts_once(
    studio: Studio, session: dict[str, Any], sends: list[list[int]]
) -> None:
    prefix = new_id()
    answers = [
        await send(studio, *({**event(session), "event_id": f"{prefix}{number}"} for number in batch))
        for batch in sends
    ]
    distinct = {number for batch in sends for number in batch}
    assert sum(answer["accepted"] for answer in answers) == len(distinct)
    assert sum(answer["accepted"] + answer["duplicates"] for answer in answers) == sum(map(len, sends))


async def test_sessions_by_text_come_back_with_what_was_done(studio: Studio) -> None:
    session = await studio.search(NAME, query="item", mode="lexical", user_id="ann")
    shown = tuple(one["id"] for one in session["results"])
    at = datetime.now(UTC).replace(microsecond=0)
    await send(studio, event(session, "i3", type="cart", value=2.0, timestamp=at.isoformat()))
    found = await answered(studio, session)
    view = (await studio.client.get(f"/api/v1/sessions/{session['session_id']}")).json()
    assert found == AnsweredSession(
        session_id=session["session_id"],
        query="item",
        user="ann",
        at=datetime.fromisoformat(view["created_at"]),
        impressions=tuple(Shown(one["id"], one["position"], one["score"]) for one in session["results"]),
        answers=(Answer("i3", "cart", 2.0, shown.index("i3") + 1, at),),
    )


async def test_a_user_who_is_not_named_is_one_of_the_session_alone(studio: Studio) -> None:
    nameless = await studio.search(NAME, query="item")
    await send(studio, event(nameless, "i0"))
    named_later = await studio.search(NAME, query="item")
    await send(studio, event(named_later, "i0", user_id="bob"))
    first, second = await answered(studio, nameless), await answered(studio, named_later)
    assert first
    assert second
    assert (first.user, second.user) == (nameless["session_id"], "bob")


async def test_sessions_without_events_or_without_words_teach_nothing(studio: Studio, session: dict[str, Any]) -> None:
    silent = await studio.search(NAME, query="item")
    listing = await studio.search(NAME)
    await send(studio, event(session), event(listing, "i0"))
    for one in (silent, listing, session):
        assert await answered(studio, one) is None


async def test_a_time_window_holds_what_began_in_it(studio: Studio) -> None:
    clicks = studio.container.clickstream
    session = await studio.search(NAME, query="item")
    await send(studio, event(session, "i0"))
    view = (await studio.client.get(f"/api/v1/sessions/{session['session_id']}")).json()
    at, instant = datetime.fromisoformat(view["created_at"]), timedelta(milliseconds=1)
    windows = {(at, at + instant): 1, (at - instant, at): 0, (at + instant, SOON): 0}
    for (since, until), expected in windows.items():
        assert await clicks.count_sessions(NAME, since=since, until=until) == expected
        assert len([one async for one in clicks.answered(NAME, since=since, until=until)]) == expected


async def test_sessions_come_oldest_first_however_many_there_are(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedding_studio.clickstream.repository._SESSIONS_PER_BATCH", 3)
    sessions = [await studio.search(NAME, query="item") for _ in range(7)]
    await send(studio, *(event(session, "i0") for session in sessions))
    ids = [one.session_id async for one in studio.container.clickstream.answered(NAME, since=None, until=SOON)]
    assert ids[-7:] == [session["session_id"] for session in sessions]


async def test_a_session_says_what_was_asked_and_shown(studio: Studio, session: dict[str, Any]) -> None:
    view = (await studio.client.get(f"/api/v1/sessions/{session['session_id']}")).json()
    assert (view["collection"], view["user_id"], view["meta"], view["query"]) == (
        NAME,
        "ann",
        {"page": "home"},
        {"vector": [1.0, 0.0]},
    )
    assert [(one["id"], one["position"], one["score"]) for one in view["results"]] == [
        (one["id"], one["position"], one["score"]) for one in session["results"]
    ]
    assert view["events"] == []


async def test_with_its_collection_all_of_it_is_gone(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    await studio.add(any_name, [{"id": "i0", "payload": {}, "vector": [1]}])
    session = await studio.search(any_name)
    await send(studio, event(session, "i0"))
    await studio.client.delete(f"/api/v1/collections/{any_name}")
    assert (await studio.client.get(f"/api/v1/sessions/{session['session_id']}")).status_code == 404
    assert await studio.container.database["events"].count_documents({"collection": any_name}) == 0


async def test_silent_sessions_come_back_when_they_are_asked_for(studio: Studio) -> None:
    silent = await studio.search(NAME, query="item")
    found = studio.container.clickstream.answered(NAME, since=LONG_AGO, until=SOON, silent=True)
    one = {one.session_id: one async for one in found}[silent["session_id"]]
    assert one.answers == ()
    assert one.shown == tuple(result["id"] for result in silent["results"])


async def test_an_irrelevant_session_teaches_nothing_and_is_counted(studio: Studio) -> None:
    clicks = studio.container.clickstream
    session, other = await studio.search(NAME, query="item"), await studio.search(NAME, query="item")
    await send(studio, event(session, "i0"), event(session, "i1"), event(other, "i0"))
    window = {"since": LONG_AGO, "until": SOON}
    before = await clicks.count_irrelevant(NAME, **window)
    for _ in range(2):
        assert (await mark_irrelevant(studio, session)).status_code == 204
    assert await answered(studio, session) is None
    assert await answered(studio, other) is not None
    assert await clicks.count_irrelevant(NAME, **window) - before == 2
    assert await clicks.count_irrelevant(NAME, since=SOON, until=SOON) == 0
    assert (await studio.client.get(f"/api/v1/sessions/{session['session_id']}")).json()["irrelevant"] is True
    await send(studio, event(session, "i2"))
    assert await answered(studio, session) is None


async def mark_irrelevant(studio: Studio, session: dict[str, Any]) -> httpx.Response:
    return await studio.client.post(f"/api/v1/sessions/{session['session_id']}/irrelevant")


async def test_others_are_asked_to_undo_what_an_irrelevant_session_taught(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    undone: list[str] = []

    async def undo(one: Session) -> None:
        undone.append(one.id)

    monkeypatch.setattr(studio.container.clickstream, "_on_irrelevant", (undo,))
    await mark_irrelevant(studio, session)
    await mark_irrelevant(studio, session)
    assert undone == [session["session_id"]] * 2


async def test_others_hear_of_sessions_with_new_events_and_again_when_they_are_sent_again(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, list[str]]] = []

    async def tell(collection: str, sessions: Sequence[str]) -> None:
        assert await studio.container.database["events"].count_documents({"session_id": sessions[0]}) == 2
        told.append((collection, list(sessions)))

    monkeypatch.setattr(studio.container.clickstream, "_on_events", (tell,))
    batch = [event(session), event(session, "i2"), event({"session_id": "nobody"})]
    await send(studio, *batch)
    await send(studio, *batch)
    await send(studio, event({"session_id": "nobody"}))
    assert told == [(NAME, [session["session_id"]])] * 2


async def test_a_session_takes_so_many_events(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks = studio.container.clickstream
    monkeypatch.setattr(clicks, "_limits", replace(clicks._limits, events=3))
    assert (await send(studio, event(session), event(session)))["accepted"] == 2
    answer = await send(studio, event(session), event(session), event(session, "i4"))
    assert answer["accepted"] == 1
    assert [one["reason"] for one in answer["rejected"]] == [
        "the session has 3 events already",
        "the item 'i4' was not shown in the session",
    ]


async def test_a_crash_before_the_events_leaves_a_session_that_says_too_much_and_never_too_little(
    studio: Studio, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = studio.container.database["events"]
    seen: list[Any] = []

    async def crash(*_: object, **__: object) -> None:
        seen.append(await studio.container.database["sessions"].find_one({"_id": session["session_id"]}))
        raise AutoReconnect("gone")

    with monkeypatch.context() as broken:
        broken.setattr(type(events), "insert_many", crash)
        answer = await studio.client.post("/api/v1/events", json={"events": [event(session)]})
    assert answer.status_code == 503
    assert seen[0]["has_events"] is True
    assert (await send(studio, event(session)))["accepted"] == 1
