"""What is read of the servers when somebody asks for the metrics: it is the same whichever process answers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from prometheus_client import Counter
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from embedding_studio.api.health import check_all
from embedding_studio.bootstrap import QUEUES, Container
from embedding_studio.infra.metrics import COLLECTIONS, gauge
from embedding_studio.infra.outages import OUTAGES, as_unavailable

__all__ = ["Readings", "take_readings"]

logger = logging.getLogger(__name__)

_DEADLINE = 3.0
_MOST_TASKS = 10_000
_MOST_SESSIONS = 10_000
_FAILED = Counter(
    "embedding_studio_readings_failed",
    "Times that metrics could not be read, as what knows them did not answer",
    ("of",),
)


class Readings(Collector):
    """Metrics as they were read."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._metrics


async def take_readings(container: Container) -> Readings:
    """Read everything at once; what does not answer in time is left out, and counted."""
    found = await asyncio.gather(*(_read(name, reading(container)) for name, reading in _READINGS.items()))
    return Readings([metric for metrics in found for metric in metrics])


async def _read(name: str, reading: Awaitable[Sequence[Metric]]) -> Sequence[Metric]:
    try:
        async with asyncio.timeout(_DEADLINE):
            return await reading
    except OUTAGES as error:
        _FAILED.labels(name).inc()
        logger.warning("metrics of %s could not be read: %s", name, as_unavailable(error).detail)
    except Exception:  # the edge: whatever is wrong with one server, metrics tell of the others
        _FAILED.labels(name).inc()
        logger.exception("metrics of %s could not be read", name)
    return ()


async def _readiness(container: Container) -> Sequence[Metric]:
    ready = gauge("ready", "Whether what is needed answers", ("check",))
    for name, answer in (await check_all(container)).items():
        ready.add_metric([name], answer == "ok")
    return [ready]


async def _queues(container: Container) -> Sequence[Metric]:
    depth = gauge("queue_depth", "Messages that wait for a worker to fetch them", ("queue",))
    oldest = gauge("queue_oldest_seconds", "Age of the oldest of them; 0: there is none", ("queue",))
    for queue, waiting in (await container.queue.waiting(QUEUES)).items():
        depth.add_metric([queue], waiting.count)
        oldest.add_metric([queue], waiting.oldest)
    return [depth, oldest]


async def _tasks(container: Container) -> Sequence[Metric]:
    labels = ("kind", "state")
    count = gauge("tasks", f"Tasks that are not finished, counted up to {_MOST_TASKS:,}", labels)
    oldest = gauge("tasks_oldest_seconds", "Age of the oldest of them", labels)
    for kind, state, number, age in await container.tasks.open_of(limit=_MOST_TASKS):
        count.add_metric([kind, state], number)
        oldest.add_metric([kind, state], age)
    return [count, oldest]


async def _collections(container: Container) -> Sequence[Metric]:
    """What the first hundred collections by name are served from."""
    model = gauge("collection_model_version", "Model version that serves", ("collection",))
    index = gauge("collection_index_version", "Index version that serves", ("collection",))
    for one in await container.collections.page(after="", limit=COLLECTIONS):
        model.add_metric([one.name], one.model_version)
        index.add_metric([one.name], one.index_version)
    return [model, index]


async def _memories(container: Container) -> Sequence[Metric]:
    revision = gauge("memory_revision", "Changes of the click memory so far", ("collection",))
    for name, number in (await container.improvement.revisions(limit=COLLECTIONS)).items():
        revision.add_metric([name], number)
    waiting = gauge(
        "memory_sessions_waiting", f"Sessions to be learned, counted up to {_MOST_SESSIONS:,}", ("collection",)
    )
    lag = gauge("memory_lag_seconds", "Since when the first of them waits", ("collection",))
    lags = await container.improvement.lags(limit=_MOST_SESSIONS)
    for name, number, first in sorted(lags, key=lambda one: one[2])[:COLLECTIONS]:
        waiting.add_metric([name], number)
        lag.add_metric([name], max(0.0, (container.clock() - first).total_seconds()))
    return [revision, waiting, lag]


_READINGS: Mapping[str, Callable[[Container], Awaitable[Sequence[Metric]]]] = {
    "readiness": _readiness,
    "queues": _queues,
    "tasks": _tasks,
    "collections": _collections,
    "memories": _memories,
}
