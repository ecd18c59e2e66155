"""Sessions in the order of their times, page by page, each page found by an index alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

__all__ = ["Place", "Span", "page_filter"]

Place = tuple[datetime, str]
"""Where a page ended: the time and the id of its last session."""


@dataclass(frozen=True, slots=True)
class Span:
    """The times from `since` to before `until`; None is without an end."""

    since: datetime | None = None
    until: datetime | None = None

    def criteria(self) -> dict[str, Any]:
        """The span as a filter of `created_at`."""
        window = {"$gte": self.since, "$lt": self.until}
        bounds = {operator: moment for operator, moment in window.items() if moment is not None}
        return {"created_at": bounds} if bounds else {}

    def has(self, moment: datetime) -> bool:
        """Whether the time lies in the span."""
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)


def page_filter(
    keys: dict[str, Sequence[Any]], span: Span, *, past: Place | None, newest_first: bool = False
) -> dict[str, Any]:
    """The sessions of a span behind a place.

    An index on `keys`, `created_at` and `_id` gives them in order: each branch of the `$or` is one range of it, so
    that MongoDB merges ranges and sorts nothing.

    Args:
        keys: For each field, the values that it may have.
        span: Of times.
        past: The last session of the page before.
        newest_first: Behind is earlier, not later.
    """
    equals = [dict(zip(keys, values, strict=True)) for values in product(*keys.values())]
    return {"$or": [{**one, **times} for one in equals for times in _times(span, past, newest_first=newest_first)]}


def _times(span: Span, past: Place | None, *, newest_first: bool) -> list[dict[str, Any]]:
    if past is None:
        return [span.criteria()]
    at, session_id = past
    rest = Span(span.since, min(at, span.until or at)) if newest_first else span
    beyond = rest.criteria() if newest_first else {"created_at": {**rest.criteria().get("created_at", {}), "$gt": at}}
    same_time = {"created_at": at, "_id": {"$lt" if newest_first else "$gt": session_id}}
    return [beyond, same_time] if span.has(at) else [beyond]
