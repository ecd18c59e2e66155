import numpy as np
import pytest

from embedding_studio.experiments import Arms, Floats, Moments, difference

USERS = 400
WORLDS = 400


def users(rng: np.random.Generator, lift: float, *, known: float = 1.0) -> Floats:
    """Users who click more or less readily, before as well as now; some were not there before."""
    readiness = np.clip(rng.normal(0.3, 0.15, USERS), 0.02, 0.9)
    visits = rng.integers(1, 20, USERS)
    before = rng.poisson(visits) * (rng.random(USERS) < known)
    clicked = rng.binomial(visits, readiness + lift)
    return np.stack([clicked, visits, rng.binomial(before, readiness), before], axis=1).astype(np.float64)


def both(rng: np.random.Generator, lift: float, *, known: float = 1.0, columns: int = 4) -> Arms:
    arms = (users(rng, 0.0, known=known), users(rng, lift, known=known))
    return Arms(*(Moments.of(one[:, :columns]) for one in arms))


def test_the_past_makes_the_estimate_sharper_and_leaves_it_where_it_is() -> None:
    errors: dict[int, list[float]] = {2: [], 4: []}
    for columns in errors:
        rng = np.random.default_rng(1)
        errors[columns] = [float(difference(both(rng, 0.02, columns=columns)).mean) - 0.02 for _ in range(WORLDS)]
    assert np.std(errors[4]) < 0.85 * np.std(errors[2])
    assert abs(np.mean(errors[4])) < 3 * np.std(errors[4]) / np.sqrt(WORLDS)


@pytest.mark.parametrize("known", [1.0, 0.4])
def test_the_stated_error_is_the_real_one(known: float) -> None:
    rng = np.random.default_rng(2)
    found = [difference(both(rng, 0.0, known=known)) for _ in range(WORLDS)]
    z = np.asarray([one.mean / np.sqrt(one.variance) for one in found])
    assert 0.9 < np.std(z) < 1.1
    assert abs(np.mean(z)) < 0.2


def test_where_nobody_was_there_before_all_is_as_without_a_past() -> None:
    arms = both(np.random.default_rng(3), 0.0, known=0.0)
    bare = Arms(*(Moments(one.units, one.sums[:2], one.products[:2, :2]) for one in (arms.control, arms.treatment)))
    assert difference(arms).mean == difference(bare).mean
    assert difference(arms).variance == difference(bare).variance


def test_without_columns_of_the_past_it_is_the_plain_difference() -> None:
    found = difference(Arms(Moments.of([(1, 1), (0, 1)] * 50), Moments.of([(1, 1), (1, 1), (0, 1)] * 50)))
    assert found.mean == pytest.approx(2 / 3 - 1 / 2)
