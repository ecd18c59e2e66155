"""What is seen of requests: an id for each, one line in the log, counts and times."""

import logging
import re
import time
from collections.abc import Iterable

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from embedding_studio.api.metrics import IN_PROGRESS, count
from embedding_studio.infra import tracing
from embedding_studio.infra.log import logged
from embedding_studio.infra.tracing import Span, span
from embedding_studio.kernel.ids import new_id

__all__ = ["observed"]

logger = logging.getLogger("embedding_studio.access")

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRACE = frozenset({b"traceparent", b"tracestate"})
_SERVER_ERROR = 500
_OTHER = "other"
_NOTHING = Span()


def observed(app: ASGIApp) -> ASGIApp:
    """Observe all requests, also those that no endpoint is there for; it stands around everything else.

    The id is the client's, from `X-Request-ID`, if it is of 1 to 64 letters, digits, dots, dashes and underscores. It
    is in the answer, in problem documents, and in all lines that are logged meanwhile. Of an address only its template
    is written down, and of a body nothing.
    """

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _asked_id(scope["headers"]) or new_id()
        status = _SERVER_ERROR

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        started = time.perf_counter()
        IN_PROGRESS.inc()
        with (
            tracing.continued(_trace_of(scope["headers"])),
            _NOTHING if _is_chatter(scope["path"]) else span("request", "server") as here,
            logged(request_id=request_id, trace_id=here.trace_id),
        ):
            try:
                await app(scope, receive, answer)
            finally:
                IN_PROGRESS.dec()
                _write_down(here, scope, status, time.perf_counter() - started)

    return observe


def _asked_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    value = next((value for name, value in headers if name == b"x-request-id"), b"")
    return value.decode() if _ID.fullmatch(value) else None


def _is_chatter(path: str) -> bool:
    return path == "/metrics" or path.startswith("/health/")


def _trace_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """What of W3C Trace Context the client sent along."""
    if not tracing.is_traced():
        return {}
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in _TRACE}


def _write_down(here: Span, scope: Scope, status: int, seconds: float) -> None:
    """Count the request under few names, however many addresses and methods are asked for."""
    method, route = str(scope.get("method", "")), scope.get("path_template") or _OTHER
    method = method if method in _METHODS else _OTHER
    count(method, route, status, seconds)
    here.rename(f"{method} {route}")
    here.say(http__request__method=method, http__route=route, http__response__status_code=status)
    if status >= _SERVER_ERROR:
        here.fail(str(status))
    logger.log(
        logging.DEBUG if _is_chatter(route) else logging.INFO,
        "%s %s %d",
        method,
        route,
        status,
        extra={"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 3)},
    )
