"""Events to gains."""

import pytest

from embedding_studio.sdk import EventGains


def test_a_type_that_is_not_named_teaches_nothing() -> None:
    gain = EventGains({"click": 0.25}).build()
    assert (gain("click", None), gain("view", 3.0)) == (0.25, 0.0)


def test_by_default_only_displeasure_is_negative() -> None:
    gain = EventGains().build()
    kinds = ("click", "view", "dwell", "like", "dismiss", "cart", "purchase", "report")
    assert {kind for kind in kinds if gain(kind, None) < 0} == {"dismiss", "report"}
    assert gain("purchase", None) > gain("cart", None) > gain("click", None) > gain("view", None) == 0


@pytest.mark.parametrize("gain", [1.01, -1.01, float("nan"), float("inf")])
def test_gains_out_of_range_are_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="click"):
        EventGains({"click": gain})
