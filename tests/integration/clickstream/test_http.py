"""Events and sessions as clients send and see them, and those that cannot be meant."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.asynchronous.collection import AsyncCollection

from embedding_studio.clickstream import Span
from embedding_studio.clickstream.ubi import ACTIONS
from embedding_studio.kernel.cursors import encode_cursor
from embedding_studio.kernel.ids import new_id
from refusals import HUGE, LONG, Json, check_problem, nested, refused
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "bad-events"


@pytest.fixture(scope="module")
async def session(studio: Studio) -> AsyncIterator[str]:
    """The id of a session that showed an item."""
    await studio.create(NAME)
    await studio.add(NAME, [{"id": "sofa", "payload": {"title": "red sofa"}}])
    yield (await studio.search(NAME, query="sofa"))["session_id"]
    await studio.client.delete(f"/api/v1/collections/{NAME}")


def one_event(**fields: object) -> Json:
    return {"events": [{"event_id": "bad", "session_id": "SESSION", "item_id": "sofa", "type": "click", **fields}]}


def with_value(text: bytes) -> bytes:
    return json.dumps(one_event(value="VALUE")).encode().replace(b'"VALUE"', text)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"events": []}, "events"),
        ({"events": one_event()["events"] * 1001}, "events"),
        (one_event(kind="click"), "events[0].kind"),
        (one_event(type="hover"), "events[0].type"),
        (one_event(event_id=""), "events[0].event_id"),
        (one_event(event_id=LONG), "events[0].event_id"),
        (one_event(event_id="\0"), "events[0].event_id"),
        (one_event(session_id="\0"), "events[0].session_id"),
        (one_event(item_id="\0"), "events[0].item_id"),
        (one_event(user_id="\0"), "events[0].user_id"),
        (one_event(value="1"), "events[0].value"),
        (with_value(b"1e400"), "events[0].value"),
        (with_value(b"1" + b"0" * 400), "events[0].value"),
        (with_value(b"NaN"), "body"),
        (one_event(timestamp="yesterday"), "events[0].timestamp"),
        (one_event(timestamp="2026-01-01T00:00:00"), "events[0].timestamp"),
        (one_event(timestamp="0001-01-01T00:00:00+14:00"), "events[0].timestamp"),
        (one_event(timestamp="9999-12-31T23:59:59-14:00"), "events[0].timestamp"),
        (one_event(position=0), "events[0].position"),
        (one_event(position=HUGE), "events[0].position"),
        (one_event(meta={"a": "\0"}), "events[0].meta.a"),
        (one_event(meta={"\0": 1}), "events[0].meta (a key)"),
        (one_event(meta={"n": HUGE}), "events[0].meta.n"),
        (one_event(meta={"$ref": "users"}), "events[0].meta.$ref"),
        (with_value(b'1, "meta": ' + nested(70)), "events[0].meta" + ".a" * 65),
    ],
)
async def test_events(studio: Studio, session: str, body: object, field: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    await refused(studio, "POST", "/api/v1/events", content.replace(b"SESSION", session.encode()), field)


async def test_events_that_would_make_too_large_a_document(studio: Studio, session: str) -> None:
    content = json.dumps(one_event(meta={"a": [1] * 1_500_000}), separators=(",", ":")).encode()
    await refused(studio, "POST", "/api/v1/events", content.replace(b"SESSION", session.encode()), None, status=413)
    meta = {"a": "x" * (16_384 - len('{"a":""}'))}
    body = json.loads(json.dumps(one_event(meta=meta)).replace("SESSION", session))
    assert (await studio.client.post("/api/v1/events", json=body)).json()["accepted"] == 1
    body["events"][0]["meta"]["a"] += "x"
    await refused(studio, "POST", "/api/v1/events", body, "events[0].meta")


@pytest.mark.parametrize("user", ["a%00b", "%00"])
async def test_a_user_to_forget(studio: Studio, user: str) -> None:
    await refused(studio, "DELETE", f"/api/v1/users/{user}", b"", "user_id")


SESSIONS = f"/api/v1/collections/{NAME}/sessions"


def one_session(**fields: object) -> Json:
    return {
        "session_id": new_id(),
        "query": "sofa",
        "results": [{"id": "lamp", "position": 2}, {"id": "sofa", "position": 1, "score": 0.5, "propensity": 0.25}],
        **fields,
    }


def session_with(name: str, text: bytes) -> bytes:
    return json.dumps(one_session(**{name: "VALUE"})).encode().replace(b'"VALUE"', text)


async def add(studio: Studio, body: Json, status: int = 201) -> Json:
    answer = await studio.client.post(SESSIONS, json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


@pytest.mark.usefixtures("session")
async def test_a_search_that_was_served_elsewhere_is_a_session_like_any_other(studio: Studio) -> None:
    given = one_session(
        query={"text": "red sofa", "vector": [0.5, -1.25]},
        user_id="ann",
        timestamp="2026-01-31T13:00:00.123456+01:00",
        filter={"field": "a", "eq": 1},
        meta={"page": "home"},
        mode="hybrid",
        model_version=3,
        index_version=2,
        variant="b",
    )
    view = await add(studio, given)
    expected = {
        "collection": NAME,
        "results": [
            {"id": "sofa", "position": 1, "score": 0.5, "propensity": 0.25},
            {"id": "lamp", "position": 2, "score": None, "propensity": 1.0},
        ],
        "created_at": "2026-01-31T12:00:00.123000Z",
        "irrelevant": False,
        "events": [],
        "experiment": None,
        "took_ms": None,
    }
    assert view == {**{name: value for name, value in given.items() if name != "timestamp"}, **expected}
    assert (await studio.client.get(f"/api/v1/sessions/{given['session_id']}")).json() == view


@pytest.mark.usefixtures("session")
async def test_a_session_that_says_little_is_of_now_and_external(studio: Studio) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    view = await add(studio, {"session_id": new_id(), "query": None, "results": []})
    assert (view["mode"], view["model_version"], view["query"], view["results"]) == (
        "external",
        None,
        {"text": None},
        [],
    )
    assert before <= datetime.fromisoformat(view["created_at"]) <= datetime.now(UTC)


@pytest.mark.usefixtures("session")
async def test_the_same_session_again_is_well_and_another_under_its_id_is_not(studio: Studio) -> None:
    given = one_session(meta={"a": 1, "b": [2]}, query={"vector": [0.1, 0.2]})
    view = await add(studio, given)
    again = {**given, "meta": {"b": [2], "a": 1}, "results": given["results"][::-1]}
    assert await add(studio, again, status=200) == view
    await studio.client.post("/api/v1/events", json=one_event(session_id=given["session_id"], event_id=new_id()))
    await studio.client.post(f"/api/v1/sessions/{given['session_id']}/irrelevant")
    assert (await add(studio, again, status=200))["events"]
    changes: list[dict[str, Any]] = [
        {"query": "lamp"},
        {"results": []},
        {"user_id": "bob"},
        {"timestamp": "2026-01-01T00:00:00Z"},
    ]
    for change in changes:
        check_problem(await studio.client.post(SESSIONS, json={**given, **change}), 409)
    assert (await add(studio, given, status=200))["query"] == view["query"]


async def test_the_id_of_a_search_of_ours_is_taken(studio: Studio, session: str) -> None:
    check_problem(await studio.client.post(SESSIONS, json=one_session(session_id=session)), 409)


@pytest.mark.usefixtures("session")
async def test_of_many_senders_of_one_session_one_has_made_it(studio: Studio) -> None:
    given = one_session()
    answers = await asyncio.gather(*(studio.client.post(SESSIONS, json=given) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": "sofa", "results": []}, "session_id"),
        (one_session(session_id="a b"), "session_id"),
        (one_session(session_id="a/b"), "session_id"),
        (one_session(session_id=".."), "session_id"),
        (one_session(session_id="a\n"), "session_id"),
        (one_session(session_id=LONG), "session_id"),
        (one_session(clicks=[]), "clicks"),
        (one_session(query="x" * 10_001), "query"),
        (one_session(query="a\0"), "query.text"),
        (one_session(query={"words": "a"}), "query.words"),
        (one_session(query={"vector": []}), "query.vector"),
        (one_session(query={"vector": [1e39]}), "query.vector[0]"),
        (one_session(query={"vector": ["1"]}), "query.vector[0]"),
        (one_session(results=[{"id": "a", "position": 1}] * 1001), "results"),
        (one_session(results=[{"id": "a", "position": 1}, {"id": "b", "position": 1}]), "results[1].position"),
        (one_session(results=[{"id": "a", "position": 1}, {"id": "a", "position": 2}]), "results[1].id"),
        (one_session(results=[{"id": "a", "position": 0}]), "results[0].position"),
        (one_session(results=[{"id": "a", "position": HUGE}]), "results[0].position"),
        (one_session(results=[{"id": "a\0", "position": 1}]), "results[0].id"),
        (one_session(results=[{"id": "a", "position": 1, "propensity": 0}]), "results[0].propensity"),
        (one_session(results=[{"id": "a", "position": 1, "propensity": 1.1}]), "results[0].propensity"),
        (one_session(results=[{"id": "a", "position": 1, "score": 1e301}]), "results[0].score"),
        (one_session(user_id=""), "user_id"),
        (one_session(user_id="\0"), "user_id"),
        (one_session(timestamp="2026-01-01T00:00:00"), "timestamp"),
        (one_session(timestamp="2999-01-01T00:00:00Z"), "timestamp"),
        (one_session(timestamp="0001-01-01T00:00:00+14:00"), "timestamp"),
        (one_session(timestamp="9999-12-31T23:59:59-14:00"), "timestamp"),
        (one_session(filter={"a": {"$ref": "x"}}), "filter.a.$ref"),
        (one_session(meta={"a": "\0"}), "meta.a"),
        (one_session(meta={"n": HUGE}), "meta.n"),
        (one_session(meta={"a": "x" * 65_536}), "meta"),
        (session_with("meta", nested(70)), "meta" + ".a" * 65),
        (one_session(mode="Hybrid!"), "mode"),
        (one_session(model_version=-1), "model_version"),
        (one_session(index_version=HUGE), "index_version"),
        (one_session(variant="\0"), "variant"),
    ],
)
async def test_a_session_that_cannot_be_meant(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", SESSIONS, body, field)


@pytest.mark.parametrize("path", ["/api/v1/collections/nothing/sessions", "/api/v1/collections/a%00/sessions"])
async def test_a_session_of_no_collection(studio: Studio, path: str) -> None:
    await refused(studio, "POST", path, one_session(), None, status=404)
    check_problem(await studio.client.get(path), 404)


async def test_nothing_can_be_marked_that_is_not_there(studio: Studio) -> None:
    for session_id in ("nothing", "%00", "x" * 600):
        check_problem(await studio.client.post(f"/api/v1/sessions/{session_id}/irrelevant"), 404)


# --- lists

LISTED = "listed-sessions"


@pytest.fixture(scope="module")
async def listed(studio: Studio) -> AsyncIterator[list[Json]]:
    """Sessions of two users over three hours, several at the same time, every third with an event; newest first."""
    await studio.create(LISTED)
    rows = []
    for number in range(24):
        at = datetime(2026, 3, 1, number // 8, tzinfo=UTC)
        given = one_session(timestamp=at.isoformat(), user_id=("ann", "bob")[number % 2], session_id=f"s{number:02}")
        answer = await studio.client.post(f"/api/v1/collections/{LISTED}/sessions", json=given)
        assert answer.status_code == 201, answer.text
        if number % 3 == 0:
            sent = one_event(event_id=new_id(), session_id=given["session_id"], timestamp=at.isoformat())
            assert (await studio.client.post("/api/v1/events", json=sent)).json()["accepted"] == 1
        rows.append({"id": given["session_id"], "at": at, "user": given["user_id"], "has_events": number % 3 == 0})
    yield sorted(rows, key=lambda row: (row["at"], row["id"]), reverse=True)
    await studio.client.delete(f"/api/v1/collections/{LISTED}")


async def all_pages(studio: Studio, **params: Any) -> list[str]:
    found: list[str] = []
    while params.get("cursor", "") is not None:
        answer = await studio.client.get(f"/api/v1/collections/{LISTED}/sessions", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= params["limit"]
        found += [one["session_id"] for one in page["items"]]
        params["cursor"] = page["next_cursor"]
    return found


@pytest.mark.parametrize("limit", [1, 3, 7, 24, 1000])
@pytest.mark.parametrize("user", [None, "ann", "nobody"])
@pytest.mark.parametrize("has_events", [None, True, False])
async def test_pages_hold_every_session_once_newest_first(
    studio: Studio, listed: list[Json], limit: int, user: str | None, has_events: bool | None
) -> None:
    since, until = datetime(2026, 3, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 2, tzinfo=UTC)
    filters: Json = {"user_id": user, "has_events": has_events}
    filters = {name: value for name, value in filters.items() if value is not None}
    kept = [one for one in listed if user in (None, one["user"]) and has_events in (None, one["has_events"])]
    assert await all_pages(studio, limit=limit, **filters) == [one["id"] for one in kept]
    within = await all_pages(studio, limit=limit, since=since.isoformat(), until=until.isoformat(), **filters)
    assert within == [one["id"] for one in kept if since <= one["at"] < until]


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("user", [None, "ann"])
@pytest.mark.parametrize("has_events", [None, True, False])
@pytest.mark.parametrize("past", [None, (datetime(2026, 3, 1, 2, tzinfo=UTC), "s20")])
async def test_a_page_is_read_from_an_index_in_its_order(
    studio: Studio, user: str | None, has_events: bool | None, past: tuple[datetime, str] | None
) -> None:
    plans: list[Json] = []
    find = AsyncCollection.find

    def explained(self: Any, *args: Any, **kwargs: Any) -> Any:
        plans.append({"filter": args[0], "sort": dict(kwargs["sort"]), "limit": kwargs["limit"]})
        return find(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AsyncCollection, "find", explained)
        span = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
        found = await studio.container.clickstream.page(
            LISTED, span, user_id=user, has_events=has_events, past=past, limit=3
        )
    plan = await studio.container.database.command(
        {"explain": {"find": "sessions", **plans[0]}, "verbosity": "executionStats"}
    )
    assert len(found) == 3
    assert '"SORT"' not in json.dumps(plan["queryPlanner"]["winningPlan"], default=str)
    assert plan["executionStats"]["totalDocsExamined"] <= 6
    assert plan["executionStats"]["totalKeysExamined"] <= 12


async def test_a_row_says_what_was_asked_and_what_became_of_it(studio: Studio, listed: list[Json]) -> None:
    await studio.client.post("/api/v1/sessions/s23/irrelevant")
    page = (await studio.client.get(f"/api/v1/collections/{LISTED}/sessions", params={"limit": 1})).json()
    assert listed[0]["id"] == "s23"
    assert page["items"] == [
        {
            "session_id": "s23",
            "collection": LISTED,
            "query": {"text": "sofa"},
            "user_id": "bob",
            "mode": "external",
            "model_version": None,
            "index_version": None,
            "variant": None,
            "created_at": "2026-03-01T02:00:00Z",
            "has_events": False,
            "irrelevant": True,
        }
    ]


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize(
    ("params", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00", "until"),
        ("since=", "since"),
        ("user_id=%00", "user_id"),
        ("has_events=maybe", "has_events"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=" + encode_cursor(2**62, "a"), "cursor"),
        ("cursor=" + encode_cursor(-(2**62), "a"), "cursor"),
        ("cursor=" + encode_cursor("a", 1), "cursor"),
    ],
)
async def test_a_list_that_cannot_be_meant(studio: Studio, params: str, field: str) -> None:
    await refused(studio, "GET", f"{SESSIONS}?{params}", b"", field)


GUIDE = (Path(__file__).parents[3] / "docs" / "clickstream.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"```http\n(GET|POST) (\S+)\n(.*?)```", GUIDE, re.DOTALL)


async def test_the_guide(studio: Studio) -> None:
    await studio.create("shop")
    for method, path, body in REQUESTS:
        answer = await studio.client.request(method, path, json=json.loads(body) if body else None)
        assert answer.is_success, (path, answer.text)
        if "accepted" in answer.text:
            told = answer.json()
            assert (told["accepted"] > 0, told["duplicates"], told["rejected"]) == (True, 0, []), path
    assert len(REQUESTS) == 5
    await studio.client.delete("/api/v1/collections/shop")


def test_the_guide_brings_an_export_back() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: Json = {}
    exec(block, names)
    sent: list[tuple[str, Json | None]] = []

    def note(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path, json.loads(request.content) if request.content else None))
        return httpx.Response(200)

    line = {"collection": "shop", "irrelevant": True, "session": {"session_id": "s"}, "events": [{"event_id": "e"}]}
    with httpx.Client(transport=httpx.MockTransport(note), base_url="http://api") as api:
        names["send_again"](api, [json.dumps(line)])
    assert sent == [
        ("/api/v1/collections/shop/sessions", line["session"]),
        ("/api/v1/events", {"events": line["events"]}),
        ("/api/v1/sessions/s/irrelevant", None),
    ]


def test_the_guide_knows_the_actions() -> None:
    for kind, names in ACTIONS.items():
        assert f"| {', '.join(f'`{name}`' for name in names)} | `{kind}` |" in GUIDE
