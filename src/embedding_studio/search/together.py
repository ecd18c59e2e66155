"""Two things at once."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["together"]

One = TypeVar("One")
Other = TypeVar("Other")


async def together(one: Coroutine[Any, Any, One], other: Coroutine[Any, Any, Other]) -> tuple[One, Other]:
    """The results of both; where one fails or is cancelled, the other has ended before the error is raised."""
    beside = asyncio.create_task(other)
    try:
        return await one, await beside
    finally:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
