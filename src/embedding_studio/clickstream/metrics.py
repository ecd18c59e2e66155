"""What is counted of sessions and events."""

from collections.abc import Sequence
from typing import get_args

from prometheus_client import Counter, Gauge

from embedding_studio.clickstream.domain import RejectedEvent, RejectionCause

__all__ = ["SESSIONS", "SESSIONS_WAITING", "count_events"]

SESSIONS = Counter("embedding_studio_sessions_recorded", "Searches whose session was recorded")

SESSIONS_WAITING = Gauge(
    "embedding_studio_sessions_waiting", "Sessions that wait to be inserted", multiprocess_mode="livesum"
)

_EVENTS = Counter("embedding_studio_events", "Events that came: accepted, duplicate, or rejected and why", ("outcome",))


for _outcome in ("accepted", "duplicate", *(f"rejected_{cause}" for cause in get_args(RejectionCause))):
    _EVENTS.labels(_outcome)  # from 0 on, so that the first is seen to be one more


def count_events(*, accepted: int, duplicates: int, rejected: Sequence[RejectedEvent]) -> None:
    """Count a batch of events."""
    _EVENTS.labels("accepted").inc(accepted)
    _EVENTS.labels("duplicate").inc(duplicates)
    for one in rejected:
        _EVENTS.labels(f"rejected_{one.cause}").inc()
