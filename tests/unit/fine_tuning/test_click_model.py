"""The click model finds what was planted, and nothing where nothing was."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.click_model import ClickModel, Trials, fit_clicks
from embedding_studio.kernel.errors import InvalidError

QUERIES, SHOWN, TIMES = 300, 10, 10
EXAMINED = np.arange(1, SHOWN + 1) ** -0.7


def trials(clicked: np.ndarray, times: float = TIMES) -> Trials:
    """Of counts (queries, positions): every pair always stood at one position."""
    queries, shown = clicked.shape
    return Trials(
        pair=np.arange(clicked.size),
        position=np.tile(np.arange(shown), queries),
        shown=np.full(clicked.size, times, np.float64),
        clicked=clicked.ravel().astype(np.float64),
        query=np.repeat(np.arange(queries), shown),
    )


def planted(random: np.random.Generator) -> np.ndarray:
    """Good items, rather at the top, as a ranker would have it."""
    return random.random((QUERIES, SHOWN)) < 0.5 * np.arange(1, SHOWN + 1) ** -1.0


@pytest.mark.parametrize("seed", range(3))
def test_the_lift_and_the_curve_that_were_planted_are_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    good = planted(random)
    evidence = fit_clicks(trials(random.binomial(TIMES, np.where(good, 0.7, 0.1) * EXAMINED)))
    assert evidence.model.lift == pytest.approx(7, rel=0.2)
    assert evidence.model.certainty > 0.999
    curve = evidence.model.background / evidence.model.background[0]
    assert np.abs(curve - EXAMINED).max() < 0.15
    weight = evidence.weight.reshape(good.shape)
    assert weight[good].mean() > 8 * weight[~good].mean()


def shuffled(random: np.random.Generator) -> np.ndarray:
    """Clicks that depend on the position alone."""
    return random.binomial(TIMES, np.tile(0.5 * EXAMINED**1.5, (QUERIES, 1)))


def scattered(random: np.random.Generator) -> np.ndarray:
    """Clicks that depend on nothing."""
    return random.binomial(TIMES, 0.1, (QUERIES, SHOWN))


def rare(random: np.random.Generator) -> np.ndarray:
    """Few clicks that depend on nothing."""
    return random.binomial(TIMES, 0.005, (QUERIES, SHOWN))


@pytest.mark.parametrize("world", [shuffled, scattered, rare])
@pytest.mark.parametrize("seed", range(10))
def test_where_clicks_say_nothing_nothing_weighs(world: object, seed: int) -> None:
    assert callable(world)
    evidence = fit_clicks(trials(world(np.random.default_rng(seed))))
    assert evidence.weight.max() < 0.02


def test_the_curve_is_flat_where_clicks_do_not_fall_with_the_position() -> None:
    background = fit_clicks(trials(scattered(np.random.default_rng(5)))).model.background
    assert background.max() / background.min() < 1.4


def test_the_curve_never_rises() -> None:
    random = np.random.default_rng(1)
    good = random.random((150, SHOWN)) < 0.5
    background = fit_clicks(trials(random.binomial(TIMES, np.where(good, 0.7, 0.1) * EXAMINED))).model.background
    assert (np.diff(background) <= 0).all()
    assert np.abs(background / background[0] - EXAMINED).max() < 0.15


def test_queries_whose_people_click_more_are_no_better_for_it() -> None:
    random = np.random.default_rng(3)
    readiness = random.gamma(1.0, 1.0, (QUERIES, 1))
    nothing = trials(random.binomial(TIMES, np.minimum(0.9, readiness * 0.15 * EXAMINED)))
    each_alone = replace(nothing, query=np.arange(len(nothing.query)))
    clicked = nothing.clicked > 0
    assert fit_clicks(nothing).weight[clicked].mean() < 0.4 * fit_clicks(each_alone).weight[clicked].mean()
    good = planted(random)
    something = fit_clicks(
        trials(random.binomial(TIMES, np.minimum(0.9, readiness * np.where(good, 0.5, 0.07) * EXAMINED)))
    )
    weight = something.weight.reshape(good.shape)
    assert weight[good].mean() > 5 * weight[~good].mean()
    assert np.corrcoef(something.readiness.reshape(good.shape)[:, 0], readiness[:, 0])[0, 1] > 0.6


def test_an_item_far_down_needs_fewer_clicks() -> None:
    random = np.random.default_rng(0)
    good = planted(random)
    clicked = random.binomial(TIMES, np.where(good, 0.7, 0.1) * EXAMINED)
    clicked[0] = [3, *[0] * (SHOWN - 2), 3]
    weight = fit_clicks(trials(clicked)).weight.reshape(good.shape)[0]
    assert weight[0] < 0.3
    assert weight[-1] > 0.6


def test_with_little_data_the_curve_is_drawn_to_the_mean() -> None:
    clicked = np.zeros((3, SHOWN))
    clicked[:, 0] = 1
    background = fit_clicks(trials(clicked, times=1)).model.background
    assert background[0] / background[-1] < 5


one_pair = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0.01, 20), st.floats(0, 1)),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
)
models = st.builds(
    ClickModel,
    background=st.lists(st.floats(0.001, 0.9), min_size=4, max_size=4).map(np.array),
    lift=st.floats(1, 50),
    prior=st.lists(st.floats(0.001, 0.99), min_size=1, max_size=1).map(lambda prior: np.full(4, prior[0])),
    usual=st.just(1.0),
    certainty=st.floats(0, 1),
)


def of_one_pair(rows: list[tuple[int, float, float]]) -> Trials:
    position, shown, share = (np.array(column) for column in zip(*rows, strict=True))
    return Trials(np.zeros(len(rows), np.int64), position, shown, shown * share, np.zeros(1, np.int64))


@given(models, one_pair, st.floats(0.1, 10), st.data())
def test_a_click_more_never_lowers_and_a_look_more_never_raises(
    model: ClickModel, rows: list[tuple[int, float, float]], readiness: float, data: st.DataObject
) -> None:
    which = data.draw(st.integers(0, len(rows) - 1))
    more = data.draw(st.floats(0.01, 5))
    position, shown, share = rows[which]
    clicked = [*rows[:which], (position, shown + more, (shown * share + more) / (shown + more)), *rows[which + 1 :]]
    looked = [*rows[:which], (position, shown + more, shown * share / (shown + more)), *rows[which + 1 :]]
    weights = [
        float(model.weight(model.posterior(of_one_pair(one), np.array([readiness])))[0])
        for one in (rows, clicked, looked)
    ]
    assert weights[1] >= weights[0] - 1e-9
    assert weights[2] <= weights[0] + 1e-9
    assert all(0 <= weight <= 1 for weight in weights)


counts = st.lists(st.tuples(st.integers(1, 5), st.floats(0, 1)), min_size=1, max_size=30)


@given(counts)
def test_of_any_clicks_the_weights_are_bounded(rows: list[tuple[int, float]]) -> None:
    shown, share = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    number = np.arange(len(rows))
    evidence = fit_clicks(Trials(number, number % 3, shown, shown * share, number // 4))
    assert ((evidence.weight >= 0) & (evidence.weight <= 1)).all()
    assert evidence.model.lift >= 1


def test_more_clicks_than_looks_are_refused() -> None:
    one = np.zeros(1, np.int64)
    with pytest.raises(InvalidError):
        Trials(one, one, np.ones(1), np.full(1, 2.0), one)


def test_without_trials_there_is_nothing_to_fit() -> None:
    none = np.zeros(0, np.int64)
    with pytest.raises(InvalidError):
        fit_clicks(Trials(none, none, np.zeros(0), np.zeros(0), none))
