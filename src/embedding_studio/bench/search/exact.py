"""The nearest by comparing all, in numpy: what an index is held against."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.search.clusters import Vectors

__all__ = ["mean_recall", "recall", "similarities"]

_TIE = 1e-5
_AT_ONCE = 200


def similarities(vectors: Vectors, queries: Vectors) -> Vectors:
    """Cosines of unit vectors, (queries, vectors)."""
    return queries @ vectors.T


def recall(cosines: Vectors, found: Sequence[int], limit: int, matching: NDArray[np.bool_] | None = None) -> float:
    """Share of the `limit` nearest that are among those found, or of all that match where these are fewer.

    Any of the items that are as near as the last of them, but for rounding, counts as one of them.

    Args:
        cosines: Of the query with every item.
        found: Numbers of items; one that does not match counts for nothing.
        limit: How many were asked for.
        matching: What a filter lets through; None: all.
    """
    if matching is not None:
        cosines = np.where(matching, cosines, -np.inf)
    wanted = min(limit, int(np.isfinite(cosines).sum()))
    if not wanted:
        return 1.0
    last = np.partition(cosines, -wanted)[-wanted]
    right = {one for one in found if cosines[one] >= last - _TIE}
    return min(1.0, len(right) / wanted)


def mean_recall(vectors: Vectors, queries: Vectors, found: Sequence[Sequence[int]], limit: int) -> float:
    """The mean over queries, without a filter."""
    recalls: list[float] = []
    for start in range(0, len(queries), _AT_ONCE):
        rows = similarities(vectors, queries[start : start + _AT_ONCE])
        recalls += [recall(row, ids, limit) for row, ids in zip(rows, found[start:], strict=False)]
    return float(np.mean(recalls))
