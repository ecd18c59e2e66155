"""A process that has as many requests as it can bear refuses others at once, and says that it lives."""

import asyncio

import pytest
from litestar import Litestar, get

from doors import client_of
from embedding_studio.api.crowding import limit_requests
from embedding_studio.api.observing import observed
from embedding_studio.api.problems import PROBLEM_HANDLERS
from refusals import check_problem

pytestmark = pytest.mark.anyio


async def test_what_is_too_much_comes_again() -> None:
    go_on, waiting = asyncio.Event(), asyncio.Semaphore(0)

    @get("/slow")
    async def slow() -> str:
        waiting.release()
        await go_on.wait()
        return "done"

    @get("/other")
    async def other() -> str:
        return "done"

    @get("/health/live")
    async def live() -> str:
        return "ok"

    app = Litestar(
        [slow, other, live],
        middleware=[limit_requests(3)],
        exception_handlers=PROBLEM_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = observed(app.asgi_handler)
    async with client_of(app) as client, asyncio.timeout(30):
        under_way = [asyncio.create_task(client.get("/slow")) for _ in range(3)]
        for _ in under_way:
            await waiting.acquire()
        for path in ("/slow", "/other"):
            refused = await client.get(path)
            assert "too many requests" in check_problem(refused, 503)["detail"]
            assert int(refused.headers["Retry-After"]) > 0
        assert (await client.get("/health/live")).status_code == 200
        gone = under_way.pop()
        gone.cancel()
        await asyncio.wait([gone])
        assert (await client.get("/other")).status_code == 200
        go_on.set()
        assert {one.status_code for one in await asyncio.gather(*under_way)} == {200}
        assert (await client.get("/slow")).status_code == 200
