"""What was shown, and what was done with it."""

from collections.abc import Collection as Members
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

__all__ = ["Answer", "AnsweredSession", "EventType", "NewEvent", "Rejection", "Shown", "rejection_reason"]

EventType = Literal["click", "view", "dwell", "like", "dismiss", "cart", "purchase", "report"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An item that a search showed.

    Attributes:
        position: From 1, over all pages of one search.
        propensity: The probability with which the logging policy showed the item at this position.
    """

    id: str
    position: int
    score: float
    propensity: float = 1.0


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something a user did with an item that was shown."""

    event_id: str
    session_id: str
    item_id: str
    type: EventType
    value: float | None
    timestamp: datetime | None
    position: int | None
    user_id: str | None
    meta: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event does not count."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An event, joined to the session that it answers."""

    item_id: str
    type: EventType
    value: float | None
    position: int
    at: datetime


@dataclass(frozen=True, slots=True)
class AnsweredSession:
    """A search by text with what users did; a user who is not named counts as one of this session alone."""

    session_id: str
    query: str
    user: str
    shown: tuple[str, ...]
    answers: tuple[Answer, ...]


def rejection_reason(event: NewEvent, shown: Members[str] | None) -> str | None:
    """Why the event cannot count, given what its session showed (None: there is no such session)."""
    if shown is None:
        return f"no session {event.session_id!r}"
    if event.item_id not in shown:
        return f"the item {event.item_id!r} was not shown in the session"
    return None
