"""How actors of several queues are interrupted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dramatiq
from dramatiq.middleware import Shutdown
from pydantic import SecretStr

from embedding_studio.infra.jobs import RedisSettings, open_brokers

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
            while not over.wait(0.01):
                pass
        except Shutdown:
            interrupted.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
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
        assert interrupted.wait(10)
