"""How well searches are answered, over time: what users did with what they were shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from embedding_studio.clickstream.intervals import Estimate, mean, share
from embedding_studio.clickstream.reporting import Bucket, Reporting
from embedding_studio.clickstream.timeline import Span
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import Clock
from embedding_studio.vector_store import CollectionService

__all__ = ["Excluded", "Quality", "QualityBucket", "QualityService"]

_USUAL = timedelta(days=30)
_MOST_BUCKETS = 400
_LENGTHS: Mapping[Bucket, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class QualityBucket:
    """Searches of a time that one model version and one variant answered.

    Attributes:
        start: Of the bucket, in UTC; weeks begin on Monday.
        searches: Counted by their first pages.
        ctr: Share of searches with a click.
        mrr: Mean of 1 / position of the best click, over searches with a click.
        zero_results: Share of searches that found nothing.
        abandonment: Share of searches that found something of which nothing was clicked, dwelt on, liked, put into a
            cart or bought.
    """

    start: datetime
    model_version: int | None
    variant: str | None
    searches: int
    ctr: Estimate
    mrr: Estimate
    zero_results: Estimate
    abandonment: Estimate


@dataclass(frozen=True, slots=True)
class Excluded:
    """Sessions that are not counted.

    Attributes:
        later_pages: They belong to searches that their first pages stand for.
        irrelevant: Somebody said so.
        bots: They clicked on everything, 8 results or more, or had more than 100 events faster than 100 a minute.
    """

    later_pages: int
    irrelevant: int
    bots: int


@dataclass(frozen=True, slots=True)
class Quality:
    """All buckets of a time that have sessions, oldest first."""

    since: datetime
    until: datetime
    bucket: Bucket
    excluded: Excluded
    items: list[QualityBucket]


class QualityService:
    """Reports on the searches of a collection."""

    def __init__(self, *, reporting: Reporting, collections: CollectionService, clock: Clock) -> None:
        self._reporting = reporting
        self._collections = collections
        self._clock = clock

    async def of(self, collection: str, *, since: datetime | None, until: datetime | None, bucket: Bucket) -> Quality:
        """The quality of the searches from `since`, 30 days before the end if not given, to before `until`.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: The time is empty, or has more than 400 buckets.
        """
        await self._collections.get(collection)
        end = until or self._clock()
        begin = since or end - _USUAL
        if begin >= end:
            raise InvalidError.at("since", "must lie before `until`")
        if (end - begin) / _LENGTHS[bucket] > _MOST_BUCKETS:
            raise InvalidError.at("since", f"at most {_MOST_BUCKETS} buckets: ask for less time, or larger ones")
        rows = await self._reporting.quality(collection, Span(begin, end), bucket)
        totals = (sum(row[name] for row in rows) for name in ("later_pages", "irrelevant", "bots"))
        return Quality(begin, end, bucket, Excluded(*totals), [_bucket(row) for row in rows if row["searches"]])


def _bucket(row: Mapping[str, Any]) -> QualityBucket:
    of, searches = row["_id"], row["searches"]
    return QualityBucket(
        start=of["start"],
        model_version=of.get("model_version"),
        variant=of.get("variant"),
        searches=searches,
        ctr=share(row["clicked"], searches),
        mrr=mean(row["reciprocal"], row["squares"], row["clicked"]),
        zero_results=share(row["empty"], searches),
        abandonment=share(row["abandoned"], searches - row["empty"]),
    )
