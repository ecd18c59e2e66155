import numpy as np
import pytest

from embedding_studio.experiments import boundary, size_ab, size_interleaving
from embedding_studio.kernel.errors import InvalidError


def test_as_many_sessions_as_are_said_find_the_lift_as_often_as_is_said() -> None:
    sessions, rng, worlds = size_ab(0.3, 0.2).sessions, np.random.default_rng(5), 400
    clock = np.arange(1.0, sessions + 1)
    limits = boundary(clock, sessions, 0.05)
    found = 0
    for _ in range(worlds):
        treated = rng.random(sessions) < 0.5
        clicked = rng.random(sessions) < np.where(treated, 0.36, 0.3)
        sizes = np.maximum([np.cumsum(~treated), np.cumsum(treated)], 1)
        rates = np.asarray([np.cumsum(clicked & ~treated), np.cumsum(clicked & treated)]) / sizes
        error = np.sqrt((np.maximum(rates * (1 - rates), 0.01) / sizes).sum(axis=0))
        found += bool((rates[1] - rates[0] > limits * error).any())
    assert 0.76 < found / worlds < 0.88


def test_smaller_effects_need_more_by_the_square() -> None:
    assert size_ab(0.3, 0.05).sessions / size_ab(0.3, 0.1).sessions == pytest.approx(4, rel=0.05)
    assert size_interleaving(0.3, 0.55).sessions / size_interleaving(0.3, 0.6).sessions == pytest.approx(4, rel=0.05)


def test_users_who_come_again_and_more_certainty_cost_sessions() -> None:
    least = size_ab(0.3, 0.1)
    assert least.sessions == pytest.approx(2 * least.per_arm, abs=1)
    assert size_ab(0.3, 0.1, design_effect=2.0).sessions == pytest.approx(2 * least.sessions, abs=2)
    assert size_ab(0.3, 0.1, power=0.9).sessions > least.sessions
    assert size_ab(0.3, 0.1, alpha=0.01).sessions > least.sessions


@pytest.mark.parametrize(
    ("ctr", "lift", "alpha", "power", "field"),
    [
        (0.0, 0.1, 0.05, 0.8, "ctr"),
        (1.0, 0.1, 0.05, 0.8, "ctr"),
        (float("nan"), 0.1, 0.05, 0.8, "ctr"),
        (0.3, 0.0, 0.05, 0.8, "lift"),
        (0.3, 1e-9, 0.05, 0.8, "lift"),
        (0.6, 0.7, 0.05, 0.8, "lift"),
        (0.3, float("nan"), 0.05, 0.8, "lift"),
        (0.3, 0.1, 0.0, 0.8, "power"),
        (0.3, 0.1, 0.05, 0.05, "power"),
        (0.3, 0.1, 0.05, 1.0, "power"),
    ],
)
def test_what_cannot_be_is_refused(ctr: float, lift: float, alpha: float, power: float, field: str) -> None:
    with pytest.raises(InvalidError) as refused:
        size_ab(ctr, lift, alpha=alpha, power=power)
    assert [one.field for one in refused.value.errors] == [field]


@pytest.mark.parametrize("design_effect", [0.0, -1.0, float("inf"), float("nan")])
def test_a_design_effect_is_a_number_above_0(design_effect: float) -> None:
    with pytest.raises(InvalidError, match="design_effect"):
        size_ab(0.3, 0.1, design_effect=design_effect)


@pytest.mark.parametrize("preference", [0.5, 0.0, 1.0, float("nan")])
def test_a_preference_of_one_half_or_of_all_is_refused(preference: float) -> None:
    with pytest.raises(InvalidError, match="preference"):
        size_interleaving(0.3, preference)
