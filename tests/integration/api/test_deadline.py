"""A request that takes too long is cancelled, and its caller is told."""

import asyncio

import pytest
from litestar import Litestar, get

from doors import client_of
from embedding_studio.api.deadline import limit_time
from embedding_studio.api.observing import observed
from embedding_studio.api.problems import PROBLEM_HANDLERS
from refusals import check_problem
from studio import Studio

pytestmark = pytest.mark.anyio


async def test_the_work_is_cancelled_at_the_database_too(studio: Studio) -> None:
    ended = asyncio.Event()
    mark = "SELECT pg_sleep(600) /* the slow one */"

    @get("/slow")
    async def slow() -> None:
        try:
            await studio.container.pool.execute(mark)
        finally:
            ended.set()

    @get("/quick")
    async def quick() -> str:
        return "done"

    @get("/their-own")
    async def their_own() -> None:
        raise TimeoutError

    app = Litestar(
        [slow, quick, their_own],
        middleware=[limit_time(0.3)],
        exception_handlers=PROBLEM_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = observed(app.asgi_handler)
    async with client_of(app) as client:
        problem = check_problem(await client.get("/slow"), 503)
        assert "0.3 seconds" in problem["detail"]
        assert ended.is_set()
        assert (await client.get("/quick")).status_code == 200
        assert "0.3 seconds" not in check_problem(await client.get("/their-own"), 503)["detail"]
    running = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
    async with asyncio.timeout(30):
        while await studio.container.pool.fetchval(running, mark):  # noqa: ASYNC110  # PostgreSQL tells nobody
            await asyncio.sleep(0.01)
