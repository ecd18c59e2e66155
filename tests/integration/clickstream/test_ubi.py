"""An application that speaks UBI is understood, and a hostile one is answered."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.kernel.ids import new_id
from refusals import Json, check_problem, nested, refused
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "ubi"
QUERIES, EVENTS = "/api/v1/ubi/queries", "/api/v1/ubi/events"


@pytest.fixture(scope="module", autouse=True)
async def _collection(studio: Studio) -> AsyncIterator[None]:
    await studio.create(NAME, "vectors", options={"dimensions": 2})
    yield
    await studio.client.delete(f"/api/v1/collections/{NAME}")


def one_query(**fields: object) -> Json:
    return {
        "application": NAME,
        "query_id": new_id(),
        "client_id": "browser-1",
        "user_query": "red sofa",
        "query_response_hit_ids": ["sofa", "lamp"],
        "query_attributes": {"experiment_id": 7},
        **fields,
    }


def one_event(query: Json, item: str = "lamp", **fields: object) -> Json:
    return {
        "action_name": "click",
        "query_id": query["query_id"],
        "client_id": "browser-1",
        "event_attributes": {"object": {"object_id": item}, "position": {"ordinal": 2}, "more": [1, {"a": None}]},
        **fields,
    }


async def send(studio: Studio, path: str, body: object, **params: str) -> Json:
    answer = await studio.client.post(path, json=body, params=params)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def session_of(studio: Studio, query: Json) -> Json:
    return dict((await studio.client.get(f"/api/v1/sessions/{query['query_id']}")).json())


async def test_a_query_and_its_events_are_a_session(studio: Studio) -> None:
    query = one_query()
    assert await send(studio, QUERIES, query) == {"accepted": 1, "duplicates": 0, "rejected": []}
    events = [one_event(query), one_event(query, "sofa", action_name="purchase")]
    assert await send(studio, EVENTS, events) == {"accepted": 2, "duplicates": 0, "rejected": []}
    session = await session_of(studio, query)
    assert (session["collection"], session["user_id"], session["query"]) == (NAME, "browser-1", {"text": "red sofa"})
    assert [(one["id"], one["position"]) for one in session["results"]] == [("sofa", 1), ("lamp", 2)]
    assert {(one["item_id"], one["type"], one["position"]) for one in session["events"]} == {
        ("lamp", "click", 2),
        ("sofa", "purchase", 1),
    }


async def test_sent_again_it_counts_once(studio: Studio) -> None:
    queries = [one_query(), one_query(timestamp="2026-01-01T00:00:00Z")]
    await send(studio, QUERIES, queries)
    assert await send(studio, QUERIES, [*queries, queries[0]]) == {"accepted": 0, "duplicates": 3, "rejected": []}
    event = one_event(queries[0], timestamp=None)
    assert (await send(studio, EVENTS, [event, event]))["accepted"] == 1
    assert (await send(studio, EVENTS, event))["duplicates"] == 1
    assert len((await session_of(studio, queries[0]))["events"]) == 1


async def test_each_document_that_cannot_count_is_told_why(studio: Studio) -> None:
    known = one_query()
    await send(studio, QUERIES, known)
    answer = await send(
        studio,
        QUERIES,
        [
            {},
            one_query(application="nothing"),
            one_query(),
            {**known, "user_query": "lamp"},
            one_query(timestamp="2999"),
        ],
    )
    assert answer["accepted"] == 1
    assert [one["index"] for one in answer["rejected"]] == [0, 1, 3, 4]
    assert [one["reason"].split()[0] for one in answer["rejected"]] == ["Object", "no", "another", "timestamp:"]
    batch = [
        one_event(known, "desk"),
        one_event(known, action_name="scroll"),
        one_event(known),
        one_event({"query_id": "x"}),
    ]
    answer = await send(studio, EVENTS, batch)
    assert answer["accepted"] == 1
    reasons = {one["index"]: one["reason"] for one in answer["rejected"]}
    assert reasons[0] == "the item 'desk' was not shown in the session"
    assert reasons[1].startswith("action_name: 'scroll' is none of")
    assert reasons[3] == "no session 'x'"


async def test_the_address_names_the_collection(studio: Studio) -> None:
    query = one_query(application="web")
    assert (await send(studio, QUERIES, query))["rejected"]
    assert (await send(studio, QUERIES, query, collection=NAME))["accepted"] == 1
    check_problem(await studio.client.post(QUERIES, json=query, params={"collection": "nothing"}), 404)


async def test_a_search_of_ours_may_be_answered_in_ubi(studio: Studio, any_name: str) -> None:
    await studio.create(any_name, "vectors", options={"dimensions": 1})
    await studio.add(any_name, [{"id": "lamp", "payload": {}, "vector": [1]}])
    session = await studio.search(any_name)
    assert (await send(studio, EVENTS, one_event({"query_id": session["session_id"]})))["accepted"] == 1


@pytest.mark.parametrize("path", [QUERIES, EVENTS])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "body"),
        (b"[1]", "[0]"),
        (b"5", "body"),
        (b"null", "body"),
        (b'"a"', "body"),
        (b"[" + b"{}," * 1_000 + b"{}]", "body"),
        (b'{"a": NaN}', "body"),
        (b'{"a": ' + b"9" * 5_000 + b"}", None),
        (b'{"a": ' + b"[" * 100_000, "body"),
    ],
)
async def test_what_is_no_document(studio: Studio, path: str, body: bytes, field: str | None) -> None:
    await refused(studio, "POST", path, body, field)


@pytest.mark.parametrize("path", [QUERIES, EVENTS])
async def test_too_much_at_once(studio: Studio, path: str) -> None:
    await refused(studio, "POST", path, b'{"a": "' + b"x" * 2_000_000 + b'"}', None, status=413)


@pytest.mark.parametrize("path", [QUERIES, EVENTS])
@pytest.mark.parametrize(
    "member", [b'"n": 1' + b"0" * 40, b'"$where": 1', b'"a\\u0000": 1', b'"a": ' + nested(80), b'"a": "\\u0000"']
)
async def test_hostile_members_are_rejected_with_their_document(studio: Studio, path: str, member: bytes) -> None:
    body = (json.dumps(one_query(**one_event({"query_id": new_id()}))))[:-1].encode() + b", " + member + b"}"
    answer = await studio.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    assert len(answer.json()["rejected"]) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = [*one_query(), *one_event({"query_id": "q"}), "user_id", "timestamp", "event_id"]
DOCUMENTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON, max_size=5)


@given(changes=st.lists(DOCUMENTS, min_size=1, max_size=5))
@hypothesis_settings(max_examples=100)
async def test_whatever_is_sent_each_document_is_accounted_for(studio: Studio, changes: list[dict[str, Any]]) -> None:
    query = one_query()
    await send(studio, QUERIES, query)
    for path, documents in ((QUERIES, [one_query() for _ in changes]), (EVENTS, [one_event(query) for _ in changes])):
        body = json.dumps([{**one, **change} for one, change in zip(documents, changes, strict=True)]).encode(
            "utf-8", "surrogatepass"
        )
        answer = await studio.client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (202, 400), answer.text
        if answer.status_code == 202:
            told = answer.json()
            assert told["accepted"] + told["duplicates"] + len(told["rejected"]) == len(changes)
