"""Every endpoint, asked by everybody: who may is served, and nobody else."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar, get
from litestar.routes import HTTPRoute

from doors import bearer, client_of, guarded_app, new_key
from embedding_studio.access import AuditEntry
from embedding_studio.api.auth import guard
from embedding_studio.api.problems import PROBLEM_HANDLERS
from refusals import check_problem
from studio import Studio

pytestmark = pytest.mark.anyio

SHOP, OTHER = "auth-shop", "auth-other"
C = "/api/v1/collections/{name}"

OPEN = {
    "GET /health/live",
    "GET /health/ready",
    "GET /schema",
    "GET /schema/openapi.json",
    "GET /schema/{path}",
}
NEEDED = {
    "GET /metrics": "metrics",
    f"POST {C}/search": "search",
    f"POST {C}/count": "search",
    "POST /api/v1/events": "search",
    f"POST {C}/sessions": "search",
    "POST /api/v1/ubi/queries": "search",
    "POST /api/v1/ubi/events": "search",
    "GET /api/v1/collections": "ingest",
    f"GET {C}": "ingest",
    f"POST {C}/items": "ingest",
    f"POST {C}/items/delete": "ingest",
    f"PUT {C}/items/delete": "ingest",
    f"GET {C}/items/delete": "ingest",
    f"DELETE {C}/items/delete": "ingest",
    f"PUT {C}/items/{{id_path}}": "ingest",
    f"GET {C}/items/{{id_path}}": "ingest",
    f"DELETE {C}/items/{{id_path}}": "ingest",
    f"POST {C}/ingest": "ingest",
    "GET /api/v1/tasks": "ingest",
    "GET /api/v1/tasks/{task_id}": "ingest",
}
"""All others need `admin`."""

UNBOUND = {
    "GET /metrics",
    "DELETE /api/v1/users/{user_id}",
    "GET /api/v1/keys",
    "POST /api/v1/keys",
    "DELETE /api/v1/keys/{key_id}",
    "POST /api/v1/keys/{key_id}/rotate",
    "GET /api/v1/audit",
}
"""What concerns all collections, so that no key that is bound to some may do it."""

PARAMETERS: Mapping[str, str] = {"name": SHOP, "version": "999", "id_path": "nothing"}
INCLUDED = {"metrics": {"metrics"}, "search": {"search"}, "ingest": {"search", "ingest"}}


@dataclass(frozen=True)
class Endpoint:
    method: str
    template: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def path(self) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: PARAMETERS.get(found[1], "0" * 16), self.template)


def endpoints(app: Litestar) -> list[Endpoint]:
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    return [
        Endpoint(method, route.path_format)
        for route in routes
        for handler in route.route_handlers
        for method in sorted(handler.http_methods)
    ]


@pytest.fixture(scope="module", autouse=True)
async def _collections(studio: Studio) -> AsyncIterator[None]:
    for name in (SHOP, OTHER):
        await studio.create(name)
        await studio.add(name, [{"id": "sofa", "payload": {"title": "red sofa"}}])
    yield
    for name in (SHOP, OTHER):
        await studio.client.delete(f"/api/v1/collections/{name}")


@pytest.fixture(scope="module")
async def app(studio: Studio) -> Litestar:
    return guarded_app(studio)


@pytest.fixture(scope="module")
async def door(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def bound(studio: Studio) -> dict[str, str]:
    """The headers of an administrator of one collection."""
    return await new_key(studio, "admin", collections=[SHOP])


async def ask(door: httpx.AsyncClient, endpoint: Endpoint, headers: dict[str, str]) -> httpx.Response:
    has_body = endpoint.method in {"POST", "PUT", "PATCH"}
    return await door.request(endpoint.method, endpoint.path, headers=headers, json={"\0": 1} if has_body else None)


async def refuses(door: httpx.AsyncClient, endpoint: Endpoint, headers: dict[str, str], status: int) -> str | None:
    answer = await ask(door, endpoint, headers)
    if answer.status_code != status:
        return f"{endpoint.name}: {answer.status_code}, not {status}"
    check_problem(answer, status)
    if status == 401 and not answer.headers["www-authenticate"].startswith("Bearer "):
        return f"{endpoint.name}: no WWW-Authenticate"
    return None


async def serves(door: httpx.AsyncClient, endpoint: Endpoint, headers: dict[str, str]) -> str | None:
    answer = await ask(door, endpoint, headers)
    if answer.status_code in {401, 403, 429} or answer.status_code >= 500:
        return f"{endpoint.name}: {answer.status_code}"
    return None


async def test_the_tables_name_endpoints_that_there_are(app: Litestar) -> None:
    there = {one.name for one in endpoints(app)}
    assert there >= OPEN | NEEDED.keys() | UNBOUND
    open_ones = {one.name for one in endpoints(app) if not one.template.startswith("/api/")} - NEEDED.keys()
    assert {name for name in open_ones if not name.startswith("OPTIONS")} <= OPEN


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("es_0123456789abcdef_" + "A" * 43),
        bearer("nonsense"),
        bearer(""),
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "es_0123456789abcdef_" + "A" * 43},
        {"X-Api-Key": "es_0123456789abcdef_" + "A" * 43},
    ],
    ids=str,
)
async def test_nobody_passes_without_a_good_key(
    app: Litestar, door: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    wrong = []
    for one in endpoints(app):
        is_open = one.template in {name.split()[1] for name in OPEN}
        wrong.append(await (serves(door, one, headers) if is_open else refuses(door, one, headers, 401)))
    assert [one for one in wrong if one] == []


@pytest.mark.parametrize("role", ["metrics", "search", "ingest"])
async def test_a_role_passes_where_it_may_and_nowhere_else(
    studio: Studio, app: Litestar, door: httpx.AsyncClient, role: Any
) -> None:
    headers = await new_key(studio, role)
    wrong = []
    for one in endpoints(app):
        if one.method == "OPTIONS" or one.name in OPEN:
            continue
        may = NEEDED.get(one.name, "admin") in INCLUDED[role]
        wrong.append(await (serves(door, one, headers) if may else refuses(door, one, headers, 403)))
    assert [one for one in wrong if one] == []


async def test_an_administrator_passes_everywhere(studio: Studio, app: Litestar, door: httpx.AsyncClient) -> None:
    """Each address names what is not there, or a body that nobody takes: nothing is done."""
    headers = await new_key(studio, "admin")
    harmless = [one for one in endpoints(app) if one.name != f"DELETE {C}"]
    assert [wrong for one in harmless if (wrong := await serves(door, one, headers))] == []


@pytest.mark.parametrize("role", ["search", "ingest", "admin"])
async def test_a_key_of_another_collection_passes_nowhere(
    studio: Studio, app: Litestar, door: httpx.AsyncClient, role: Any
) -> None:
    headers = await new_key(studio, role, collections=[OTHER])
    closed = [one for one in endpoints(app) if one.template.startswith(C) or one.name in UNBOUND]
    assert len(closed) > 40
    assert [wrong for one in closed if (wrong := await refuses(door, one, headers, 403))] == []


async def test_a_key_of_a_collection_passes_there(
    app: Litestar, door: httpx.AsyncClient, bound: dict[str, str]
) -> None:
    ours = [one for one in endpoints(app) if one.name not in UNBOUND | {f"DELETE {C}"} and one.method != "OPTIONS"]
    assert [wrong for one in ours if (wrong := await serves(door, one, bound))] == []


async def test_a_route_that_says_nothing_is_for_unbound_administrators(studio: Studio) -> None:
    @get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    door = guarded_app(studio).state.door
    app = Litestar(
        [forgotten],
        middleware=[guard(lambda: door)],
        exception_handlers=PROBLEM_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    wanted = {"ingest": 403, "admin": 200}
    async with client_of(app) as client:
        assert (await client.get("/forgotten")).status_code == 401
        for role, status in wanted.items():
            headers = await new_key(studio, cast("Any", role))
            assert (await client.get("/forgotten", headers=headers)).status_code == status
        bound = await new_key(studio, "admin", collections=[SHOP])
        assert (await client.get("/forgotten", headers=bound)).status_code == 403


async def test_lists_show_what_is_granted(studio: Studio, door: httpx.AsyncClient, bound: dict[str, str]) -> None:
    await studio.client.post(f"/api/v1/collections/{OTHER}/items", json={"items": [{"id": "x", "payload": {}}]})
    await studio.client.post(f"/api/v1/collections/{SHOP}/items", json={"items": [{"id": "x", "payload": {}}]})
    collections = (await door.get("/api/v1/collections", headers=bound)).json()["items"]
    assert [one["name"] for one in collections] == [SHOP]
    tasks = (await door.get("/api/v1/tasks", params={"limit": 1000}, headers=bound)).json()["items"]
    assert {one["collection"] for one in tasks} == {SHOP}
    check_problem(await door.get("/api/v1/tasks", params={"collection": OTHER}, headers=bound), 403)
    assert (await door.get("/api/v1/tasks", params={"collection": SHOP}, headers=bound)).status_code == 200


async def test_what_belongs_to_another_collection_is_out_of_reach_by_its_id(
    studio: Studio, door: httpx.AsyncClient, bound: dict[str, str]
) -> None:
    wish = {"items": [{"id": "y", "payload": {}}]}
    task = (await studio.client.post(f"/api/v1/collections/{OTHER}/items", json=wish)).json()["task_id"]
    session = (await studio.search(OTHER, query="sofa"))["session_id"]
    before = await studio.task(task)
    check_problem(await door.get(f"/api/v1/tasks/{task}", headers=bound), 403)
    for verb in ("cancel", "retry", "pause", "resume"):
        check_problem(await door.post(f"/api/v1/tasks/{task}/{verb}", headers=bound), 403)
    check_problem(await door.get(f"/api/v1/sessions/{session}", headers=bound), 403)
    check_problem(await door.post(f"/api/v1/sessions/{session}/irrelevant", headers=bound), 403)
    assert await studio.task(task) == before


async def test_a_key_cannot_make_a_collection_that_it_is_not_granted(
    door: httpx.AsyncClient, bound: dict[str, str]
) -> None:
    wish = {"name": "auth-third", "plugin": "text"}
    check_problem(await door.post("/api/v1/collections", json=wish, headers=bound), 403)
    known = await door.post("/api/v1/collections", json={"name": SHOP, "plugin": "text"}, headers=bound)
    check_problem(known, 409)


async def test_events_of_another_collection_are_of_no_session(studio: Studio, door: httpx.AsyncClient) -> None:
    headers = await new_key(studio, "search", collections=[SHOP])
    sessions = {name: (await studio.search(name, query="sofa"))["session_id"] for name in (SHOP, OTHER)}
    events = [
        {"event_id": f"auth-{name}", "session_id": session, "item_id": "sofa", "type": "click"}
        for name, session in sessions.items()
    ]
    answer = (await door.post("/api/v1/events", json={"events": events}, headers=headers)).json()
    assert (answer["accepted"], [one["index"] for one in answer["rejected"]]) == (1, [1])
    unknown = [{**events[1], "session_id": "nobody"}]
    told = (await door.post("/api/v1/events", json={"events": unknown}, headers=headers)).json()
    assert told["rejected"][0]["reason"].replace("nobody", sessions[OTHER]) == answer["rejected"][0]["reason"]
    documents = [
        {"action_name": "click", "query_id": session, "event_attributes": {"object": {"object_id": "sofa"}}}
        for session in sessions.values()
    ]
    answer = (await door.post("/api/v1/ubi/events", json=documents, headers=headers)).json()
    assert (answer["accepted"], [one["index"] for one in answer["rejected"]]) == (1, [1])


async def test_queries_of_another_collection_are_rejected(studio: Studio, door: httpx.AsyncClient) -> None:
    headers = await new_key(studio, "search", collections=[SHOP])
    queries = [{"query_id": f"auth-{name}", "application": name, "user_query": "q"} for name in (SHOP, OTHER)]
    answer = (await door.post("/api/v1/ubi/queries", json=queries, headers=headers)).json()
    assert (answer["accepted"], [one["index"] for one in answer["rejected"]]) == (1, [1])
    check_problem(
        await door.post("/api/v1/ubi/queries", params={"collection": OTHER}, json=queries, headers=headers), 403
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/v1/collections/{OTHER}/search", 403),
        (f"/api/v1//collections/{OTHER}/search", 403),
        (f"//api/v1/collections/{OTHER}/search/", 403),
        (f"/api/v1/collections/{OTHER}/search/", 403),
        (f"/api/v1/collections/{OTHER}/search?name={SHOP}", 403),
        ("/api/v1/collections/%61uth-other/search", 403),
        (f"/api/v1/collections/{SHOP}/../{OTHER}/search", 403),
        (f"/api/v1/collections/{SHOP}%2F..%2F{OTHER}/search", 404),
        (f"/api/v1/collections/{SHOP};{OTHER}/search", 403),
        (f"/api/v1/collections/{OTHER}%00/search", 403),
        (f"/api/v1/collections/{OTHER.upper()}/search", 403),
    ],
)
async def test_no_way_of_writing_an_address_leads_around(
    studio: Studio, door: httpx.AsyncClient, path: str, status: int
) -> None:
    headers = await new_key(studio, "search", collections=[SHOP])
    url = httpx.URL(scheme="http", host="search.example.org", raw_path=path.encode())
    answer = await door.request("POST", url, json={}, headers=headers)
    check_problem(answer, status)


@pytest.mark.parametrize(
    "extra",
    [
        {"X-HTTP-Method-Override": "POST"},
        {"X-Method-Override": "POST"},
        {"X-Original-URL": "/health/live"},
        {"X-Rewrite-URL": "/health/live"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"Forwarded": "for=127.0.0.1;host=localhost"},
        {"Host": "localhost"},
        {"X-Remote-User": "admin"},
        {"Cookie": "Authorization=Bearer es_0123456789abcdef_" + "A" * 43},
    ],
    ids=str,
)
async def test_no_header_stands_for_a_key(door: httpx.AsyncClient, extra: dict[str, str]) -> None:
    for method in ("GET", "DELETE"):
        check_problem(await door.request(method, f"/api/v1/collections/{SHOP}", headers=extra), 401)


async def test_a_key_in_the_address_is_none(studio: Studio, door: httpx.AsyncClient) -> None:
    key = (await new_key(studio, "admin"))["Authorization"].split()[1]
    for name in ("key", "api_key", "access_token", "authorization"):
        check_problem(await door.get("/api/v1/tasks", params={name: key}), 401)


async def test_two_authorization_headers_are_none(studio: Studio, door: httpx.AsyncClient) -> None:
    good = (await new_key(studio, "admin"))["Authorization"]
    bad = "Bearer es_0123456789abcdef_" + "A" * 43
    for pair in ((good, bad), (bad, good), (good, good)):
        headers = [("Authorization", one) for one in pair]
        check_problem(await door.get("/api/v1/tasks", headers=headers), 401)


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
async def test_the_scheme_is_read_as_http_says(studio: Studio, door: httpx.AsyncClient, scheme: str) -> None:
    key = (await new_key(studio, "admin"))["Authorization"].split()[1]
    answer = await door.get("/api/v1/tasks", headers={"Authorization": f"{scheme} {key}"})
    assert answer.status_code == 200


async def test_a_wrong_secret_and_an_unknown_id_are_told_the_same(studio: Studio, door: httpx.AsyncClient) -> None:
    known = (await new_key(studio, "search"))["Authorization"].split("_")[1]
    answers = [
        await door.get("/api/v1/tasks", headers={**bearer(f"es_{key_id}_{'A' * 43}"), "X-Request-ID": "same"})
        for key_id in (known, "f" * 16)
    ]
    assert answers[0].content == answers[1].content
    assert answers[0].status_code == 401


async def test_who_sends_too_much_is_told_when_to_come_again(studio: Studio, door: httpx.AsyncClient) -> None:
    headers = await new_key(studio, "search", rate=0.1)
    path = f"/api/v1/collections/{SHOP}/count"
    first = await door.post(path, json={}, headers=headers)
    second = await door.post(path, json={}, headers=headers)
    assert first.status_code == 200
    check_problem(second, 429)
    assert 1 <= int(second.headers["retry-after"]) <= 10
    other = await new_key(studio, "search", rate=0.1)
    assert (await door.post(path, json={}, headers=other)).status_code == 200


async def test_a_revoked_key_is_refused(studio: Studio, door: httpx.AsyncClient) -> None:
    key, text = await studio.container.keys.create("ingest")
    headers = bearer(text)
    assert (await door.get("/api/v1/tasks", headers=headers)).status_code == 200
    await studio.container.keys.revoke(key.id)
    studio.container.keyring._seen.clear()
    check_problem(await door.get("/api/v1/tasks", headers=headers), 401)


async def entries_of(headers: dict[str, str]) -> list[AuditEntry]:
    key_id = headers["Authorization"].split("_")[1]
    return await AuditEntry.find({"key_id": key_id}).sort("_id").to_list()


async def test_what_an_administrator_does_is_in_the_audit_log(studio: Studio, door: httpx.AsyncClient) -> None:
    headers = await new_key(studio, "admin")
    await door.post(f"/api/v1/collections/{SHOP}/optimize", headers=headers)
    await door.request("DELETE", f"/api/v1/collections/{SHOP}/memory?item_id=sofa", headers=headers)
    await door.post("/api/v1/collections", json={"name": "?"}, headers=headers)
    await door.get("/api/v1/tasks", headers=headers)
    await door.post(f"/api/v1/collections/{SHOP}/search", json={"track": False}, headers=headers)
    seen = [(one.action, one.target, one.status, one.origin) for one in await entries_of(headers)]
    assert seen == [
        (f"POST {C}/optimize", f"/api/v1/collections/{SHOP}/optimize", 202, "203.0.113.7"),
        (f"DELETE {C}/memory", f"/api/v1/collections/{SHOP}/memory?item_id=sofa", 204, "203.0.113.7"),
        ("POST /api/v1/collections", "/api/v1/collections", 400, "203.0.113.7"),
    ]


async def test_the_audit_log_names_the_key_that_was_made(studio: Studio, door: httpx.AsyncClient) -> None:
    headers = await new_key(studio, "admin")
    made = await door.post("/api/v1/keys", json={"role": "search"}, headers=headers)
    assert made.headers["Location"] == f"/api/v1/keys/{made.json()['id']}"
    await door.delete(made.headers["Location"], headers=headers)
    assert [one.created for one in await entries_of(headers)] == [made.headers["Location"], None]


async def test_who_asks_too_often_as_an_administrator_is_in_the_audit_log(
    studio: Studio, door: httpx.AsyncClient
) -> None:
    studio.container.audit._refusals = 0
    headers = await new_key(studio, "admin", rate=0.1)
    for _ in range(2):
        await door.get("/api/v1/keys", headers=headers)
    assert [(one.action, one.status) for one in await entries_of(headers)] == [("GET /api/v1/keys", 429)]


async def test_who_is_refused_as_an_administrator_is_in_the_audit_log(studio: Studio, door: httpx.AsyncClient) -> None:
    studio.container.audit._refusals = 0
    headers = await new_key(studio, "search")
    await door.get("/api/v1/keys", headers=headers)
    await door.request("DELETE", f"/api/v1/collections/{SHOP}", headers=headers)
    await door.get("/api/v1/tasks", headers=headers)
    seen = sorted((one.action, one.status) for one in await entries_of(headers))
    assert seen == [(f"DELETE {C}", 403), ("GET /api/v1/keys", 403)]


async def test_nothing_is_done_that_cannot_be_written_down(
    studio: Studio, door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = await new_key(studio, "admin")
    await door.get("/api/v1/tasks", headers=headers)
    monkeypatch.setattr(studio.container.audit._entries, "add", _unreachable)
    check_problem(await door.request("DELETE", f"/api/v1/collections/{SHOP}", headers=headers), 503)
    monkeypatch.undo()
    assert (await door.get(f"/api/v1/collections/{SHOP}", headers=headers)).status_code == 200


async def _unreachable(_entry: object) -> None:
    raise ConnectionRefusedError


async def test_many_may_come_at_once(studio: Studio, door: httpx.AsyncClient) -> None:
    headers = await new_key(studio, "ingest", rate=1000)
    studio.container.keyring._seen.clear()
    answers = await asyncio.gather(
        *(door.get("/api/v1/tasks", params={"limit": 1}, headers=headers) for _ in range(50))
    )
    assert {one.status_code for one in answers} == {200}
