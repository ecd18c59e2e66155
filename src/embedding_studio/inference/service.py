"""The versions of a collection's models: how each makes vectors, and what is stored of it."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from embedding_studio.inference.adapter import QueryAdapter
from embedding_studio.inference.encoders import Encoders
from embedding_studio.inference.errors import BrokenModelError, ModelNotFoundError, OtherEncoderError
from embedding_studio.inference.models import ADAPTER, ModelVersion
from embedding_studio.inference.repository import ModelRepository
from embedding_studio.inference.trained import (
    DESCRIPTION,
    fetch_weights,
    is_trained,
    model_folder,
    store_folder,
    trained_source,
)
from embedding_studio.infra.objects import Objects
from embedding_studio.kernel.errors import NotFoundError
from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store import BASE_MODEL_VERSION, Catalog, Collection

__all__ = ["ModelService", "NewEncoder", "NewModel", "ServedModel"]

_KEPT_MODELS = 64
_VERSIONS_END = 2**31


@dataclass(frozen=True, slots=True)
class ServedModel:
    """How a version makes vectors.

    Attributes:
        queries: The encoder of queries.
        items: The encoder of the index that it goes with.
        adapter: Corrects the vectors of queries.
    """

    queries: EncoderSource
    items: EncoderSource
    adapter: QueryAdapter | None = None

    @property
    def without_adapter(self) -> "ServedModel":
        """The encoders alone."""
        return replace(self, adapter=None)


@dataclass(frozen=True, slots=True)
class NewEncoder:
    """An encoder that was trained.

    Attributes:
        folder: Holds what `inference.trained` names: the files that serve, and a folder with the weights.
        of_items: Whether it encodes items too; else queries alone.
    """

    folder: Path
    of_items: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """What training leaves behind.

    Attributes:
        parent: The version that training began from.
        compared_with: The deployment that the gate judged against.
        gate_record: All that the gate's decision can be made again from, as JSON.
        result: What the training task answers.
        adapter: The adapter, where there is one.
        encoder: The encoder, where one was trained.
        start: What training began from; None: the index's encoder.
        root: The plugin's encoder; None: the index's.
        params: The settings that the training ran with.
    """

    task_id: str
    track: str
    parent: int
    compared_with: int
    gate_record: bytes
    result: dict[str, Any]
    adapter: QueryAdapter | None = None
    encoder: NewEncoder | None = None
    start: ServedModel | None = None
    root: EncoderSource | None = None
    params: dict[str, Any] = field(default_factory=dict)


class ModelService:
    """The versions of a collection's models; version 1 is the plugin's encoder as it came."""

    def __init__(
        self,
        *,
        models: ModelRepository,
        catalog: Catalog,
        objects: Objects,
        clock: Clock,
        encoders: Encoders | None = None,
    ) -> None:
        self._models = models
        self._catalog = catalog
        self._objects = objects
        self._clock = clock
        self._encoders = encoders
        self._loaded: dict[tuple[int, int, EncoderSource | None], ServedModel] = {}

    async def register(self, collection: Collection, new: NewModel) -> ModelVersion:
        """Keep a trained model; the same task registers one version however often it runs."""
        if known := await self._models.of_task(new.task_id):
            return known
        version = await self._catalog.next_model_version(collection.id)
        stored = await self._store(collection, version, new)
        queries, items = _sides(collection, version, new, stored)
        model = ModelVersion(
            id=f"{collection.id}-{version}",
            collection=collection.name,
            collection_id=collection.id,
            encoder=items.key if items else "",
            root=new.root.key if new.root else "",
            queries=asdict(queries) if queries else None,
            items=asdict(items) if items else None,
            version=version,
            track=new.track,
            parent=new.parent,
            task_id=new.task_id,
            compared_with=new.compared_with,
            params=new.params,
            result=new.result,
            created_at=self._clock(),
            **stored,
        )
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

    async def gate_record(self, collection: Collection, version: int) -> bytes:
        """What the gate said of a trained version, with all that it said so by, as JSON.

        Raises:
            ModelNotFoundError: There is no such version.
            BrokenModelError: The record is gone.
        """
        model = await self.get(collection, version)
        try:
            return await self._objects.get(f"{model.artifact.rpartition('/')[0]}/gate.json")
        except NotFoundError:
            raise BrokenModelError(f"the gate's record of model version {version} is gone") from None

    async def page(self, collection: Collection, *, before: int, limit: int) -> list[ModelVersion]:
        """Trained versions, newest first."""
        return await self._models.page(collection.id, before=before, limit=limit)

    async def promoted(self, collection: Collection, track: str, *, limit: int) -> list[ModelVersion]:
        """Versions of a track that the gate promoted, newest first."""
        return await self._models.promoted(collection.id, track, limit=limit)

    async def load(self, collection: Collection, version: int) -> ServedModel | None:
        """How a version makes vectors, its adapter verified against its record; None for the base version.

        Raises:
            ModelNotFoundError: There is no such version.
            BrokenModelError: The stored bytes are not those that were registered.
        """
        if version == BASE_MODEL_VERSION:
            return None
        key = (collection.id, version, collection.encoder)
        if key not in self._loaded:
            self._loaded[key] = await self._load(collection, await self.get(collection, version))
            if len(self._loaded) > _KEPT_MODELS:
                del self._loaded[next(iter(self._loaded))]
        return self._loaded[key]

    async def adapter(self, collection: Collection, version: int) -> QueryAdapter | None:
        """The query adapter of a version, for the collection's index; None if it has none.

        Raises:
            ModelNotFoundError: There is no such version.
            BrokenModelError: The stored bytes are not those that were registered.
            OtherEncoderError: It goes with vectors of another encoder than the index's.
        """
        model = await self.load(collection, version)
        if model is None:
            return None
        if collection.encoder and model.items.key != collection.encoder.key:
            raise OtherEncoderError(version)
        return model.adapter

    async def own_index(self, collection: Collection, version: int) -> EncoderSource | None:
        """The encoder of the index that a version goes with, where training made that encoder.

        Raises:
            ModelNotFoundError: There is no such version.
        """
        if version == BASE_MODEL_VERSION:
            return None
        items = (await self.get(collection, version)).items
        source = EncoderSource(**items) if items else None  # type: ignore[arg-type]  # `kind` is one of its literals
        return source if source and is_trained(source) else None

    async def needs_index(self, collection: Collection, version: int) -> bool:
        """Whether the version goes with another index than the one that serves, as a trained encoder makes it.

        Raises:
            ModelNotFoundError: There is no such version.
        """
        index = collection.encoder
        own = await self.own_index(collection, version)
        return index is not None and (own.key != index.key if own else is_trained(index))

    async def weights(self, source: EncoderSource, folder: Path) -> Path | None:
        """Copy the weights of a trained encoder into `folder`; None if training did not make it."""
        return await fetch_weights(self._objects, source, folder) if is_trained(source) else None

    async def delete_of(self, collection: str) -> None:
        """Forget the models of a deleted collection, and what is stored of them."""
        for model in await self._models.of(collection):
            await self._objects.delete_folder(model.folder)
            for source in (model.queries, model.items):
                if self._encoders and source:
                    await self._encoders.forget(EncoderSource(**source))  # type: ignore[arg-type]  # as above
        await self._models.delete_of(collection)

    async def _store(self, collection: Collection, version: int, new: NewModel) -> dict[str, Any]:
        """Store the objects; returns what the record says of them."""
        folder = model_folder(collection.id, version)
        adapter = new.adapter.to_bytes() if new.adapter else None
        if adapter is not None:
            await self._objects.put(f"{folder}/{ADAPTER}", adapter)
        await self._objects.put(f"{folder}/gate.json", new.gate_record)
        sha256 = hashlib.sha256(adapter).hexdigest() if adapter is not None else None
        if new.encoder is None:
            return {"artifact": f"{folder}/{ADAPTER}", "artifact_sha256": sha256 or ""}
        await store_folder(self._objects, new.encoder.folder, folder)
        description = await asyncio.to_thread((new.encoder.folder / DESCRIPTION).read_bytes)
        of_encoder = hashlib.sha256(description).hexdigest()
        return {"artifact": f"{folder}/{DESCRIPTION}", "artifact_sha256": of_encoder, "adapter_sha256": sha256}

    async def _load(self, collection: Collection, model: ModelVersion) -> ServedModel:
        index = collection.encoder or EncoderSource("", "", "")
        queries, items = (
            EncoderSource(**side) if side else replace(index)  # type: ignore[arg-type]  # as above
            for side in (model.queries, model.items)
        )
        if model.items is None and model.encoder not in ("", index.key):
            raise OtherEncoderError(model.version)
        adapter = await self._load_adapter(model) if model.adapter else None
        if adapter and items.key == index.key and adapter.dimensions != collection.dimensions:
            raise BrokenModelError(f"model version {model.version} is for {adapter.dimensions} dimensions")
        return ServedModel(queries, items, adapter)

    async def _load_adapter(self, model: ModelVersion) -> QueryAdapter:
        key, sha256 = model.adapter or ("", "")
        try:
            data = await self._objects.get(key)
        except NotFoundError:
            raise BrokenModelError(f"the stored bytes of model version {model.version} are gone") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise BrokenModelError(f"the stored bytes of model version {model.version} are not those registered")
        return QueryAdapter.from_bytes(data)


def _sides(
    collection: Collection, version: int, new: NewModel, stored: Mapping[str, Any]
) -> tuple[EncoderSource | None, EncoderSource | None]:
    """The encoders of queries and of items."""
    queries = new.start.queries if new.start else collection.encoder
    items = new.start.items if new.start else collection.encoder
    if new.encoder is None or items is None:
        return queries, items
    own = trained_source(collection.id, version, sha256=stored["artifact_sha256"], like=items)
    return own, own if new.encoder.of_items else items
