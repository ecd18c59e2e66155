"""Pairs as arrays."""

import numpy as np
import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.pairs import Pairs


def pairs(query: list[int], item: list[int], weight: list[float]) -> Pairs:
    return Pairs(np.array(query, np.int64), np.array(item, np.int64), np.array(weight, np.float32))


@pytest.mark.parametrize(
    ("query", "item", "weight"),
    [([0], [0, 1], [1.0]), ([0], [0], []), ([0], [0], [-0.1]), ([0], [0], [float("nan")]), ([0], [0], [float("inf")])],
)
def test_what_does_not_fit_is_refused(query: list[int], item: list[int], weight: list[float]) -> None:
    with pytest.raises(InvalidError):
        pairs(query, item, weight)


@pytest.mark.parametrize(("query", "item"), [(3, 0), (-1, 0), (0, 4), (0, -1)])
def test_a_pair_beyond_the_rows_is_refused(query: int, item: int) -> None:
    with pytest.raises(InvalidError):
        pairs([0, query], [0, item], [1, 1]).check(queries=3, items=4)


def test_pairs_within_the_rows_pass() -> None:
    pairs([], [], []).check(queries=0, items=0)
    pairs([0, 2], [3, 0], [1, 1]).check(queries=3, items=4)
