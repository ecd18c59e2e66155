"""What the API counts of its requests, and the metrics of all that it does."""

import asyncio
import os
from functools import cache

from litestar import Controller, MediaType, Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from embedding_studio.access import needs
from embedding_studio.api.readings import take_readings
from embedding_studio.bootstrap import Container
from embedding_studio.infra.metrics import ProcessFacts

__all__ = ["IN_PROGRESS", "MetricsController", "count"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

IN_PROGRESS = Gauge("embedding_studio_requests_in_progress", "Requests under way", multiprocess_mode="livesum")

_REQUESTS = Counter("embedding_studio_requests", "Requests that were answered", ("method", "route", "status"))

_SECONDS = Histogram(
    "embedding_studio_request_seconds", "Seconds until a request was answered", ("method", "route"), buckets=_BUCKETS
)


def count(method: str, route: str, status: int, seconds: float) -> None:
    """Count and time a request by the template of its address."""
    _answered(method, route, status).inc()
    _timed(method, route).observe(seconds)


@cache
def _answered(method: str, route: str, status: int) -> Counter:
    return _REQUESTS.labels(method, route, status)


@cache
def _timed(method: str, route: str) -> Histogram:
    return _SECONDS.labels(method, route)


class MetricsController(Controller):
    """Metrics."""

    path = "/metrics"
    tags = ("health",)
    opt = needs("metrics")

    @get(media_type=MediaType.TEXT)
    async def metrics(self, container: NamedDependency[Container]) -> Response[bytes]:
        """See all metrics, in the text format of Prometheus."""
        readings = await take_readings(container)
        text = await asyncio.to_thread(_text, _counted(), ProcessFacts("api"), readings)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _counted() -> Collector:
    """What was counted by this process, or by all those that share its socket."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # of the library, untyped
    return shared


def _text(*collectors: Collector) -> bytes:
    return b"".join(map(generate_latest, collectors))
