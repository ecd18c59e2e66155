"""The transport of tasks: Dramatiq messages on Redis that carry a task's id, and whose request it belongs to."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage, Middleware, ShutdownNotifications
from pydantic import BaseModel, Field, SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedding_studio.infra import tracing
from embedding_studio.infra.log import fact, logged
from embedding_studio.infra.tracing import span

__all__ = [
    "JobQueue",
    "RedisSettings",
    "Signal",
    "Waiting",
    "continued",
    "open_broker",
    "open_brokers",
    "open_client",
]

R = TypeVar("R")

_THREADS = ThreadPoolExecutor(8, "jobs")
"""Of their own: while Redis hangs, what waits for it must not hold up what else runs in threads."""


class RedisSettings(BaseModel):
    """Where messages travel."""

    url: SecretStr = Field(description="rediss://:password@host:port/0?ssl_ca_certs=file; redis:// without TLS")
    timeout: float = Field(default=5.0, gt=0, description="seconds a command may take")


@dataclass(frozen=True, slots=True)
class Signal:
    """A message that is no task: what it tells of can be found out without it, and told again at any time.

    Attributes:
        name: The actor's.
        queue: The queue, and so the worker role, that handles it.
        time_limit: Seconds that handling it may take.
    """

    name: str
    queue: str
    time_limit: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages that wait in a queue.

    Attributes:
        oldest: Seconds since the first was sent; 0 where none waits.
    """

    count: int
    oldest: float


class _Expected(Middleware):
    """Lets actors say which exceptions are no errors, as Dramatiq's own retries would."""

    @property
    def actor_options(self) -> set[str]:
        """What actors may say."""
        return {"throws"}


def open_client(settings: RedisSettings) -> redis.Redis:
    """A client that connects when it is first used.

    A command is tried twice at once, for a connection that Redis closed, and no longer when Redis is down.
    """
    return redis.Redis.from_url(
        settings.url.get_secret_value(),
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        retry=Retry(NoBackoff(), 1),
    )


def open_broker(settings: RedisSettings) -> RedisBroker:
    """A broker to send with."""
    return RedisBroker(client=open_client(settings), middleware=[])  # type: ignore[no-untyped-call]  # Dramatiq's, untyped


def open_brokers(settings: RedisSettings, queues: Iterable[str]) -> dict[str, RedisBroker]:
    """A broker for the worker of each queue: Dramatiq wants one worker to a broker.

    They interrupt all actors, of all queues, as soon as the first worker is stopped. Retries and time limits are the
    tasks' own business.
    """
    client = open_client(settings)
    middleware = [_Expected(), ShutdownNotifications(notify_shutdown=True), CurrentMessage()]
    return {queue: RedisBroker(client=client, middleware=middleware) for queue in queues}  # type: ignore[no-untyped-call]


@contextmanager
def continued() -> Iterator[None]:
    """Within an actor, go on in the name of the request that its message was sent for."""
    message = CurrentMessage.get_current_message()
    if message is None:
        yield
        return
    origin = message.options.get("origin", {})
    with (
        tracing.continued(origin.get("trace", {})),
        span(f"process {message.actor_name}", "consumer", messaging__destination__name=message.queue_name) as here,
        logged(request_id=origin.get("request_id"), trace_id=here.trace_id),
    ):
        yield


class JobQueue:
    """Sends tasks to workers and tells how many wait."""

    def __init__(self, broker: RedisBroker) -> None:
        self._broker = broker

    async def send(self, *, queue: str, kind: str, task_id: str) -> None:
        """Put the task's id on its queue.

        Raises:
            redis.RedisError: The message was not taken; the sweeper sends it again later.
        """
        with span(f"send {kind}", "producer", messaging__destination__name=queue):
            origin = {"request_id": fact("request_id"), "trace": tracing.carried()}
            message = dramatiq.Message[None](
                queue_name=queue, actor_name=kind, args=(task_id,), kwargs={}, options={"origin": origin}
            )
            await self._call(lambda: self._broker.enqueue(message))

    async def signal(self, signal: Signal, about: str) -> None:
        """Put a signal on its queue.

        Raises:
            redis.RedisError: The message was not taken.
        """
        await self.send(queue=signal.queue, kind=signal.name, task_id=about)

    async def waiting(self, queues: Sequence[str]) -> dict[str, Waiting]:
        """What waits in each of the queues; what workers have fetched already does not count.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        return await self._call(lambda: self._waiting(queues))

    def _waiting(self, queues: Sequence[str]) -> dict[str, Waiting]:
        keys = [f"{self._broker.namespace}:{queue}" for queue in queues]
        with self._broker.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.llen(key)
                pipeline.lindex(key, 0)
            answers = pipeline.execute()
            for key, first in zip(keys, answers[1::2], strict=True):
                pipeline.hget(f"{key}.msgs", first or "")
            messages = pipeline.execute()
        return {
            queue: Waiting(count, _age(message))
            for queue, count, message in zip(queues, answers[::2], messages, strict=True)
        }

    async def ping(self) -> None:
        """Return if Redis answers.

        Raises:
            redis.RedisError: It does not.
        """
        await self._call(self._broker.client.ping)

    @staticmethod
    async def _call(command: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, command)


def _age(message: bytes | None) -> float:
    return max(0.0, time.time() - dramatiq.Message.decode(message).message_timestamp / 1000) if message else 0.0
