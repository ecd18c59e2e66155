"""Blocking iterators, read from the event loop."""

import asyncio
import io
from collections.abc import Generator
from contextlib import aclosing
from types import SimpleNamespace

import pytest

from embedding_studio.infra.loaders import threads

pytestmark = pytest.mark.anyio


async def test_what_no_thread_ever_began_is_closed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    file, asked = io.BytesIO(b"a"), asyncio.Event()

    def lines() -> Generator[bytes]:
        with file:
            yield from file

    async def no_thread_is_free(_step: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop
    monkeypatch.setattr(threads, "asyncio", SimpleNamespace(to_thread=no_thread_is_free, get_running_loop=loop))

    async def read() -> list[bytes]:
        async with aclosing(threads.in_thread(lines(), len, closing=file.close)) as found:
            return [line async for line in found]

    reading = asyncio.create_task(read())
    await asked.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with asyncio.timeout(60):
        while not file.closed:  # noqa: ASYNC110  # a thread closes it
            await asyncio.sleep(0.01)
