"""Which events count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream.domain import (
    AnsweredSession,
    Limits,
    NewEvent,
    RejectionCause,
    Showing,
    Shown,
    rejection,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
EVENT = NewEvent("e", "session", "sofa", "click", None, None, None, None, None)
SHOWING = Showing("shop", NOW - HOUR, {"lamp": 1, "sofa": 2})
LIMITS = Limits(open_for=24 * HOUR, tolerance=60 * SECOND, events=10)


def rejected(event: NewEvent = EVENT, showing: Showing | None = SHOWING) -> tuple[RejectionCause, str] | None:
    found = rejection(event, showing, now=NOW, limits=LIMITS)
    return (found.cause, found.reason) if found else None


def test_an_event_counts_for_what_its_session_showed() -> None:
    assert rejected() is None
    assert rejected(replace(EVENT, timestamp=NOW - HOUR)) is None


def test_everything_else_is_told_why_not() -> None:
    not_shown = ("not_shown", "the item 'sofa' was not shown in the session")
    assert rejected(showing=replace(SHOWING, positions={"lamp": 1})) == not_shown
    assert rejected(showing=replace(SHOWING, positions={})) == not_shown
    assert rejected(showing=None) == ("no_session", "no session 'session'")
    assert rejected(showing=replace(SHOWING, events=10)) == ("session_full", "the session has 10 events already")


@pytest.mark.parametrize(
    ("at", "cause"),
    [
        (NOW + 60 * SECOND, None),
        (NOW + 61 * SECOND, "in_future"),
        (NOW - HOUR - 60 * SECOND, None),
        (NOW - HOUR - 61 * SECOND, "too_early"),
        (datetime(1, 1, 1, tzinfo=UTC), "too_early"),
        (datetime(9999, 12, 31, tzinfo=UTC), "in_future"),
    ],
)
def test_clocks_may_be_wrong_by_the_tolerance(at: datetime, cause: RejectionCause | None) -> None:
    found = rejected(replace(EVENT, timestamp=at))
    assert (found and found[0]) == cause


@pytest.mark.parametrize(("age", "cause"), [(24 * HOUR, None), (24 * HOUR + SECOND, "too_late")])
@pytest.mark.parametrize("said", [True, False])
def test_a_session_closes(age: timedelta, cause: RejectionCause | None, said: bool) -> None:
    event = replace(EVENT, timestamp=NOW if said else None)
    found = rejected(event, replace(SHOWING, began=NOW - age))
    assert (found and found[0]) == cause


def test_an_event_that_was_delayed_on_its_way_counts_by_its_own_time() -> None:
    began = NOW - 365 * 24 * HOUR
    assert rejected(replace(EVENT, timestamp=began + HOUR), replace(SHOWING, began=began)) is None


@given(at=st.datetimes(timezones=st.just(UTC)), began=st.datetimes(timezones=st.just(UTC)))
def test_whatever_the_times_what_counts_lies_in_the_session(at: datetime, began: datetime) -> None:
    if rejected(replace(EVENT, timestamp=at), replace(SHOWING, began=began)) is None:
        assert -LIMITS.tolerance <= at - began <= LIMITS.open_for
        assert at - NOW <= LIMITS.tolerance


def test_a_session_names_the_items_in_their_order() -> None:
    shown = (Shown("lamp", 11, 0.5), Shown("sofa", 12, None, 0.25))
    assert AnsweredSession("s", "q", "u", NOW, shown, ()).shown == ("lamp", "sofa")
