import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.experiments import boundary, p_value

CLOCK = np.arange(1.0, 20_001)


def test_a_walk_without_drift_seldom_ever_leaves() -> None:
    """Four thousand walks, looked at after each of two thousand steps; read as if looked at once, four of ten leave."""
    rng = np.random.default_rng(4)
    clock = np.arange(1.0, 2_001)
    z = np.abs(np.cumsum(rng.normal(size=(4_000, 2_000)), axis=1)) / np.sqrt(clock)
    assert np.mean((z > boundary(clock, 400.0, 0.05)).any(axis=1)) <= 0.05
    assert np.mean((z > 1.96).any(axis=1)) > 0.4


@given(st.floats(0.001, 0.2), st.floats(0.0, 8.0), st.floats(1.0, 1e6), st.floats(100.0, 1e6))
def test_what_is_beyond_the_boundary_has_a_p_value_below_alpha(
    alpha: float, z: float, clock: float, horizon: float
) -> None:
    at = np.asarray(clock)
    height, p = float(boundary(at, horizon, alpha)), float(p_value(np.asarray(z), at, horizon))
    if abs(z - height) > 1e-6:
        assert (z > height) == (p < alpha)


def test_the_boundary_is_lowest_on_the_way_to_the_horizon() -> None:
    heights = boundary(CLOCK, 10_000.0, 0.05)
    assert CLOCK[heights.argmin()] == pytest.approx(2_500, rel=0.01)
    assert heights.min() == pytest.approx(3.035, abs=0.01)
    assert heights[9_999] < 3.2
    assert heights[0] > 30
