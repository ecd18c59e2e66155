"""How actors of several queues are interrupted."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dramatiq
import pytest
from dramatiq.middleware import Shutdown
from pydantic import SecretStr

from embedding_studio.infra.jobs import JobQueue, RedisSettings, open_broker, open_brokers

SETTINGS = RedisSettings(url=SecretStr("redis://nowhere"))


@contextmanager
def busy(broker: dramatiq.Broker, interrupted: threading.Event) -> Iterator[None]:
    """A thread in the midst of a message, as a worker's is."""
    begun, over = threading.Event(), threading.Event()
    actor = dramatiq.actor(actor_name="work", queue_name="long", broker=broker)(lambda: None)
    message = dramatiq.broker.MessageProxy(actor.message())

    def work() -> None:
        try:
            broker.emit_before("process_message", message)
            begun.set()
            while not over.is_set():
                time.sleep(0.01)  # no lock is held: the exception may come at any moment
        except Shutdown:
            interrupted.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_first_worker_that_stops_interrupts_the_actors_of_all_queues() -> None:
    brokers = open_brokers(SETTINGS, ["short", "long"])
    interrupted = threading.Event()
    with busy(brokers["long"], interrupted):
        brokers["short"].emit_before("worker_shutdown", dramatiq.Worker(brokers["short"]))
        assert interrupted.wait(60)


@pytest.mark.anyio
async def test_while_redis_hangs_other_threads_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, broker = threading.Event(), open_broker(SETTINGS)
    monkeypatch.setattr(broker.client, "ping", answers.wait)
    pings = [asyncio.create_task(JobQueue(broker).ping()) for _ in range(100)]
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(answers.is_set) is False
    finally:
        answers.set()
        await asyncio.gather(*pings)
