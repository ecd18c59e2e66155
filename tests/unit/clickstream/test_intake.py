"""What is sent is counted once for each thing that it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream.domain import NewEvent, RejectedEvent, Showing
from embedding_studio.clickstream.intake import NOWHERE, tally, zone_name

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SHOWN = {"s": Showing("shop", NOW, {"a": 1, "b": 2})}


def event(event_id: str = "e", **fields: Any) -> NewEvent:
    given = {"session_id": "s", "item_id": "a", "type": "click", "value": None, "timestamp": None}
    return NewEvent(event_id=event_id, **{**given, "position": None, "user_id": None, "meta": None, **fields})


def test_every_event_is_counted_by_what_became_of_it() -> None:
    events = [event("1"), event("2"), event("2"), event("3"), event("4", session_id="x"), event("5", item_id="z")]
    rejected = [RejectedEvent(4, "no_session", ""), RejectedEvent(5, "not_shown", "")]
    tallies = tally(events, SHOWN, rejected, written={"1", "2"}, now=NOW)
    assert tallies == {
        "shop": {"received": 5, "anonymous": 5, "accepted": 2, "duplicate": 2, "rejected_not_shown": 1},
        NOWHERE: {"received": 1, "anonymous": 1, "rejected_no_session": 1},
    }


def test_positions_are_held_against_the_sessions() -> None:
    events = [
        event("1", position=1),
        event("2", position=2),
        event("3", item_id="b", position=2),
        event("4", item_id="z", position=1),
        event("5", session_id="x", position=1),
    ]
    tallies = tally(events, SHOWN, [], written=set(), now=NOW)
    assert (tallies["shop"]["positioned"], tallies["shop"]["agreeing"]) == (3, 2)
    assert "positioned" not in tallies[NOWHERE]


def test_only_times_that_were_sent_are_held_against_the_clock() -> None:
    ahead = NOW + timedelta(minutes=5)
    events = [event("1", timestamp=NOW), event("2", timestamp=ahead), event("3", user_id="ann")]
    counts = tally(events, SHOWN, [], written=set(), now=NOW)["shop"]
    assert (counts["timed"], counts["ahead"], counts["anonymous"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (0, None),
        (-90, None),
        (90, None),
        (91, "ahead"),
        (-600, "behind"),
        (7_200, "zone_120"),
        (-7_203, "zone_-120"),
        (20_700, "zone_345"),
        (14 * 3600, "zone_840"),
        (15 * 3600, "ahead"),
        (-86_400, "behind"),
        (900, "ahead"),
    ],
)
def test_offsets_of_time_zones_are_told_from_late_and_wrong_clocks(seconds: int, name: str | None) -> None:
    assert zone_name(timedelta(seconds=seconds)) == name


@given(st.lists(st.integers(-(10**7), 10**7), max_size=300))
def test_the_kinds_of_a_day_are_bounded(offsets: list[int]) -> None:
    events = [event(str(n), timestamp=NOW + timedelta(seconds=offset)) for n, offset in enumerate(offsets)]
    for counts in tally(events, SHOWN, [], written=set(), now=NOW).values():
        assert len(counts) <= 130
        assert counts["timed"] >= sum(number for kind, number in counts.items() if kind.startswith("zone_"))
