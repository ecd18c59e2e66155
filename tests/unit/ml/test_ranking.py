"""nDCG in memory."""

import numpy as np
import pytest

from embedding_studio.fine_tuning.metrics import ndcg
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.ranking import mean_ndcg


def world(seed: int) -> tuple[np.ndarray, np.ndarray, Pairs]:
    random = np.random.default_rng(seed)
    queries, items = random.normal(size=(4, 6)).astype(np.float32), random.normal(size=(40, 6)).astype(np.float32)
    query, item = np.divmod(random.choice(4 * 40, 30, replace=False), 40)
    return queries, items, Pairs(query, item, random.uniform(0.1, 1, 30).astype(np.float32))


def by_the_gates_metric(seed: int, shown: Pairs | None) -> float:
    queries, items, judged = world(seed)
    values = []
    for query in set(judged.query.tolist()):
        order = np.argsort(-(items @ queries[query]))
        among = set(range(40)) if shown is None else set(shown.item[shown.query == query].tolist())
        rows = zip(judged.query, judged.item, judged.weight, strict=True)
        gains = {str(item): float(weight) for at, item, weight in rows if at == query}
        values.append(ndcg([str(item) for item in order if item in among], gains))
    return float(np.mean(values))


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_gates_metric_over_all_items(seed: int) -> None:
    assert mean_ndcg(*world(seed)) == pytest.approx(by_the_gates_metric(seed, None))


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_gates_metric_over_shown_items(seed: int) -> None:
    queries, items, judged = world(seed)
    query, item = np.divmod(np.arange(4 * 40), 40)
    kept = np.isin(query * 40 + item, judged.query * 40 + judged.item) | (item % 3 == 0)
    shown = Pairs(query[kept], item[kept], np.ones(kept.sum(), np.float32))
    assert mean_ndcg(queries, items, judged, shown) == pytest.approx(by_the_gates_metric(seed, shown))


def test_queries_without_a_gain_do_not_count() -> None:
    queries, items, judged = world(0)
    more = Pairs(np.append(judged.query, 3), np.append(judged.item, 0), np.append(judged.weight, np.float32(0)))
    only = Pairs(np.array([1, 2]), np.array([5, 6]), np.array([1, 0], np.float32))
    assert mean_ndcg(queries, items, more) == pytest.approx(mean_ndcg(queries, items, judged))
    assert mean_ndcg(queries, items, only) == pytest.approx(mean_ndcg(queries[:2], items, Pairs(*only_first(only))))


def only_first(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return pairs.query[:1], pairs.item[:1], pairs.weight[:1]
