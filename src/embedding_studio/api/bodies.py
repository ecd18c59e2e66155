"""How much of requests' bodies this process holds at a time, and what one of them may unfold into."""

from typing import cast

from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send

from embedding_studio.kernel.errors import TooLargeError, UnavailableError

__all__ = ["BoundedBodies", "Held", "refuse_sprawling"]

_SMALL = 65_536
_MOST_CONTAINERS = 2_000_000
_MOST_STRINGS = 4_000_000


class Held:
    """Bytes of bodies in memory, and how many there may be."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self.limit = limit


class BoundedBodies:
    """Middleware that answers 503 to large bodies while others fill the process' share of memory for them.

    The first 64 KiB of a body are always taken: searches and clicks go on beside uploads that never end.
    """

    def __init__(self, app: ASGIApp, held: Held) -> None:
        self._app = app
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what the request's body takes until it is answered."""
        body = _Body(receive, self._held)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held.size -= body.size


class _Body:
    def __init__(self, receive: Receive, held: Held) -> None:
        self._receive = receive
        self._held = held
        self.size = 0

    async def receive(self) -> HTTPReceiveMessage:
        message = cast("HTTPReceiveMessage", await self._receive())
        size = len(cast("bytes", message.get("body", b"")))
        self.size += size
        self._held.size += size
        if self.size > _SMALL and self._held.size > self._held.limit:
            raise UnavailableError("too many large bodies are being read", retry_after=5)
        return message


def refuse_sprawling(body: bytes) -> None:
    """Refuse JSON of so many small values that it would take many times its size: `[[],[],…` takes twenty times.

    Raises:
        TooLargeError: It has more than two million lists and objects, or four million strings.
    """
    if body.count(b"[") + body.count(b"{") > _MOST_CONTAINERS:
        raise TooLargeError(f"the body may hold {_MOST_CONTAINERS:,} lists and objects")
    if body.count(b'"') > 2 * _MOST_STRINGS:
        raise TooLargeError(f"the body may hold {_MOST_STRINGS:,} strings")
