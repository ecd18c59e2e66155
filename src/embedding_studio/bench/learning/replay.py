"""Training the adapter on cached vectors, and ranking a whole judged set by it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embedding_studio.bench.learning.vectors import JudgedVectors
from embedding_studio.ml.adapter import AdapterConfig, AdapterData, train_adapter
from embedding_studio.ml.pairs import Pairs
from embedding_studio.ml.ranking import ndcg_by_query
from embedding_studio.simulation.judged import JudgedSet

__all__ = ["NO_PAIRS", "Replay", "balanced"]

_TRAIN, _TEST = "train", "test"

NO_PAIRS = Pairs(query=np.zeros(0, np.int64), item=np.zeros(0, np.int64), weight=np.zeros(0, np.float32))
"""Where there is no dev, the last point of a training is taken."""

Rows = NDArray[np.int64]
Gains = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Replay:
    """A judged set with splits, and what the base shows for its train queries.

    Attributes:
        truth: Gains, float32 (queries, items).
        train: Rows of the train queries, int64 (train queries,).
        shown: Rows of the items on each train query's page, from the top, int64 (train queries, positions).
    """

    judged: JudgedSet
    vectors: JudgedVectors
    truth: NDArray[np.float32]
    train: Rows
    shown: Rows

    @classmethod
    def of(cls, judged: JudgedSet, vectors: JudgedVectors, *, shown: int) -> "Replay":
        """Rank the train queries by the base."""
        row = {item["id"]: number for number, item in enumerate(judged.items)}
        truth = np.zeros((len(judged.queries), len(judged.items)), np.float32)
        for query, of_items in enumerate(judged.gains.values()):
            for item, gain in of_items.items():
                truth[query, row[item]] = gain
        train = np.array([row for row, query in enumerate(judged.queries) if judged.splits[query] == _TRAIN])
        similarity = vectors.queries[train] @ vectors.items.T
        return cls(judged, vectors, truth, train, np.argsort(-similarity, axis=1, kind="stable")[:, :shown])

    @cached_property
    def texts(self) -> list[str]:
        """Of the train queries."""
        texts = list(self.judged.queries.values())
        return [texts[row] for row in self.train]

    @cached_property
    def pages(self) -> list[tuple[str, ...]]:
        """Ids of what each train query shows."""
        ids = [item["id"] for item in self.judged.items]
        return [tuple(ids[item] for item in page) for page in self.shown]

    @cached_property
    def relevant(self) -> NDArray[np.bool_]:
        """Whether what a train query shows answers it, bool (train queries, positions)."""
        return np.take_along_axis(self.truth[self.train], self.shown, axis=1) > 0

    @cached_property
    def _tested(self) -> Pairs:
        test = np.array([row for row, query in enumerate(self.judged.queries) if self.judged.splits[query] == _TEST])
        query, item = np.nonzero(self.truth[test])
        return Pairs(query=test[query], item=item, weight=self.truth[test[query], item])

    @cached_property
    def _base(self) -> Gains:
        return ndcg_by_query(self.vectors.queries, self.vectors.items, self._tested)

    @property
    def base_mean(self) -> float:
        """Mean nDCG@10 of the base on the test queries, over the whole catalog."""
        return float(self._base.mean())

    def true_pairs(self) -> Pairs:
        """The true answers among what the train queries show."""
        return self.shown_pairs(self.relevant.astype(np.float64))

    def all_pairs(self) -> Pairs:
        """All true answers of the train queries, shown or not."""
        query, item = np.nonzero(self.truth[self.train])
        return Pairs(query=self.train[query], item=item, weight=np.ones(len(query), np.float32))

    def shown_pairs(self, weights: Gains) -> Pairs:
        """What is shown, with weights (train queries, positions); those without weight are left out."""
        query, place = np.nonzero(weights)
        return Pairs(
            query=self.train[query], item=self.shown[query, place], weight=weights[query, place].astype(np.float32)
        )

    def purity(self, pairs: Pairs) -> float:
        """Share of the weight that lies on true answers; 0 without any."""
        right = self.truth[pairs.query, pairs.item] > 0
        return float(pairs.weight[right].sum() / pairs.weight.sum()) if len(pairs) else 0.0

    def gained(self, queries: NDArray[np.float32], items: NDArray[np.float32]) -> Gains:
        """What other vectors of all queries and items gain in nDCG@10 over the base's, by test query."""
        return ndcg_by_query(queries, items, self._tested) - self._base

    def gain(self, pairs: Pairs, *, seed: int) -> Gains:
        """What an adapter trained on the pairs gains in nDCG@10, by test query; nothing where there are no pairs."""
        if not len(pairs):
            return np.zeros_like(self._base)
        data = AdapterData(queries=self.vectors.queries, items=self.vectors.items, train=balanced(pairs), dev=NO_PAIRS)
        trained = train_adapter(data, AdapterConfig(seed=seed), progress=lambda _done, _all: None, stop=lambda: False)
        adapted = np.asarray(self.vectors.queries + self.vectors.queries @ trained.down.T @ trained.up.T, np.float32)
        return self.gained(adapted, self.vectors.items)


def balanced(pairs: Pairs) -> Pairs:
    """Each query's weight grows with the root of what its pairs weigh: none drowns the others."""
    root = np.sqrt(np.bincount(pairs.query, pairs.weight))[pairs.query]
    return Pairs(query=pairs.query, item=pairs.item, weight=(pairs.weight / root).astype(np.float32))
