"""Neighbours change places as often as is said, and the probability that is logged is the true one."""

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk import Ranking
from embedding_studio.sdk.exploration import SwapNeighbours

parts = st.builds(SwapNeighbours, share=st.floats(0.001, 0.5), depth=st.integers(2, 30))
counts = st.integers(0, 40)


def enumerated(part: SwapNeighbours, count: int) -> dict[tuple[int, int], tuple[float, float]]:
    """(place, position) to the true probability, from every outcome that there is, and to the one that is logged."""
    pairs = max(0, min(count, part.depth) - 1)
    each = part.share / max(1, pairs)
    outcomes = [((pair + 0.5) * each, each) for pair in range(pairs)] + [(part.share, 1 - pairs * each)]
    true, logged = Counter[tuple[int, int]](), dict[tuple[int, int], float]()
    for draw, probability in outcomes:
        arranged = part.build()(count, draw)
        for position, (place, propensity) in enumerate(zip(arranged.places, arranged.propensities, strict=True)):
            true[place, position] += probability  # type: ignore[assignment]  # a counter of anything that adds
            assert logged.setdefault((place, position), propensity) == propensity
    return {key: (true[key], logged[key]) for key in logged}


@given(part=parts, count=counts)
def test_what_is_logged_is_the_true_probability(part: SwapNeighbours, count: int) -> None:
    for true, logged in enumerated(part, count).values():
        assert logged == pytest.approx(true, abs=1e-12)


@given(part=parts, count=counts)
def test_an_item_is_shown_somewhere_and_a_position_shows_something(part: SwapNeighbours, count: int) -> None:
    logged = enumerated(part, count)
    for axis in (0, 1):
        sums = Counter[int]()
        for key, (_, propensity) in logged.items():
            sums[key[axis]] += propensity  # type: ignore[assignment]  # as above
        assert len(sums) == count
        assert list(sums.values()) == pytest.approx([1] * count)


@given(part=parts, count=counts, draw=st.floats(0, 1, exclude_max=True))
def test_at_most_one_pair_changes_places_and_nothing_is_lost(part: SwapNeighbours, count: int, draw: float) -> None:
    arranged = part.build()(count, draw)
    assert sorted(arranged.places) == list(range(count))
    moved = [(place, position) for position, place in enumerate(arranged.places) if place != position]
    assert moved in ([], [(moved[0][0], moved[0][0] - 1), (moved[0][0] - 1, moved[0][0])] if moved else [])
    assert all(position < part.depth for _, position in moved)
    assert all(0 < one <= 1 for one in arranged.propensities)
    if draw >= part.share or min(count, part.depth) < 2:
        assert not moved


@pytest.mark.parametrize(("share", "depth", "count"), [(0.05, 10, 10), (0.5, 2, 2), (0.3, 5, 20), (0.2, 10, 3)])
def test_frequencies_are_what_is_logged(share: float, depth: int, count: int) -> None:
    """Over 40,000 seeded draws, within five standard errors."""
    arrange, rng, draws = SwapNeighbours(share=share, depth=depth).build(), random.Random(7), 40_000
    seen = np.zeros((count, count))
    logged = np.zeros((count, count))
    for _ in range(draws):
        arranged = arrange(count, rng.random())
        seen[arranged.places, range(count)] += 1
        logged[arranged.places, range(count)] = arranged.propensities
    errors = np.sqrt(logged * (1 - logged) / draws)
    assert np.all(np.abs(seen / draws - logged) <= 5 * errors)
    assert (seen > 0).sum() == count + 2 * (min(count, depth) - 1)


@pytest.mark.parametrize("fields", [{"share": 0}, {"share": 0.51}, {"share": float("nan")}, {"depth": 1}])
def test_what_changes_nothing_or_too_much_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        SwapNeighbours(**fields)


def test_nothing_is_varied_unless_a_plugin_says_so() -> None:
    assert Ranking().exploration is None
