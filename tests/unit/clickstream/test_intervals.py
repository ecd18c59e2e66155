"""Intervals hold what they promise."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.clickstream.intervals import mean, share


def test_nothing_observed_says_nothing() -> None:
    assert share(0, 0).value is None
    assert share(0, 0).ci95 is None
    assert mean(0.0, 0.0, 0).value is None


@pytest.mark.parametrize(
    ("successes", "of", "expected"),
    [(0, 10, (0.0, 0.27753)), (10, 10, (0.72247, 1.0)), (81, 263, (0.25530, 0.36621)), (1, 2, (0.09453, 0.90547))],
)
def test_wilson_as_published(successes: int, of: int, expected: tuple[float, float]) -> None:
    """81 of 263: the example of Newcombe 1998, "Two-sided confidence intervals for the single proportion"."""
    assert share(successes, of).ci95 == pytest.approx(expected, abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_ends_are_where_the_score_test_rejects(counts: tuple[int, int]) -> None:
    """|p - θ| = z √(θ(1 - θ)/n) at both ends that lie inside 0..1."""
    successes, of = counts
    estimate = share(successes, of)
    assert estimate.value is not None
    assert estimate.ci95 is not None
    low, high = estimate.ci95
    assert 0 <= low <= estimate.value <= high <= 1
    z = NormalDist().inv_cdf(0.975)
    for end in (low, high):
        if 0 < end < 1:
            score = abs(estimate.value - end) / math.sqrt(end * (1 - end) / of)
            assert score == pytest.approx(z, rel=1e-4) or end == pytest.approx(estimate.value, abs=1e-9)


@pytest.mark.parametrize(("of", "t"), [(3, 4.302653), (4, 3.182446), (5, 2.776445), (11, 2.228139), (31, 2.042272)])
def test_the_mean_has_students_interval(of: int, t: float) -> None:
    numbers = np.linspace(0.4, 0.6, of)
    estimate = mean(numbers.sum(), (numbers**2).sum(), of)
    half = t * numbers.std(ddof=1) / math.sqrt(of)
    assert estimate.value == pytest.approx(0.5)
    assert estimate.ci95 == pytest.approx((max(0, 0.5 - half), min(1, 0.5 + half)), rel=0.01)


def test_two_numbers_are_too_few_for_an_interval() -> None:
    assert mean(1.5, 1.25, 2).value == 0.75
    assert mean(1.5, 1.25, 2).ci95 is None


@given(st.lists(st.sampled_from([1.0, 1 / 2, 1 / 3, 1 / 7, 1 / 10]), min_size=3, max_size=200))
def test_a_mean_stays_within_its_bounds(numbers: list[float]) -> None:
    estimate = mean(math.fsum(numbers), math.fsum(one * one for one in numbers), len(numbers))
    assert estimate.value is not None
    assert estimate.ci95 is not None
    assert 0 <= estimate.ci95[0] <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.ci95[1] <= 1
