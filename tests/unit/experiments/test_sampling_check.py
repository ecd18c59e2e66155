import numpy as np
import pytest

from embedding_studio.experiments import check_ratio


def ever_fails(share: float, units: int, seed: int) -> bool:
    treated = np.cumsum(np.random.default_rng(seed).random(units) < share).tolist()
    return any(not check_ratio(total - found, found).ok for total, found in enumerate(treated, start=1))


def test_of_sound_experiments_hardly_any_ever_fails() -> None:
    assert sum(ever_fails(0.5, 2_000, seed) for seed in range(200)) <= 2


def test_a_tenth_lost_is_found() -> None:
    assert sum(ever_fails(45 / 95, 15_000, seed) for seed in range(20)) >= 18


def test_the_bayes_factor_is_that_of_the_beta_prior() -> None:
    """Against the integral over shares, by the trapezoidal rule."""
    shares = np.linspace(1e-6, 1 - 1e-6, 200_001)
    prior = (shares * (1 - shares)) ** 99
    likelihood = shares**60 * (1 - shares) ** 20
    factor = np.trapezoid(prior * likelihood, shares) / np.trapezoid(prior, shares) * 2.0**80
    assert check_ratio(20, 60).p_value == pytest.approx(1 / factor, rel=1e-6)


def test_nothing_and_equal_numbers_are_sound() -> None:
    assert check_ratio(0, 0).p_value == 1.0
    assert check_ratio(5_000, 5_000).p_value == 1.0
    assert check_ratio(5_000, 4_500) == check_ratio(4_500, 5_000)
    assert not check_ratio(5_000, 4_500).ok
