"""The tracks of training, from the cheapest to the dearest, and which of them is worth its price."""

from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

__all__ = ["ORDER", "EncoderTrack", "OneTrack", "Track", "beats", "cheapest_unbeaten"]

EncoderTrack = Literal["query_encoder", "both_encoders"]
OneTrack = Literal["query_adapter", "query_encoder", "both_encoders"]
Track = Literal["auto", "query_adapter", "query_encoder", "both_encoders"]

ORDER: tuple[OneTrack, ...] = get_args(OneTrack)
"""A query adapter costs seconds, a query encoder minutes, and both encoders a new index besides."""

_NORMAL_95 = 1.96
_FEWEST = 2

Doubles = npt.NDArray[np.float64]
T = TypeVar("T")


def beats(values: Doubles, others: Doubles) -> bool:
    """Whether the 95 % interval of the mean paired difference lies wholly on the side of `values`."""
    gained = values - others
    if len(gained) < _FEWEST:  # one difference has no spread
        return False
    return bool(gained.mean() > _NORMAL_95 * gained.std(ddof=1) / np.sqrt(len(gained)))


def cheapest_unbeaten(candidates: Sequence[tuple[T, Doubles]]) -> T:
    """The first candidate that none after it beats by more than the interval of their difference.

    Args:
        candidates: From the cheapest to the dearest, each with its nDCG@10 of every dev query; at least one.
    """
    kept, values = candidates[0]
    for candidate, own in candidates[1:]:
        if beats(own, values):
            kept, values = candidate, own
    return kept
