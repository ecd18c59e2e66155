"""Blocking iterators, read from the event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TypeVar

__all__ = ["in_thread"]

_COUNT = 256
_BYTES = 1 << 20
_SECONDS = 0.1

T = TypeVar("T")


async def in_thread(
    values: Generator[T], size: Callable[[T], int], *, closing: Callable[[], object] | None = None
) -> AsyncGenerator[T]:
    """Run a generator in worker threads, some steps at a time.

    What is read ahead of the consumer is at most 256 values, 1 MiB and one value, or what 0.1 s bring.
    `size` says about how many bytes a value holds; `closing` closes what the generator reads, begun or not.

    A cancelled consumer does not wait for a step that blocks: the step ends by itself and the generator is closed then.
    """
    busy = threading.Lock()

    def step() -> list[T]:
        with busy:
            return _some(values, size)

    def close() -> None:
        with busy:
            values.close()
            if closing:
                closing()

    try:
        while some := await asyncio.to_thread(step):
            for value in some:
                yield value
    finally:
        _closing = asyncio.get_running_loop().run_in_executor(None, close)


def _some(values: Generator[T], size: Callable[[T], int]) -> list[T]:
    some: list[T] = []
    held, end = 0, time.monotonic() + _SECONDS
    for value in values:
        some.append(value)
        held += size(value)
        if len(some) == _COUNT or held >= _BYTES or time.monotonic() > end:
            break
    return some
