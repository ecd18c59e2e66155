"""What a session says does not depend on the order or the number of its messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.improvement.domain import Click, clicks_of, speaker_of, weight_of
from embedding_studio.sdk import EventGains

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION: dict[str, Any] = {"_id": "s", "user_id": "ann"}
kinds = st.sampled_from(["click", "view", "like", "cart", "purchase", "dismiss", "report"])
gains = st.lists(st.tuples(kinds, st.floats(-1, 1)), max_size=12)
gain_of = EventGains().build()


def event(item: str = "i", kind: str = "click", *, minute: int = 0, user: str | None = None) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minute)
    return {"item_id": item, "type": kind, "value": None, "user_id": user, "timestamp": at, "received_at": at}


events = st.lists(
    st.builds(
        event,
        st.sampled_from("abc"),
        kinds,
        minute=st.integers(0, 9),
        user=st.sampled_from([None, "ann", "bob"]),
    ),
    max_size=12,
)


@given(gains, st.randoms())
def test_a_weight_is_bounded_and_free_of_order_and_repetition(all_gains: list[tuple[str, float]], random: Any) -> None:
    weight = weight_of(all_gains)
    assert -1 <= weight <= 3
    again = all_gains * 2
    random.shuffle(again)
    assert weight_of(again) == weight


@given(events, st.randoms(), st.sampled_from([None, "ann"]))
def test_what_a_session_says_is_free_of_order_and_repetition(
    all_events: list[dict[str, Any]], random: Any, user: str | None
) -> None:
    session = {**SESSION, "user_id": user}
    said = clicks_of(session, all_events, gain_of)
    again = all_events * 2
    random.shuffle(again)
    assert clicks_of(session, again, gain_of) == said
    assert len({click.item_id for click in said}) == len(said)
    assert all(click.weight and -1 <= click.weight <= 3 for click in said)


@given(events)
def test_only_dismissals_and_reports_make_a_negative(all_events: list[dict[str, Any]]) -> None:
    kind = [one for one in all_events if one["type"] not in {"dismiss", "report"}]
    assert all(click.weight > 0 for click in clicks_of(SESSION, kind, gain_of))


def test_types_add_up_and_each_counts_once() -> None:
    said = clicks_of(SESSION, [event(), event(), event(kind="purchase", minute=5)], gain_of)
    assert said == [Click("s", "i", "ann", 1.5, NOON + timedelta(minutes=5))]


def test_a_click_that_was_taken_back_says_nothing() -> None:
    assert clicks_of(SESSION, [event(), event(kind="dismiss")], gain_of) == []


def test_an_irrelevant_session_says_nothing() -> None:
    assert clicks_of({**SESSION, "irrelevant_at": NOON}, [event()], gain_of) == []


def test_what_others_did_in_a_session_says_nothing() -> None:
    assert clicks_of(SESSION, [event(user="eve")], gain_of) == []
    nameless = {"_id": "s"}
    assert speaker_of(nameless, [event(user="eve"), event(user="adam")]) == "adam"
    assert [one.user_id for one in clicks_of(nameless, [event(user="eve")], gain_of)] == ["eve"]


@pytest.mark.parametrize("claimed", [-5, 5])
def test_a_time_in_the_future_is_that_of_the_arrival(claimed: int) -> None:
    sent = {**event(), "timestamp": NOON + timedelta(minutes=claimed)}
    (said,) = clicks_of(SESSION, [sent], gain_of)
    assert said.at == NOON + timedelta(minutes=min(claimed, 0))
