"""HTTP as uvicorn speaks it, with limits on what comes before a request is known."""

import asyncio
from typing import Any

from litestar.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["MAX_HEAD", "BoundedProtocol"]

MAX_HEAD = 65_536
"""Bytes of a request's line and headers."""

_HEAD_WITHIN = 15.0
_PROBLEM = (
    b'{"type":"about:blank","title":"Request Header Fields Too Large","status":431,'
    b'"detail":"the request line and the headers may have 65,536 bytes"}'
)
_HEADERS = (
    (b"content-type", b"application/problem+json"),
    (b"content-length", str(len(_PROBLEM)).encode()),
    (b"connection", b"close"),
)


class BoundedProtocol(HttpToolsProtocol):
    """Answers 431 to heads over 64 KiB, and closes connections that have not sent a whole head within 15 seconds.

    Without that, a few thousand connections that send a byte now and then would keep everybody else out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head."""
        super().data_received(data)
        if self._timer is not None:
            self._head += len(data)
            if self._head > MAX_HEAD and not self.transport.is_closing():
                self._refuse()

    def on_message_begin(self) -> None:
        """Wait for the head of this request."""
        super().on_message_begin()
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Let the request through, if its head is not too large."""
        self._stop_waiting()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self.app = _too_large
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head = 0
        self._timer = self.loop.call_later(_HEAD_WITHIN, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self.transport.close()

    def _refuse(self) -> None:
        head = b"".join(b"%b: %b\r\n" % header for header in _HEADERS)
        self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + head + b"\r\n" + _PROBLEM)
        self.transport.close()


async def _too_large(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 431, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _PROBLEM, "more_body": False})
