"""Proof that training left the item vectors alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from embedding_studio.vector_store import Collection, ItemStore, Vector

__all__ = ["Witnesses"]

_COUNT = 1_000


@dataclass(frozen=True, slots=True)
class Witnesses:
    """A sample of items as they were: their vectors, and the hashes of what those were made from."""

    vectors: Mapping[str, Vector]
    hashes: Mapping[str, str]

    @classmethod
    async def take(cls, items: ItemStore, collection: Collection) -> Self:
        """About a thousand items as they are now."""
        vectors = await items.sample(collection, limit=_COUNT)
        return cls(vectors, await items.content_hashes(collection, list(vectors)))

    async def are_unchanged(self, items: ItemStore, collection: Collection) -> bool:
        """Whether the vectors are bit-identical; an item whose content was written anew is no witness any more."""
        hashes = await items.content_hashes(collection, list(self.vectors))
        vectors = await items.vectors(collection, [item for item in hashes if hashes[item] == self.hashes.get(item)])
        return all(vector.tobytes() == self.vectors[item].tobytes() for item, vector in vectors.items())
