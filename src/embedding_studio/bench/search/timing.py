"""Loops that measure: by turns for times, closed loops for throughput."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Call", "Times", "by_turns", "throughputs"]

Call = Callable[[int], Awaitable[object]]
"""Does the thing with the query of that number."""

_MOST_S = 1_800.0
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        """Percentiles of what was measured."""
        p50, p99 = np.percentile(np.asarray(seconds) * 1_000, [50, 99])
        return cls(float(p50), float(p99))


_TURN = 40
_APART = 2 * _TURN


async def by_turns(calls: Sequence[Call], count: int, *, warm_up: int = 10) -> list[Times]:
    """Time each call with each of `count` queries.

    The calls take turns of forty queries, so that whatever else the machine does meets them alike. The first `warm_up`
    of a turn are left out: they find the processor's caches full of what the call before needed. No call asks what the
    one before asked just then.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    async with asyncio.timeout(_MOST_S):
        for first in range(0, count, _TURN):
            for turn, (call, taken) in enumerate(zip(calls, seconds, strict=True)):
                times = [await _timed(call, (number + turn * _APART) % count) for number in range(first, first + _TURN)]
                taken.extend(times[warm_up:])
    return [Times.of(taken) for taken in seconds]


async def _timed(call: Call, number: int) -> float:
    started = time.perf_counter()
    await call(number)
    return time.perf_counter() - started


async def throughputs(crews: Sequence[Sequence[Call]], *, seconds: float) -> list[float]:
    """Calls a second of each crew, whose members call without a pause, all at the same time.

    Crews take turns, three each, for the reason that `by_turns` gives.
    """
    done = [0] * len(crews)
    spent = [0.0] * len(crews)
    for turn in range(_ROUNDS):
        for number, crew in enumerate(crews):
            started = time.perf_counter()
            counts = await asyncio.gather(
                *(_call_until(call, started + seconds / _ROUNDS, turn + member) for member, call in enumerate(crew))
            )
            done[number] += sum(counts)
            spent[number] += time.perf_counter() - started
    return [calls / taken for calls, taken in zip(done, spent, strict=True)]


async def _call_until(call: Call, deadline: float, first: int) -> int:
    """Members start at different queries: no query is asked by all at once."""
    count = 0
    async with asyncio.timeout(_MOST_S):
        while time.perf_counter() < deadline:
            await call(first * 7 + count)
            count += 1
    return count
