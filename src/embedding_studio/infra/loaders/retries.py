"""Trying again what failed for the moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from embedding_studio.infra.loaders.extra import loaders_extra
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["OutageError", "Retries", "outage", "seconds_to_wait"]

T = TypeVar("T")


class OutageError(UnavailableError):
    """What failed for the moment and is safe to repeat."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential backoff with full jitter; only an OutageError is tried again.

    The n-th pause is drawn from [0, `first` * 2**(n-1)], at most `most`, and never below the error's `retry_after`.

    Attributes:
        attempts: Calls at most, the first included.
        first: Upper end of the first pause, in seconds.
        most: Upper end of any pause that the server did not ask for, in seconds.
        deadline: No attempt begins later than this many seconds after the first.
    """

    attempts: int = 5
    first: float = 0.5
    most: float = 20.0
    deadline: float = 60.0

    def call(self, work: Callable[[], T]) -> T:
        """Call `work` until it succeeds; blocks the thread during the pauses."""
        with loaders_extra():
            from tenacity import Retrying  # noqa: PLC0415  # of the extra `loaders`
        return Retrying(**self._policy())(work)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work` until it succeeds."""
        with loaders_extra():
            from tenacity import AsyncRetrying  # noqa: PLC0415  # of the extra `loaders`
        return await AsyncRetrying(**self._policy())(work)

    def _policy(self) -> dict[str, Any]:
        from tenacity import (  # noqa: PLC0415  # of the extra `loaders`
            RetryCallState,
            retry_if_exception_type,
            stop_after_attempt,
            stop_before_delay,
            wait_random_exponential,
        )

        jitter = wait_random_exponential(multiplier=self.first, max=self.most)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, OutageError) else 0
            return max(jitter(state), asked)

        return {
            "retry": retry_if_exception_type(OutageError),
            "stop": stop_after_attempt(self.attempts) | stop_before_delay(self.deadline),
            "wait": wait,
            "reraise": True,
        }


def outage(detail: str, retry_after: str | None = None) -> OutageError:
    """An error to try again after, no sooner than the header `Retry-After` says."""
    return OutageError(detail, retry_after=seconds_to_wait(retry_after))


def seconds_to_wait(retry_after: str | None) -> int:
    """The header `Retry-After`, seconds or a date, as whole seconds from now; 0 where it says nothing."""
    if not retry_after:
        return 0
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0
    return max(0, round((moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()))
