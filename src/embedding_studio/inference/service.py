"""Texts to vectors as a model version makes them, and the versions themselves."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.inference.adapter import QueryAdapter
from embedding_studio.inference.encoders import Encoders
from embedding_studio.inference.errors import BrokenModelError, ModelNotFoundError, NoEncoderError, OtherEncoderError
from embedding_studio.inference.models import ModelVersion
from embedding_studio.inference.repository import ModelRepository
from embedding_studio.infra.objects import ObjectFolder
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.kernel.errors import NotFoundError
from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store import BASE_MODEL_VERSION, Catalog, Collection, CollectionService

__all__ = ["EmbeddingService", "ModelService", "NewModel"]

_KEPT_ADAPTERS = 64
_VERSIONS_END = 2**31


@dataclass(frozen=True, slots=True)
class NewModel:
    """What training leaves behind.

    Attributes:
        parent: The version that training was asked to improve on.
        compared_with: The deployment that the gate judged against.
        gate_record: All that the gate's decision can be made again from, as JSON.
        result: What the training task answers.
    """

    task_id: str
    track: str
    parent: int
    compared_with: int
    adapter: QueryAdapter
    gate_record: bytes
    result: dict[str, Any]


class ModelService:
    """The versions of a collection's models; version 1 is the plugin's encoder as it came."""

    def __init__(self, *, models: ModelRepository, catalog: Catalog, objects: ObjectFolder, clock: Clock) -> None:
        self._models = models
        self._catalog = catalog
        self._objects = objects
        self._clock = clock
        self._adapters: dict[tuple[int, int, EncoderSource | None], QueryAdapter] = {}

    async def register(self, collection: Collection, new: NewModel) -> ModelVersion:
        """Keep a trained model; the same task registers one version however often it runs."""
        if known := await self._models.of_task(new.task_id):
            return known
        version = await self._catalog.next_model_version(collection.id)
        data = new.adapter.to_bytes()
        folder = f"models/{collection.id}/{version}"
        model = ModelVersion(
            id=f"{collection.id}-{version}",
            collection=collection.name,
            collection_id=collection.id,
            encoder=collection.encoder.key if collection.encoder else "",
            version=version,
            track=new.track,
            parent=new.parent,
            task_id=new.task_id,
            artifact=f"{folder}/adapter.safetensors",
            artifact_sha256=hashlib.sha256(data).hexdigest(),
            compared_with=new.compared_with,
            result=new.result,
            created_at=self._clock(),
        )
        await self._objects.put(model.artifact, data)
        await self._objects.put(f"{folder}/gate.json", new.gate_record)
        await self._models.add(model)
        return await self._models.of_task(new.task_id) or model

    async def of_task(self, task_id: str) -> ModelVersion | None:
        """The version that a task registered, if it came that far."""
        return await self._models.of_task(task_id)

    async def get(self, collection: Collection, version: int) -> ModelVersion:
        """The record of a trained version.

        Raises:
            ModelNotFoundError: There is none.
        """
        model = await self._models.get(collection.id, version) if 0 < version < _VERSIONS_END else None
        if model is None:
            raise ModelNotFoundError(collection.name, version)
        return model

    async def page(self, collection: Collection, *, before: int, limit: int) -> list[ModelVersion]:
        """Trained versions, newest first."""
        return await self._models.page(collection.id, before=before, limit=limit)

    async def adapter(self, collection: Collection, version: int) -> QueryAdapter | None:
        """The query adapter of a version, verified against its record; None for the base version.

        Raises:
            ModelNotFoundError: There is no such version.
            BrokenModelError: The stored bytes are not those that were registered.
            OtherEncoderError: It was trained on vectors of another encoder than the index's.
        """
        if version == BASE_MODEL_VERSION:
            return None
        key = (collection.id, version, collection.encoder)
        if key not in self._adapters:
            model = await self.get(collection, version)
            if collection.encoder and model.encoder not in ("", collection.encoder.key):
                raise OtherEncoderError(version)
            self._adapters[key] = await self._load(model, collection.dimensions)
            if len(self._adapters) > _KEPT_ADAPTERS:
                del self._adapters[next(iter(self._adapters))]
        return self._adapters[key]

    async def delete_of(self, collection: str) -> None:
        """Forget the models of a deleted collection, and what is stored of them."""
        for artifact in await self._models.artifacts_of(collection):
            await self._objects.delete_folder(artifact.rpartition("/")[0])
        await self._models.delete_of(collection)

    async def _load(self, model: ModelVersion, dimensions: int) -> QueryAdapter:
        try:
            data = await self._objects.get(model.artifact)
        except NotFoundError:
            raise BrokenModelError(f"the stored bytes of model version {model.version} are gone") from None
        if hashlib.sha256(data).hexdigest() != model.artifact_sha256:
            raise BrokenModelError(f"the stored bytes of model version {model.version} are not those registered")
        adapter = QueryAdapter.from_bytes(data)
        if adapter.dimensions != dimensions:
            raise BrokenModelError(f"model version {model.version} is for {adapter.dimensions} dimensions")
        return adapter


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

    async def embed(
        self,
        collection: Collection,
        texts: Sequence[str],
        kind: TextKind,
        *,
        model_version: int | None = None,
    ) -> NDArray[np.float32]:
        """The vectors of the texts, float32 (texts, dimensions), by the deployed model or the version asked for.

        Raises:
            NoEncoderError: The collection's items bring their own vectors.
            ModelNotFoundError: There is no such version.
            UnavailableError: The encoder is not ready, or busy beyond its limit.
        """
        source = self.encoder_of(collection)
        if source is None:
            raise NoEncoderError
        vectors = await self._encoders.encode(source, texts, kind)
        if kind == "item":
            return vectors
        adapter = await self._models.adapter(collection, model_version or collection.model_version)
        return adapter.apply(vectors) if adapter else vectors
