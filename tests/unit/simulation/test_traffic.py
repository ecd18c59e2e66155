import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from embedding_studio.simulation.client import Answer, Event, StudioClient
from embedding_studio.simulation.traffic import Behaviour, Null, live_a_day, react
from embedding_studio.simulation.users import UserModel, Visit
from embedding_studio.simulation.world import JudgedQuery

FILMS = tuple(f"film-{number}" for number in range(20))
SURE = UserModel(examination=0.0, click_relevant=1.0, click_other=0.0)


def visit(number: int, *relevant: str) -> Visit[JudgedQuery]:
    return Visit(JudgedQuery(f"query {number}", dict.fromkeys(relevant, 1.0)), f"user-{number}")


def reactions(visits: Sequence[Visit[JudgedQuery]], users: UserModel, **behaviour: Any) -> list[Event]:
    answers = [Answer(f"session-{number}", FILMS, 1) for number in range(len(visits))]
    return react(visits, answers, Behaviour(users=users, **behaviour), random.Random(11))


def test_a_click_names_its_session_user_item_and_position() -> None:
    assert reactions([visit(0), visit(1, "film-3")], SURE) == [
        {
            "event_id": "session-1-4",
            "session_id": "session-1",
            "item_id": "film-3",
            "type": "click",
            "position": 4,
            "user_id": "user-1",
        }
    ]


def test_no_event_is_sent_twice() -> None:
    events = reactions([visit(number, *FILMS[:10]) for number in range(50)], UserModel())
    assert len({event["event_id"] for event in events}) == len(events) > 50


def test_shuffled_clicks_are_as_many_at_the_same_positions_in_other_sessions() -> None:
    visits = [visit(number, *FILMS[: number % 5]) for number in range(200)]
    nulls: tuple[Null | None, ...] = (None, "shuffled")
    told, shuffled = (reactions(visits, SURE, null=null) for null in nulls)
    assert Counter(event["position"] for event in told) == Counter(event["position"] for event in shuffled)
    assert {event["event_id"] for event in told} != {event["event_id"] for event in shuffled}
    assert not all(event["item_id"] in visits[int(str(event["user_id"])[5:])].query.gains for event in shuffled)


def test_uniform_clicks_are_as_many_anywhere() -> None:
    visits = [visit(number, *FILMS[:4]) for number in range(500)]
    events = reactions(visits, SURE, null="uniform")
    assert Counter(event["session_id"] for event in events) == {f"session-{n}": 4 for n in range(500)}
    places = Counter(event["position"] for event in events)
    assert len(places) == 20
    assert max(places.values()) < 2 * min(places.values())


def test_a_bot_clicks_on_everything() -> None:
    (bot,) = [Visit(visit(0).query, "bot-0", is_bot=True)]
    assert [event["position"] for event in reactions([bot], UserModel())] == list(range(1, 21))


def test_a_bad_sender_sends_all_events_three_times() -> None:
    visits = [visit(number, "film-0") for number in range(300)]
    sent = Counter(str(event["event_id"]) for event in reactions(visits, SURE, duplicates=0.2))
    again = [name for name in sent if name.endswith("-again")]
    assert len(again) == sum(count == 2 for count in sent.values())
    assert 30 < len(again) < 90


def test_sessions_of_a_simulated_day_have_its_times() -> None:
    sent: dict[str, list[Any]] = {"search": [], "sessions": [], "events": []}

    def answer(request: httpx.Request) -> httpx.Response:
        what, body = request.url.path.rsplit("/", 1)[-1], json.loads(request.content)
        sent[what].append(body)
        results = [{"id": film} for film in FILMS]
        return httpx.Response(
            200, json={"session_id": None, "results": results, "model_version": 3, "accepted": len(body)}
        )

    async def live() -> None:
        async with StudioClient("http://studio", "films", httpx.MockTransport(answer)) as client:
            queries = [visit(0, "film-0").query]
            behaviour = Behaviour(sessions=150, users=SURE)
            day = datetime(2026, 3, 1, tzinfo=UTC)
            await live_a_day(client, queries, behaviour, random.Random(0), midnight=day, advance=lambda: None)

    asyncio.run(live())
    assert not any(search["track"] for search in sent["search"])
    moment = datetime.fromisoformat
    times = [moment(session["timestamp"]) for session in sent["sessions"]]
    assert len(times) == len(set(times)) == 150
    assert {time.date().isoformat() for time in times} == {"2026-03-01"}
    began = {session["session_id"]: session["timestamp"] for session in sent["sessions"]}
    events = [event for batch in sent["events"] for event in batch["events"]]
    assert len(events) == 150
    for event in events:
        assert (
            0
            < (datetime.fromisoformat(event["timestamp"]) - datetime.fromisoformat(began[event["session_id"]])).seconds
            < 60
        )
    assert sent["sessions"][0]["results"][:2] == [{"id": "film-0", "position": 1}, {"id": "film-1", "position": 2}]
