"""Time as the product reads it: aware and in UTC."""

from collections.abc import Callable
from datetime import UTC, datetime

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Clock", "now", "read_time", "to_milliseconds"]

Clock = Callable[[], datetime]
"""Returns the current time; services take one so that tests can turn it."""


def now() -> datetime:
    """The current time in UTC, cut to the milliseconds that MongoDB keeps."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """An aware time in UTC, cut to the milliseconds that MongoDB keeps."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def read_time(text: str, place: str) -> datetime:
    """A time as people write it into an address or a command: RFC 3339, with its offset from UTC.

    Raises:
        InvalidError: It is none; names the place.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return to_milliseconds(moment)
    except (ValueError, OverflowError):
        pass
    raise InvalidError.at(place, "must be a time such as 2026-01-31T12:00:00Z")
