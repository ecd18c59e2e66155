"""Submitting: the document first, then the message; one key, one task."""

import asyncio
import socket
from datetime import datetime, timedelta, timezone

import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedding_studio.infra.jobs import JobQueue
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.ids import new_id
from embedding_studio.tasks import (
    Idempotency,
    IdempotencyConflictError,
    IdempotencyKey,
    Outcome,
    Run,
    Task,
    TaskNotFoundError,
    TaskSettings,
)

from .conftest import JOB, Tasks

pytestmark = pytest.mark.anyio


def waiting_messages(tasks: Tasks) -> int:
    size: int = tasks.queue._broker.do_qsize("test")
    return size


@pytest.fixture
def unreachable(unused_tcp_port: int) -> JobQueue:
    """A queue on a Redis that does not answer."""
    client = redis.Redis(port=unused_tcp_port, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    return JobQueue(RedisBroker(client=client, middleware=[]))  # type: ignore[no-untyped-call]  # Dramatiq's, untyped


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_a_submitted_task_waits_and_its_message_is_sent(tasks: Tasks) -> None:
    before = waiting_messages(tasks)
    task = await tasks.get(await tasks.submit())
    assert (task.state, task.kind, task.progress.total, task.sent_at) == ("pending", "optimize", 10, tasks.at)
    assert waiting_messages(tasks) == before + 1


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ({"since": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))}, "since"),
        ({"params": {"$ref": 1}}, "params.$ref"),
        ({"version": 2**63}, "version"),
    ],
)
async def test_a_payload_that_cannot_be_stored_is_refused(tasks: Tasks, payload: dict[str, object], place: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await tasks.service.submit(JOB, collection=None, payload=payload)
    assert caught.value.errors[0].field == place
    assert await Task.find_all().count() == 0


async def test_a_task_that_does_not_exist(tasks: Tasks) -> None:
    with pytest.raises(TaskNotFoundError):
        await tasks.get("none")


async def test_without_redis_work_is_accepted_and_sent_later(tasks: Tasks, unreachable: JobQueue) -> None:
    healthy, tasks.queue = tasks.queue, unreachable
    task_id = await tasks.submit()
    assert (await tasks.get(task_id)).sent_at is None
    with pytest.raises(redis.RedisError):
        await tasks.sweeper.sweep()
    assert (await tasks.get(task_id)).sent_at is None
    tasks.queue = healthy
    before = waiting_messages(tasks)
    assert await tasks.sweeper.sweep() == 1
    assert waiting_messages(tasks) == before + 1
    assert (await tasks.get(task_id)).sent_at == tasks.at


async def test_a_redis_that_hangs_delays_nobody_for_long(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.tasks.service._SEND_WITHIN", 0.05)
    healthy = tasks.queue
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = redis.Redis(port=silent.getsockname()[1], socket_timeout=60, retry=Retry(NoBackoff(), 0))
        tasks.queue = JobQueue(RedisBroker(client=client, middleware=[]))  # type: ignore[no-untyped-call]  # as above
        async with asyncio.timeout(10):
            task_id = await tasks.submit()
    assert (await tasks.get(task_id)).sent_at is None
    tasks.queue = healthy
    assert await tasks.sweeper.sweep() == 1


async def test_one_key_is_one_task_however_many_come_at_once(tasks: Tasks) -> None:
    prepared: list[str] = []

    async def prepare(task_id: str) -> None:
        prepared.append(task_id)
        await asyncio.sleep(0)

    async def submit(key: Idempotency) -> str:
        task = await tasks.service.submit(
            JOB, collection="tasks-test", total=len(prepared), idempotency=key, prepare=prepare
        )
        return task.id

    key = Idempotency(new_id(), "POST /test", b"{}")
    ids = await asyncio.gather(*(submit(key) for _ in range(8)))
    assert set(ids) == set(prepared)
    assert len(set(ids)) == 1
    assert await Task.find({"_id": ids[0]}).count() == 1
    assert await submit(key) == ids[0]


async def test_a_key_belongs_to_its_body_and_its_address(tasks: Tasks) -> None:
    async def submit(scope: str, body: bytes) -> str:
        task = await tasks.service.submit(JOB, collection="tasks-test", idempotency=Idempotency(key, scope, body))
        return task.id

    key = new_id()
    first = await submit("POST /a", b"1")
    with pytest.raises(IdempotencyConflictError):
        await submit("POST /a", b"2")
    assert await submit("POST /b", b"2") != first
    assert await submit("POST /a", b"1") == first


async def test_after_preparing_failed_the_same_request_is_accepted(tasks: Tasks) -> None:
    async def failing(_task_id: str) -> None:  # as the service wants it
        raise ConnectionError

    key = Idempotency(new_id(), "POST /test", b"{}")
    with pytest.raises(ConnectionError):
        await tasks.service.submit(JOB, collection="tasks-test", idempotency=key, prepare=failing)
    assert await Task.find_all().count() == 0
    task = await tasks.service.submit(JOB, collection="tasks-test", idempotency=key)
    assert (await tasks.get(task.id)).state == "pending"


async def test_who_waits_gets_the_finished_task(tasks: Tasks) -> None:
    task_id = await tasks.submit()

    async def handler(_run: Run) -> Outcome:  # handlers are coroutines
        return Outcome(result={"a": 1})

    waiting = asyncio.create_task(tasks.service.wait(task_id))
    await tasks.runner.run(JOB, handler, task_id)
    async with asyncio.timeout(60):
        assert (await waiting).result == {"a": 1}


async def test_nobody_waits_for_ever(tasks: Tasks) -> None:
    tasks.settings = TaskSettings(wait_limit=0.1)
    task_id = await tasks.submit()
    async with asyncio.timeout(60):
        assert (await tasks.service.wait(task_id)).state == "pending"


async def test_a_list_is_filtered_and_newest_first(tasks: Tasks) -> None:
    ids = sorted([await tasks.submit() for _ in range(5)])
    await tasks.runner.run(JOB, fine, ids[2])
    assert [task.id for task in await tasks.service.page()] == ids[::-1]
    assert [task.id for task in await tasks.service.page(state="succeeded")] == [ids[2]]
    assert [task.id for task in await tasks.service.page(kind="optimize", before=ids[3], limit=2)] == [ids[2], ids[1]]
    assert await tasks.service.page(kind="upsert") == []
    assert await tasks.service.page(collections={"another"}) == []


async def fine(_run: Run) -> Outcome:
    return Outcome()


@pytest.mark.usefixtures("tasks")
async def test_a_key_is_forgotten_by_mongodb_after_a_day() -> None:
    indexes = await IdempotencyKey.get_pymongo_collection().index_information()
    seconds = {index["expireAfterSeconds"] for index in indexes.values() if "expireAfterSeconds" in index}
    assert seconds == {timedelta(days=1).total_seconds()}


async def test_a_task_that_starts_and_is_put_back_meanwhile_is_cancelled_all_the_same(tasks: Tasks) -> None:
    task_id = await tasks.submit()
    documents = Task.get_pymongo_collection()

    async def change(seconds: int, state: str) -> None:
        until = tasks.at + timedelta(seconds=seconds)
        await documents.update_one({"_id": task_id}, {"$set": {"state": state, "lease_until": until}})

    async def keep_changing() -> None:
        while True:
            await change(60, "running")
            await change(0, "pending")

    changing = asyncio.create_task(keep_changing())
    for _ in range(200):
        while (await tasks.get(task_id)).state == "cancelled":
            pass
        assert await tasks.repository.cancel(task_id, tasks.at)
    changing.cancel()
