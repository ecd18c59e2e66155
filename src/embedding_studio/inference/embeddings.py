"""Texts to vectors as a model version makes them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embedding_studio.inference.encoders import Encoders
from embedding_studio.inference.errors import NoEncoderError, OtherEncoderError
from embedding_studio.inference.service import ModelService, ServedModel
from embedding_studio.inference.trained import is_trained
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store import Collection, CollectionService, IndexHolds

__all__ = ["EmbeddingService"]


class EmbeddingService:
    """The one way from text to vector, for the index and for queries alike."""

    def __init__(self, *, encoders: Encoders, models: ModelService, collections: CollectionService) -> None:
        self._encoders = encoders
        self._models = models
        self._collections = collections

    def encoder_of(self, collection: Collection) -> EncoderSource | None:
        """What made the vectors of the collection's index; None where items bring their own."""
        encoder = self._collections.plugin_of(collection).encoder
        return (collection.encoder or encoder.build()) if encoder else None

    async def embed_items(self, source: EncoderSource | None, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of item texts, float32 (texts, dimensions).

        Raises:
            NoEncoderError: There is no encoder.
            UnavailableError: The encoder is not ready, or busy beyond its limit.
        """
        if source is None:
            raise NoEncoderError
        return await self._encoders.encode(source, texts, "item")

    async def embed_images(
        self, source: EncoderSource | None, images: Sequence[NDArray[np.uint8]]
    ) -> NDArray[np.float32]:
        """The vectors of images, each uint8 (size, size, 3), as float32 (images, dimensions).

        Raises:
            NoEncoderError: There is no encoder.
            InvalidError: The encoder knows no images.
            UnavailableError: The encoder is not ready, or busy beyond its limit.
        """
        if source is None:
            raise NoEncoderError
        return await self._encoders.encode_images(source, images)

    async def score_pairs(self, source: EncoderSource, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers the query, by the cross-encoder of the source, float32 (texts,) in 0..1.

        Raises:
            UnavailableError: The cross-encoder is not ready, or busy beyond its limit.
            TimeoutError: It did not answer in time.
        """
        return await self._encoders.score_pairs(source, query, texts)

    async def hold(self, holds: IndexHolds, collection: Collection, version: int, holder: str) -> bool:
        """Keep the index that a version goes with for a holder, and have at hand what it serves with there.

        Returns:
            Whether there is such an index.

        Raises:
            ModelNotFoundError: There is no such version.
            BrokenModelError: What is stored is not what was registered.
            OtherEncoderError: The version does not fit the index after all.
            UnavailableError: What runs the encoders does not answer, or cannot load one.
        """
        held = await holds.hold(collection, version, await self.encoder_with(collection, version), holder)
        if held is None:
            return False
        await self._models.adapter(held, version)
        await self.make_ready(held, version)
        return True

    async def make_ready(self, collection: Collection, version: int) -> None:
        """Have at hand what a version serves with, so that the first search need not wait for it.

        Raises:
            ModelNotFoundError: There is no such version.
            BrokenModelError: What is stored is not what was registered.
            UnavailableError: What runs the encoders does not answer, or cannot load one.
        """
        if self.encoder_of(collection) is None:
            return
        model = await self.model(collection, version)
        for source in dict.fromkeys((model.items, model.queries)):
            await self._encoders.make_ready(source)

    async def model(self, collection: Collection, version: int) -> ServedModel:
        """How a version makes vectors.

        Raises:
            NoEncoderError: The collection's items bring their own vectors.
            ModelNotFoundError: There is no such version.
            BrokenModelError: The stored bytes are not those that were registered.
        """
        index = self.encoder_of(collection)
        if index is None:
            raise NoEncoderError
        base = self.root_of(collection) or index if is_trained(index) else index
        return await self._models.load(collection, version) or ServedModel(base, base)

    async def encoder_with(self, collection: Collection, version: int) -> EncoderSource | None:
        """The encoder of the index that a model version goes with; None where items bring their own vectors.

        Raises:
            ModelNotFoundError: There is no such version.
        """
        own = await self._models.own_index(collection, version)
        index = collection.encoder
        return own or (index if index is not None and not is_trained(index) else self.root_of(collection))

    def root_of(self, collection: Collection) -> EncoderSource | None:
        """The encoder that the collection's plugin names, before anything was trained."""
        encoder = self._collections.plugin_of(collection).encoder
        return encoder.build() if encoder else None

    async def embed(
        self,
        collection: Collection,
        texts: Sequence[str],
        kind: TextKind,
        *,
        model_version: int | None = None,
        any_index: bool = False,
    ) -> NDArray[np.float32]:
        """The vectors of the texts, float32 (texts, dimensions), by the deployed model or the version asked for.

        Args:
            collection: Whose model it is.
            texts: As they came, without prompts.
            kind: What they are.
            model_version: None: the deployed one.
            any_index: Whether vectors that do not go with the collection's index are wanted too.

        Raises:
            NoEncoderError: The collection's items bring their own vectors.
            ModelNotFoundError: There is no such version.
            OtherEncoderError: The version goes with the vectors of another encoder than the index's.
            UnavailableError: The encoder is not ready, or busy beyond its limit.
        """
        version = model_version or collection.model_version
        model = await self.model(collection, version)
        index = self.encoder_of(collection)
        if not any_index and index and model.items.key != index.key:
            raise OtherEncoderError(version)
        if kind == "item":
            return await self._encoders.encode(model.items, texts, "item")
        return await self.embed_queries(model, texts)

    async def embed_queries(self, model: ServedModel, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of queries as a model makes them, float32 (texts, dimensions).

        Raises:
            UnavailableError: The encoder is not ready, or busy beyond its limit.
        """
        vectors = await self._encoders.encode(model.queries, texts, "query")
        return model.adapter.apply(vectors) if model.adapter else vectors
