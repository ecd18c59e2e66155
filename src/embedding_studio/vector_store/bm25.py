"""BM25 over postings: Robertson and Zaragoza 2009, with the idf that is never negative (Lucene's)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Matches", "Postings", "score", "without"]

K1 = 1.2
B = 0.75

_POSTING = np.dtype([("key", ">i8"), ("frequency", ">i2"), ("length", ">i4")])
_DENSE_PER_POSTING = 64
_DENSE_AT_LEAST = 1 << 20


@dataclass(frozen=True, slots=True)
class Postings:
    """Where a term occurs.

    Attributes:
        parts: How many parts have it.
        data: Key, frequency and length in words of each, packed as the database does; deleted parts may be among them.
        weight: What the term counts, 1 for a word of the query itself.
    """

    parts: int
    data: bytes
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Matches:
    """Parts with any of the words, in no order: keys int64 (parts,) and scores float64 (parts,), all above 0."""

    keys: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def none(cls) -> "Matches":
        """No part."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float64))

    def __len__(self) -> int:
        """How many parts."""
        return len(self.keys)

    def best(self, count: int) -> "Matches":
        """The parts with the highest scores: `count` of them, with all that are as good as the last."""
        if count >= len(self):
            return self
        least = np.partition(self.scores, len(self) - count)[len(self) - count]
        return self._where(self.scores >= least)

    def first(self, count: int) -> "Matches":
        """Any `count` of the parts."""
        return Matches(self.keys[:count], self.scores[:count])

    def up_to(self, score: float) -> "Matches":
        """The parts whose scores are no higher."""
        return self._where(self.scores <= score)

    def _where(self, mask: NDArray[np.bool_]) -> "Matches":
        return Matches(self.keys[mask], self.scores[mask])


def score(terms: Sequence[Postings], *, parts: int, length: int) -> Matches:
    """Score all parts that have any of the terms.

    Args:
        terms: Each term once.
        parts: How many parts there are.
        length: Words of all parts together.
    """
    found = [(np.frombuffer(term.data, _POSTING), term) for term in terms if term.parts > 0 and term.data]
    if not found or parts <= 0:
        return Matches.none()
    mean = max(1.0, length / parts)
    keys = np.concatenate([postings["key"].astype(np.int64) for postings, _ in found])
    shares = np.concatenate(
        [_share(postings, mean) * _idf(term.parts, parts) * term.weight for postings, term in found]
    )
    return Matches(*_sum_by_key(keys, shares))


def _share(postings: NDArray[np.void], mean: float) -> NDArray[np.float64]:
    frequency = postings["frequency"].astype(np.float64)
    norm = K1 * (1 - B + B * postings["length"].astype(np.float64) / mean)
    return frequency * (K1 + 1) / (frequency + norm)


def _idf(with_term: int, parts: int) -> float:
    present = min(with_term, parts)
    return float(np.log1p((parts - present + 0.5) / (present + 0.5)))


def _sum_by_key(keys: NDArray[np.int64], shares: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Sums over a table of all keys in between where those are few, which is tenfold faster than sorting them."""
    first = int(keys.min())
    span = int(keys.max()) - first + 1
    if span > max(_DENSE_AT_LEAST, _DENSE_PER_POSTING * len(keys)):
        unique, inverse = np.unique(keys, return_inverse=True)
        return unique, np.bincount(inverse, shares).astype(np.float64)
    sums = np.bincount(keys - first, shares, minlength=span)
    present = np.flatnonzero(sums)
    return (present + first).astype(np.int64), sums[present].astype(np.float64)


def without(data: bytes, live: NDArray[np.int64]) -> bytes:
    """The postings, sorted by key, of the parts that are live; `live` is int64 (parts,), sorted."""
    postings = np.frombuffer(data, _POSTING)
    if not len(postings) or not len(live):
        return b""
    keys = postings["key"].astype(np.int64)
    places = np.minimum(np.searchsorted(live, keys), len(live) - 1)
    kept = np.flatnonzero(live[places] == keys)
    return postings[kept[np.argsort(keys[kept], kind="stable")]].tobytes()
