"""Bad input over the whole surface: a problem document that names the place, nothing written, the process unharmed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from studio import Studio

pytestmark = pytest.mark.anyio

COLLECTIONS = "/api/v1/collections"
SHOP = f"{COLLECTIONS}/bad-shop"
POINTS = f"{COLLECTIONS}/bad-points"
ITEMS, SEARCH, EVENTS = f"{SHOP}/items", f"{SHOP}/search", "/api/v1/events"
HUGE = 10**30
LONG = "x" * 513
LISTS = (COLLECTIONS, f"{SHOP}/models", "/api/v1/tasks")

Json = dict[str, Any]


@pytest.fixture(scope="module")
async def shop(studio: Studio) -> AsyncIterator[str]:
    """Two collections, one item and one session; returns the session's id."""
    await studio.create("bad-shop")
    await studio.create("bad-points", "vectors", options={"dimensions": 3})
    await studio.add("bad-shop", [{"id": "sofa", "payload": {"title": "red sofa"}}])
    yield (await studio.search("bad-shop", query="sofa"))["session_id"]
    for name in ("bad-shop", "bad-points"):
        await studio.client.delete(f"{COLLECTIONS}/{name}")


async def written(studio: Studio) -> list[int]:
    """How much there is of everything that a request may write."""
    database, pool = studio.container.database, studio.container.pool
    documents = [
        await database[name].count_documents({})
        for name in ("sessions", "events", "tasks", "model_versions", "idempotency_keys")
    ]
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return documents + [await pool.fetchval(f'SELECT count(*) FROM "{one["tablename"]}"') for one in tables]


def check_problem(answer: httpx.Response, status: int) -> Json:
    """The document, after RFC 9457 and our promise about `errors`."""
    problem: Json = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert all(isinstance(problem[name], str) and problem[name] for name in ("type", "title", "detail"))
    assert all(one.keys() == {"field", "message"} and one["message"] for one in problem.get("errors", []))
    assert problem.keys() <= {"type", "title", "status", "detail", "errors"}
    assert "Traceback" not in answer.text
    return problem


async def refused(studio: Studio, method: str, path: str, body: object, field: str | None, status: int = 400) -> None:
    """Send a bad request and prove that it is refused, at its place, with nothing written."""
    before = await written(studio)
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    answer = await studio.client.request(method, path, content=content, headers=headers)
    problem = check_problem(answer, status)
    if field is not None:
        assert [one["field"] for one in problem["errors"]] == [field]
    assert await written(studio) == before
    assert (await studio.client.get("/health/live")).status_code == 200


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def collection(**fields: object) -> Json:
    return {"name": "bad-new", "plugin": "text", **fields}


def points(**options: object) -> Json:
    return collection(plugin="vectors", options=options)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (collection(colour=1), "colour"),
        (collection(name=5), "name"),
        (collection(name="Shop"), "name"),
        (collection(name="shop\n"), "name"),
        (collection(name="sh\0op"), "name"),
        (collection(name="x" * 64), "name"),
        ({"name": "bad-new"}, "plugin"),
        (collection(plugin="nope"), "plugin"),
        (collection(plugin="te\0xt"), "plugin"),
        (collection(metric="manhattan"), "metric"),
        (collection(options={"dimensions": 3}), "options"),
        (collection(options=[]), "options"),
        (points(), "options.dimensions"),
        (points(dimensions=0), "options.dimensions"),
        (points(dimensions=2001), "options.dimensions"),
        (points(dimensions=True), "options.dimensions"),
        (points(dimensions="3"), "options.dimensions"),
        (points(dimensions=HUGE), "options.dimensions"),
        (points(dimensions=3, lists=1), "options.lists"),
    ],
)
async def test_a_collection(studio: Studio, shop: str, body: object, field: str) -> None:
    await refused(studio, "POST", COLLECTIONS, body, field)


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
    ],
)
async def test_items(studio: Studio, shop: str, body: object, field: str) -> None:
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
async def test_a_vector(studio: Studio, shop: str, vector: bytes, field: str) -> None:
    body = b'{"items": [{"id": "new", "payload": {}, "vector": ' + vector + b"}]}"
    await refused(studio, "POST", f"{POINTS}/items", body, field)


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
async def test_an_item_by_its_address(studio: Studio, shop: str, item_id: str, body: object, field: str) -> None:
    await refused(studio, "PUT", f"{ITEMS}/{item_id}", body, field)
    if field == "id" and item_id != "sofa":
        await refused(studio, "GET", f"{ITEMS}/{item_id}", b"", field)
        await refused(studio, "DELETE", f"{ITEMS}/{item_id}", b"", field)


