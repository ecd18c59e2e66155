"""Tokens of many texts as the arrays that a graph takes."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["TEXTS_PER_BATCH", "TOKENS_PER_BATCH", "batches", "masks", "padded"]

TOKENS_PER_BATCH = 1_024
TEXTS_PER_BATCH = 32


def batches(lengths: Sequence[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Group texts of like length, longest first, so that little is padded.

    Args:
        lengths: Tokens of each text.

    Yields:
        Positions in `lengths`; every position once. A batch of more than one text holds at most `TEXTS_PER_BATCH` of
        them and, padded to its longest, at most `TOKENS_PER_BATCH` tokens.
    """
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    start = 0
    while start < len(order):
        size = min(TEXTS_PER_BATCH, TOKENS_PER_BATCH // max(1, lengths[order[start]]))
        yield order[start : start + max(1, size)]
        start += max(1, size)


def padded(rows: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """The rows behind each other, int64 (rows, longest or 1), with 0 where a row has ended."""
    array = np.zeros((len(rows), max(1, *map(len, rows))), np.int64)
    for number, row in enumerate(rows):
        array[number, : len(row)] = row
    return array


def masks(rows: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Where `padded` holds tokens of the rows: 1, else 0."""
    lengths = np.asarray([len(row) for row in rows], np.int64)
    return (np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]).astype(np.int64)
