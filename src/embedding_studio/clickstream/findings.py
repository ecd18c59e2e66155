"""What a stream of events says about the application that sends it: which field is wrong, how much, how to mend it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, get_args

from embedding_studio.clickstream.domain import EventType
from embedding_studio.clickstream.intervals import share

__all__ = ["EventFacts", "EventFinding", "Facts", "SessionFacts", "Severity", "judge_events"]

Severity = Literal["ok", "warn", "bad"]
_Levels = tuple[float, float]
"""Shares from which on something is a warning, and is bad."""

_FEW: _Levels = (0.005, 0.05)
_SOME: _Levels = (0.1, 0.5)
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_ONE_ZONE = 0.2
_AHEAD: _Levels = (0.05, 0.5)
_NAMELESS: _Levels = (0.5, 2.0)
_SILENT: _Levels = (0.98, 0.999)
_NEVER: _Levels = (2.0, 2.0)
_DEAD_AFTER = timedelta(days=7)
_UNLIKELY = 0.001
_USUAL_RATE = 0.05
"""Of searches with an event, where nothing is known of it."""
_POSITIVE = ("click", "like", "cart", "purchase")


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The sessions of a time.

    Attributes:
        count: How many.
        answered: With an event.
        named: With a user.
        external: Served elsewhere.
        explored: With a propensity below 1.
        external_explored: Both.
        wrong_propensities: With one that is no probability above 0, or with none.
        newest: When the last of all sessions began, also before that time.
        after_events: How many began after the last event came.
    """

    count: int = 0
    answered: int = 0
    named: int = 0
    external: int = 0
    explored: int = 0
    external_explored: int = 0
    wrong_propensities: int = 0
    newest: datetime | None = None
    after_events: int = 0


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The events that were accepted in a time.

    Attributes:
        types: How many of each.
        hasty_users: Users, or sessions of unknown users, with more than a hundred events within a minute.
        hasty_events: All events of these.
        clicked_sessions: With a click.
        greedy_sessions: Of these, the ones that clicked 8 results or more and left out none above the last.
        newest: When the last of all events came, also before that time.
    """

    types: Mapping[str, int] = field(default_factory=dict)
    hasty_users: int = 0
    hasty_events: int = 0
    clicked_sessions: int = 0
    greedy_sessions: int = 0
    newest: datetime | None = None

    @property
    def count(self) -> int:
        """How many events."""
        return sum(self.types.values())


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a collection is judged by.

    Attributes:
        now: The time of the look.
        collection: Its name.
        intake: How many events came for it, by kind.
        nowhere: How many came for sessions that there are not.
        everywhere: How many came for all collections and none.
    """

    now: datetime
    collection: str
    intake: Mapping[str, int]
    nowhere: int
    everywhere: int
    sessions: SessionFacts
    events: EventFacts

    def came(self, *kinds: str) -> int:
        """How many events of these kinds came."""
        return sum(self.intake.get(kind, 0) for kind in kinds)


@dataclass(frozen=True, slots=True)
class EventFinding:
    """One thing that was looked at.

    Attributes:
        check: Its name.
        field: What the application sends, where that is to be mended.
        count: How many are as the problem says.
        of: Among how many.
        problem: What was seen.
        remedy: What to do; empty where nothing is to be done.
    """

    check: str
    field: str
    severity: Severity
    count: int
    of: int
    problem: str
    remedy: str = ""


def judge_events(facts: Facts) -> list[EventFinding]:
    """Every check, what is worst first; a share counts only as far as it is sure at 95 %."""
    checks = (
        _alive,
        _stopped,
        _silent,
        _joined,
        _rejected,
        _positions,
        _times,
        _duplicates,
        _users,
        _types,
        _propensities,
        _bots,
    )
    found = [finding for check in checks for finding in check(facts)]
    return sorted(found, key=lambda one: -_SEVERITIES.index(one.severity))


def _finding(
    check: str, name: str, counts: tuple[int, int], levels: _Levels, problem: str, remedy: str
) -> EventFinding:
    """A finding whose severity is that of its share."""
    count, of = counts
    severity = _severity(count, of, levels)
    return EventFinding(check, name, severity, count, of, problem, "" if severity == "ok" else remedy)


def _severity(count: int, of: int, levels: _Levels) -> Severity:
    interval = share(count, of).ci95
    surely = interval[0] if interval and count else 0.0
    return _SEVERITIES[sum(surely >= level for level in levels)]


