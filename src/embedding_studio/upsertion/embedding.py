"""From prepared items to items with the vectors of every live index version."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from embedding_studio.inference import EmbeddingService
from embedding_studio.sdk import EncoderSource
from embedding_studio.tasks import FailedItem
from embedding_studio.upsertion.domain import PreparedItem, parts_of
from embedding_studio.upsertion.isolation import isolate
from embedding_studio.upsertion.preparing import Preparer
from embedding_studio.vector_store import Collection, IndexVersion, Item, ItemStore, Part, Vector

__all__ = ["Embedder"]

_LONGEST_REASON = 500

Vectors = dict[int, list[Vector]]
"""The vectors of each item's contents, by the item's ordinal."""


class Embedder:
    """Embeds only what an index version does not hold yet, and once for all versions of one encoder."""

    def __init__(self, *, items: ItemStore, embeddings: EmbeddingService) -> None:
        self._items = items
        self._embeddings = embeddings

    async def embed(
        self, collection: Collection, live: Sequence[IndexVersion], preparer: Preparer, prepared: Sequence[PreparedItem]
    ) -> tuple[list[tuple[int, Item]], list[tuple[int, FailedItem]]]:
        """By ordinal: items with the parts of those versions that hold other content, and the items that failed."""
        sources = {index.version: index.encoder or self._embeddings.encoder_of(collection) for index in live}
        ids = [one.staged.item.id for one in prepared]
        changed: dict[int, set[int]] = {}
        for index in live:
            known = await self._items.content_hashes(collection, ids, version=index.version)
            changed[index.version] = {
                one.staged.ordinal for one in prepared if known.get(one.staged.item.id) != one.content_hash
            }
        vectors: dict[EncoderSource | None, Vectors] = {}
        failures: dict[int, FailedItem] = {}
        for source in dict.fromkeys(sources.values()):
            wanted = set().union(*(changed[version] for version in changed if sources[version] == source))
            vectors[source], failed = await self._vectors(
                source, [one for one in prepared if one.staged.ordinal in wanted]
            )
            failures |= failed

        def parts(one: PreparedItem, version: int) -> list[Part]:
            of_contents = vectors[sources[version]][one.staged.ordinal]
            return parts_of(one.contents, of_contents, preparer.aggregate, collection.metric)

        items = [
            (one.staged.ordinal, _item(one, {v: parts(one, v) for v in changed if one.staged.ordinal in changed[v]}))
            for one in prepared
            if one.staged.ordinal not in failures
        ]
        return items, list(failures.items())

    async def embed_all(
        self, collection: Collection, index: IndexVersion, preparer: Preparer, prepared: Sequence[PreparedItem]
    ) -> dict[str, Vector]:
        """The first vector of each item as the index would hold it, whatever it holds already; nothing is isolated."""
        source = index.encoder or self._embeddings.encoder_of(collection)
        vectors = dict(await self._attempt(source, prepared))
        return {
            one.staged.item.id: parts_of(
                one.contents, vectors[one.staged.ordinal], preparer.aggregate, collection.metric
            )[0].vector
            for one in prepared
        }

    async def _vectors(
        self, source: EncoderSource | None, prepared: Sequence[PreparedItem]
    ) -> tuple[Vectors, dict[int, FailedItem]]:
        async def attempt(batch: Sequence[PreparedItem]) -> list[tuple[int, list[Vector]]]:
            return await self._attempt(source, batch)

        done, failed = await isolate(prepared, attempt) if prepared else ([], [])
        return dict(done), {
            one.staged.ordinal: FailedItem(
                one.staged.item.id, "embed", f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
            )
            for one, error in failed
        }

    async def _attempt(
        self, source: EncoderSource | None, batch: Sequence[PreparedItem]
    ) -> list[tuple[int, list[Vector]]]:
        contents = [content for one in batch for content in one.contents]
        texts = [one.text for one in contents if one.image is None and one.vector is None and one.text is not None]
        images = [one.image for one in contents if one.image is not None]
        of_texts = iter(await self._embeddings.embed_items(source, texts) if texts else ())
        of_images = iter(await self._embeddings.embed_images(source, images) if images else ())
        vectors = (
            np.asarray(content.vector, np.float32)
            if content.vector is not None
            else next(of_images if content.image is not None else of_texts)
            for content in contents
        )
        return [(one.staged.ordinal, list(islice(vectors, len(one.contents)))) for one in batch]


def _item(prepared: PreparedItem, parts: Mapping[int, Sequence[Part]]) -> Item:
    new = prepared.staged.item
    staged = prepared.staged
    return Item(new.id, new.payload, new.source, staged.seq, prepared.content_hash, parts, staged.ordinal)
