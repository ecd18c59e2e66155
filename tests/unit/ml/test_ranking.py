"""nDCG in memory."""

import numpy as np
import pytest

from embedding_studio.fine_tuning.metrics import ndcg
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.ranking import ndcg_by_query, shown_worse


def world(seed: int) -> tuple[np.ndarray, np.ndarray, Pairs]:
    random = np.random.default_rng(seed)
    queries, items = random.normal(size=(4, 6)).astype(np.float32), random.normal(size=(40, 6)).astype(np.float32)
    query, item = np.divmod(random.choice(4 * 40, 30, replace=False), 40)
    return queries, items, Pairs(query, item, random.uniform(0.1, 1, 30).astype(np.float32))


def by_the_gates_metric(seed: int, shown: Pairs | None) -> list[float]:
    queries, items, judged = world(seed)
    values = []
    for query in sorted(set(judged.query.tolist())):
        order = np.argsort(-(items @ queries[query]))
        among = set(range(40)) if shown is None else set(shown.item[shown.query == query].tolist())
        rows = zip(judged.query, judged.item, judged.weight, strict=True)
        gains = {str(item): float(weight) for at, item, weight in rows if at == query}
        values.append(ndcg([str(item) for item in order if item in among], gains))
    return values


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_gates_metric_over_all_items(seed: int) -> None:
    assert ndcg_by_query(*world(seed)) == pytest.approx(by_the_gates_metric(seed, None))


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_gates_metric_over_shown_items(seed: int) -> None:
    queries, items, judged = world(seed)
    query, item = np.divmod(np.arange(4 * 40), 40)
    kept = np.isin(query * 40 + item, judged.query * 40 + judged.item) | (item % 3 == 0)
    shown = Pairs(query[kept], item[kept], np.ones(kept.sum(), np.float32))
    assert ndcg_by_query(queries, items, judged, shown) == pytest.approx(by_the_gates_metric(seed, shown))


def test_queries_without_a_gain_do_not_count() -> None:
    queries, items, judged = world(0)
    more = Pairs(np.append(judged.query, 3), np.append(judged.item, 0), np.append(judged.weight, np.float32(0)))
    only = Pairs(np.array([1, 2]), np.array([5, 6]), np.array([1, 0], np.float32))
    assert ndcg_by_query(queries, items, more) == pytest.approx(ndcg_by_query(queries, items, judged))
    assert ndcg_by_query(queries, items, only) == pytest.approx(
        ndcg_by_query(queries[:2], items, Pairs(*only_first(only)))
    )


def only_first(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return pairs.query[:1], pairs.item[:1], pairs.weight[:1]


def spread(mean: float, count: int) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=count)
    return np.asarray(mean + 0.2 * (noise - noise.mean()) / noise.std(ddof=1))


@pytest.mark.parametrize(("lost", "shown"), [(0.041, True), (0.037, False), (0.0, False), (-0.1, False)])
def test_worse_is_shown_beyond_the_interval_of_the_difference(lost: float, shown: bool) -> None:  # a case
    best = np.random.default_rng(2).uniform(size=100)
    assert shown_worse(best - spread(lost, 100), best) == shown


@pytest.mark.parametrize("count", [0, 1])
def test_one_query_shows_nothing(count: int) -> None:
    assert not shown_worse(np.zeros(count), np.ones(count))
