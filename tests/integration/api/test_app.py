"""What all endpoints have in common: how they refuse, what they list, how they are described."""

import json
from collections.abc import AsyncIterator

import pytest

from refusals import HUGE, check_problem, refused, written
from studio import Studio

pytestmark = pytest.mark.anyio

COLLECTIONS = "/api/v1/collections"
SHOP = f"{COLLECTIONS}/bad-shop"
ITEMS, SEARCH = f"{SHOP}/items", f"{SHOP}/search"
LISTS = (COLLECTIONS, f"{SHOP}/models", "/api/v1/tasks")
ONE_ITEM = {"items": [{"id": "new", "payload": {"title": "lamp"}}]}


@pytest.fixture(scope="module", autouse=True)
async def _shop(studio: Studio) -> AsyncIterator[None]:
    await studio.create("bad-shop")
    await studio.add("bad-shop", [{"id": "sofa", "payload": {"title": "red sofa"}}])
    yield
    await studio.client.delete(SHOP)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schl\u00fcssel\u0080"])
async def test_an_idempotency_key(studio: Studio, key: str) -> None:
    before = await written(studio)
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await studio.client.post(ITEMS, json=ONE_ITEM, headers=headers)
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
async def test_a_list(studio: Studio, path: str, query: str, field: str) -> None:
    await refused(studio, "GET", f"{path}?{query}", b"", field)


@pytest.mark.parametrize(
    ("query", "field"), [("kind=magic", "kind"), ("state=done", "state"), ("kind=%FF", "kind"), ("kind=", "kind")]
)
async def test_tasks_that_are_asked_for(studio: Studio, query: str, field: str) -> None:
    await refused(studio, "GET", f"/api/v1/tasks?{query}", b"", field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"until": "2026-01-01T00:00:00"}, "until"),
        ({"track": "magic"}, "track"),
        ({"base_version": 0}, "base_version"),
        ({"params": {"rank": HUGE}}, "params.rank"),
        ({"params": {"layers": 1}}, "params.layers"),
        ({"deploy": "always"}, "deploy"),
    ],
)
async def test_a_fine_tuning(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", f"{SHOP}/fine-tuning", body, field)


async def test_a_cursor_of_one_list_opens_no_other(studio: Studio) -> None:
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
        ("POST", "/items", ONE_ITEM),
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
async def test_an_unknown_collection(studio: Studio, method: str, path: str, body: object, name: str) -> None:
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
async def test_what_is_not_there(studio: Studio, method: str, path: str, status: int) -> None:
    await refused(studio, method, path, b"{}", None, status=status)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"]
)
async def test_a_body_that_is_not_said_to_be_json(studio: Studio, content_type: str) -> None:
    before = await written(studio)
    answer = await studio.client.post(
        ITEMS, content=json.dumps(ONE_ITEM), headers={"Content-Type": content_type} if content_type else {}
    )
    check_problem(answer, 415)
    assert await written(studio) == before


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_a_body_that_is(studio: Studio, content_type: str) -> None:
    answer = await studio.client.post(SEARCH, content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 200


async def test_a_body_that_is_too_large(studio: Studio) -> None:
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
    search = await studio.client.post(SEARCH, content=b" " * 32_000_001, headers=headers)
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
        "POST /api/v1/events": "EventBatch",
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


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example.org"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Host": "localhost:port"},
        {"Origin": "http://example.org"},
        {"Origin": "http://localhost.example.org"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ],
)
async def test_a_page_of_another_site_may_not_act(studio: Studio, headers: dict[str, str]) -> None:
    before = await written(studio)
    answer = await studio.client.post(f"{SHOP}/models/1/deploy", json={}, headers=headers)
    check_problem(answer, 403)
    assert await written(studio) == before


@pytest.mark.parametrize("host", ["localhost:8400", "127.0.0.1:8400", "[::1]:8400"])
async def test_our_own_page_may_act(studio: Studio, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    answer = await studio.client.post(SEARCH, json={"query": "sofa", "track": False}, headers=headers)
    assert answer.status_code == 200, answer.text
