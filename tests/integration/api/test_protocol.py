"""What comes before a request is known is bounded in size and in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from embedding_studio.api import protocol
from embedding_studio.api.protocol import MAX_HEAD, BoundedProtocol

pytestmark = pytest.mark.anyio


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(echo, log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: BoundedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    yield int(server.sockets[0].getsockname()[1])
    server.close()


async def answer(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            with suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(30):
            try:
                return await reader.read()
            except ConnectionResetError:
                return b"reset"
    finally:
        writer.close()


def head(*headers: bytes) -> bytes:
    return b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"".join(one + b"\r\n" for one in headers)


async def test_a_request_of_usual_size_passes_also_with_a_large_body(port: int) -> None:
    body = b"x" * (3 * MAX_HEAD)
    said = await answer(port, head(b"Content-Length: %d" % len(body), b"X-A: " + b"a" * 8_000) + b"\r\n", body)
    assert said.startswith(b"HTTP/1.1 201")
    assert said.endswith(body)


@pytest.mark.parametrize("whole", [True, False])
async def test_a_head_that_is_too_large_is_refused(port: int, whole: bool) -> None:
    many = head(*[b"X-%d: " % n + b"a" * 1_000 for n in range(100)])
    said = await answer(port, many + (b"\r\n" if whole else b""))
    assert said == b"reset" or said.startswith(b"HTTP/1.1 431 ")
    if said != b"reset":
        assert b"application/problem+json" in said


async def test_a_head_that_does_not_end_takes_no_memory(port: int) -> None:
    said = await answer(port, head(), *[b"X-A: " + b"a" * 60_000] * 20)
    assert said == b"reset" or said.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("pieces", [[b""], [b"POST /echo HTT"], [head(b"X: y")]])
async def test_who_does_not_end_the_head_is_hung_up_on(
    port: int, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_HEAD_WITHIN", 0.3)
    assert await answer(port, *pieces) in {b"", b"reset"}


async def test_the_next_request_on_a_connection_has_a_time_of_its_own(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_HEAD_WITHIN", 1.0)
    first = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    said = await answer(port, first, head(b"Content-Length: 3") + b"\r\nyou", pause=1.1)
    assert said.count(b"HTTP/1.1 201") == 2
    said = await answer(port, first, b"POST /ec", pause=0.1)
    assert said.count(b"HTTP/1.1 201") == 1
