"""How a new encoder of items would rank, before there is an index of its vectors."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.dataset import Group
from embedding_studio.fine_tuning.evaluation import DEPTH, Ranked, rank_all
from embedding_studio.fine_tuning.materials import MaterialsReader
from embedding_studio.inference import OnnxEncoder, QueryAdapter
from embedding_studio.sdk import Metric
from embedding_studio.search import Order, SearchService
from embedding_studio.upsertion import PreparedItem, parts_of
from embedding_studio.vector_store import Collection, CollectionService, Hit, ItemStore, Vector

__all__ = ["Preview", "Previewer", "distances"]

Floats = NDArray[np.float32]


def distances(vectors: Floats, query: Floats, metric: Metric) -> Floats:
    """How far each vector is from a query, as the database has it: a smaller number is better.

    Args:
        vectors: Float32 (vectors, dimensions).
        query: Float32 (dimensions,).
        metric: What is compared.
    """
    if metric == "euclidean":
        return np.asarray(np.linalg.norm(vectors - query, axis=1), np.float32)
    products = vectors @ query
    if metric == "dot":
        return np.asarray(-products, np.float32)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    return np.asarray(1 - products / lengths, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """The parts of some items in memory, compared one by one.

    Attributes:
        items: Ids.
        payloads: By id, as rankers read them.
        vectors: Of the parts, float32 (parts, dimensions), item by item.
        firsts: Where each item's parts begin.
        metric: What is compared.
    """

    items: Sequence[str]
    payloads: Mapping[str, dict[str, Any]]
    vectors: Floats
    firsts: NDArray[np.int64]
    metric: Metric

    @classmethod
    def of(
        cls, parts: Mapping[str, Sequence[Vector]], payloads: Mapping[str, dict[str, Any]], metric: Metric
    ) -> "Preview":
        """The parts of items by id, each with at least one, and what rankers read of the items."""
        firsts = np.cumsum([0, *(len(own) for own in parts.values())])[:-1]
        vectors = np.concatenate([np.stack(own) for own in parts.values()])
        return cls(list(parts), payloads, vectors, firsts, metric)

    def near(self, query: Floats) -> list[Hit]:
        """All items with their best parts, by distance, then id."""
        far = distances(self.vectors, query, self.metric)
        owners = np.repeat(np.arange(len(self.items)), np.diff([*self.firsts, len(far)]))
        best = np.lexsort((far, owners))[self.firsts]
        hits = [
            Hit(item, part - first, distance, self.payloads[item])
            for item, part, first, distance in zip(
                self.items, best.tolist(), self.firsts.tolist(), far[best].tolist(), strict=True
            )
        ]
        return sorted(hits, key=lambda hit: (hit.distance, hit.item_id))


class Previewer:
    """Tries models on what the queries were shown, and on a sample of the other items.

    Both models rank as the collection does, on the same items: by the vectors of each, and by the words, filters and
    rankers of the collection, whose words are looked up in the index that serves.
    """

    def __init__(
        self,
        *,
        searches: SearchService,
        reader: MaterialsReader,
        items: ItemStore,
        collections: CollectionService,
        threads: int,
        sample: int,
    ) -> None:
        self._searches = searches
        self._reader = reader
        self._items = items
        self._collections = collections
        self._threads = threads
        self._sample = sample

    async def rank(
        self,
        collection: Collection,
        groups: Sequence[Group],
        texts: Sequence[str],
        deployed: Floats,
        folder: Path,
        adapter: QueryAdapter | None,
    ) -> tuple[list[Ranked], list[Ranked]]:
        """The rankings of query groups by the deployed model, and by an encoder of queries and items.

        Args:
            collection: Whose items are ranked.
            groups: Of queries.
            texts: What of each query is embedded.
            deployed: The vectors of these by the deployed model, float32 (groups, dimensions).
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
        vectors = await asyncio.to_thread(encoder.encode, texts, "query")
        queries = adapter.apply(vectors) if adapter else vectors
        payloads = {item: one.staged.item.payload for item, one in contents.items()}
        old, new = (Preview.of(parts, payloads, collection.metric) for parts in (before, after))
        return (
            await self._ranked(collection, old, groups, deployed),
            await self._ranked(collection, new, groups, queries),
        )

    async def _ranked(
        self, collection: Collection, preview: Preview, groups: Sequence[Group], queries: Floats
    ) -> list[Ranked]:
        async def order(group: Group, query: Floats) -> Order:
            near = await asyncio.to_thread(preview.near, query)
            return await self._searches.rank_near(collection, group.text, near, limit=DEPTH, among=group.shown)

        return await rank_all(groups, queries, order)

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
