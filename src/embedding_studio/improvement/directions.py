"""What sessions asked, as directions that can be compared."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bson.binary import Binary
from numpy.typing import NDArray

from embedding_studio.improvement.domain import Direction
from embedding_studio.inference import EmbeddingService
from embedding_studio.vector_store import Collection, ItemStore

__all__ = ["Directions", "unit"]

_SHORTEST = 1e-9


def unit(vector: NDArray[Any]) -> NDArray[np.float32] | None:
    """The vector with length 1, float32; None if it is too short to have a direction."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return (vector / length).astype(np.float32) if length > _SHORTEST else None


class Directions:
    """Makes directions of the queries that sessions kept, by the encoder of queries without what an adapter adds."""

    def __init__(self, *, embeddings: EmbeddingService, items: ItemStore) -> None:
        self._embeddings = embeddings
        self._items = items

    async def serving(self, collection: Collection) -> tuple[str, int]:
        """The encoder of queries that serves, and its dimensions."""
        if self._embeddings.encoder_of(collection) is None:
            return "", collection.dimensions
        model = await self._embeddings.model(collection, collection.model_version)
        return model.queries.key, collection.dimensions

    async def warm(self, collection: Collection) -> None:
        """Read the encoder of a collection's queries, if there is one.

        Raises:
            UnavailableError: It is not ready.
        """
        await self._of_texts(collection, {"": "warm"})

    async def of(self, collection: Collection, sessions: Mapping[str, Mapping[str, Any]]) -> dict[str, Direction]:
        """The direction of each session's query that has one: images, and words without an encoder, have none.

        Args:
            collection: Where they were asked.
            sessions: Documents of sessions, by id. A vector that was given for another index is not looked at.
        """
        index = self._embeddings.encoder_of(collection)
        space = index.key if index else ""
        queries = {one: session["query"] for one, session in sessions.items()}
        given = {one for one, query in queries.items() if query.get("vector")}
        current = [one for one in given if sessions[one].get("index_version") in (None, collection.index_version)]
        like = {one: query["item_id"] for one, query in queries.items() if query.get("item_id") and one not in given}
        texts = {one: _text(query) for one, query in queries.items() if one not in given and one not in like}
        found = {one: _of_vector(space, queries[one]["vector"]) for one in current}
        found |= await self._of_items(collection, space, like)
        found |= await self._of_texts(collection, {one: text for one, text in texts.items() if text})
        fitting = collection.dimensions
        return {one: way for one, way in found.items() if way is not None and len(way.vector) == fitting}

    async def _of_items(
        self, collection: Collection, space: str, like: Mapping[str, str]
    ) -> dict[str, Direction | None]:
        vectors = await self._items.vectors(collection, sorted(set(like.values()))) if like else {}
        return {
            one: _direction(f"item:{item}", item, space, vectors[item]) for one, item in like.items() if item in vectors
        }

    async def _of_texts(self, collection: Collection, texts: Mapping[str, str]) -> dict[str, Direction | None]:
        if not texts or self._embeddings.encoder_of(collection) is None:
            return {}
        model = await self._embeddings.model(collection, collection.model_version)
        distinct: Sequence[str] = sorted(set(texts.values()))
        vectors = await self._embeddings.embed_queries(model.without_adapter, distinct)
        made = {
            text: _direction(f"text:{text}", text, model.queries.key, vector)
            for text, vector in zip(distinct, vectors, strict=True)
        }
        return {one: made[text] for one, text in texts.items()}


def _text(query: Mapping[str, Any]) -> str:
    """What was embedded: what query processors made of the words."""
    text = query.get("searched") or query.get("text")
    return text if isinstance(text, str) and text.strip() else ""


def _of_vector(space: str, stored: Any) -> Direction | None:
    numbers = stored.as_vector(return_numpy=True).data if isinstance(stored, Binary) else stored
    vector = np.asarray(numbers, np.float32)
    digest = hashlib.sha256(vector.tobytes()).hexdigest()
    return _direction(f"vector:{digest}", "", space, vector)


def _direction(key: str, query: str, space: str, vector: NDArray[Any]) -> Direction | None:
    """The key is hashed: an index takes no long ones."""
    one = unit(vector)
    return None if one is None else Direction(hashlib.sha256(key.encode()).hexdigest(), query, space, one)
