"""Which pairs come together in a batch."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sentence_transformers.base.sampler import DefaultBatchSampler

from embedding_studio.kernel.errors import InvalidError

__all__ = ["sampler_of"]

Rows = npt.NDArray[np.int64]


class _QuerySampler(DefaultBatchSampler):
    """Batches that depend on the seed and the epoch alone, so that an epoch that was cut short goes on as it was."""

    def __init__(self, dataset: Any, *, queries: Rows, **fields: Any) -> None:
        super().__init__(dataset, **fields)
        self._queries = queries

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self.seed, self.epoch))
        for batch in self._batches(self._order(random)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        batches = self._rows() / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def _rows(self) -> int:
        return len(self._queries)

    def _order(self, random: np.random.Generator) -> Rows:
        return random.permutation(len(self._queries))

    def _batches(self, order: Rows) -> Iterator[list[int]]:
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size].tolist()


class _OneAQuery(_QuerySampler):
    """No two pairs of one query are in a batch, as far as that can be: the later one waits for the next batch.

    As many batches as there would be otherwise; what waits at the end comes last, together.
    """

    def _batches(self, order: Rows) -> Iterator[list[int]]:
        waiting: list[int] = []
        ahead = iter(order.tolist())
        left = len(order)
        while left:
            batch, waiting = self._next(waiting, ahead)
            left -= len(batch)
            yield batch

    def _next(self, waiting: list[int], ahead: Iterator[int]) -> tuple[list[int], list[int]]:
        batch: list[int] = []
        taken: set[int] = set()
        later: list[int] = []
        for row in chain(waiting, ahead):
            query = int(self._queries[row])
            (later if query in taken else batch).append(row)
            taken.add(query)
            if len(batch) == self.batch_size:
                break
        else:
            short = self.batch_size - len(batch)
            return batch + later[:short], later[short:]
        rest = waiting[len(batch) + len(later) :]
        return batch, later + rest


class _Balanced(_QuerySampler):
    """Every query once an epoch, with one of its pairs: those with many pairs do not drown the others."""

    def _rows(self) -> int:
        return len(np.unique(self._queries))

    def _order(self, random: np.random.Generator) -> Rows:
        order = random.permutation(len(self._queries))
        return np.asarray(order[_occurrence(self._queries[order]) == 0])


_SAMPLERS: dict[str, type[_QuerySampler]] = {
    "shuffled": _QuerySampler,
    "one_a_query": _OneAQuery,
    "balanced": _Balanced,
}


def sampler_of(kind: str, queries: Rows) -> Callable[..., DefaultBatchSampler]:
    """What the trainer makes its batch sampler with.

    Args:
        kind: `shuffled`, `one_a_query` or `balanced`.
        queries: The query of each training pair.

    Raises:
        InvalidError: There is no such kind.
    """
    if kind not in _SAMPLERS:
        raise InvalidError.at("sampler", f"there are: {', '.join(_SAMPLERS)}")
    return partial(_SAMPLERS[kind], queries=queries)


def _occurrence(values: Rows) -> Rows:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(values) else np.zeros(0, np.int64)
    lengths = np.diff(np.r_[starts, len(values)])
    counts = np.empty(len(values), np.int64)
    counts[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return counts
