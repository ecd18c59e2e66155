"""Looking at a collection's stream of events: is it whole, is it true, does it come at all?"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from embedding_studio.clickstream.findings import EventFinding, Facts, judge_events
from embedding_studio.clickstream.intake import NOWHERE
from embedding_studio.clickstream.reporting import Reporting
from embedding_studio.clickstream.timeline import Span
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.time import Clock
from embedding_studio.vector_store import CollectionService

__all__ = ["EventDoctor", "EventReport"]

_USUAL = timedelta(days=7)
_LONGEST = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class EventReport:
    """What a look at a collection found.

    Attributes:
        sessions: How many were looked at: the newest 50,000 at most.
        events: As sessions.
        findings: Every check, the worst first.
    """

    collection: str
    since: datetime
    until: datetime
    ok: bool
    sessions: int
    events: int
    findings: list[EventFinding]


class EventDoctor:
    """Examines what came in and what of it was kept."""

    def __init__(self, *, reporting: Reporting, collections: CollectionService, clock: Clock) -> None:
        self._reporting = reporting
        self._collections = collections
        self._clock = clock

    async def examine(self, collection: str, *, since: datetime | None = None) -> EventReport:
        """Look at the time from `since`, a week ago if not given, until now.

        What was sent is counted by days of UTC, and looked at from the beginning of the first.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: `since` lies in the future, or more than 400 days ago.
        """
        await self._collections.get(collection)
        now = self._clock()
        begin = since or now - _USUAL
        if not now - _LONGEST <= begin < now:
            raise InvalidError.at("since", "must lie in the last 400 days")
        facts = await self._facts(collection, Span(begin, now + timedelta(milliseconds=1)), now)
        findings = judge_events(facts)
        is_well = all(one.severity != "bad" for one in findings)
        return EventReport(collection, begin, now, is_well, facts.sessions.count, facts.events.count, findings)

    async def _facts(self, collection: str, span: Span, now: datetime) -> Facts:
        last_event = await self._reporting.last_event(collection)
        intake, everywhere, sessions, events = await asyncio.gather(
            self._reporting.intake([collection, NOWHERE], span),
            self._reporting.received(span),
            self._reporting.sessions(collection, span, last_event=last_event),
            self._reporting.events(collection, span, last_event=last_event),
        )
        return Facts(
            now=now,
            collection=collection,
            intake=intake[collection],
            nowhere=intake[NOWHERE].get("received", 0),
            everywhere=everywhere,
            sessions=sessions,
            events=events,
        )
