"""Documents of User Behavior Insights, as OpenSearch and its collectors write them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream.domain import NewEvent, Shown
from embedding_studio.clickstream.ubi import ACTIONS, read_event, read_query
from embedding_studio.kernel.errors import InvalidError

AT = datetime(2026, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC)
QUERY: dict[str, Any] = {
    "application": "shop",
    "query_id": "00112233-4455-6677-8899-aabbccddeeff",
    "client_id": "browser-1",
    "user_query": "red sofa",
    "timestamp": "2026-01-31T12:00:00.123Z",
    "object_id_field": "sku",
    "query_response_id": "r1",
    "query_response_hit_ids": ["sofa", "lamp", "sofa", "desk"],
    "query_attributes": {"experiment_id": "12345"},
}
EVENT: dict[str, Any] = {
    "application": "shop",
    "action_name": "add_to_cart",
    "query_id": QUERY["query_id"],
    "session_id": "visit-9",
    "client_id": "browser-1",
    "user_id": "",
    "timestamp": "2026-01-31T12:00:00.123Z",
    "message_type": "CONVERSION",
    "message": "",
    "event_attributes": {
        "object": {"object_id": "lamp", "object_id_field": "sku", "description": "a lamp"},
        "position": {"ordinal": 2},
        "page_id": "/search",
    },
}


def with_attributes(**fields: Any) -> dict[str, Any]:
    return {**EVENT, "event_attributes": {**EVENT["event_attributes"], **fields}}


def test_a_query_is_a_session() -> None:
    session_id, session = read_query(QUERY)
    assert session_id == QUERY["query_id"]
    assert (session.collection, session.query, session.user_id) == ("shop", {"text": "red sofa"}, "browser-1")
    assert session.results == [Shown("sofa", 1, None), Shown("lamp", 2, None), Shown("desk", 4, None)]
    assert (session.began, session.mode, session.model_version) == (AT, "external", None)
    assert session.meta == {
        "application": "shop",
        "object_id_field": "sku",
        "query_response_id": "r1",
        "query_attributes": {"experiment_id": "12345"},
    }


def test_the_address_names_the_collection_before_the_application_does() -> None:
    assert read_query(QUERY, "furniture")[1].collection == "furniture"
    assert read_query({"query_id": "q"}, "furniture")[1].query == {"text": None}
    with pytest.raises(InvalidError, match=r"application: must name the collection"):
        read_query({"query_id": "q", "user_query": "a"})


def test_an_event_is_an_event_of_its_query() -> None:
    event = read_event(EVENT)
    assert event == NewEvent(
        event_id=event.event_id,
        session_id=QUERY["query_id"],
        item_id="lamp",
        type="cart",
        value=None,
        timestamp=AT,
        position=2,
        user_id="browser-1",
        meta={name: EVENT[name] for name in EVENT if name not in {"query_id", "client_id", "user_id", "timestamp"}},
    )


def test_an_event_is_known_by_its_id_or_else_by_its_content() -> None:
    assert read_event({**EVENT, "event_id": "e1"}).event_id == "e1"
    shuffled = dict(reversed(EVENT.items()))
    assert read_event(shuffled).event_id == read_event(EVENT).event_id
    assert read_event({**EVENT, "session_id": "visit-10"}).event_id != read_event(EVENT).event_id


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ({"ordinal": 3}, 3),
        ({"ordinal": {"index": 3}}, 3),
        ({"ordinal": 0}, None),
        ({"ordinal": "3"}, None),
        ({"ordinal": True}, None),
        ({"xy": {"x": 1, "y": 2}}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_position_is_an_ordinal_in_either_form(position: object, expected: int | None) -> None:
    assert read_event(with_attributes(position=position)).position == expected


@pytest.mark.parametrize(("value", "expected"), [(12.5, 12.5), (3, 3.0), ("3", None), (True, None), (None, None)])
def test_a_value_is_a_number(value: object, expected: float | None) -> None:
    assert read_event(with_attributes(value=value)).value == expected


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T13:00:00.123456+01:00", AT),
        ("2026-01-31T12:00:00.123", AT),
        (1_769_860_800_123, AT),
        (None, None),
    ],
)
def test_times_are_read_as_opensearch_reads_them(text: object, moment: datetime | None) -> None:
    assert read_event({**EVENT, "timestamp": text}).timestamp == moment


@pytest.mark.parametrize(("kind", "names"), ACTIONS.items())
def test_actions_have_their_types(kind: str, names: list[str]) -> None:
    for name in names:
        for spelling in (name, name.upper(), name.replace("_", "-"), f" {name.replace('_', ' ')} "):
            assert read_event({**EVENT, "action_name": spelling}).type == kind


def test_an_item_may_be_a_number() -> None:
    assert read_event(with_attributes(object={"object_id": 42})).item_id == "42"
    assert read_query({**QUERY, "query_response_hit_ids": [42, "a"]})[1].results[0] == Shown("42", 1, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action_name": "teleport"}, "action_name: 'teleport' is none of click, click_through"),
        ({"action_name": "x" * 101}, "action_name"),
        ({"query_id": None}, "query_id"),
        ({"query_id": ""}, "query_id"),
        ({"query_id": 5}, "query_id"),
        ({"event_attributes": None}, "event_attributes"),
        ({"event_attributes": {}}, "object"),
        ({"event_attributes": {"object": {}}}, "object_id"),
        ({"event_attributes": {"object": {"object_id": ""}}}, "object_id"),
        ({"event_attributes": {"object": {"object_id": True}}}, "object_id"),
        ({"event_attributes": {"object": {"object_id": "a\nb"}}}, "object_id"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": 10**17}, "timestamp"),
        ({"user_id": "a\0"}, "user_id"),
        ({"extra": "a\0"}, "document.extra"),
        ({"extra": 10**30}, "document.extra"),
        ({"extra": {"$ref": 1}}, "document.extra.$ref"),
        ({"extra": "x" * 16_384}, "document: may have 16,384 bytes as JSON"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_field(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_event({**EVENT, **change})
    assert reason in caught.value.detail


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"query_id": "a/b"}, "query_id"),
        ({"query_id": None}, "query_id"),
        ({"user_query": "x" * 10_001}, "user_query"),
        ({"user_query": 5}, "user_query"),
        ({"query_response_hit_ids": "a"}, "query_response_hit_ids"),
        ({"query_response_hit_ids": ["a"] * 1_001}, "query_response_hit_ids"),
        ({"query_response_hit_ids": [None]}, "query_response_hit_ids"),
        ({"query_response_hit_ids": ["a", ""]}, "query_response_hit_ids[1]"),
        ({"query": "x" * 65_536}, "document: may have 65,536 bytes as JSON"),
    ],
)
def test_queries_too(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_query({**QUERY, **change})
    assert reason in caught.value.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
HOSTILE = st.dictionaries(st.sampled_from([*QUERY, *EVENT]) | st.text(), JSON, max_size=6)


@given(change=HOSTILE)
def test_whatever_a_document_holds_it_is_read_or_refused(change: dict[str, Any]) -> None:
    for read, document in ((read_query, QUERY), (read_event, EVENT)):
        try:
            found = read({**document, **change})
        except InvalidError:
            continue
        if isinstance(found, NewEvent):
            assert json.dumps(found.meta)
            assert found.timestamp is None or found.timestamp.tzinfo is not None
