import numpy as np
import pytest

from embedding_studio.bench.experiments.pages import Bools, make_shop
from embedding_studio.bench.experiments.streams import (
    Stream,
    UnitKind,
    arms_over_time,
    clicked_stream,
    drafted_stream,
    moments_over_time,
)
from embedding_studio.experiments import Moments

SHOP = make_shop(ctr=0.3, lift=0.1)


def units_after(stream: Stream, sessions: int, among: Bools) -> Moments:
    """The long way: each unit's sessions so far, added up."""
    rows, units = np.stack([stream.value, stream.counted], axis=1)[:sessions], stream.unit[:sessions]
    found = [[*rows[units == unit].sum(axis=0), *stream.past[unit]] for unit in np.unique(units[among[:sessions]])]
    return Moments.of(found)


@pytest.mark.parametrize("kind", ["session", "user"])
def test_moments_over_time_are_those_of_the_units_so_far(kind: UnitKind) -> None:
    stream = clicked_stream(SHOP.control, SHOP.treatment, 400, kind, np.random.default_rng(0))
    arms = arms_over_time(stream, with_past=True)
    for sessions in (57, 400):
        for moments, among in ((arms.control, ~stream.treated), (arms.treatment, stream.treated)):
            expected = units_after(stream, sessions, among)
            assert moments.units[sessions - 1] == expected.units
            assert moments.sums[sessions - 1] == pytest.approx(expected.sums)
            assert moments.products[sessions - 1] == pytest.approx(expected.products)


def test_users_come_again_and_stay_in_their_arm() -> None:
    stream = clicked_stream(SHOP.control, SHOP.treatment, 2_000, "user", np.random.default_rng(1))
    visits = np.bincount(stream.unit)
    assert visits.max() > 10
    assert all(len(set(stream.treated[stream.unit == unit])) <= 1 for unit in range(len(visits)))


def test_the_treatments_pages_have_a_tenth_more_clicks() -> None:
    rates = [1 - np.prod(1 - pages.rates, axis=-1) for pages in (SHOP.control, SHOP.treatment)]
    assert [float(one.mean()) for one in rates] == pytest.approx([0.3, 0.33], abs=1e-3)
    stream = clicked_stream(SHOP.control, SHOP.treatment, 40_000, "session", np.random.default_rng(2))
    assert stream.value[~stream.treated].mean() == pytest.approx(0.3, abs=0.01)
    assert stream.value[stream.treated].mean() == pytest.approx(0.33, abs=0.01)


def test_drafts_prefer_the_better_ranking_and_none_where_units_swap_them() -> None:
    better, swapped = (
        drafted_stream(SHOP.drafts, 20_000, "session", np.random.default_rng(3), swapped=one) for one in (False, True)
    )
    assert better.value.sum() / better.counted.sum() > 0.05
    assert abs(swapped.value.sum() / swapped.counted.sum()) < 0.03
    assert set(better.value[better.counted == 0]) == {0.0}
    assert moments_over_time(better, ~better.treated).sums[-1].tolist() == pytest.approx(
        [better.value.sum(), better.counted.sum()]
    )
