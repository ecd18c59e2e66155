"""How a new encoder of items would rank, before there is an index of its vectors."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.dataset import Group
from embedding_studio.fine_tuning.evaluation import Ranked
from embedding_studio.fine_tuning.materials import MaterialsReader
from embedding_studio.inference import OnnxEncoder, QueryAdapter
from embedding_studio.sdk import Metric
from embedding_studio.upsertion import PreparedItem, parts_of
from embedding_studio.vector_store import Collection, CollectionService, ItemStore, Vector

__all__ = ["Preview", "Previewer"]

_DEPTH = 100

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """The parts of some items in memory, compared one by one.

    Attributes:
        items: Ids.
        vectors: Of the parts, float32 (parts, dimensions), item by item.
        firsts: Where each item's parts begin.
        metric: What is compared.
    """

    items: Sequence[str]
    vectors: Floats
    firsts: NDArray[np.int64]
    metric: Metric

    @classmethod
    def of(cls, parts: Mapping[str, Sequence[Vector]], metric: Metric) -> "Preview":
        """The parts of items by id, each with at least one."""
        firsts = np.cumsum([0, *(len(own) for own in parts.values())])[:-1]
        return cls(list(parts), np.concatenate([np.stack(own) for own in parts.values()]), firsts, metric)

    def rank(self, query: Floats, shown: Sequence[str]) -> Ranked:
        """What was shown, and the first hundred of all, best first."""
        scores = np.maximum.reduceat(self._scores(query), self.firsts)
        order = np.argsort(-scores, kind="stable")
        wanted = set(shown)
        ranked = [self.items[place] for place in order]
        return Ranked(tuple(item for item in ranked if item in wanted), tuple(ranked[:_DEPTH]))

    def _scores(self, query: Floats) -> Floats:
        if self.metric == "euclidean":
            return np.asarray(-np.linalg.norm(self.vectors - query, axis=1), np.float32)
        scores = self.vectors @ query
        return np.asarray(scores / np.linalg.norm(self.vectors, axis=1) if self.metric == "cosine" else scores)


class Previewer:
    """Tries models on what the gate's queries were shown, and on a sample of the other items for their recall.

    Vectors alone rank here, without words and rankers: the same for both models.
    """

    def __init__(
        self, *, reader: MaterialsReader, items: ItemStore, collections: CollectionService, threads: int, sample: int
    ) -> None:
        self._reader = reader
        self._items = items
        self._collections = collections
        self._threads = threads
        self._sample = sample

    async def rank(
        self,
        collection: Collection,
        groups: Sequence[Group],
        deployed: Floats,
        folder: Path,
        adapter: QueryAdapter | None,
    ) -> tuple[list[Ranked], list[Ranked]]:
        """The rankings of query groups by the deployed model, and by an encoder of queries and items.

        Args:
            collection: Whose items are ranked.
            groups: Of queries.
            deployed: The queries' vectors by the deployed model, float32 (groups, dimensions).
            folder: Of the exported encoder.
            adapter: Behind the encoder.

        Raises:
            InvalidError: The export is broken.
        """
        encoder = await asyncio.to_thread(OnnxEncoder.load, folder, threads=self._threads)
        contents = await self._contents(collection, groups)
        before = await self._stored(collection, contents)
        contents = {item: contents[item] for item in before}
        after = await asyncio.to_thread(self._encoded, collection, encoder, contents)
        texts = [group.text for group in groups]
        vectors = await asyncio.to_thread(encoder.encode, texts, "query")
        queries = adapter.apply(vectors) if adapter else vectors

        def ranked(preview: Preview, by: Floats) -> list[Ranked]:
            return [preview.rank(vector, group.shown) for group, vector in zip(groups, by, strict=True)]

        old, new = Preview.of(before, collection.metric), Preview.of(after, collection.metric)
        return await asyncio.to_thread(ranked, old, deployed), await asyncio.to_thread(ranked, new, queries)

    async def _contents(self, collection: Collection, groups: Sequence[Group]) -> dict[str, PreparedItem]:
        shown = {item for group in groups for item in group.shown}
        others = await self._items.sample(collection, limit=self._sample)
        found = await self._reader.contents(collection, sorted(shown.union(others)))
        return {item: one for item, one in found.items() if all(part.text for part in one.contents)}

    async def _stored(self, collection: Collection, contents: Mapping[str, PreparedItem]) -> dict[str, list[Vector]]:
        """The parts of the index that serves; items that were written meanwhile are left out."""
        wanted = [(item, number) for item, one in contents.items() for number in range(self._count(collection, one))]
        found = await self._items.part_vectors(collection, wanted)
        stored: dict[str, list[Vector]] = {}
        for item, number in wanted:
            if (item, number) in found:
                stored.setdefault(item, []).append(found[item, number])
        return stored

    def _encoded(
        self, collection: Collection, encoder: OnnxEncoder, contents: Mapping[str, PreparedItem]
    ) -> dict[str, Sequence[Vector]]:
        texts = [part.text or "" for one in contents.values() for part in one.contents]
        vectors = iter(encoder.encode(texts, "item"))
        aggregate = self._collections.plugin_of(collection).aggregate
        made: dict[str, Sequence[Vector]] = {}
        for item, one in contents.items():
            own = [next(vectors) for _ in one.contents]
            parts = parts_of(one.contents, own, aggregate, collection.metric)
            made[item] = [part.vector for part in parts]
        return made

    def _count(self, collection: Collection, one: PreparedItem) -> int:
        return len(one.contents) if self._collections.plugin_of(collection).aggregate == "best" else 1
