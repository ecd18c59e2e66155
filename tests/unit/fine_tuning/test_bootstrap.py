"""The paired bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.bootstrap import resampled_means


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.integers(0, 2**32 - 1))
def test_means_lie_between_the_least_and_the_greatest_value(values: list[float], seed: int) -> None:
    means = resampled_means(np.array([values]).T, resamples=50, seed=seed)
    assert means.shape == (50, 1)
    assert means.min() >= min(values) - 1e-12
    assert means.max() <= max(values) + 1e-12


def test_columns_are_drawn_together() -> None:
    values = np.random.default_rng(0).normal(size=(40, 1))
    means = resampled_means(np.hstack([values, 2 * values]), resamples=200, seed=3)
    np.testing.assert_allclose(means[:, 1], 2 * means[:, 0])


def test_their_spread_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=(400, 1))
    means = resampled_means(values, resamples=4_000, seed=3)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.05)


def test_more_groups_than_fit_into_one_chunk() -> None:
    values = np.ones((700_000, 1))
    np.testing.assert_array_equal(resampled_means(values, resamples=3, seed=0), np.ones((3, 1)))


def test_a_seed_gives_the_same_means() -> None:
    values = np.arange(30.0)[:, None]
    first, again, other = (resampled_means(values, resamples=20, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
