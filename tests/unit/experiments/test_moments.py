import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.experiments import Moments, ratio

UNITS = st.lists(st.tuples(st.integers(0, 5), st.integers(5, 20)), min_size=2, max_size=30)


@given(UNITS)
def test_a_ratio_is_as_sure_as_the_units_differ_from_it(units: list[tuple[int, int]]) -> None:
    clicked, sessions = np.asarray(units, np.float64).T
    found = ratio(Moments.of(units))
    influence = (clicked - clicked.sum() / sessions.sum() * sessions) / sessions.mean()
    assert found.mean == pytest.approx(clicked.sum() / sessions.sum())
    assert found.variance == pytest.approx(influence.var(ddof=1) / len(units), abs=1e-12)


def test_sessions_of_one_user_are_not_as_good_as_those_of_many() -> None:
    together = Moments.of([(8, 10), (0, 10), (8, 10), (0, 10)])
    apart = Moments.of([(1, 1)] * 16 + [(0, 1)] * 24)
    assert ratio(together).mean == ratio(apart).mean
    assert ratio(together).variance > 5 * ratio(apart).variance


def test_a_database_sums_up_what_the_units_are() -> None:
    moments = Moments.of([(1, 2), (3, 4)])
    assert Moments.made(2, [4, 6], [[10, 14], [14, 20]]).products.tolist() == moments.products.tolist()
    assert not moments.has_history
    assert Moments.of([(1, 2, 0, 0), (3, 4, 2, 5)]).has_history


def test_of_no_sessions_nothing_can_be_said() -> None:
    assert np.isnan(ratio(Moments.made(0, [0, 0], [[0, 0], [0, 0]])).mean)
