"""Ten thousand hostile strings in every place that takes one: nothing breaks, nothing leaks, nothing else changes.

All of them go where a request holds hundreds; where it holds a few, a share of them goes.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store import parse_filter
from hostile import hostile_strings
from refusals import check_problem
from studio import Studio

pytestmark = pytest.mark.anyio

STRINGS = hostile_strings(10_000, seed=20_260_131)
FEW = STRINGS[:200] + STRINGS[200::100]
PLACES = "/api/v1/collections"
HOSTILE, SHOP, CONTROL = f"{PLACES}/hostile", f"{PLACES}/hostile-shop", f"{PLACES}/control"
SECRET = "belongs-to-the-control-7d1f"
ANSWERS = {200, 201, 202, 204, 400, 404, 405, 409, 413}
AT_A_TIME = 4
ID = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,512}")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")

Json = dict[str, Any]
Request = tuple[str, str, object]


def is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)


STORABLE = [one for one in STRINGS if is_storable(one)]
UNSTORABLE = [one for one in STRINGS if not is_storable(one)]
SHORT = [one for one in STORABLE if len(one) < 300]
IDS = [one for one in STORABLE if ID.fullmatch(one)]


def chunks(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    return (list(values[at : at + size]) for at in range(0, len(values), size))


def item(text: str) -> Json:
    """The string as an item's id and in every place of its payload."""
    payload = {"whole": text, "tags": [text, "of every item"], "inside": {text: {"deep": text}}, text: text}
    return {"id": text, "payload": payload, "vector": [1.0, len(text)]}


@pytest.fixture(scope="module", autouse=True)
async def _collections(studio: Studio) -> AsyncIterator[None]:
    await studio.create("control", "vectors", options={"dimensions": 2})
    secrets = [{"id": f"{SECRET}-{n}", "payload": {"title": SECRET}, "vector": [1, n]} for n in range(50)]
    await studio.add("control", secrets)
    await studio.create("hostile", "vectors", options={"dimensions": 2})
    await studio.create("hostile-shop", "shop")
    await studio.add("hostile-shop", [{"id": "sofa", "payload": {"title": "red sofa", "brand": "Acme", "price": 5}}])
    task = await studio.add("hostile", [item(one) for one in IDS])
    assert (task["state"], task["progress"]["done"]) == ("succeeded", len(IDS))
    yield
    for path in (HOSTILE, SHOP, CONTROL):
        await studio.client.delete(path)


@pytest.fixture(autouse=True)
async def _unharmed(studio: Studio) -> AsyncIterator[None]:
    """Neither the control's tables nor the schema change, and PostgreSQL has found no fault with any statement."""
    before, log = await checksum(studio), await log_of(studio)
    size = log.stat().st_size
    yield
    assert await checksum(studio) == before
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(size)
        assert [line for line in lines if "ERROR" in line and "duplicate key" not in line] == []


async def checksum(studio: Studio) -> list[str]:
    """Of the control's rows, of all tables, functions and indexes, and of the catalog."""
    collection = await studio.container.catalog.get("control")
    number = collection.id
    rows = [f"items_{number}", f"parts_{number}_1", f"terms_{number}_1", "collections", "index_versions", "deployments"]
    names = {"pg_class": "relname", "pg_proc": "proname", "pg_roles": "rolname", "pg_database": "datname"}
    sources = [f"{table} t" for table in rows] + [
        f"(SELECT {column} FROM {table}{' WHERE relnamespace = 2200' if table == 'pg_class' else ''}) t"
        for table, column in names.items()
    ]
    return [
        await studio.container.pool.fetchval(
            f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {source}"
        )
        for source in sources
    ]


async def log_of(studio: Studio) -> Path:
    """A server process of PostgreSQL works in the data folder, beside which are the logs."""
    process = await studio.container.pool.fetchval("SELECT pg_backend_pid()")
    return (await asyncio.to_thread(Path(f"/proc/{process}/cwd").resolve)).parent / "logs" / "postgres.log"


async def send(studio: Studio, request: Request) -> httpx.Response:
    """Send a request, with lone surrogates as JSON escapes, and check what is so of every answer."""
    method, path, body = request
    content = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    answer = await studio.client.request(method, path, content=content, headers=headers)
    assert answer.status_code in ANSWERS, (answer.status_code, answer.text[:300], method, path[:300], str(body)[:1000])
    if answer.is_error:
        check_problem(answer, answer.status_code)
    assert CONTROL in path or SECRET not in answer.text
    return answer


