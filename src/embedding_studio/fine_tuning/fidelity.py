"""How near a quantised encoder is to the one in float32 that it was made of."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.gate import Fidelity
from embedding_studio.fine_tuning.materials import Materials, MaterialsReader
from embedding_studio.fine_tuning.preview import distances
from embedding_studio.fine_tuning.training import Candidate
from embedding_studio.inference import OnnxEncoder, QueryAdapter
from embedding_studio.sdk import Metric
from embedding_studio.vector_store import ItemStore

__all__ = ["FidelityMeter", "overlap"]

_MOST_QUERIES = 200
_TOP = 10

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class FidelityMeter:
    """Asks both for the nearest items, by their vectors alone: words and rankers would hide what was lost.

    Args:
        items: Of the index that serves.
        reader: Makes texts of items.
        threads: Cores used.
        sample: Items that compete, about, beside those that queries of training were shown.
    """

    def __init__(self, *, items: ItemStore, reader: MaterialsReader, threads: int, sample: int) -> None:
        self._items = items
        self._reader = reader
        self._threads = threads
        self._sample = sample

    async def measure(self, materials: Materials, candidate: Candidate) -> Fidelity | None:
        """Compare the candidate with its twin; None where it has none.

        Two hundred queries at most are asked: those of the dev split, then of the train split, as no query had a part
        in the rounding. Items are the first parts of a sample: of a candidate that leaves them alone their vectors in
        the index, else what either encoder makes of their texts.

        Raises:
            InvalidError: An export is broken.
        """
        if candidate.encoder is None or candidate.twin is None:
            return None
        collection = materials.collection
        sample = await self._items.sample(collection, limit=self._sample)
        vectors = {**dict(zip(materials.items, materials.item_vectors, strict=True)), **sample}
        texts = await self._texts(materials, sorted(vectors)) if candidate.encoder.of_items else None
        asking = _Asking(
            queries=_queries(materials),
            items=np.stack([vectors[item] for item in sorted(vectors)]) if texts is None else texts,
            adapter=candidate.adapter,
            metric=collection.metric,
            threads=self._threads,
        )
        own, twins = [await asyncio.to_thread(asking.ask, one) for one in (candidate.encoder.folder, candidate.twin)]
        return Fidelity(top10=overlap(own, twins), queries=len(asking.queries), items=len(asking.items))

    async def _texts(self, materials: Materials, items: Sequence[str]) -> list[str]:
        found = await self._reader.contents(materials.collection, items)
        return [text for one in found.values() if (text := one.contents[0].text)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asking:
    queries: Sequence[str]
    items: Floats | Sequence[str]
    adapter: QueryAdapter | None
    metric: Metric
    threads: int

    def ask(self, folder: Path) -> Rows:
        """Rows of the ten items nearest to each query, by the exported encoder in a folder."""
        encoder = OnnxEncoder.load(folder, threads=self.threads)
        queries = encoder.encode(self.queries, "query")
        if self.adapter:
            queries = self.adapter.apply(queries)
        items = self.items if isinstance(self.items, np.ndarray) else encoder.encode(self.items, "item")
        return np.stack([np.argsort(distances(items, one, self.metric), kind="stable")[:_TOP] for one in queries])


def overlap(some: Rows, others: Rows) -> float:
    """The mean share of a row that the other's row holds too.

    Args:
        some: Int64 (queries, items found), each item once in a row.
        others: Of the same shape.
    """
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(some, others, strict=True)]))


def _queries(materials: Materials) -> list[str]:
    dev = np.unique(np.r_[materials.dev.query, materials.dev_shown.query])
    others = np.setdiff1d(np.arange(len(materials.queries)), dev)
    return [materials.queries[row] for row in np.r_[dev, others][:_MOST_QUERIES]]
