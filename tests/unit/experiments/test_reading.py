from dataclasses import replace

import numpy as np
import pytest

from embedding_studio.experiments import Arms, Effect, Moments, Observed, Rules, read

RULES = Rules(horizon=4_000, bounds={"zero_results": 0.01, "latency": float(np.log(1.25))})


def rate(clicked: int, of: int) -> Moments:
    return Moments.of([(1, 1)] * clicked + [(0, 1)] * (of - clicked))


def observed(control: int, treatment: int, of: int = 1_000, **others: Arms) -> Observed:
    metrics = {"ctr": Arms(rate(control, of), rate(treatment, of)), **others}
    return Observed(2 * of, (of, of), "ctr", metrics)


@pytest.mark.parametrize(("control", "treatment", "decision"), [(300, 400, "treatment"), (400, 300, "control")])
def test_a_sure_difference_is_decided(control: int, treatment: int, decision: str) -> None:
    found = read(observed(control, treatment), RULES)
    assert found.decision == decision
    assert found.waiting is None
    assert found.effect is not None
    assert found.effect.metric == "ctr"
    assert found.effect.estimate == pytest.approx((treatment - control) / 1_000)
    assert found.effect.p_value < 0.05
    assert found.effect.ci95[0] * found.effect.ci95[1] > 0


def test_a_small_difference_is_open_though_one_look_would_have_taken_it_for_sure() -> None:
    found = read(observed(300, 343), RULES)
    assert found.decision is None
    assert found.waiting == "no difference is certain yet"
    assert found.effect is not None
    assert found.effect.ci95[0] < 0 < found.effect.ci95[1]


def test_a_stricter_alpha_waits_longer() -> None:
    assert read(observed(300, 365), RULES).decision == "treatment"
    assert read(observed(300, 365), replace(RULES, alpha=0.001)).decision is None


def test_nothing_is_decided_before_the_fewest_sessions() -> None:
    found = read(observed(300, 400), replace(RULES, min_sessions=2_001))
    assert found.decision is None
    assert found.effect is not None
    assert found.waiting == "2,000 sessions of at least 2,001"


def test_a_handful_of_clicks_says_nothing() -> None:
    found = read(observed(0, 40), RULES)
    assert found.effect is None
    assert found.waiting == "there are too few clicks to tell"


def test_an_arm_of_one_unit_decides_nothing() -> None:
    arms = Arms(Moments.of([(0, 1)]), rate(400, 1_000))
    found = read(Observed(1_001, None, "ctr", {"ctr": arms}), RULES)
    assert (found.effect, found.decision) == (None, None)


def test_what_never_varies_has_no_effect() -> None:
    same = Moments.of([(1, 2)] * 200)
    assert read(Observed(800, None, "ctr", {"ctr": Arms(same, same)}), RULES).effect is None


def test_arms_of_unequal_size_stop_the_reading() -> None:
    found = read(replace(observed(3_000, 4_000, 10_000), assigned=(10_000, 9_000)), RULES)
    assert not found.sample_ratio.ok
    assert found.effect is None
    assert found.decision is None


def test_a_treatment_that_finds_nothing_breaks_its_bound() -> None:
    assert read(observed(300, 300, zero_results=Arms(rate(20, 1_000), rate(25, 1_000))), RULES).breached == ()
    worse = read(observed(300, 300, zero_results=Arms(rate(0, 1_000), rate(90, 1_000))), RULES)
    assert worse.breached == ("zero_results",)
    assert worse.secondary["zero_results"].estimate == pytest.approx(0.09)


def test_a_treatment_that_is_slow_breaks_its_bound() -> None:
    rng = np.random.default_rng(0)

    def took(ms: float) -> Moments:
        return Moments.of([(float(value), 1.0) for value in np.log(ms) + rng.normal(0, 0.5, 1_000)])

    assert read(observed(300, 300, latency=Arms(took(20), took(22))), RULES).breached == ()
    assert read(observed(300, 300, latency=Arms(took(20), took(40))), RULES).breached == ("latency",)


def test_better_than_the_control_breaks_no_bound() -> None:
    assert read(observed(300, 300, zero_results=Arms(rate(300, 1_000), rate(100, 1_000))), RULES).breached == ()


@pytest.mark.parametrize(("value", "decision"), [(1, "treatment"), (-1, "control")])
def test_interleaving_is_decided_by_the_preference(value: int, decision: str) -> None:
    preference = Moments.of([(value, 1)] * 200 + [(-value, 1)] * 100)
    found = read(Observed(1_000, (500, 500), "preference", preference=preference), RULES)
    assert found.decision == decision
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(value / 3)


def test_an_effect_says_that_it_may_be_read_at_any_time() -> None:
    assert Effect("ctr", 0.0, (-1.0, 1.0), 1.0).anytime_valid
