"""Random vectors that are clustered as embeddings are, with groups for filters that know of the clusters or do not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GROUPS", "Clusters", "Numbers", "Vectors"]

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]

GROUPS = (2, 10, 100, 1_000)
"""How many groups of equal size a field of the payload names: one group is 50 %, 10 %, 1 % or 0.1 % of the items."""

_BRANCHES = (2, 5, 10, 10)
_SHARES = (0.4, 0.5, 0.6, 0.7)
_NOISE = 0.8
_DECIMALS = 6
_AT_ONCE = 50_000


@dataclass(frozen=True)
class Clusters:
    """`count` unit vectors in 1,000 clusters of equal size, and as many queries as wanted from the same clusters.

    The centres are leaves of a tree with 2, 5, 10 and 10 branches: a centre is the sum of a random direction a level,
    so that near clusters share their branches. An item is its centre with Gaussian noise of 0.8 times the centre's
    length: two items of a cluster have a cosine of about 0.6, and the neighbours of an item lie among hundreds that
    are about as near. A query is drawn as an item is. All numbers have six decimals, as an application would send.

    Field `rN` of a payload names one of N random groups, field `cN` that of N subtrees which the item's cluster lies
    in, so a filter on the former has nothing to do with a query and one on the latter all.
    """

    count: int
    dimensions: int = 384
    seed: int = 0

    @cached_property
    def vectors(self) -> Vectors:
        """All items' vectors."""
        return self._around(self._clusters, seed=self.seed + 1)

    def queries(self, count: int) -> tuple[Vectors, Numbers]:
        """Vectors of queries, and the cluster of each."""
        clusters = np.random.default_rng(self.seed + 2).integers(0, GROUPS[-1], count)
        return self._around(clusters, seed=self.seed + 3), clusters

    def payload(self, item: int) -> dict[str, Any]:
        """A title and the groups of an item."""
        return {"title": f"item {item}", **{name: int(groups[item]) for name, groups in self.groups.items()}}

    @cached_property
    def groups(self) -> Mapping[str, Numbers]:
        """By the field's name, each item's group."""
        shuffled = np.random.default_rng(self.seed + 4).permutation(self.count)
        by_chance = {f"r{many}": shuffled % many for many in GROUPS}
        return by_chance | {f"c{many}": self._clusters * many // GROUPS[-1] for many in GROUPS}

    @cached_property
    def _clusters(self) -> Numbers:
        return np.random.default_rng(self.seed + 5).permutation(self.count) % GROUPS[-1]

    @cached_property
    def _centres(self) -> Vectors:
        rng = np.random.default_rng(self.seed)
        centres = np.zeros((1, self.dimensions))
        for branches, share in zip(_BRANCHES, _SHARES, strict=True):
            centres = np.repeat(centres, branches, axis=0)
            centres += share * _unit(rng.normal(size=centres.shape))
        return _unit(centres).astype(np.float32)

    def _around(self, clusters: Numbers, *, seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        vectors = np.empty((len(clusters), self.dimensions), np.float32)
        for start in range(0, len(clusters), _AT_ONCE):
            rows = vectors[start : start + _AT_ONCE]
            rng.standard_normal(out=rows, dtype=np.float32)
            rows *= _NOISE / math.sqrt(self.dimensions)
            rows += self._centres[clusters[start : start + _AT_ONCE]]
            rows[:] = _unit(rows).round(_DECIMALS)
        return vectors


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    lengths: NDArray[Any] = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[Any] = vectors / lengths
    return unit
