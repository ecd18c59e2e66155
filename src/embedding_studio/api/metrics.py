"""What the API counts of its requests."""

import time
from functools import cache

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import Counter, Gauge, Histogram

__all__ = ["count_requests"]

_APP = "embedding_studio"
_SERVER_ERROR = 500
_REQUEST = ("method", "path", "app_name")
_ANSWER = ("method", "path", "status_code", "app_name")
_BUCKETS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_IN_PROGRESS = Gauge(
    "embedding_studio_requests_in_progress", "Requests under way", _REQUEST, multiprocess_mode="livesum"
)
_REQUESTS = Counter("embedding_studio_requests", "Requests that were answered", _ANSWER)
_ERRORS = Counter("embedding_studio_requests_error", "Requests that were answered with a server error", _ANSWER)
_SECONDS = Histogram(
    "embedding_studio_request_duration_seconds", "Seconds until a request was answered", _ANSWER, buckets=_BUCKETS
)


def count_requests(app: ASGIApp) -> ASGIApp:
    """Count and time requests by their endpoint, whose paths are few however many addresses are asked for."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        method, path = str(scope.get("method", scope["type"])), scope["path_template"]
        status = _SERVER_ERROR

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        in_progress = _in_progress(method, path)
        in_progress.inc()
        started = time.perf_counter()
        try:
            await app(scope, receive, note_status)
        finally:
            in_progress.dec()
            _count(method, path, status, time.perf_counter() - started)

    return counted


def _count(method: str, path: str, status: int, seconds: float) -> None:
    requests, durations = _answered(method, path, status)
    requests.inc()
    durations.observe(seconds)
    if status >= _SERVER_ERROR:
        _ERRORS.labels(method, path, status, _APP).inc()


@cache
def _in_progress(method: str, path: str) -> Gauge:
    return _IN_PROGRESS.labels(method, path, _APP)


@cache
def _answered(method: str, path: str, status: int) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(method, path, status, _APP), _SECONDS.labels(method, path, status, _APP)
