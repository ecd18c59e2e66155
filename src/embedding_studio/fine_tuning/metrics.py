"""How good one ranking is for one query."""

from collections.abc import Callable, Mapping, Sequence
from math import log2
from types import MappingProxyType

from embedding_studio.kernel.errors import InvalidError

__all__ = ["METRICS", "evaluate", "mrr", "ndcg", "recall"]

Ranking = Sequence[str]
Gains = Mapping[str, float]


def ndcg(ranking: Ranking, gains: Gains, depth: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002), gain linear, discount log₂(1 + rank).

    The ideal ranking is made of all judged items. Unjudged items and negative gains count 0.
    """
    found = _discounted([gains.get(item, 0.0) for item in ranking[:depth]])
    return found / _discounted(sorted(gains.values(), reverse=True)[:depth])


def mrr(ranking: Ranking, gains: Gains, depth: int = 10) -> float:
    """Reciprocal rank of the first item of positive gain, 0 where the first `depth` hold none."""
    ranks = (rank for rank, item in enumerate(ranking[:depth], start=1) if gains.get(item, 0.0) > 0)
    return 1 / next(ranks, float("inf"))


def recall(ranking: Ranking, gains: Gains, depth: int = 100) -> float:
    """Share of the items of positive gain that are among the first `depth`."""
    relevant = {item for item, gain in gains.items() if gain > 0}
    return len(relevant.intersection(ranking[:depth])) / len(relevant)


METRICS: Mapping[str, Callable[[Ranking, Gains], float]] = MappingProxyType(
    {"ndcg@10": ndcg, "mrr@10": mrr, "recall@100": recall}
)


def evaluate(ranking: Ranking, gains: Gains) -> dict[str, float]:
    """All metrics by name, each from 0 to 1.

    Args:
        ranking: Item ids, best first, each once; 100 are needed for `recall@100`.
        gains: What the judged items are worth, by id.

    Raises:
        InvalidError: No judged item has a positive gain, so that no ranking is better than another.
    """
    if not any(gain > 0 for gain in gains.values()):
        raise InvalidError.at("gains", "no item has a positive gain")
    return {name: metric(ranking, gains) for name, metric in METRICS.items()}


def _discounted(gains: Sequence[float]) -> float:
    return sum(max(0.0, gain) / log2(1 + rank) for rank, gain in enumerate(gains, start=1))
