"""How good one ranking is for one query.

Rankings are item ids, best first, each once. Gains are what judged items are worth, by id; unjudged items are worth 0.
"""

from collections.abc import Mapping, Sequence
from math import log2

from embedding_studio.kernel.errors import InvalidError

__all__ = ["mrr", "ndcg", "recall"]

Ranking = Sequence[str]
Gains = Mapping[str, float]


def ndcg(ranking: Ranking, gains: Gains, depth: int = 10) -> float:
    """Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002), gain linear, discount log₂(1 + rank).

    The ideal ranking is made of all judged items; negative gains count 0.

    Raises:
        InvalidError: No item has a positive gain, so that no ranking is better than another.
    """
    _relevant(gains)
    found = _discounted([gains.get(item, 0.0) for item in ranking[:depth]])
    return found / _discounted(sorted(gains.values(), reverse=True)[:depth])


def mrr(ranking: Ranking, gains: Gains, depth: int = 10) -> float:
    """Reciprocal rank of the first item of positive gain, 0 where the first `depth` hold none."""
    ranks = (rank for rank, item in enumerate(ranking[:depth], start=1) if gains.get(item, 0.0) > 0)
    return 1 / next(ranks, float("inf"))


def recall(ranking: Ranking, gains: Gains, depth: int = 100) -> float:
    """Share of the items of positive gain that are among the first `depth`.

    Raises:
        InvalidError: No item has a positive gain.
    """
    relevant = _relevant(gains)
    return len(relevant.intersection(ranking[:depth])) / len(relevant)


def _relevant(gains: Gains) -> set[str]:
    relevant = {item for item, gain in gains.items() if gain > 0}
    if not relevant:
        raise InvalidError.at("gains", "no item has a positive gain")
    return relevant


def _discounted(gains: Sequence[float]) -> float:
    return sum(max(0.0, gain) / log2(1 + rank) for rank, gain in enumerate(gains, start=1))
