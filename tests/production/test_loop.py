"""The loop on production's servers, and that each of them had its part in it."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncmy
import asyncpg
import httpx
import pytest
import redis
from pymongo import MongoClient

from installation import until
from production.conftest import Production, Stores
from servers import answered_requests, loaded_models
from services import Certificates
from small_encoder import COLORS, NAMES, THINGS

pytestmark = pytest.mark.e2e

SHOP = "/api/v1/collections/furniture"
QUESTION = "a couch"
SERVER = 2
WORK = {("search embed", "triton infer"), ("search retrieve", "SELECT"), ("search record", "insert sessions")}
PLAIN = {"mode": "vector", "track": False, "explain": True}


@dataclass(frozen=True, slots=True)
class Loop:
    """What one turn of the loop left behind."""

    training: dict[str, Any]
    before: dict[str, Any]
    deployed: dict[str, Any]
    rolled_back: dict[str, Any]
    encoders_in_tritons: set[str]


@pytest.fixture(scope="module")
def loop(production: Production) -> Loop:
    api, other = production.apis
    assert api.post("/api/v1/collections", json={"name": "furniture", "plugin": "small"}).status_code == 201
    named = [(color, thing) for thing in THINGS for color in COLORS]
    items = [{"id": f"{color}-{thing}", "payload": {"title": f"{color} {thing}"}} for color, thing in named]
    assert production.finished(api.post(f"{SHOP}/items", json={"items": items}))["state"] == "succeeded"
    click(api)
    before = search(other)
    training = production.finished(api.post(f"{SHOP}/fine-tuning", json={"track": "query_encoder", "params": SHORT}))
    assert training["state"] == "succeeded", training["error"]
    version = training["result"]["model_version"]
    forced = {"force": True, "note": "a test of production"}
    task = production.finished(api.post(f"{SHOP}/models/{version}/deploy", json=forced))
    assert task["state"] == "succeeded", task["error"]
    deployed = [search(one) for one in production.apis]
    loaded = in_tritons(production.stores)
    assert production.finished(api.post(f"{SHOP}/rollback"))["state"] == "succeeded"
    return Loop(training, before, deployed[1], search(other), loaded)


SHORT = {"epochs": 3, "learning_rate": 3e-3, "batch_size": 8, "evaluations": 1}


def search(api: httpx.Client) -> dict[str, Any]:
    answer = api.post(f"{SHOP}/search", json={"query": QUESTION, "limit": 32, **PLAIN})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def likeness(found: dict[str, Any]) -> dict[str, float]:
    """The vectors' share of the scores: the memory of clicks has learned meanwhile."""
    return {one["id"]: one["explanation"]["vector"] for one in found["results"]}


def click(api: httpx.Client) -> None:
    """Three users who always click the first two of a thing's colors, whatever they call it."""
    events = [
        {"event_id": f"{session}-{color}", "session_id": session, "item_id": f"{color}-{thing}", "type": "click"}
        for called, thing in zip(NAMES, THINGS, strict=True)
        for word in ("a", "my", "red")
        for user in ("ann", "bob", "cem")
        for session in [asked(api, f"{word} {called}", user)]
        for color in COLORS[:2]
    ]
    assert api.post("/api/v1/events", json={"events": events}).json()["accepted"] == len(events)


def asked(api: httpx.Client, query: str, user: str) -> str:
    answer = api.post(f"{SHOP}/search", json={"query": query, "user_id": user, "limit": 32, "mode": "vector"})
    return str(answer.json()["session_id"])


def in_tritons(stores: Stores) -> set[str]:
    """The models that both have."""
    one, other = map(loaded_models, stores.tritons)
    return one & other


def test_what_was_trained_was_judged_deployed_on_every_machine_and_taken_back(loop: Loop) -> None:
    assert loop.training["result"]["gate"]["decision"] == "not_enough_evidence"
    versions = [one["model_version"] for one in (loop.before, loop.deployed, loop.rolled_back)]
    assert versions == [1, 2, 1]
    before, deployed, rolled_back = (likeness(found) for found in (loop.before, loop.deployed, loop.rolled_back))
    assert before == pytest.approx(rolled_back, abs=1e-6)
    assert before != pytest.approx(deployed, abs=1e-3)


@pytest.mark.usefixtures("loop")
def test_items_are_in_postgres(production: Production) -> None:
    async def count() -> int:
        connection = await asyncpg.connect(production.stores.postgres)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM items_1"))
        finally:
            await connection.close()

    assert asyncio.run(count()) == len(THINGS) * len(COLORS)


def test_a_postgres_with_a_certificate_of_somebody_else_is_not_trusted(production: Production, tmp_path: Path) -> None:
    other = Certificates.made_in(tmp_path).authority
    dsn = production.stores.postgres.replace(str(production.stores.tls.authority), str(other))
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(asyncpg.connect(dsn))


