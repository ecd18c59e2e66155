"""Metrics of one ranking."""

from collections.abc import Callable
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedding_studio.fine_tuning.metrics import mrr, ndcg, recall
from embedding_studio.kernel.errors import InvalidError

items = st.lists(st.integers(0, 150).map(str), unique=True, min_size=1, max_size=120)
gains = st.dictionaries(st.integers(0, 150).map(str), st.floats(-1, 1), min_size=1).filter(
    lambda judged: any(gain > 1e-6 for gain in judged.values())
)


def test_ndcg_by_hand() -> None:
    found = ndcg(["a", "b", "c"], {"b": 1.0, "c": 0.5, "d": 0.25})
    assert found == pytest.approx((1 / log2(3) + 0.5 / 2) / (1 + 0.5 / log2(3) + 0.25 / 2))


def test_mrr_by_hand() -> None:
    assert mrr(["a", "b", "c"], {"a": -1.0, "b": 0.0, "c": 0.1}) == pytest.approx(1 / 3)


def test_recall_by_hand() -> None:
    assert recall(["a", "b"], {"a": 1.0, "b": -1.0, "c": 0.5, "d": 0.5}) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("metric", "depth"), [(ndcg, 10), (mrr, 10), (recall, 100)])
def test_nothing_counts_below_the_depth(metric: Callable[[list[str], dict[str, float]], float], depth: int) -> None:
    others = [f"x{n}" for n in range(depth)]
    assert metric([*others, "a"], {"a": 1.0}) == 0
    assert metric([*others[1:], "a"], {"a": 1.0}) > 0


@given(items, gains)
def test_every_metric_is_from_0_to_1(ranking: list[str], judged: dict[str, float]) -> None:
    assert all(0 <= metric(ranking, judged) <= 1 + 1e-12 for metric in (ndcg, mrr, recall))


@given(gains)
def test_the_ideal_ranking_has_ndcg_1(judged: dict[str, float]) -> None:
    assert ndcg(sorted(judged, key=lambda item: -judged[item]), judged) == pytest.approx(1)


@given(items, gains, st.data())
def test_ndcg_rises_when_a_better_item_moves_up(
    ranking: list[str], judged: dict[str, float], data: st.DataObject
) -> None:
    ranking = ranking[:10]
    low = data.draw(st.integers(0, len(ranking) - 1))
    high = data.draw(st.integers(0, low))
    swapped = ranking.copy()
    swapped[low], swapped[high] = swapped[high], swapped[low]
    worth = [max(0.0, judged.get(ranking[place], 0.0)) for place in (low, high)]
    change = ndcg(swapped, judged) - ndcg(ranking, judged)
    assert change * (worth[0] - worth[1]) >= -1e-12


@pytest.mark.parametrize("judged", [{}, {"a": 0.0}, {"a": -0.5}])
def test_a_query_without_a_relevant_item_is_refused(judged: dict[str, float]) -> None:
    with pytest.raises(InvalidError):
        ndcg(["a"], judged)
    with pytest.raises(InvalidError):
        recall(["a"], judged)
