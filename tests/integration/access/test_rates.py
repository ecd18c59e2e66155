"""A key's budget is one over all processes, and each process's own while Redis is away."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from embedding_studio.access import RateLimiter
from embedding_studio.infra.redis import open_redis
from embedding_studio.kernel.ids import new_id
from embedding_studio.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Redis]:
    async with open_redis(settings.redis) as client:
        yield client


async def test_as_many_as_a_second_allows_come_at_once(client: Redis) -> None:
    limiter, key = RateLimiter(client), new_id()
    started = time.monotonic()
    waits = [await limiter.wait(key, 3) for _ in range(5)]
    refilled = 3 * (time.monotonic() - started)
    assert 3 <= sum(wait == 0 for wait in waits) <= 3 + refilled
    assert max(waits) <= 1 / 3


async def test_a_slow_rate_lets_one_through(client: Redis) -> None:
    limiter, key = RateLimiter(client), new_id()
    assert await limiter.wait(key, 0.01) == 0
    assert 90 < await limiter.wait(key, 0.01) <= 100


async def test_processes_share_a_budget_also_when_all_come_at_once(client: Redis) -> None:
    first, second, key = RateLimiter(client), RateLimiter(client), new_id()
    many = [limiter.wait(key, 20) for limiter in (first, second) for _ in range(50)]
    started = time.monotonic()
    waits = await asyncio.gather(*many)
    refilled = 20 * (time.monotonic() - started)
    assert 20 <= sum(wait == 0 for wait in waits) <= 21 + refilled


async def test_keys_have_budgets_of_their_own_which_redis_forgets(client: Redis) -> None:
    limiter, keys = RateLimiter(client), [new_id(), new_id()]
    assert [await limiter.wait(key, 0.01) for key in keys] == [0, 0]
    assert 0 < await client.pttl(f"rate:{keys[0]}") <= 100_000


async def test_while_redis_is_away_each_process_keeps_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    async with Redis(host="127.0.0.1", port=1) as nowhere:
        seconds = [0.0]
        limiter = RateLimiter(nowhere, monotonic=lambda: seconds[0])
        assert [await limiter.wait("k", 2) > 0 for _ in range(3)] == [False, False, True]
        assert len(caplog.messages) == 1
        seconds[0] = 0.5
        assert await limiter.wait("k", 2) == 0
        assert await limiter.wait("k", 2) == 0.5
        assert await limiter.wait("other", 2) == 0
        seconds[0] = 2.0
        assert [await limiter.wait("k", 2) > 0 for _ in range(3)] == [False, False, True]
        assert len(caplog.messages) == 2


async def test_the_script_may_be_lost(client: Redis) -> None:
    limiter, key = RateLimiter(client), new_id()
    await limiter.wait(key, 0.01)
    await client.script_flush()
    assert await limiter.wait(key, 0.01) > 0