def _percent(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "none"


def _alive(facts: Facts) -> Iterator[EventFinding]:
    newest, dead = facts.sessions.newest, facts.now - _DEAD_AFTER
    if newest is None:
        remedy = "send searches with `track` true, or POST …/sessions for those that are served elsewhere"
        yield EventFinding("alive", "track", "warn", 0, 0, "no search was ever recorded", remedy)
    elif newest < dead:
        remedy = "look whether the application still searches this collection, with `track` true; if not, delete it"
        yield EventFinding("alive", "track", "bad", 0, 0, f"no search was recorded since {_day(newest)}", remedy)
    else:
        problem = f"{facts.sessions.count:,} searches were recorded"
        yield EventFinding("alive", "track", "ok", facts.sessions.count, facts.sessions.count, problem)


def _stopped(facts: Facts) -> Iterator[EventFinding]:
    """Whether far more searches came without an event, since the last one, than chance leaves unanswered."""
    newest, count = facts.events.newest, facts.sessions.count
    after = facts.sessions.after_events if newest else count
    answered = share(facts.sessions.answered, count - after).value
    rate = _USUAL_RATE if answered is None else min(answered, 1.0)
    if (1 - rate) ** after < _UNLIKELY:
        since = f"since {_day(newest)}" if newest else "ever"
        problem = f"no event came {since}, though {after:,} searches were recorded"
        remedy = (
            "look whether the application still sends events, and whether they are answered 202: a release of that time"
            " may have dropped them"
        )
        yield EventFinding("stopped", "events", "bad", after, count, problem, remedy)


def _silent(facts: Facts) -> Iterator[EventFinding]:
    count = facts.sessions.count
    silent = count - facts.sessions.answered
    problem = f"{_percent(silent, count)} of searches have no event"
    remedy = "send an event for each click, with the `session_id` that the search answered"
    levels = _SILENT if facts.events.newest else _NEVER
    yield _finding("silent", "events", (silent, count), levels, problem, remedy)


def _joined(facts: Facts) -> Iterator[EventFinding]:
    lost, of = facts.nowhere, facts.everywhere
    problem = f"{_percent(lost, of)} of the events of all collections name a session that there is not"
    remedy = (
        "send the `session_id` that the search answered, unchanged; of searches that are served elsewhere,"
        " POST …/sessions before their events"
    )
    yield _finding("joined", "session_id", (lost, of), _FEW, problem, remedy)


_REMEDIES: Mapping[str, tuple[str, str, str]] = {
    "not_shown": (
        "item_id",
        "name an item that their session did not show",
        "send `results[].id` as it is, with the `session_id` of the same page: each page has its own",
    ),
    "too_late": (
        "timestamp",
        "came after their session was closed",
        "send events as they happen, or keep sessions open for longer (EMBEDDING_STUDIO_CLICKSTREAM__OPEN_FOR)",
    ),
    "session_full": (
        "session_id",
        "came for a session that has too many already",
        "take the `session_id` of each search anew: one is used for many, or a program clicks",
    ),
}


def _rejected(facts: Facts) -> Iterator[EventFinding]:
    of = facts.came("received")
    for cause, (name, problem, remedy) in _REMEDIES.items():
        count = facts.came(f"rejected_{cause}")
        yield _finding(cause, name, (count, of), _FEW, f"{_percent(count, of)} of events {problem}", remedy)


def _positions(facts: Facts) -> Iterator[EventFinding]:
    positioned, of = facts.came("positioned"), facts.came("received")
    wrong = positioned - facts.came("agreeing")
    problem = (
        f"{_percent(positioned, of)} of events say a position, and {_percent(wrong, positioned)} of these another than"
        " their session"
    )
    remedy = (
        "send `results[].position`, which goes on over the pages; if the results are shown in another order, record"
        " that with POST …/sessions: positions of sessions are what counts"
    )
    yield _finding("positions", "position", (wrong, positioned), _FEW, problem, remedy)


def _times(facts: Facts) -> Iterator[EventFinding]:
    timed = facts.came("timed")
    zones = {kind: number for kind, number in facts.intake.items() if kind.startswith("zone_")}
    zone, most = max(zones.items(), key=lambda one: one[1], default=("", 0))
    if most and _severity(most, timed, (_ONE_ZONE, 1.0)) != "ok":
        minutes = int(zone.removeprefix("zone_"))
        problem = f"{_percent(most, timed)} of times are off by {minutes / 60:+g} h: a wrong time zone"
        remedy = "send times in UTC with `Z`, or with the offset of the place, such as 2026-01-31T12:00:00+02:00"
        yield EventFinding("time_zone", "timestamp", "bad", most, timed, problem, remedy)
    ahead = facts.came("ahead")
    problem = f"{_percent(ahead, timed)} of times are ahead of ours by more than 90 s"
    remedy = "set the senders' clocks by NTP, or send no `timestamp`: the time of arrival is taken"
    yield _finding("clock", "timestamp", (ahead, timed), _AHEAD, problem, remedy)
    refused = facts.came("rejected_in_future", "rejected_too_early")
    problem = (
        f"{_percent(refused, facts.came('received'))} of events are said to come from the future or before their search"
    )
    yield _finding("time_refused", "timestamp", (refused, facts.came("received")), _FEW, problem, remedy)


def _duplicates(facts: Facts) -> Iterator[EventFinding]:
    twice, of = facts.came("duplicate"), facts.came("duplicate", "accepted")
    problem = f"{_percent(twice, of)} of events have an id that came before; they count once"
    remedy = (
        "give each event an id of its own, such as a UUID: others with the same id are lost; send one again only while"
        " it was not answered 202"
    )
    yield _finding("duplicates", "event_id", (twice, of), _SOME, problem, remedy)


def _users(facts: Facts) -> Iterator[EventFinding]:
    nameless, of = facts.sessions.count - facts.sessions.named, facts.sessions.count
    anonymous, came = facts.came("anonymous"), facts.came("received")
    problem = f"{_percent(nameless, of)} of searches and {_percent(anonymous, came)} of events name no user"
    remedy = "send `user_id` with searches, a random one if need be: without it each search counts as a user of its own"
    yield _finding("users", "user_id", (nameless, of), _NAMELESS, problem, remedy)


def _types(facts: Facts) -> Iterator[EventFinding]:
    seen = {kind for kind, number in facts.events.types.items() if number}
    unseen = [kind for kind in get_args(EventType) if kind not in seen]
    if not seen:
        return
    problem = f"never seen: {', '.join(unseen)}" if unseen else "all types of events were seen"
    if seen.isdisjoint(_POSITIVE):
        remedy = f"send {', '.join(_POSITIVE)}: without any of them nothing is learned that is wanted"
        yield EventFinding("types", "type", "bad", len(unseen), len(get_args(EventType)), problem, remedy)
    else:
        yield EventFinding("types", "type", "ok", len(unseen), len(get_args(EventType)), problem)


def _propensities(facts: Facts) -> Iterator[EventFinding]:
    wrong, count = facts.sessions.wrong_propensities, facts.sessions.count
    problem = f"{_percent(wrong, count)} of searches lack propensities above 0 and up to 1"
    remedy = (
        "send `results[].propensity`: the probability with which the item is shown at its position; without chance, 1"
    )
    yield _finding("propensities", "results[].propensity", (wrong, count), (1e-9, _FEW[1]), problem, remedy)
    external, explored = facts.sessions.external, facts.sessions.external_explored
    problem = f"{_percent(explored, external)} of the searches that are served elsewhere have a propensity below 1"
    if external and not explored:
        problem += "; if chance has a part in their order, send `results[].propensity`"
    yield EventFinding("exploration", "results[].propensity", "ok", explored, external, problem)


def _bots(facts: Facts) -> Iterator[EventFinding]:
    hasty, of = facts.events.hasty_events, facts.events.count
    problem = f"{_percent(hasty, of)} of events are of {facts.events.hasty_users:,} users with over 100 within a minute"
    remedy = "send no events of programs that read the pages; what they do is left out of judgments"
    yield _finding("bots_rate", "user_id", (hasty, of), (1e-9, 0.2), problem, remedy)
    greedy, clicked = facts.events.greedy_sessions, facts.events.clicked_sessions
    problem = f"{_percent(greedy, clicked)} of the searches with clicks clicked on everything, 8 results or more"
    yield _finding("bots_everything", "type", (greedy, clicked), (0.01, 0.2), problem, remedy)


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")
