"""Finding what is wrong in a batch, without giving up the rest of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from embedding_studio.infra.outages import OUTAGES
from embedding_studio.kernel.errors import StudioError

__all__ = ["isolate"]

T = TypeVar("T")
R = TypeVar("R")


async def isolate(
    batch: Sequence[T], attempt: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
) -> tuple[list[R], list[tuple[T, Exception]]]:
    """Attempt a batch; where it fails, attempt its halves, down to the members that fail by themselves.

    One bad member of n costs 2 log2(n) attempts. An outage is nobody's fault and is raised as it is.

    Returns:
        What the attempts that succeeded gave, in order, and the members that failed with their errors.
    """
    try:
        return list(await attempt(batch)), []
    except OUTAGES:
        raise
    except Exception as error:
        if isinstance(error, StudioError) and error.retryable:
            raise
        if len(batch) == 1:
            return [], [(batch[0], error)]
    middle = len(batch) // 2
    done, failed = await isolate(batch[:middle], attempt)
    more_done, more_failed = await isolate(batch[middle:], attempt)
    return done + more_done, failed + more_failed
