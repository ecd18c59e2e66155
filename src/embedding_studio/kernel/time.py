"""Time as the product reads it: aware and in UTC."""

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "now"]

Clock = Callable[[], datetime]
"""Returns the current time; services take one so that tests can turn it."""


def now() -> datetime:
    """The current time in UTC, cut to the milliseconds that MongoDB keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
