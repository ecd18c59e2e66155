"""Events that cannot be meant."""

import json
from collections.abc import AsyncIterator

import pytest

from refusals import HUGE, LONG, Json, nested, refused
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
    largest = json.dumps(one_event(meta={"a": [1] * 999_900}), separators=(",", ":")).encode()
    answer = await studio.client.post(
        "/api/v1/events",
        content=largest.replace(b"SESSION", session.encode()),
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


@pytest.mark.parametrize("user", ["a%00b", "%00"])
async def test_a_user_to_forget(studio: Studio, user: str) -> None:
    await refused(studio, "DELETE", f"/api/v1/users/{user}", b"", "user_id")
