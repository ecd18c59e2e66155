"""Training a query adapter on a data set."""

import asyncio
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.dataset import Dataset
from embedding_studio.inference import EmbeddingService, QueryAdapter
from embedding_studio.ml.adapter import AdapterConfig, AdapterData, Epoch, train_adapter
from embedding_studio.ml.pairs import Pairs
from embedding_studio.vector_store import BASE_MODEL_VERSION, Collection, ItemStore

__all__ = ["Candidate", "Trainer"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained adapter as it will be served.

    Attributes:
        adapter: Read back from its bytes.
        config: How it was trained.
        curve: Loss and dev nDCG@10 by epoch.
        best_epoch: The point of the curve that was kept.
        canary_difference: Largest difference of a number between the served adapter and the trained matrices.
    """

    adapter: QueryAdapter
    config: AdapterConfig
    curve: tuple[Epoch, ...]
    best_epoch: int
    canary_difference: float


class Trainer:
    """Trains in a thread on vectors that are there already: queries are encoded once, items are read."""

    def __init__(self, *, embeddings: EmbeddingService, items: ItemStore, threads: int) -> None:
        self._embeddings = embeddings
        self._items = items
        self._threads = threads

    async def train(self, collection: Collection, dataset: Dataset, params: Mapping[str, Any]) -> Candidate:
        """Fit an adapter to the train split, choosing the epoch by the dev split."""
        config = AdapterConfig(threads=self._threads, **params)
        data = await self._data(collection, dataset)
        stop = threading.Event()
        try:
            result = await asyncio.to_thread(
                train_adapter, data, config, progress=lambda _done, _total: None, stop=stop.is_set
            )
        finally:
            stop.set()
        trained = QueryAdapter(down=result.down, up=result.up)
        served = QueryAdapter.from_bytes(trained.to_bytes())
        return Candidate(
            adapter=served,
            config=config,
            curve=result.curve,
            best_epoch=result.best_epoch,
            canary_difference=_difference(trained, served, data.queries),
        )

    async def _data(self, collection: Collection, dataset: Dataset) -> AdapterData:
        keys = [*dataset.splits["train"], *dataset.splits["dev"]]
        texts = [dataset.groups[key].text for key in keys]
        queries = await self._embeddings.embed(collection, texts, "query", model_version=BASE_MODEL_VERSION)
        shown = {item for key in dataset.splits["dev"] for item in dataset.groups[key].shown}
        vectors = await self._items.vectors(
            collection, sorted(shown.union(dataset.items("train"), dataset.items("dev")))
        )
        query_row = {key: row for row, key in enumerate(keys)}
        item_row = {item: row for row, item in enumerate(vectors)}

        def pairs(triples: Iterable[tuple[str, str, float]]) -> Pairs:
            known = [(query_row[key], item_row[item], weight) for key, item, weight in triples if item in item_row]
            return Pairs(
                query=np.array([query for query, _, _ in known], np.int64),
                item=np.array([item for _, item, _ in known], np.int64),
                weight=np.array([weight for _, _, weight in known], np.float32),
            )

        return AdapterData(
            queries=queries,
            items=np.stack(list(vectors.values())),
            train=pairs(_training_pairs(dataset)),
            dev=pairs(
                (key, item, max(0.0, gain))
                for key in dataset.splits["dev"]
                for item, gain in dataset.groups[key].gains.items()
            ),
            dev_shown=pairs((key, item, 1.0) for key in dataset.splits["dev"] for item in dataset.groups[key].shown),
        )


def _training_pairs(dataset: Dataset) -> Iterable[tuple[str, str, float]]:
    """Wanted items, each query's weight growing with the root of their number: no query drowns the others."""
    for key in dataset.splits["train"]:
        wanted = {item: gain for item, gain in dataset.groups[key].gains.items() if gain > 0}
        for item, gain in wanted.items():
            yield key, item, gain / len(wanted) ** 0.5


def _difference(trained: QueryAdapter, served: QueryAdapter, canaries: NDArray[np.float32]) -> float:
    exact = canaries + canaries.astype(np.float64) @ trained.down.T.astype(np.float64) @ trained.up.T
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return float(np.abs(served.apply(canaries) - exact).max())