@pytest.mark.parametrize("path", ["bad-shop%2Fitems/sofa", "bad-shop/items%2Fsofa", "/bad-shop//items/sofa"])
async def test_slashes_that_are_not_where_they_belong(studio: Studio, shop: str, path: str) -> None:
    answer = await studio.client.put(f"{COLLECTIONS}/{path}", json={"payload": {"title": "x"}})
    check_problem(answer, 404)


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
        ({"query": {"text": "a", "vector": [1]}}, "query"),
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
async def test_a_search(studio: Studio, shop: str, body: object, field: str) -> None:
    await refused(studio, "POST", SEARCH, body, field)


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
async def test_events(studio: Studio, shop: str, body: object, field: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    await refused(studio, "POST", EVENTS, content.replace(b"SESSION", shop.encode()), field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"texts": [], "kind": "query"}, "texts"),
        ({"texts": ["a"] * 257, "kind": "query"}, "texts"),
        ({"texts": ["x" * 100_001], "kind": "query"}, "texts[0]"),
        ({"texts": ["a", "\0"], "kind": "query"}, "texts[1]"),
        ({"texts": ["a"]}, "kind"),
        ({"texts": ["a"], "kind": "question"}, "kind"),
        ({"texts": ["a"], "kind": "query", "model_version": 0}, "model_version"),
        ({"texts": ["a"], "kind": "query", "model_version": HUGE}, "model_version"),
    ],
)
async def test_texts_to_embed(studio: Studio, shop: str, body: object, field: str) -> None:
    await refused(studio, "POST", f"{SHOP}/embed", body, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"forse": True}, "forse"),
        ({"force": "yes"}, "force"),
        ({"force": True, "note": "x" * 2001}, "note"),
        ({"force": True, "note": "a\0"}, "note"),
    ],
)
async def test_a_deployment(studio: Studio, shop: str, body: object, field: str) -> None:
    await refused(studio, "POST", f"{SHOP}/models/1/deploy", body, field)


@pytest.mark.parametrize("version", ["0", "-1", "2", str(2**40), str(HUGE), "one", "1.5"])
async def test_a_model_version_that_is_none(studio: Studio, shop: str, version: str) -> None:
    await refused(studio, "POST", f"{SHOP}/models/{version}/deploy", {}, None, status=404)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schl\u00fcssel\u0080"])
async def test_an_idempotency_key(studio: Studio, shop: str, key: str) -> None:
    before = await written(studio)
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await studio.client.post(ITEMS, json=one_item(), headers=headers)
    assert check_problem(answer, 400)["errors"][0]["field"] == "Idempotency-Key"
    assert await written(studio) == before


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        (f"limit={HUGE}", "limit"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=%FF", "cursor"),
        ("cursor=" + "A" * 5000, "cursor"),
        ("cursor=W3RydWVd", "cursor"),  # [true]
        ("cursor=WzFlNDAwXQ", "cursor"),  # [1e400]
        ("cursor=WyJcdTAwMDAiXQ", "cursor"),  # ["\u0000"]
        ("cursor=WyJcdWQ4MDAiXQ", "cursor"),  # ["\ud800"]
        ("cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwXQ", "cursor"),  # a whole number beyond 64 bits
    ],
)
async def test_a_list(studio: Studio, shop: str, path: str, query: str, field: str) -> None:
    await refused(studio, "GET", f"{path}?{query}", b"", field)


@pytest.mark.parametrize(
    ("query", "field"), [("kind=magic", "kind"), ("state=done", "state"), ("kind=%FF", "kind"), ("kind=", "kind")]
)
async def test_tasks_that_are_asked_for(studio: Studio, shop: str, query: str, field: str) -> None:
    await refused(studio, "GET", f"/api/v1/tasks?{query}", b"", field)


