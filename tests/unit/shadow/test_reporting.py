from dataclasses import astuple

import pytest

from embedding_studio.shadow.reporting import summarize


def row(ms: float, **changes: object) -> dict[str, object]:
    usual = {"live_ms": ms, "candidate_ms": 2 * ms, "overlap": 0.5, "rbo": 0.4, "same_first": True}
    return usual | {"has_live": True, "has_candidate": True} | changes


def test_of_nothing_nothing_is_said() -> None:
    assert summarize([]) is None


def test_means_percentiles_and_empty_answers_are_summed_up() -> None:
    rows = [row(float(ms)) for ms in range(1, 101)]
    rows[0] |= {"overlap": 0.0, "rbo": 0.0, "same_first": False, "has_candidate": False}
    found = summarize(rows)
    assert found is not None
    assert found.searches == 100
    assert (found.overlap, found.rbo, found.same_first) == pytest.approx((0.495, 0.396, 0.99))
    assert astuple(found.live) == pytest.approx((50.5, 95.05, 0.0))
    assert astuple(found.candidate) == pytest.approx((101.0, 190.1, 0.01))
