"""A data set as the arrays and texts that training takes."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding_studio.fine_tuning.dataset import Dataset
from embedding_studio.inference import EmbeddingService, ServedModel
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.pairs import Pairs
from embedding_studio.search import SearchService
from embedding_studio.upsertion import NewItem, PreparedItem, Preparers, StagedItem
from embedding_studio.vector_store import Collection, ItemStore

__all__ = ["Contents", "Materials", "MaterialsReader"]

Floats = NDArray[np.float32]

Contents = Mapping[str, PreparedItem]
"""Items with what an encoder sees of them, by id."""

_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Materials:
    """What every track trains on, of the train and the dev split.

    Attributes:
        collection: Whose they are.
        version: The version that training begins from.
        start: How that version makes vectors.
        queries: Texts, as they are embedded when somebody searches.
        plain: Of the queries before an adapter, float32 (queries, dimensions).
        begun: Of the queries as the version makes them, float32 (queries, dimensions).
        items: Ids.
        item_vectors: Of the items as the index holds them, float32 (items, dimensions).
        train: Judged pairs; the weight is the pair's in the loss, 0 where nobody wants the item.
        gains: Of those, float32 (pairs,).
        dev: Judged pairs of the dev split; the weight is the gain.
        dev_shown: What the dev queries were shown.
    """

    collection: Collection
    version: int
    start: ServedModel
    queries: Sequence[str]
    plain: Floats
    begun: Floats
    items: Sequence[str]
    item_vectors: Floats
    train: Pairs
    gains: Floats
    dev: Pairs
    dev_shown: Pairs

    @property
    def wanted(self) -> Pairs:
        """The training pairs that somebody wants."""
        rows = self.train.weight > 0
        return Pairs(self.train.query[rows], self.train.item[rows], self.train.weight[rows])


class MaterialsReader:
    """Queries are encoded once; items are read."""

    def __init__(
        self, *, searches: SearchService, embeddings: EmbeddingService, items: ItemStore, preparers: Preparers
    ) -> None:
        self._searches = searches
        self._embeddings = embeddings
        self._items = items
        self._preparers = preparers

    async def read(self, collection: Collection, dataset: Dataset, version: int) -> Materials:
        """The materials of a data set.

        Args:
            collection: Whose sessions the data set is of.
            dataset: With something in its train split.
            version: That training begins from; it goes with the collection's index.

        Raises:
            UnavailableError: The encoder is not ready.
            InvalidError: Not one of the wanted items has a vector any more.
        """
        start = await self._embeddings.model(collection, version)
        keys = [*dataset.splits["train"], *dataset.splits["dev"]]
        texts = await self._searches.embedded_texts(collection, [dataset.groups[key].text for key in keys])
        plain = await self._embeddings.embed_queries(start.without_adapter, texts)
        vectors = await self._items.vectors(collection, _items_of(dataset))
        if not vectors:
            raise InvalidError("the items that were clicked are all gone")
        numbered = _Numbered.of(keys, vectors)
        train = list(_training_pairs(dataset))
        return Materials(
            collection=collection,
            version=version,
            start=start,
            queries=texts,
            plain=plain,
            begun=start.adapter.apply(plain) if start.adapter else plain,
            items=list(vectors),
            item_vectors=np.stack(list(vectors.values())),
            train=numbered.pairs((key, item, weight) for key, item, weight, _ in train),
            gains=numbered.values((key, item, gain) for key, item, _, gain in train),
            dev=numbered.pairs(_dev_pairs(dataset)),
            dev_shown=numbered.pairs(_dev_shown(dataset)),
        )

    async def texts(self, materials: Materials) -> list[str]:
        """The text of the first part of each of the items, as the encoder of items sees it; empty for an image."""
        contents = await self.contents(materials.collection, materials.items)
        return [(contents[item].contents[0].text or "") if item in contents else "" for item in materials.items]

    async def contents(self, collection: Collection, items: Sequence[str]) -> dict[str, PreparedItem]:
        """What the encoder sees of items, by id, made anew from their payloads; those that are gone are left out."""
        preparer = await self._preparers.of(collection)
        found: dict[str, PreparedItem] = {}
        for start in range(0, len(items), _BATCH):
            stored = await self._items.stored_of(collection, items[start : start + _BATCH])
            staged = [
                StagedItem(one.seq, ordinal, NewItem(one.id, one.payload, one.source))
                for ordinal, one in enumerate(stored)
            ]
            prepared, _ = await preparer.prepare(staged)
            found |= {one.staged.item.id: one for one in prepared}
            await asyncio.sleep(0)
        return found


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Rows of queries and items."""

    queries: Mapping[str, int]
    items: Mapping[str, int]

    @classmethod
    def of(cls, queries: Iterable[str], items: Iterable[str]) -> "_Numbered":
        """In this order."""
        return cls({key: row for row, key in enumerate(queries)}, {item: row for row, item in enumerate(items)})

    def pairs(self, triples: Iterable[tuple[str, str, float]]) -> Pairs:
        """The triples whose items are known, as rows."""
        known = [(self.queries[key], self.items[item], weight) for key, item, weight in triples if item in self.items]
        return Pairs(
            query=np.array([query for query, _, _ in known], np.int64),
            item=np.array([item for _, item, _ in known], np.int64),
            weight=np.array([weight for _, _, weight in known], np.float32),
        )

    def values(self, triples: Iterable[tuple[str, str, float]]) -> Floats:
        """The numbers of the triples whose items are known."""
        return np.array([value for _, item, value in triples if item in self.items], np.float32)


def _items_of(dataset: Dataset) -> list[str]:
    """All that the pairs of both splits name."""
    shown = {item for _, item, _ in _dev_shown(dataset)}
    return sorted(shown.union(dataset.items("train"), dataset.items("dev")))


def _training_pairs(dataset: Dataset) -> Iterable[tuple[str, str, float, float]]:
    """Key, item, weight and gain; a query's weight is the root of what its items are worth: none drowns the others."""
    for key in dataset.splits["train"]:
        gains = dataset.groups[key].gains
        worth = sum(max(0.0, gain) for gain in gains.values())
        for item, gain in gains.items():
            yield key, item, max(0.0, gain) / (worth or 1.0) ** 0.5, gain


def _dev_pairs(dataset: Dataset) -> Iterable[tuple[str, str, float]]:
    """Key, item and gain."""
    for key in dataset.splits["dev"]:
        for item, gain in dataset.groups[key].gains.items():
            yield key, item, max(0.0, gain)


def _dev_shown(dataset: Dataset) -> Iterable[tuple[str, str, float]]:
    for key in dataset.splits["dev"]:
        for item in dataset.groups[key].shown:
            yield key, item, 1.0
