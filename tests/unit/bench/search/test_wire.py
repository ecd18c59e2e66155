import asyncio
import json
from typing import Any

import pytest

from embedding_studio.bench.search.wire import Wire, post
from embedding_studio.kernel.errors import UnavailableError


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True


def connected() -> tuple[Wire, FakeTransport]:
    wire, transport = Wire("127.0.0.1", 1), FakeTransport()
    wire.connection_made(transport)
    return wire, transport


def answer(body: bytes, status: str = "200 OK", length: str = "content-length") -> bytes:
    return f"HTTP/1.1 {status}\r\nserver: x\r\n{length}: {len(body)}\r\n\r\n".encode() + body


async def _asked(wire: Wire, *chunks: bytes) -> bytes:
    asked = asyncio.create_task(wire.send(b"request"))
    await asyncio.sleep(0)
    for chunk in chunks:
        wire.data_received(chunk)
    return await asked


def test_a_request_is_whole_and_tells_its_length() -> None:
    head, _, body = post("/search", {"query": "é"}).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /search HTTP/1.1\r\nHost: localhost\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"query": "é"}


@pytest.mark.parametrize("length", ["content-length", "Content-Length"])
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_an_answer_in_pieces_is_put_together(size: int, length: str) -> None:
    whole = answer(b'{"results": []}', length=length)

    async def ask_twice() -> list[bytes]:
        wire, _ = connected()
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        return [await _asked(wire, *pieces) for _ in range(2)]

    assert asyncio.run(ask_twice()) == [b'{"results": []}'] * 2


def test_an_answer_that_is_no_success_is_an_error_with_what_it_says() -> None:
    async def ask() -> None:
        wire, _ = connected()
        await _asked(wire, answer(b"no such mode", "400 Bad Request"))

    with pytest.raises(UnavailableError, match="status 400: no such mode"):
        asyncio.run(ask())


def test_who_waits_hears_of_a_lost_connection() -> None:
    async def ask() -> None:
        wire, _ = connected()
        asked = asyncio.create_task(wire.send(b"request"))
        await asyncio.sleep(0)
        wire.connection_lost(None)
        await asked

    with pytest.raises(UnavailableError, match="closed the connection"):
        asyncio.run(ask())


def test_an_answer_without_its_length_is_an_error_at_once() -> None:
    async def ask() -> None:
        wire, _ = connected()
        await _asked(wire, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

    with pytest.raises(UnavailableError, match="without its length"):
        asyncio.run(ask())


def test_closing_closes_the_transport_if_there_is_one() -> None:
    wire, transport = connected()
    wire.close()
    assert transport.closed
    Wire("127.0.0.1", 1).close()
