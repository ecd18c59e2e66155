"""Items that cannot be stored, and addresses that are none."""

from collections.abc import AsyncIterator

import pytest

from refusals import LONG, Json, check_problem, nested, refused
from studio import Studio

pytestmark = pytest.mark.anyio

TEXTS, POINTS = "bad-items", "bad-points"
ITEMS = f"/api/v1/collections/{TEXTS}/items"


@pytest.fixture(scope="module", autouse=True)
async def _collections(studio: Studio) -> AsyncIterator[None]:
    await studio.create(TEXTS)
    await studio.create(POINTS, "vectors", options={"dimensions": 3})
    await studio.add(TEXTS, [{"id": "sofa", "payload": {"title": "red sofa"}}])
    yield
    for name in (TEXTS, POINTS):
        await studio.client.delete(f"/api/v1/collections/{name}")


def one_item(**fields: object) -> Json:
    return {"items": [{"id": "new", "payload": {"title": "lamp"}, **fields}]}


def with_payload(text: bytes) -> bytes:
    return b'{"items": [{"id": "new", "payload": {"title": "lamp", "p": ' + text + b"}}]}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b"{", "body"),
        (b'{"items": [{"id": "\xff", "payload": {}}]}', "body"),
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": [], "more": 1}, "items"),
        ({"items": [{}]}, "items[0].id"),
        (one_item(vektor=[1]), "items[0].vektor"),
        (one_item(**{"x - at `$.y": 1}), "items[0].x - at `$.y"),
        (one_item(id=5), "items[0].id"),
        (one_item(id=""), "items[0].id"),
        (one_item(id=LONG), "items[0].id"),
        (one_item(id="a\0b"), "items[0].id"),
        (one_item(id="a\n"), "items[0].id"),
        (one_item(id="a\x85"), "items[0].id"),
        (one_item(payload="title"), "items[0].payload"),
        (one_item(payload={"title": "a\0b"}), "items[0].payload.title"),
        (one_item(payload={"a": [1, {"b": "\0"}]}), "items[0].payload.a[1].b"),
        (one_item(payload={"a\0": 1}), "items[0].payload (a key)"),
        (one_item(payload={"n": 2**63}), "items[0].payload.n"),
        (one_item(source={"bucket": "\0"}), "items[0].source.bucket"),
        (one_item(vector=[1, 2, 3]), "items[0].vector"),
        (with_payload(b"NaN"), "body"),
        (with_payload(b"Infinity"), "body"),
        (with_payload(b"1e400"), "items[0].payload[...]"),
        (with_payload(b"1" + b"0" * 5000), "items[0].payload[...]"),
        (with_payload(b'"\\ud800"'), "body"),
        (with_payload(b'"\xff"'), "body"),
        (with_payload(nested(70)), "items[0].payload.p" + ".a" * 64),
        (with_payload(nested(100_000)), "body"),
        ({"items": [*one_item()["items"], {"id": "\0", "payload": {}}]}, "items[1].id"),
        ({"items": [*one_item()["items"], {"id": "b", "payload": {"x": "\0"}}]}, "items[1].payload.x"),
        ({"items": [{"id": "i", "payload": {}}] * 10_001}, "items"),
        (one_item(payload={"title": "x" * 1_000_000}), "items[0].payload"),
        (one_item(payload={"title": "x", "n": [1] * 500_000}), "items[0].payload"),
        (one_item(source={"url": "ü" * 500_000}), "items[0].source"),
    ],
)
async def test_items(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", ITEMS, body, field)


@pytest.mark.parametrize(
    ("vector", "field"),
    [
        (b"null", "items[0].vector"),
        (b"[1, 2]", "items[0].vector"),
        (b"[0, 0, 0]", "items[0].vector"),
        (b"[1, 2, 1e39]", "items[0].vector"),
        (b"[1, 2, 1e10]", "items[0].vector"),
        (b"[1, 2, 1e400]", "items[0].vector[2]"),
        (b"[1, 2, 1" + b"0" * 400 + b"]", "items[0].vector[2]"),
        (b"[1, 2, NaN]", "body"),
        (b"[1, 2, -Infinity]", "body"),
        (b'[1, 2, "3"]', "items[0].vector[2]"),
        (b"[1, 2, null]", "items[0].vector[2]"),
        (b"[" + b"1," * 16_000 + b"1]", "items[0].vector"),
    ],
)
async def test_a_vector(studio: Studio, vector: bytes, field: str) -> None:
    body = b'{"items": [{"id": "new", "payload": {}, "vector": ' + vector + b"}]}"
    await refused(studio, "POST", f"/api/v1/collections/{POINTS}/items", body, field)


@pytest.mark.parametrize(
    ("item_id", "body", "field"),
    [
        ("sofa", {"payload": {"title": "a\0"}}, "payload.title"),
        ("sofa", {"payload": {}}, "payload"),
        ("sofa", {"payload": {"title": "x"}, "id": "lamp"}, "id"),
        ("sofa", {"payload": {"title": "x"}, "vector": [1]}, "vector"),
        ("sofa", {"title": "x"}, "title"),
        ("sofa", b"", "body"),
        ("%00", {"payload": {"title": "x"}}, "id"),
        ("a%0A", {"payload": {"title": "x"}}, "id"),
        ("%FF", {"payload": {"title": "x"}}, "id"),
        (LONG, {"payload": {"title": "x"}}, "id"),
    ],
)
async def test_an_item_by_its_address(studio: Studio, item_id: str, body: object, field: str) -> None:
    await refused(studio, "PUT", f"{ITEMS}/{item_id}", body, field)
    if field == "id" and item_id != "sofa":
        await refused(studio, "GET", f"{ITEMS}/{item_id}", b"", field)
        await refused(studio, "DELETE", f"{ITEMS}/{item_id}", b"", field)


@pytest.mark.parametrize("path", ["bad-items%2Fitems/sofa", "bad-items/items%2Fsofa", "/bad-items//items/sofa"])
async def test_slashes_that_are_not_where_they_belong(studio: Studio, path: str) -> None:
    answer = await studio.client.put(f"/api/v1/collections/{path}", json={"payload": {"title": "x"}})
    check_problem(answer, 404)
