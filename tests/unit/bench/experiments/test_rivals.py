import numpy as np

from embedding_studio.bench.experiments.rivals import bet


def test_a_gambler_wins_against_a_mean_that_is_not_zero() -> None:
    rng = np.random.default_rng(0)
    assert bet(np.where(rng.random(2_000) < 0.6, 1.0, -1.0)) is not None


def test_a_gambler_seldom_wins_against_a_fair_coin() -> None:
    rng = np.random.default_rng(1)
    assert sum(bet(np.where(rng.random(500) < 0.5, 1.0, -1.0)) is not None for _ in range(200)) <= 16
