"""What a replay says of an order that did not serve: checked in worlds whose truth is known."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.replay import (
    GroupReplay,
    Placed,
    ReplayedSession,
    ReplayEstimate,
    estimate_replay,
    replay_group,
)

ITEMS = [f"i{number}" for number in range(10)]


def session(shown: Sequence[str], *clicked: str, propensity: float = 1.0) -> ReplayedSession:
    placed = tuple(Placed(item, position, propensity) for position, item in enumerate(shown, 1))
    return ReplayedSession(placed, frozenset(clicked))


def estimate(*groups: GroupReplay) -> ReplayEstimate:
    return estimate_replay(groups, resamples=500, seed=0)


def test_the_first_click_stands_where_an_order_would_have_put_it() -> None:
    found = estimate(replay_group("g", [session("abc", "c"), session("abc")], before="abc", after="cab"))
    assert found.sessions == 1
    assert found.mrr
    assert (found.mrr.before, found.mrr.after, found.mrr.delta) == pytest.approx((1 / 3, 1.0, 2 / 3))


def test_what_an_order_lacks_comes_last_as_it_was_shown() -> None:
    found = estimate(replay_group("g", [session("abcd", "b")], before="abcd", after="dc"))
    assert found.mrr
    assert found.mrr.after == pytest.approx(1 / 4)


def test_without_exploration_no_propensity_is_used() -> None:
    found = estimate(replay_group("g", [session("abc", "a")], before="abc", after="bac"))
    assert (found.explored, found.clicks, found.support) == (0, None, None)


def test_of_nothing_there_is_nothing() -> None:
    assert estimate() == ReplayEstimate()


def swapped(chance: Random, probability: float) -> tuple[list[str], list[float]]:
    """Ten results whose neighbours 3 and 4 have changed places with some probability."""
    order, propensities = list(ITEMS), [1.0] * 10
    swap = chance.random() < probability
    if swap:
        order[2:4] = order[3], order[2]
    propensities[2:4] = [probability if swap else 1 - probability] * 2
    return order, propensities


def test_inverse_propensities_find_the_clicks_of_an_order_that_rarely_served() -> None:
    """Two equally good items, of which the first place gets four clicks for the other's one: no order is better."""
    chance, sessions = Random(0), []
    for _ in range(4_000):
        order, propensities = swapped(chance, 0.1)
        placed = tuple(Placed(item, n + 1, p) for n, (item, p) in enumerate(zip(order, propensities, strict=True)))
        clicked = {order[2]} if chance.random() < 0.4 else set()
        clicked |= {order[3]} if chance.random() < 0.1 else set()
        sessions.append(ReplayedSession(placed, frozenset(clicked)))
    other = [*ITEMS[:2], ITEMS[3], ITEMS[2], *ITEMS[4:]]
    halves = [replay_group(f"g{n}", sessions[n::40], before=ITEMS, after=other) for n in range(40)]
    found = estimate(*halves)
    assert found.clicks
    assert found.mrr
    assert found.clicks.before == pytest.approx(0.5, abs=0.05)
    assert found.clicks.after == pytest.approx(0.5, abs=0.1)
    assert found.clicks.ci95[0] < 0 < found.clicks.ci95[1]
    assert found.support == pytest.approx(1.0, abs=0.05)
    assert found.mrr.ci95[1] < 0  # condensed lists favour the order that was shown


def test_places_that_exploration_never_reached_lower_the_support() -> None:
    sessions = [session(ITEMS, ITEMS[0], propensity=0.9)]
    found = estimate(replay_group("g", sessions, before=ITEMS, after=ITEMS[::-1]))
    assert found.support == 0
    assert found.clicks
    assert found.clicks.after == 0


def test_weights_are_clipped() -> None:
    found = replay_group("g", [session("ab", "a", propensity=1e-9)], before="ab", after="ab")
    assert found.before.weights[:2] == (100.0, 100.0)


@given(st.permutations(ITEMS), st.permutations(ITEMS), st.sets(st.sampled_from(ITEMS), min_size=1), st.randoms())
def test_one_order_is_as_good_as_itself_and_the_groups_have_no_order(
    shown: list[str], order: list[str], clicked: set[str], random: Random
) -> None:
    sessions = [session(shown, *clicked, propensity=0.5)]
    groups = [replay_group(f"g{number}", sessions, before=order, after=order) for number in range(5)]
    found = estimate(*groups)
    assert found.mrr
    assert found.clicks
    assert (found.mrr.delta, found.clicks.delta) == (0, 0)
    random.shuffle(groups)
    assert estimate(*groups) == found
