"""Searches that cannot be meant, and cursors that nobody gave."""

import base64
import json
from collections.abc import AsyncIterator

import pytest

from refusals import HUGE, LONG, nested, refused
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "bad-searches"
SEARCH = f"/api/v1/collections/{NAME}/search"


@pytest.fixture(scope="module", autouse=True)
async def _collection(studio: Studio) -> AsyncIterator[None]:
    await studio.create(NAME)
    await studio.add(NAME, [{"id": "sofa", "payload": {"title": "red sofa"}}])
    yield
    await studio.client.delete(f"/api/v1/collections/{NAME}")


def search_with(name: str, value: bytes) -> bytes:
    return b'{"' + name.encode() + b'": ' + value + b"}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"q": "sofa"}, "q"),
        ({"query": 5}, "query"),
        ({"query": "a\0"}, "query"),
        ({"query": "x" * 10_001}, "query"),
        ({"query": {}}, "query"),
        ({"query": {"txt": "a"}}, "query.txt"),
        ({"query": {"text": "a\0"}}, "query.text"),
        ({"query": {"text": "a", "vector": [1]}}, "query.vector"),
        ({"query": {"text": "a", "item_id": "sofa"}}, "query"),
        ({"query": {"item_id": "nothing"}}, "query.item_id"),
        ({"query": {"item_id": "a\0"}}, "query.item_id"),
        ({"query": {"image": "no base64"}}, "query.image"),
        ({"query": {"image": "aGVsbG8="}}, "query.image"),
        ({"query": {"item_id": "sofa"}, "mode": "lexical"}, "mode"),
        ({"query": "sofa", "mode": "lexical", "max_distance": 0.5}, "max_distance"),
        ({"query": "sofa", "max_distance": "near"}, "max_distance"),
        (search_with("max_distance", b"1e400"), "max_distance"),
        ({"sort": [{"field": "a", "order": "up"}]}, "sort[0].order"),
        ({"sort": [{"field": "a.."}]}, "sort[0].field"),
        ({"sort": [{"by": "a"}]}, "sort[0]"),
        ({"sort": {"field": "a"}}, "sort"),
        ({"sort": [{"field": "a"}] * 9}, "sort"),
        ({"facets": ["a\0"]}, "facets[0]"),
        ({"facets": [""]}, "facets[0]"),
        ({"facets": ["a"] * 21}, "facets"),
        ({"query": {"vector": [1, 2]}}, "query.vector"),
        ({"query": {"vector": [1e39] * 384}}, "query.vector"),
        ({"query": {"vector": []}}, "query.vector"),
        ({"query": {"vector": "abc"}}, "query.vector"),
        (search_with("query", b'{"vector": [1e400]}'), "query.vector[0]"),
        (search_with("query", b'"\\ud800"'), "body"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"limit": HUGE}, "limit"),
        ({"mode": "psychic"}, "mode"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": LONG}, "user_id"),
        ({"user_id": "a\0"}, "user_id"),
        ({"track": 1}, "track"),
        ({"meta": []}, "meta"),
        ({"meta": {"a": "x" * 65_536}}, "meta"),
        ({"meta": {"a": "\0"}}, "meta.a"),
        ({"meta": {"\0": 1}}, "meta (a key)"),
        ({"meta": {"n": -(2**63) - 1}}, "meta.n"),
        ({"meta": {"a": {"$ref": "users", "$id": 1}}}, "meta.a.$ref"),
        (search_with("meta", nested(70)), "meta" + ".a" * 65),
        ({"filter": []}, "filter"),
        ({"filter": {"field": "a", "like": "x"}}, "filter.like"),
        ({"filter": {"nand": []}}, "filter.nand"),
        ({"filter": {"and": [{"field": "a", "eq": {}}]}}, "filter.and[0].eq"),
        ({"filter": {"field": "a", "eq": "\0"}}, "filter.eq"),
        ({"filter": {"field": "a\0", "eq": 1}}, "filter.field"),
        ({"filter": {"field": "a", "gte": HUGE}}, "filter.gte"),
        ({"filter": {"field": "a", "in": [1, HUGE]}}, "filter.in[1]"),
        ({"filter": {"field": "a", "gte": "0001-01-01T00:00:00+14:00"}}, "filter.gte"),
        ({"filter": {"field": "a", "gte": "9999-12-31T23:59:59-14:00"}}, "filter.gte"),
        (search_with("filter", b'{"not":' * 100 + b'{"field": "a", "eq": 1}' + b"}" * 100), "filter" + ".not" * 32),
        (search_with("filter", b'{"not":' * 1000 + b'{"field": "a", "eq": 1}' + b"}" * 1000), "body"),
    ],
)
async def test_a_search(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", SEARCH, body, field)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (1, 0),
        (1, HUGE),
        (2, -1),
        (2, 1001),
        (3, -1),
        (3, 2**40),
        (3, HUGE),
        (4, "[1]"),
        (4, "{"),
        (4, "1"),
        (5, float("nan")),
        (5, float("inf")),
        (5, 1),
        (6, "a\0"),
        (6, "\ud800"),
        (6, None),
    ],
)
async def test_a_forged_cursor(studio: Studio, place: int, value: object) -> None:
    """A cursor is not signed, so whoever has one can change it."""
    cursor = (await studio.search(NAME, limit=1))["next_cursor"]
    fields = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    fields[place] = value
    forged = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
    await refused(studio, "POST", SEARCH, {"cursor": forged}, "cursor")
