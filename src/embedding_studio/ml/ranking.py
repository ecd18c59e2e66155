"""How well query vectors rank judged items, in memory and by exact search."""

import numpy as np
import numpy.typing as npt

from embedding_studio.ml.pairs import Pairs

__all__ = ["mean_ndcg"]

DEPTH = 10

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


def mean_ndcg(queries: Floats, items: Floats, judged: Pairs, shown: Pairs | None = None) -> float:
    """Mean nDCG@10, gains linear, over the queries that have a judged pair of weight above 0.

    Args:
        queries: Vectors (queries, dimensions).
        items: Vectors (items, dimensions).
        judged: Pairs whose weight is the gain.
        shown: If given, a query ranks only the items that it was shown (the condensed list of Sakai 2007), so that an
            item nobody saw does not count as irrelevant. Holds the judged items of every judged query.
    """
    values = []
    for query in np.unique(judged.query[judged.weight > 0]):
        gains = np.zeros(len(items), np.float32)
        own = judged.query == query
        gains[judged.item[own]] = judged.weight[own]
        among = np.arange(len(items)) if shown is None else np.unique(shown.item[shown.query == query])
        values.append(_ndcg(gains[among][_best(items[among] @ queries[query])], gains[judged.item[own]]))
    return float(np.mean(values))


def _best(scores: Floats) -> Rows:
    depth = min(DEPTH, len(scores))
    best = np.argpartition(-scores, depth - 1)[:depth]
    return best[np.lexsort((best, -scores[best]))]


def _ndcg(found: Floats, judged: Floats) -> float:
    return _discounted(found) / _discounted(np.sort(judged)[::-1][:DEPTH])


def _discounted(gains: Floats) -> float:
    return float(gains @ (1 / np.log2(2 + np.arange(len(gains)))))
