"""What an item gains is bounded, whatever was clicked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.sdk import ClickMemory, Remembered

strengths = st.floats(0, allow_nan=False)


@given(strengths, strengths, st.floats(0, 10), st.floats(0, 10))
def test_a_boost_is_bounded_by_the_caps(up: float, down: float, cap: float, negative_cap: float) -> None:
    memory = ClickMemory(cap=cap, negative_cap=negative_cap)
    assert -negative_cap <= memory.boost(up, down) <= cap


@given(strengths, st.floats(0, 1e6), strengths)
def test_a_boost_grows_with_what_speaks_for_it(up: float, more: float, down: float) -> None:
    memory = ClickMemory()
    assert memory.boost(up + more, down) >= memory.boost(up, down) - 1e-12
    assert memory.boost(up, down + more) <= memory.boost(up, down) + 1e-12


def test_nothing_gains_nothing() -> None:
    assert ClickMemory().boost(0.0, 0.0) == 0.0
    assert ClickMemory().boost(1.0, 0.0) == pytest.approx(0.05)


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.integers(0, 100))
def test_gains_lead_from_the_own_to_all(own_up: float, own_down: float, up: float, down: float, voices: int) -> None:
    memory = ClickMemory()
    remembered = Remembered(own_up, own_down, up if voices else 0.0, down if voices else 0.0, voices)
    gains = memory.gains(remembered)
    assert gains[-1] == memory.gain(remembered)
    if voices <= 20:
        assert gains[0] == memory.boost(own_up, own_down)
    assert len(gains) == min(voices, 20) + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"threshold": float("nan")},
        {"cap": -0.1},
        {"cap": float("inf")},
        {"negative_cap": float("nan")},
        {"typical": 0},
        {"half_life_days": 0},
        {"voice": float("nan")},
        {"users": -1},
        {"places": 0},
    ],
)
def test_numbers_that_bound_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClickMemory(**wrong)
