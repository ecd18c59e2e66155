import asyncio
from collections.abc import Callable

import httpx
import pytest

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.simulation.client import RequestRefusedError, StudioClient


def model_version(handler: Callable[[httpx.Request], httpx.Response]) -> int:
    async def ask() -> int:
        async with StudioClient("http://studio", "films", httpx.MockTransport(handler)) as client:
            return await client.model_version()

    return asyncio.run(ask())


def test_a_refusal_says_what_the_server_said() -> None:
    with pytest.raises(RequestRefusedError, match=r"GET /api/v1/collections/films: 429 slow down"):
        model_version(lambda _request: httpx.Response(429, text="slow down"))


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnavailableError, match="refused"):
        model_version(refuse)


def test_a_failed_task_gives_its_reason() -> None:
    def failed(_request: httpx.Request) -> httpx.Response:
        body = {"state": "failed", "kind": "upsert", "progress": {"done": 0}, "failed_items": []}
        return httpx.Response(200, json={**body, "error": {"detail": "the disk is full"}})

    async def wait() -> None:
        async with StudioClient("http://studio", "films", httpx.MockTransport(failed)) as client:
            await client.wait("t1")

    with pytest.raises(RequestRefusedError, match=r"task t1 \(upsert\) is failed: the disk is full"):
        asyncio.run(wait())
