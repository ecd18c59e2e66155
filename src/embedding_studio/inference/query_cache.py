"""Vectors of the queries that were asked last."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from embedding_studio.sdk import EncoderSource

__all__ = ["QueryCache"]


class QueryCache:
    """Keeps vectors by encoder and text; a trained encoder's name tells its versions apart."""

    def __init__(self, size: int) -> None:
        """`size`: vectors that are kept, those that were not asked for longest going first."""
        self._size = size
        self._vectors: OrderedDict[tuple[EncoderSource, str], NDArray[np.float32]] = OrderedDict()

    def get(self, source: EncoderSource, text: str) -> NDArray[np.float32] | None:
        """The vector, float32 (dimensions,), not to be changed; None if it is not known."""
        vector = self._vectors.get((source, text))
        if vector is not None:
            self._vectors.move_to_end((source, text))
        return vector

    def keep(self, source: EncoderSource, text: str, vector: NDArray[np.float32]) -> None:
        """Keep a vector; a copy, so that the batch it came in can go."""
        kept = vector.copy()
        kept.flags.writeable = False
        self._vectors[source, text] = kept
        if len(self._vectors) > self._size:
            self._vectors.popitem(last=False)