def test_tasks_sessions_and_models_are_in_the_replica_set(loop: Loop, production: Production) -> None:
    with MongoClient[dict[str, Any]](production.stores.mongo.url) as client:
        assert client.admin.command("hello")["setName"] == "studio"
        kept = client.embedding_studio
        held = {name for name in kept.list_collection_names() if kept[name].estimated_document_count()}
        assert held >= {"tasks", "sessions", "events"}
        found = kept["tasks"].find_one({"kind": "fine_tune"}) or {}
    assert found["state"] == loop.training["state"]


@pytest.mark.usefixtures("loop")
def test_messages_went_through_redis(production: Production) -> None:
    with redis.Redis.from_url(production.stores.redis) as client:
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] > 0
    with pytest.raises(redis.AuthenticationError), redis.Redis.from_url(without_password(production)) as client:
        client.ping()


def without_password(production: Production) -> str:
    scheme, _, rest = production.stores.redis.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def test_encoders_are_in_s3(loop: Loop, production: Production) -> None:
    names = {one.object_name or "" for one in production.stores.s3.client.list_objects("objects", recursive=True)}
    assert any(name.startswith("exports/") and name.endswith("/current") for name in names)
    version = loop.training["result"]["model_version"]
    kept = {name.rpartition("/")[2] for name in names if f"/{version}/" in name and name.startswith("models/")}
    assert kept >= {"model.onnx", "tokenizer.json", "encoder.json", "gate.json"}


def test_trainings_are_in_mlflow_and_its_stores(loop: Loop, production: Production) -> None:
    mlflow = production.stores.mlflow
    user, _, rest = mlflow.database.partition(":")
    password, _, place = rest.partition("@")
    port = int(place.partition(":")[2].partition("/")[0])

    async def runs() -> int:
        connection = await asyncmy.connect(host="127.0.0.1", port=port, user=user, password=password, db="mlflow")
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'")
            (found,) = await cursor.fetchone()
        await connection.ensure_closed()
        return int(found)

    assert loop.training["result"]["mlflow_version"] == 1
    assert asyncio.run(runs()) >= 1
    names = {one.object_name or "" for one in production.stores.s3.client.list_objects(mlflow.bucket, recursive=True)}
    assert any(name.endswith("/encoder/model.onnx") for name in names)


def test_nobody_reads_trainings_without_a_password(production: Production) -> None:
    answer = httpx.get(f"{production.stores.mlflow.url}/api/2.0/mlflow/experiments/search?max_results=1")
    assert answer.status_code == 401


def test_both_tritons_ran_both_encoders(loop: Loop, production: Production) -> None:
    assert len(loop.encoders_in_tritons) == 2
    for address in production.stores.tritons:
        assert all(answered_requests(address, name) > 0 for name in loop.encoders_in_tritons)


@pytest.mark.usefixtures("loop")
def test_a_trace_tells_what_each_store_had_to_do_with_a_search(production: Production) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    found = production.apis[1].post(f"{SHOP}/search", json={"query": "a rug nobody asked for"}, headers=headers)
    assert found.status_code == 200
    until(lambda: any(one.kind == SERVER for one in production.traces.of(trace)))
    spans = {one.id: one for one in production.traces.of(trace)}
    assert {(spans[one.parent].name, one.name) for one in spans.values() if one.parent in spans} >= WORK


@pytest.mark.usefixtures("loop")
def test_every_machine_fetched_what_it_serves(production: Production) -> None:
    machines = [path for path in production.folder.iterdir() if path.is_dir() and path.name != "release"]
    serving = [path for path in machines if path.name.startswith("api-")]
    assert len(serving) == 2
    for machine in serving:
        fetched = {path.name for path in (machine / "encoders").iterdir()}
        assert len(fetched) == 2
    assert not [path for path in machines if (path / "objects").exists() or (path / "mlruns").exists()]


@pytest.mark.usefixtures("loop")
def test_a_change_of_the_primary_loses_nothing(production: Production) -> None:
    statuses: list[int] = []

    def accepted() -> bool:
        answers.append(production.apis[0].post(f"{SHOP}/items", json={"items": [late]}))
        statuses.append(answers[-1].status_code)
        return statuses[-1] == 202

    late, answers = {"id": "late", "payload": {"title": "black shelf"}}, list[httpx.Response]()
    with MongoClient[dict[str, Any]](production.stores.mongo.owner) as client:
        client.admin.command({"replSetStepDown": 3, "force": True})
    until(accepted)
    assert set(statuses) <= {202, 503}
    assert production.finished(answers[-1])["state"] == "succeeded"
    assert production.apis[1].get(f"{SHOP}/items/late").status_code == 200


def test_nobody_comes_in_without_a_key(production: Production) -> None:
    url = str(production.apis[0].base_url).rstrip("/")
    assert httpx.get(f"{url}{SHOP}").status_code == 401
    assert httpx.get(f"{url}/health/ready").status_code == 200