async def send_all(studio: Studio, requests: Sequence[Request], *expected: int) -> list[httpx.Response]:
    """Send requests, a few at a time, and check that they are answered as expected, if there is an expectation."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(request: Request) -> httpx.Response:
        async with gate:
            answer = await send(studio, request)
        assert not expected or answer.status_code in expected, (answer.text[:300], str(request)[:1000])
        return answer

    return await asyncio.gather(*map(one, requests))


def searches(path: str, bodies: Sequence[Json]) -> list[Request]:
    return [("POST", f"{path}/search", {"track": False, **body}) for body in bodies]


def filters(make: Callable[[str], Json]) -> tuple[list[str], list[str]]:
    """The strings that a condition takes, and those it refuses."""
    taken: list[str] = []
    refused: list[str] = []
    for one in STRINGS:
        try:
            parse_filter(make(one))
        except InvalidError:
            refused.append(one)
        else:
            taken.append(one)
    return taken, refused


async def test_items_come_back_as_they_were_sent(studio: Studio) -> None:
    found: dict[str, Json] = {}
    cursor = None
    while True:
        page = await studio.search("hostile", limit=1000, track=False, cursor=cursor, sort=[{"field": "whole"}])
        found |= {one["id"]: one["payload"] for one in page["results"]}
        if not (cursor := page["next_cursor"]):
            break
    assert found == {one: item(one)["payload"] for one in IDS}


async def test_items_that_cannot_be_stored(studio: Studio) -> None:
    bad = [one for one in STRINGS if not ID.fullmatch(one)][:150] + UNSTORABLE[:150]
    places: list[Callable[[str], Json]] = [
        lambda one: {"id": one, "payload": {}, "vector": [1, 2]},
        lambda one: {"id": "a", "payload": {one: 1}, "vector": [1, 2]},
        lambda one: {"id": "a", "payload": {"a": [one]}, "vector": [1, 2]},
        lambda one: {"id": "a", "payload": {}, "source": {"a": one}, "vector": [1, 2]},
    ]
    wrong = [make(one) for make in places for one in (bad if make is places[0] else UNSTORABLE[:150])]
    await send_all(studio, [("POST", f"{HOSTILE}/items", {"items": [one]}) for one in wrong], 400)


@pytest.mark.parametrize(
    ("operator", "at_a_time"),
    [("eq", 1000), ("ne", 1000), ("prefix", 1000), ("match", 200), ("phrase", 200), ("exists", 1000), ("gte", 1000)],
)
async def test_conditions(studio: Studio, operator: str, at_a_time: int) -> None:
    """As values and as fields at once; what is refused is refused alone."""

    def make(text: str) -> Json:
        return {"field": text or "whole", operator: True if operator == "exists" else text}

    taken, refused = filters(make)
    trees = [{"or": [make(one) for one in some]} for some in chunks(taken, at_a_time - 1)]
    await send_all(studio, [("POST", f"{HOSTILE}/count", {"filter": tree}) for tree in trees], 200)
    await send_all(studio, [("POST", f"{HOSTILE}/count", {"filter": make(one)}) for one in refused[:200]], 400)


@pytest.mark.parametrize("operator", ["in", "any", "all"])
async def test_lists_of_values(studio: Studio, operator: str) -> None:
    field = "whole" if operator == "in" else "tags"
    lists = [*([one] for one in STORABLE[:200]), *chunks(STORABLE[::8], 16), *chunks(STORABLE, 1000), STORABLE]
    bodies = [{"filter": {"field": field, operator: some}} for some in lists]
    answers = await send_all(studio, [("POST", f"{HOSTILE}/count", body) for body in bodies], 200)
    if operator != "all":
        expected = [len(set(some) & set(IDS)) for some in lists]
        assert [answer.json()["total"]["value"] for answer in answers] == expected
    bad = [{"filter": {"field": field, operator: ["a", one]}} for one in UNSTORABLE[:100]]
    await send_all(studio, searches(HOSTILE, bad), 400)


async def test_operators_and_shapes(studio: Studio) -> None:
    bodies: list[Json] = []
    for one in FEW:
        bodies += [{"filter": {"field": "whole", one: one}}, {"filter": {one: []}}, {one: one}, {"filter": one}]
        bodies += [
            {"mode": f"{one} "},
            {"query": {one: one}},
            {"sort": [{f"{one} ": one}]},
            {"sort": [{"field": "a", "order": f"{one} "}]},
        ]
    await send_all(studio, searches(HOSTILE, bodies), 400)


async def test_fields_to_sort_by_and_to_count(studio: Studio) -> None:
    taken, refused = filters(lambda one: {"field": one, "exists": True})
    orders = [[{"field": one, "order": "desc"} for one in some] for some in chunks(taken[::10], 8)]
    narrow = {"filter": {"field": "whole", "in": IDS[:16]}, "limit": 3}
    bodies: list[Json] = [{**narrow, "sort": order} for order in orders]
    bodies += [{**narrow, "facets": some} for some in chunks(taken[::4], 20)]
    await send_all(studio, searches(HOSTILE, bodies), 200)
    bad: list[Json] = [{"facets": ["whole", one]} for one in refused[:200]]
    await send_all(studio, searches(HOSTILE, [*bad, *({"sort": [{"field": one}]} for one in refused[:200])]), 400)


async def test_words(studio: Studio) -> None:
    some = STORABLE[::20]
    await send_all(studio, searches(HOSTILE, [{"query": one[:10_000], "limit": 3} for one in some]), 200)
    ids = [{"query": {"item_id": one}, "limit": 3} for one in IDS[::20]]
    await send_all(studio, searches(HOSTILE, ids), 200)
    wrong: list[Json] = [
        *({"query": one} for one in UNSTORABLE[:100]),
        *({"query": {"text": one}} for one in UNSTORABLE[:100]),
    ]
    wrong += [{"query": {"item_id": one}} for one in UNSTORABLE[:100]]
    await send_all(studio, searches(HOSTILE, wrong), 400)
    images = [{"query": {"image": one}} for one in FEW]
    images += [{"query": {"image": base64.b64encode(one.encode(errors="replace")).decode()}} for one in FEW]
    await send_all(studio, searches(SHOP, images), 400)


async def test_words_that_a_plugin_reads(studio: Studio) -> None:
    texts = [one[:10_000] for one in STORABLE[::100]] + [
        f"sofa under {one} brand:{one}"[:10_000] for one in STORABLE[::100]
    ]
    await send_all(studio, searches(SHOP, [{"query": one, "explain": True} for one in texts]), 200)
    some = [{"texts": [one[:1000] or "a" for one in group], "kind": "query"} for group in chunks(STORABLE[::100], 50)]
    await send_all(studio, [("POST", f"{SHOP}/embed", body) for body in some])


async def test_what_sessions_keep(studio: Studio) -> None:
    meta: list[Json] = [
        {"meta": {"list": some, "keys": {one: one for one in some if not one.startswith("$")}}}
        for some in chunks(SHORT, 50)
    ]
    users: list[Json] = [{"user_id": one, "query": one[:10_000], "limit": 1} for one in FEW]
    tracked = searches(HOSTILE, [{"limit": 1, "track": True, **body} for body in [*meta, *users]])
    sessions = [one.json()["session_id"] for one in await send_all(studio, tracked) if one.is_success]
    kept = [await studio.client.get(f"/api/v1/sessions/{one}") for one in sessions[:20]]
    assert [one.json()["meta"]["list"] for one in kept if one.json()["meta"]] == [
        one["meta"]["list"] for one in meta[:20]
    ]
    bad = [{"meta": {"a": [one]}} for one in UNSTORABLE[:100]] + [{"meta": {one: 1}} for one in UNSTORABLE[:100]]
    await send_all(studio, searches(HOSTILE, bad), 400)


async def test_events(studio: Studio) -> None:
    shown = await studio.search("hostile", limit=1000, sort=[{"field": "whole"}])
    ids = {one["id"] for one in shown["results"]}
    events = [
        {
            "event_id": one,
            "session_id": shown["session_id"] if one in ids else one,
            "item_id": one,
            "type": "click",
            "user_id": one,
            "meta": {"a": one},
        }
        for one in IDS
    ]
    requests: list[Request] = [("POST", "/api/v1/events", {"events": some}) for some in chunks(events, 1000)]
    answers = await send_all(studio, requests, 202)
    assert sum(one.json()["accepted"] for one in answers) == len(ids)
    places = ("event_id", "session_id", "item_id", "type", "user_id", "timestamp")
    single = [{**events[0], place: one} for one in FEW + UNSTORABLE[:50] for place in places]
    single += [{**events[0], one: one} for one in FEW]
    await send_all(studio, [("POST", "/api/v1/events", {"events": [one]}) for one in single])


async def test_cursors(studio: Studio) -> None:
    """Strings as cursors, and cursors of ours with a string in each of their places."""
    given = (await studio.search("hostile", limit=1, track=False, sort=[{"field": "whole"}]))["next_cursor"]
    fields = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    forged = [*FEW, *(_cursor([*fields[:n], one, *fields[n + 1 :]]) for one in FEW[::3] for n in range(len(fields)))]
    keys = [json.dumps([one]) for one in FEW] + [f"[{one}]" for one in ("1e999", "9" * 400, "{}", "[" * 1500, "null")]
    forged += [_cursor([*fields[:4], one, *fields[5:]]) for one in keys]
    await send_all(studio, searches(HOSTILE, [{"sort": [{"field": "whole"}], "cursor": one} for one in forged]))


def _cursor(fields: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields, ensure_ascii=True).encode()).decode().rstrip("=")


async def test_addresses(studio: Studio) -> None:
    requests: list[Request] = []
    for one in FEW:
        sent = quote(one.encode("utf-8", "surrogatepass")[:2000], safe="")
        if not sent.strip("."):
            continue
        requests += [("POST", f"{PLACES}/{sent}/search", {}), ("POST", f"{PLACES}/{sent}/items", {"items": []})]
        requests += [("GET", f"{PLACES}/{sent}", None), ("POST", f"{PLACES}/{sent}/count", {})]
        requests += [("GET", f"{HOSTILE}/items/{sent}", None), ("GET", f"/api/v1/sessions/{sent}", None)]
        requests += [("GET", f"/api/v1/tasks/{sent}", None), ("GET", f"{PLACES}?cursor={sent}", None)]
        requests += [("GET", f"/api/v1/tasks?collection={sent}", None), ("GET", f"/api/v1/tasks?cursor={sent}", None)]
    requests += [("DELETE", f"/api/v1/users/{quote(one, safe='')}", None) for one in IDS[::200] if one.strip("./")]
    await send_all(studio, requests)


async def test_loaders(studio: Studio) -> None:
    wishes = [{"loader": one, "options": {one: one}} for one in FEW]
    await send_all(studio, [("POST", f"{HOSTILE}/ingest", one) for one in wishes], 400)


async def test_idempotency_keys(studio: Studio) -> None:
    """Work that one key has started is not started by another that looks alike."""
    sent = [one.encode("latin-1", "ignore").translate(None, b"\0\r\n")[:200] for one in FEW]
    tasks: dict[bytes, str] = {}
    for key in dict.fromkeys(one.strip() for one in sent if one.strip()):
        answer = await studio.client.post(
            f"{HOSTILE}/items/delete", json={"ids": ["nothing"]}, headers={b"Idempotency-Key": key}
        )
        assert answer.status_code in {202, 400}, answer.text
        if answer.is_success:
            tasks[key] = answer.json()["task_id"]
    assert len(set(tasks.values())) == len(tasks) > 50


async def test_items_one_at_a_time(studio: Studio) -> None:
    for one in IDS[::100]:
        path = f"{HOSTILE}/items/{quote(one, safe='')}"
        answer = await send(studio, ("GET", path, None))
        assert (answer.status_code, answer.json()["id"], answer.json()["payload"]["whole"]) == (200, one, one)
        assert (await send(studio, ("PUT", path, {k: v for k, v in item(one).items() if k != "id"}))).status_code == 200


async def test_making_collections(studio: Studio) -> None:
    """None is made: what could be a name goes with another plugin."""
    places: list[Callable[[str], Json]] = [
        lambda one: {"name": one, "plugin": "none such" if NAME.fullmatch(one) else "text"},
        lambda one: {"name": "never", "plugin": f"{one} "},
        lambda one: {"name": "never", "plugin": "text", "metric": f"{one} "},
        lambda one: {"name": "never", "plugin": "text", "options": {"language": f"{one} "}},
        lambda one: {"name": "never", "plugin": "text", "options": {one: one}},
        lambda one: {"name": "never", "plugin": "text", "options": {"mode": f"{one} "}},
        lambda one: {"name": "never", "plugin": "text", "options": {"fusion": {"kind": one}}},
        lambda one: {"name": "never", "plugin": "text", "options": {"index": {"storage": f"{one} ", one: 1}}},
    ]
    await send_all(studio, [("POST", PLACES, make(one)) for make in places for one in FEW], 400)


async def test_deleting(studio: Studio) -> None:
    """Only what is named goes."""
    gone = IDS[:500]
    wish = {"filter": {"field": "whole", "in": gone}}
    (answer,) = await send_all(studio, [("POST", f"{HOSTILE}/items/delete", wish)], 202)
    assert (await studio.work(answer.json()["task_id"]))["state"] == "succeeded"
    more = IDS[500:1000]
    (answer,) = await send_all(studio, [("POST", f"{HOSTILE}/items/delete", {"ids": more})], 202)
    assert (await studio.work(answer.json()["task_id"]))["state"] == "succeeded"
    left = await studio.client.post(f"{HOSTILE}/count", json={})
    assert left.json()["total"]["value"] == len(IDS) - 1000
    assert (await studio.client.post(f"{CONTROL}/count", json={})).json()["total"]["value"] == 50
