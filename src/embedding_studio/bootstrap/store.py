"""Collections, their items, and the models that turn these into vectors."""

from datetime import timedelta
from functools import cached_property, partial

from embedding_studio.bootstrap.tasks import TaskServices
from embedding_studio.inference import EmbeddingService, ModelService
from embedding_studio.vector_store import (
    Catalog,
    CollectionService,
    Indexes,
    IndexHolds,
    IndexVersions,
    ItemStore,
    leaving,
)

__all__ = ["StoreServices"]


class StoreServices(TaskServices):
    """Where everything that is searched lies."""

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.pool, grace=timedelta(seconds=self.settings.vector_store.index_grace))

    @cached_property
    def holds(self) -> IndexHolds:
        return IndexHolds(self.pool, self.catalog, grace=timedelta(seconds=self.settings.vector_store.index_grace))

    @cached_property
    def versions(self) -> IndexVersions:
        return IndexVersions(self.pool)

    @cached_property
    def indexes(self) -> Indexes:
        return Indexes(self.pool, self.settings.vector_store)

    @cached_property
    def items(self) -> ItemStore:
        return ItemStore(self.pool, self.versions)

    @cached_property
    def models(self) -> ModelService:
        return ModelService(
            models=self._model_repository,
            catalog=self.catalog,
            objects=self.objects,
            clock=self.clock,
            encoders=self.encoders,
        )

    @cached_property
    def collections(self) -> CollectionService:
        return CollectionService(
            catalog=self.catalog,
            versions=self.versions,
            plugins=self.plugins,
            dimensions_of=self.encoders.dimensions_of,
            on_delete=(
                self._clickstream_repository.delete_of,
                self._backlog.delete_of,
                self._reporting.delete_of,
                self.models.delete_of,
                self.curated.delete_of,
                self._experiment_repository.delete_of,
                self._shadow_repository.delete_of,
                self.tasks.delete_of,
            ),
            leaving=partial(leaving, self.settings.postgres),
            settings=self.settings.vector_store,
        )

    @cached_property
    def embeddings(self) -> EmbeddingService:
        return EmbeddingService(encoders=self.encoders, models=self.models, collections=self.collections)
