"""What was shown, and what was done with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

__all__ = [
    "Answer",
    "AnsweredSession",
    "EventType",
    "Limits",
    "NewEvent",
    "RejectedEvent",
    "Rejection",
    "RejectionCause",
    "Showing",
    "Shown",
    "rejection",
]

EventType = Literal["click", "view", "dwell", "like", "dismiss", "cart", "purchase", "report"]

RejectionCause = Literal["no_session", "not_shown", "in_future", "too_early", "too_late", "session_full"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An item that a search showed.

    Attributes:
        position: From 1, over all pages of one search.
        score: None where the search was served elsewhere and did not tell.
        propensity: The probability with which the logging policy showed the item at this position.
        team: Of interleaved rankings, the one whose pick it was.
    """

    id: str
    position: int
    score: float | None
    propensity: float = 1.0
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Showing:
    """What an event is held against: a session that showed something.

    Attributes:
        began: When the search was answered.
        positions: Of each item that was shown.
        events: How many the session has already.
    """

    collection: str
    began: datetime
    positions: Mapping[str, int]
    events: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Until when and how often a session may be answered.

    Attributes:
        open_for: So long after it began, a session takes events.
        tolerance: How far the clocks of senders may be wrong.
        events: Of one session, at most.
    """

    open_for: timedelta
    tolerance: timedelta
    events: int


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
    """Why an event does not count, for machines and for people."""

    cause: RejectionCause
    reason: str


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event of a batch that does not count."""

    index: int
    cause: RejectionCause
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
    at: datetime
    impressions: tuple[Shown, ...]
    answers: tuple[Answer, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """The items, in the order in which they were shown."""
        return tuple(one.id for one in self.impressions)


def rejection(event: NewEvent, showing: Showing | None, *, now: datetime, limits: Limits) -> Rejection | None:
    """Why the event cannot count, given its session (None: there is no such one)."""
    if showing is None:
        return Rejection("no_session", f"no session {event.session_id!r}")
    if event.item_id not in showing.positions:
        return Rejection("not_shown", f"the item {event.item_id!r} was not shown in the session")
    if wrong := _wrong_time(event.timestamp or now, showing.began, now=now, limits=limits):
        return wrong
    if showing.events >= limits.events:
        return Rejection("session_full", f"the session has {limits.events:,} events already")
    return None


def _wrong_time(at: datetime, began: datetime, *, now: datetime, limits: Limits) -> Rejection | None:
    if at - now > limits.tolerance:
        return Rejection("in_future", f"its time is {_seconds(at - now)} ahead of ours: is the sender's clock wrong?")
    if began - at > limits.tolerance:
        reason = f"its time is {_seconds(began - at)} before its session began: is the sender's clock wrong?"
        return Rejection("too_early", reason)
    if at - began > limits.open_for:
        return Rejection("too_late", f"the session took events for {_seconds(limits.open_for)} and is closed")
    return None


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():,.0f} s"
