"""How well query vectors rank judged items: in memory, by exact search."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from embedding_studio.ml.pairs import Pairs

__all__ = ["ndcg_by_query", "shown_worse"]

DEPTH = 10
BLOCK = 64
NORMAL_95 = 1.96

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def ndcg_by_query(queries: Floats, items: Floats, judged: Pairs, shown: Pairs | None = None) -> Doubles:
    """The nDCG@10, gains linear, of each query that has a judged pair of weight above 0, in the order of rows.

    Args:
        queries: Vectors (queries, dimensions).
        items: Vectors (items, dimensions).
        judged: Pairs whose weight is the gain.
        shown: If given, a query ranks only the items that it was shown (the condensed list of Sakai 2007), so that an
            item nobody saw does not count as irrelevant. Holds the judged items of every judged query.
    """
    values = []
    for query, scores in _scored(np.unique(judged.query[judged.weight > 0]), queries, items):
        gains = np.zeros(len(items), np.float32)
        own = judged.query == query
        gains[judged.item[own]] = judged.weight[own]
        among = slice(None) if shown is None else np.unique(shown.item[shown.query == query])
        values.append(_ndcg(gains[among][_best(scores[among])], judged.weight[own]))
    return np.array(values, np.float64)


def _scored(rows: Rows, queries: Floats, items: Floats) -> Iterator[tuple[int, Floats]]:
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        yield from zip(block.tolist(), queries[block] @ items.T, strict=True)


def shown_worse(values: Doubles, best: Doubles) -> bool:
    """Whether the 95 % interval of the mean paired difference lies wholly on the side of `best`."""
    lost = best - values
    if len(lost) < 2:  # noqa: PLR2004  # one difference has no spread
        return False
    return bool(lost.mean() > NORMAL_95 * lost.std(ddof=1) / np.sqrt(len(lost)))


def _best(scores: Floats) -> Rows:
    depth = min(DEPTH, len(scores))
    best = np.argpartition(-scores, depth - 1)[:depth]
    return best[np.lexsort((best, -scores[best]))]


def _ndcg(found: Floats, judged: Floats) -> float:
    return _discounted(found) / _discounted(np.sort(judged)[::-1][:DEPTH])


def _discounted(gains: Floats) -> float:
    return float(gains @ (1 / np.log2(2 + np.arange(len(gains)))))
