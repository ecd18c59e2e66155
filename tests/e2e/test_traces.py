"""One trace from an application's request to what workers and servers did for it."""

import shutil
from collections.abc import Iterator

import httpx
import pytest

from collector import Collector, Seen, collector
from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.shipped import shipped
from installation import Installation, finished_task, until
from servers import embedded_servers

pytestmark = pytest.mark.e2e

SERVER, PRODUCER, CONSUMER = 2, 4, 5
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NOTES = "/api/v1/collections/notes"


@pytest.fixture(scope="module")
def seen() -> Iterator[Collector]:
    with collector() as ours:
        yield ours


@pytest.fixture(scope="module")
def urls() -> Iterator[ServerUrls]:
    with embedded_servers() as urls:
        yield urls


@pytest.fixture(scope="module")
def api(urls: ServerUrls, seen: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API with two workers, all of which send their spans."""
    folder = tmp_path_factory.mktemp("traces")
    plugins = folder / "plugins"
    plugins.mkdir()
    shutil.copy(shipped("plugins") / "vectors.py", plugins)
    installation = Installation(urls, folder, PLUGINS=plugins, TRACING__ENDPOINT=seen.endpoint)
    installation.environment["OTEL_BSP_SCHEDULE_DELAY"] = "100"
    installation.run("migrate")
    with (
        installation.serving(),
        installation.running("worker", "--role", "upsert"),
        installation.running("worker", "--role", "improve"),
        installation.client() as client,
    ):
        yield client


def names(spans: list[Seen]) -> set[tuple[str, str]]:
    return {(one.service.removeprefix("embedding-studio-"), one.name) for one in spans}


def test_a_post_leads_to_what_the_worker_did(api: httpx.Client, seen: Collector) -> None:
    vector = {"name": "notes", "plugin": "vectors", "options": {"dimensions": 3}}
    assert api.post("/api/v1/collections", json=vector).status_code == 201
    items = [{"id": "1", "payload": {"title": "secret words"}, "vector": [1, 2, 3]}]
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    task = finished_task(api, api.post(f"{NOTES}/items", json={"items": items}, headers=headers))
    assert task["state"] == "succeeded"

    ends = {("upsert", "process upsert"), ("api", "POST /api/v1/collections/{name}/items")}
    until(lambda: ends <= names(seen.of(TRACE)))
    spans = seen.of(TRACE)
    by_id = {one.id: one for one in spans}
    (request,) = (one for one in spans if one.kind == SERVER)
    (sent,) = (one for one in spans if one.kind == PRODUCER)
    (processed,) = (one for one in spans if one.kind == CONSUMER)
    assert (request.name, request.parent) == ("POST /api/v1/collections/{name}/items", SPAN)
    assert request.facts["http.response.status_code"] == "202"
    assert (sent.name, by_id[sent.parent]) == ("send upsert", request)
    assert (processed.name, by_id[processed.parent]) == ("process upsert", sent)
    assert {("upsert", "INSERT"), ("upsert", "update tasks"), ("api", "insert tasks")} <= names(spans)
    assert all(one.parent in {*by_id, SPAN} for one in spans)
    assert not any("secret words" in str(one.facts) for one in spans)


def test_a_search_is_told_by_its_stages(api: httpx.Client, seen: Collector) -> None:
    trace = TRACE.replace("0", "1")
    query = {"query": {"vector": [1, 2, 3]}}
    shown = api.post(f"{NOTES}/search", json=query, headers={"traceparent": f"00-{trace}-{SPAN}-01"}).json()
    until(lambda: any(one.kind == SERVER for one in seen.of(trace)))
    spans = {one.name: one for one in seen.of(trace)}
    stages = {name for name in spans if name.startswith("search ")}
    assert stages == {"search plan", "search embed", "search retrieve", "search record"}
    assert spans["insert sessions"].parent == spans["search record"].id
    assert spans["SELECT"].parent == spans["search retrieve"].id
    assert shown["session_id"]


def test_an_event_leads_to_what_is_learned(api: httpx.Client, seen: Collector) -> None:
    shown = api.post(f"{NOTES}/search", json={"query": {"vector": [1, 2, 3]}}).json()
    click = {"event_id": "e1", "session_id": shown["session_id"], "item_id": "1", "type": "click"}
    trace = TRACE.replace("0", "2")
    headers = {"traceparent": f"00-{trace}-{SPAN}-01"}
    assert api.post("/api/v1/events", json={"events": [click]}, headers=headers).json()["accepted"] == 1
    until(lambda: ("improve", "process learn") in names(seen.of(trace)))


def test_what_nobody_asked_for_is_not_traced(api: httpx.Client, seen: Collector) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        assert api.get(path).status_code == 200
    roots = [one for one in seen.spans if not one.parent]
    assert all(one.kind in {SERVER, CONSUMER} for one in roots)
    assert not any("/health" in one.name or "/metrics" in one.name for one in roots)
