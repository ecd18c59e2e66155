"""HTTP/1.1 on one kept-alive connection, for next to no time of the cores that the server needs."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import msgspec

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["Wire", "post"]

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


def post(path: str, body: Any) -> bytes:
    """A whole request, to be made before the clock starts."""
    content = msgspec.json.encode(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return head.encode() + _END + content


class Wire(asyncio.Protocol):
    """One request at a time; answers must come with their length.

    A connection that the server closed, as it does with idle ones, is opened anew by the next request.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    async def send(self, request: bytes) -> bytes:
        """Send a request that `post` made, and wait for the body of its answer.

        Raises:
            UnavailableError: The answer is no success, or the connection is lost meanwhile.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            await loop.create_connection(lambda: self, *self._address)
        self._answer = loop.create_future()
        cast("asyncio.Transport", self._transport).write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits hears of it."""
        self._transport = None
        self._received.clear()
        self._settle(UnavailableError(f"the server closed the connection: {exc}"))

    def data_received(self, data: bytes) -> None:
        """Answer once head and body are complete."""
        self._received += data
        end = self._received.find(_END)
        if end < 0:
            return
        start = end + len(_END)
        length = _length(bytes(self._received[:start]))
        if len(self._received) < start + length:
            return
        status, body = int(self._received[9:12]), bytes(self._received[start : start + length])
        del self._received[: start + length]
        good = status < HTTPStatus.BAD_REQUEST
        self._settle(body if good else UnavailableError(f"status {status}: {body.decode(errors='replace')[:500]}"))

    def _settle(self, outcome: bytes | Exception) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(outcome, Exception):
            self._answer.set_exception(outcome)
        else:
            self._answer.set_result(outcome)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(_LENGTH)
    if not found:
        raise UnavailableError("an answer came without its length")
    return int(rest.split(b"\r\n", 1)[0])
