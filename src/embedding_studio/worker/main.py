"""A worker process: consumes one role's queue, sweeps, and stops cleanly."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import Shutdown
from dramatiq.worker import WorkerThread

from embedding_studio.bootstrap import Container, open_container, require_migrated
from embedding_studio.infra.garbage import calm_collector
from embedding_studio.infra.jobs import Signal, continued, open_brokers
from embedding_studio.infra.leaving import leave_soon
from embedding_studio.infra.metrics import metrics_served
from embedding_studio.infra.tracing import open_tracing
from embedding_studio.settings import Settings
from embedding_studio.worker.roles import CHORES, ROLES, SIGNALS

__all__ = ["run_worker"]

logger = logging.getLogger(__name__)

_THREADS = 2
_POLL = 250  # milliseconds
_GIVE_BACK_WITHIN = 8_000  # milliseconds


def run_worker(settings: Settings, role: str) -> None:
    """Work until SIGINT or SIGTERM; a second signal ends the process at once.

    Tasks under way get the settings' time to finish, while no other is begun. What has not finished by then is given
    back, for another worker to continue.

    Raises:
        ConflictError: The databases are those of an older release.
        UnavailableError: One does not answer.
    """
    stop = _stop_signal()
    asyncio.run(require_migrated(settings))
    settings.inference.threads = settings.inference.bulk_threads
    if role == "finetune":  # encoders that nothing serves yet are judged there
        settings.inference.engine = "onnx"
    if role == "inference":
        settings.inference.triton.manages = True
    with (
        metrics_served(settings.metrics, role=role),
        open_tracing(settings.tracing, service=f"embedding-studio-{role}"),
        _event_loop() as loop,
        _services(settings, loop, role) as container,
    ):
        workers = _workers(settings, container, role)
        for worker in workers:
            worker.start()
        calm_collector()
        logger.info("worker %r is ready", role)
        stop.wait()
        _drain(workers, settings.tasks.drain)
        leave_soon()


def _stop_signal() -> threading.Event:
    """Set by the first signal; the second has its usual effect, which ends the process."""
    stop = threading.Event()

    def hear(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hear)
    return stop


def _drain(workers: Sequence[dramatiq.Worker], seconds: float) -> None:
    """Let what is under way finish, begin nothing else, then interrupt what is left."""
    deadline = time.monotonic() + seconds
    threads = [thread for worker in workers for thread in worker.workers]
    for thread in threads:
        thread.pause()
    if _busy(threads, min(seconds, 2 * _POLL / 1000)):  # only then: a paused consumer needs three seconds to stop
        for consumer in (consumer for worker in workers for consumer in worker.consumers.values()):
            consumer.pause()
    if busy := _busy(threads, deadline - time.monotonic()):
        logger.info("%d tasks are given back: they did not finish in %g s", busy, seconds)
    for worker in workers:  # the first interrupts the tasks of all
        worker.stop(timeout=_GIVE_BACK_WITHIN)


def _busy(threads: Sequence[WorkerThread], seconds: float) -> int:
    """How many have not come to rest after so many seconds."""
    deadline = time.monotonic() + seconds
    return sum(not thread.paused_event.wait(max(0.0, deadline - time.monotonic())) for thread in threads)


@contextmanager
def _event_loop() -> Iterator[EventLoopThread]:
    """The loop that all coroutine actors of this process run on."""
    loop = EventLoopThread(logging.getLogger("dramatiq.asyncio"))
    loop.start(timeout=5.0)
    set_event_loop_thread(loop)
    try:
        yield loop
    finally:
        set_event_loop_thread(None)
        loop.stop()  # type: ignore[no-untyped-call]  # Dramatiq's, untyped


@contextmanager
def _services(settings: Settings, loop: EventLoopThread, role: str) -> Iterator[Container]:
    """The container, open on the loop, with the sweeper running."""
    opened = open_container(settings)
    container = loop.run_coroutine(opened.__aenter__())
    chores = CHORES[role](container) if role in CHORES else ()
    sweeping = asyncio.run_coroutine_threadsafe(container.sweeper.run(*chores), loop.loop)
    try:
        yield container
    finally:
        sweeping.cancel()
        loop.run_coroutine(opened.__aexit__(None, None, None))


@dataclass(frozen=True, slots=True)
class _Duty:
    """What is done with the messages of one name in one queue."""

    name: str
    queue: str
    work: Callable[[str], Awaitable[None]]


def _duties(container: Container, role: str) -> Iterator[_Duty]:
    for job, handler in ROLES[role](container).items():
        for queue in filter(None, (job.queue, job.bulk_queue)):
            yield _Duty(job.kind, queue, partial(container.runner.run, job, handler))
    if role in SIGNALS:
        for signal_, answer in SIGNALS[role](container).items():
            yield _Duty(signal_.name, signal_.queue, partial(_answer, signal_, answer))


async def _answer(signal_: Signal, answer: Callable[[str], Awaitable[None]], about: str) -> None:
    async with asyncio.timeout(signal_.time_limit):
        await answer(about)


def _workers(settings: Settings, container: Container, role: str) -> list[dramatiq.Worker]:
    """One for each queue, with threads of its own, so that short work never waits behind long."""
    duties = list(_duties(container, role))
    brokers = open_brokers(settings.redis, {duty.queue for duty in duties})
    for duty in duties:
        declare = dramatiq.actor(
            actor_name=duty.name,
            queue_name=duty.queue,
            broker=brokers[duty.queue],
            throws=(Shutdown,),
        )
        declare(_actor(duty.work))
    return [dramatiq.Worker(broker, worker_threads=_THREADS, worker_timeout=_POLL) for broker in brokers.values()]


def _actor(work: Callable[[str], Awaitable[None]]) -> Callable[[str], Coroutine[Any, Any, None]]:
    async def run(about: str) -> None:
        with continued():
            await work(about)

    return run