async def test_a_cursor_of_one_list_opens_no_other(studio: Studio, shop: str) -> None:
    await studio.search("bad-shop", limit=1)
    search = (await studio.search("bad-shop", limit=1))["next_cursor"]
    collections = (await studio.client.get(COLLECTIONS, params={"limit": 1})).json()["next_cursor"]
    models = "WzVd"  # [5]
    tasks = (await studio.client.get("/api/v1/tasks", params={"limit": 1})).json()["next_cursor"]
    assert search
    assert collections
    assert tasks
    for path, own in zip(LISTS, (collections, models, tasks), strict=True):
        for cursor in {search, collections, models, tasks} - {own}:
            await refused(studio, "GET", f"{path}?cursor={cursor}", b"", "cursor")
    for cursor in (collections, models, tasks):
        await refused(studio, "POST", SEARCH, {"cursor": cursor}, "cursor")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", b""),
        ("DELETE", "", b""),
        ("POST", "/items", one_item()),
        ("PUT", "/items/sofa", {"payload": {"title": "x"}}),
        ("GET", "/items/sofa", b""),
        ("DELETE", "/items/sofa", b""),
        ("POST", "/search", {}),
        ("GET", "/models", b""),
        ("POST", "/models/1/deploy", {}),
        ("POST", "/rollback", b""),
        ("POST", "/embed", {"texts": ["a"], "kind": "query"}),
        ("POST", "/fine-tuning", {}),
    ],
)
@pytest.mark.parametrize("name", ["nowhere", "No%20where", "a%00b", "x" * 64, "..%2F..", "%FF"])
async def test_an_unknown_collection(studio: Studio, shop: str, method: str, path: str, body: object, name: str) -> None:
    await refused(studio, method, f"{COLLECTIONS}/{name}{path}", body, None, status=404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/sessions/nobody", 404),
        ("GET", "/api/v1/sessions/a%00b", 404),
        ("GET", "/api/v1/tasks/none", 404),
        ("GET", "/api/v1/tasks/a%00b", 404),
        ("GET", f"{SHOP}/items/none", 404),
        ("DELETE", f"{SHOP}/items/none", 404),
        ("PATCH", COLLECTIONS, 405),
        ("DELETE", "/api/v1/events", 405),
        ("PUT", SEARCH, 405),
        ("POST", "/health/live", 405),
    ],
)
async def test_what_is_not_there(studio: Studio, shop: str, method: str, path: str, status: int) -> None:
    await refused(studio, method, path, b"{}", None, status=status)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"]
)
async def test_a_body_that_is_not_said_to_be_json(studio: Studio, shop: str, content_type: str) -> None:
    before = await written(studio)
    answer = await studio.client.post(
        ITEMS, content=json.dumps(one_item()), headers={"Content-Type": content_type} if content_type else {}
    )
    check_problem(answer, 415)
    assert await written(studio) == before


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_a_body_that_is(studio: Studio, shop: str, content_type: str) -> None:
    answer = await studio.client.post(SEARCH, content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 200


async def test_a_body_that_is_too_large(studio: Studio, shop: str) -> None:
    before = await written(studio)
    limit = studio.container.settings.api.max_body

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"items": [{"id": "a", "payload": {"title": "'
        for _ in range(limit // 1_000_000 + 1):
            yield b"x" * 1_000_000

    headers = {"Content-Type": "application/json"}
    lying = await studio.client.post(ITEMS, content=b"{}", headers={**headers, "Content-Length": str(limit + 1)})
    check_problem(lying, 413)
    chunked = await studio.client.post(ITEMS, content=chunks(), headers=headers)
    check_problem(chunked, 413)
    search = await studio.client.post(SEARCH, content=b" " * 1_000_001, headers=headers)
    check_problem(search, 413)
    assert await written(studio) == before


async def test_every_endpoint_is_described_with_its_body(studio: Studio) -> None:
    schema = (await studio.client.get("/schema/openapi.json")).json()
    bodies = {
        f"{method.upper()} {path}": operation.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema")
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    }
    taking = {
        f"POST {COLLECTIONS}": "CreateCollection",
        f"POST {COLLECTIONS}/{{name}}/items": "ItemBatch",
        f"PUT {COLLECTIONS}/{{name}}/items/{{id_path}}": "ItemBody",
        f"POST {COLLECTIONS}/{{name}}/search": "SearchIn",
        f"POST {COLLECTIONS}/{{name}}/embed": "Embed",
        f"POST {COLLECTIONS}/{{name}}/models/{{version}}/deploy": "Deploy",
        f"POST {COLLECTIONS}/{{name}}/fine-tuning": "FineTuningIn",
        f"POST {EVENTS}": "EventBatch",
    }
    for endpoint, name in taking.items():
        assert name in json.dumps(bodies[endpoint]), endpoint
    assert bodies.keys() - taking.keys() >= {
        "GET /health/live",
        "GET /health/ready",
        "GET /api/v1/plugins",
        "GET /api/v1/tasks",
        "GET /api/v1/tasks/{task_id}",
        "GET /api/v1/sessions/{session_id}",
        f"GET {COLLECTIONS}",
        f"GET {COLLECTIONS}/{{name}}",
        f"DELETE {COLLECTIONS}/{{name}}",
        f"GET {COLLECTIONS}/{{name}}/items/{{id_path}}",
        f"DELETE {COLLECTIONS}/{{name}}/items/{{id_path}}",
        f"GET {COLLECTIONS}/{{name}}/models",
        f"POST {COLLECTIONS}/{{name}}/rollback",
    }
