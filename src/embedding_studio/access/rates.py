"""How many requests a key may send: one budget over all processes, kept by Redis."""

import asyncio
import logging
import math
import time
from collections.abc import Callable

import redis
from redis.asyncio import Redis

__all__ = ["RateLimiter"]

logger = logging.getLogger(__name__)

_DEADLINE = 0.25
_PAUSE = 1.0
_MOST = 10_000

_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = due - now - (burst - 1) * interval
if wait > 0 then return math.ceil(wait) end
due = due + interval
redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(due - now))
return 0
"""
"""The generic cell rate algorithm, in milliseconds of Redis's clock: `due` is when an even stream would send next."""


class RateLimiter:
    """Lets each key send `rate` requests a second, of which as many as a second's worth may come at once.

    While Redis does not answer, each process keeps the budget by itself: a key may then send as many times its rate as
    there are processes. Searches that need no Redis go on.
    """

    def __init__(self, client: "Redis", *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._script = client.register_script(_SCRIPT)
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._down_until = 0.0

    async def wait(self, key_id: str, rate: float) -> float:
        """Take a request from the key's budget: 0, or the seconds until there is one to take."""
        interval, burst = 1 / rate, max(1, math.floor(rate))
        if self._monotonic() >= self._down_until:
            try:
                async with asyncio.timeout(_DEADLINE):
                    wait = await self._script(keys=[f"rate:{key_id}"], args=[interval * 1000, burst])
            except (redis.RedisError, OSError, TimeoutError) as error:
                logger.warning("rates are kept by each process alone: Redis does not answer (%s)", error)
                self._down_until = self._monotonic() + _PAUSE
            else:
                return float(wait) / 1000
        return self._wait_here(key_id, interval, burst)

    def _wait_here(self, key_id: str, interval: float, burst: int) -> float:
        now = self._monotonic()
        due = max(self._due.pop(key_id, now), now)
        wait = due - now - (burst - 1) * interval
        if len(self._due) >= _MOST:
            self._due.pop(next(iter(self._due)))
        self._due[key_id] = due if wait > 0 else due + interval
        return max(wait, 0.0)
