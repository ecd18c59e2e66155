"""What the API counts of its requests."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["IN_PROGRESS", "count"]

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
