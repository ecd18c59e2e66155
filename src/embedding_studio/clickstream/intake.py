"""What came in: events are counted as they are sent, also those that are kept nowhere."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, IndexModel

from embedding_studio.clickstream.domain import NewEvent, RejectedEvent, Showing

__all__ = ["NOWHERE", "IntakeDay", "Tallies", "tally", "zone_name"]

NOWHERE = ""
"""Stands for the collection of events that name no session that there is."""

Tallies = Mapping[str, Mapping[str, int]]
"""By collection, how many events of what kind."""

_KEPT_S = 400 * 86_400
_ON_TIME = timedelta(seconds=90)
_QUARTER = timedelta(minutes=15)
_NEAREST_ZONE, _FARTHEST_ZONE = 2, 56


class IntakeDay(Document):
    """What came in for a collection within a day of UTC.

    Attributes:
        counts: `received`, `accepted`, `duplicate`, `anonymous`; `rejected_` and the cause; `positioned`, of which
            `agreeing`; `timed`, of which `ahead`, `behind` or `zone_` and minutes. At most 130 kinds.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours is collection and day
    collection: str
    day: datetime
    counts: dict[str, int]

    class Settings:
        """Collection and indexes."""

        name = "intake"
        indexes: ClassVar = [
            IndexModel([("collection", ASCENDING), ("day", ASCENDING)]),
            IndexModel([("day", ASCENDING)], expireAfterSeconds=_KEPT_S),
        ]


def tally(
    events: Sequence[NewEvent],
    showings: Mapping[str, Showing],
    rejected: Sequence[RejectedEvent],
    *,
    written: AbstractSet[str],
    now: datetime,
) -> Tallies:
    """Count a batch of events.

    Args:
        events: All that were sent.
        showings: The sessions that there are.
        rejected: Those of `events` that do not count.
        written: Ids of events that were not there before.
        now: When they came.
    """
    causes = {one.index: one.cause for one in rejected}
    tallies = defaultdict[str, Counter[str]](Counter)
    seen: set[str] = set()
    for index, event in enumerate(events):
        showing = showings.get(event.session_id)
        counts = tallies[showing.collection if showing else NOWHERE]
        counts.update(_kinds(event, showing, now))
        if index in causes:
            counts[f"rejected_{causes[index]}"] += 1
        else:
            is_first = event.event_id in written and event.event_id not in seen
            counts["accepted" if is_first else "duplicate"] += 1
            seen.add(event.event_id)
    return tallies


def zone_name(offset: timedelta) -> str | None:
    """What is wrong with a time that is off by this: nothing, a time zone, or something else."""
    if abs(offset) <= _ON_TIME:
        return None
    quarters = round(offset / _QUARTER)
    if _NEAREST_ZONE <= abs(quarters) <= _FARTHEST_ZONE and abs(offset - quarters * _QUARTER) <= _ON_TIME:
        return f"zone_{quarters * 15}"
    return "ahead" if offset > timedelta(0) else "behind"


def _kinds(event: NewEvent, showing: Showing | None, now: datetime) -> Iterator[str]:
    yield "received"
    if event.user_id is None:
        yield "anonymous"
    shown_at = showing.positions.get(event.item_id) if showing else None
    if event.position is not None and shown_at is not None:
        yield "positioned"
        if event.position == shown_at:
            yield "agreeing"
    if event.timestamp is not None:
        yield "timed"
        if name := zone_name(event.timestamp - now):
            yield name
