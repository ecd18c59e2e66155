from math import log2

import pytest

from embedding_studio.demo.queries import Query
from embedding_studio.simulation.quality import Estimate, Evaluation, estimate, ndcg_at_10

TEN = [f"film-{number}" for number in range(10)]


def query(text: str) -> Query:
    return Query(text, (text,), frozenset({"a"}), clicked=False, held_out=False)


@pytest.mark.parametrize(
    ("relevant", "expected"),
    [
        ({"film-0"}, 1.0),
        ({"film-1"}, 1 / log2(3)),
        ({"film-0", "film-2"}, (1 + 0.5) / (1 + 1 / log2(3))),
        ({"film-0", "elsewhere"}, 1 / (1 + 1 / log2(3))),
        ({"elsewhere"}, 0.0),
        (set(TEN), 1.0),
        ({*TEN, "more", "than", "ten"}, 1.0),
        (set(), 0.0),
    ],
)
def test_ndcg_by_hand(relevant: set[str], expected: float) -> None:
    assert ndcg_at_10(TEN, dict.fromkeys(relevant, 1.0)) == pytest.approx(expected)


def test_the_eleventh_result_does_not_count() -> None:
    assert ndcg_at_10([*TEN, "late"], {"late": 1.0}) == 0


def test_an_interval_contains_the_mean_and_narrows_with_more_queries() -> None:
    few, many = estimate([0.0, 1.0] * 20), estimate([0.0, 1.0] * 2_000)
    assert few.mean == many.mean == 0.5
    assert few.low < many.low < 0.5 < many.high < few.high


def test_of_equal_values_there_is_no_doubt() -> None:
    assert estimate([0.25] * 9) == Estimate(0.25, 0.25, 0.25)


def test_of_nothing_there_is_nothing() -> None:
    assert estimate([]) == Estimate(0.0, 0.0, 0.0)


def test_a_gain_is_paired_by_query() -> None:
    before = Evaluation(1, {}, {"easy": 0.9, "hard": 0.1})
    after = Evaluation(2, {}, {"easy": 1.0, "hard": 0.2})
    gain = after.gain_over(before, [query("easy"), query("hard")])
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert after.mean([query("hard")]).mean == pytest.approx(0.2)
