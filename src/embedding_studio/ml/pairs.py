"""Query-item pairs as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Pairs"]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Some queries with some items each.

    Attributes:
        query: Rows of the query matrix, int64 (pairs,).
        item: Rows of the item matrix, int64 (pairs,).
        weight: What a pair is worth, float32 (pairs,), from 0.

    Raises:
        InvalidError: The three are not of one length, or a weight is negative or not finite.
    """

    query: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.query.shape == self.item.shape == self.weight.shape == (len(self.query),):
            raise InvalidError("queries, items and weights of pairs are not of one length")
        if not np.isfinite(self.weight).all() or (self.weight < 0).any():
            raise InvalidError.at("weight", "a pair's weight is negative or not finite")

    def __len__(self) -> int:
        return len(self.query)

    def check(self, *, queries: int, items: int) -> None:
        """Raise InvalidError if a pair points beyond the matrices' rows."""
        for name, rows, count in (("query", self.query, queries), ("item", self.item, items)):
            if len(rows) and not 0 <= rows.min() <= rows.max() < count:
                raise InvalidError.at(name, f"a pair points beyond {count} rows")
