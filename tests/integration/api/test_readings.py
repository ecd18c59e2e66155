"""What metrics say of queues, tasks, collections and memories, as the servers know it when they are asked for."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from embedding_studio.api.readings import take_readings
from embedding_studio.bootstrap import QUEUES, Container
from embedding_studio.infra.jobs import JobQueue
from embedding_studio.worker.roles import ROLES, SIGNALS
from studio import Studio

pytestmark = pytest.mark.anyio

Samples = dict[tuple[str, tuple[str, ...]], float]


async def read(studio: Studio) -> Samples:
    """Every sample, by its name and the values of its labels."""
    answer = await studio.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name.removeprefix("embedding_studio_"), tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
async def queue(studio: Studio) -> AsyncIterator[JobQueue]:
    for name in QUEUES:
        studio.container.queue._broker.flush(name)
    yield studio.container.queue
    for name in QUEUES:
        studio.container.queue._broker.flush(name)


async def test_queues_tell_how_much_waits_and_how_long(studio: Studio, queue: JobQueue) -> None:
    empty = await read(studio)
    for number in range(3):
        await queue.send(queue="learn", kind="learn", task_id=str(number))
    filled = await read(studio)
    assert [one["queue_depth", ("learn",)] for one in (empty, filled)] == [0, 3]
    assert empty["queue_oldest_seconds", ("learn",)] == 0
    assert 0 < filled["queue_oldest_seconds", ("learn",)] < 600
    assert {labels[0] for name, labels in filled if name == "queue_depth"} == set(QUEUES)


def test_all_queues_are_looked_at(studio: Studio) -> None:
    container = studio.container
    of_tasks = {job for role in ROLES.values() for job in role(container)}
    of_signals = {signal for signals in SIGNALS.values() for signal in signals(container)}
    served = {queue for job in of_tasks for queue in (job.queue, job.bulk_queue) if queue}
    assert served | {signal.queue for signal in of_signals} == set(QUEUES)


async def test_tasks_tell_how_many_wait_and_since_when(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    before = (await read(studio)).get(("tasks", ("upsert", "pending")), 0)
    answer = await studio.client.post(
        f"/api/v1/collections/{any_name}/items", json={"items": [{"id": "1", "payload": {"title": "lamp"}}]}
    )
    waiting = await read(studio)
    assert waiting["tasks", ("upsert", "pending")] == before + 1
    assert waiting["tasks_oldest_seconds", ("upsert", "pending")] > 0
    await studio.work(answer.json()["task_id"])
    assert (await read(studio)).get(("tasks", ("upsert", "pending")), 0) == before


async def test_collections_tell_what_serves_them(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    samples = await read(studio)
    served = [samples[f"collection_{what}_version", (any_name,)] for what in ("model", "index")]
    assert served == [1, 1]
    await studio.client.delete(f"/api/v1/collections/{any_name}")
    assert ("collection_model_version", (any_name,)) not in await read(studio)


async def test_memories_tell_how_far_they_are_behind(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": "lamp", "payload": {"title": "a lamp"}}])
    shown = await studio.search(any_name, query="light")
    click = {"event_id": any_name, "session_id": shown["session_id"], "item_id": "lamp", "type": "click"}
    accepted = (await read(studio)).get(("events_total", ("accepted",)), 0)
    await studio.client.post("/api/v1/events", json={"events": [click, {**click, "session_id": "none"}]})
    behind = await read(studio)
    assert behind["memory_sessions_waiting", (any_name,)] == 1
    assert behind["memory_lag_seconds", (any_name,)] > 0
    assert behind["events_total", ("accepted",)] == accepted + 1
    assert behind["events_total", ("rejected_no_session",)] >= 1
    await studio.container.improvement.learn(any_name)
    learned = await read(studio)
    assert ("memory_lag_seconds", (any_name,)) not in learned
    assert learned["memory_revision", (any_name,)] >= 1


async def test_a_search_is_timed_by_stage(studio: Studio, any_name: str) -> None:
    await studio.create(any_name)
    await studio.add(any_name, [{"id": "lamp", "payload": {"title": "a lamp"}}])
    before = await read(studio)
    await studio.search(any_name, query="light", facets=["title"])
    await studio.search(any_name, query="light", track=False)
    after = await read(studio)

    def grown(name: str, *labels: str) -> float:
        return after[f"{name}_count", labels] - before.get((f"{name}_count", labels), 0)

    stages = ("plan", "embed", "words", "retrieve", "facets", "record")
    assert [grown("search_stage_seconds", stage) for stage in stages] == [2, 2, 2, 2, 1, 1]
    assert grown("search_seconds", "hybrid", "yes") == grown("search_seconds", "hybrid", "no") == 1
    assert after["sessions_recorded_total", ()] == before["sessions_recorded_total", ()] + 1


async def test_what_is_ready_and_what_runs(studio: Studio) -> None:
    samples = await read(studio)
    assert {labels[0]: value for (name, labels), value in samples.items() if name == "ready"} == dict.fromkeys(
        ("postgres", "mongo", "redis", "inference"), 1
    )
    (build,) = (labels for name, labels in samples if name == "build_info")
    assert "api" in build
    assert samples["postgres_connections_limit", ("main",)] > 0


async def test_a_server_that_does_not_answer_takes_no_other_metrics_with_it(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:  # in place of a coroutine
        raise ConnectionResetError

    container: Container = studio.container
    failed = REGISTRY.get_sample_value("embedding_studio_readings_failed_total", {"of": "queues"}) or 0
    monkeypatch.setattr(container.queue, "waiting", broken)
    names = {metric.name for metric in (await take_readings(container)).collect()}
    assert "embedding_studio_queue_depth" not in names
    assert "embedding_studio_collection_model_version" in names
    assert REGISTRY.get_sample_value("embedding_studio_readings_failed_total", {"of": "queues"}) == failed + 1
