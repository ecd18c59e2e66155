"""Items on their way into the store, out of it, and into another index."""

from functools import cached_property

from embedding_studio.bootstrap.learning import LearningServices
from embedding_studio.upsertion import (
    Deleter,
    Embedder,
    Indexer,
    Ingester,
    Optimizer,
    Preparers,
    Reindexer,
    Staging,
    UpsertionService,
)

__all__ = ["UpsertionServices"]


class UpsertionServices(LearningServices):
    """Writes items."""

    @cached_property
    def upsertion(self) -> UpsertionService:
        return UpsertionService(
            pool=self.pool,
            staging=self.staging,
            items=self.items,
            indexer=self.indexer,
            reindexer=self.reindexer,
            optimizer=self.optimizer,
            versions=self.versions,
            collections=self.collections,
            models=self.models,
            tasks=self.tasks,
            settings=self.settings.upsertion,
        )

    @cached_property
    def staging(self) -> Staging:
        return Staging(self.pool)

    @cached_property
    def preparers(self) -> Preparers:
        return Preparers(collections=self.collections, encoders=self.encoders)

    @cached_property
    def embedder(self) -> Embedder:
        return Embedder(items=self.items, embeddings=self.embeddings)

    @cached_property
    def indexer(self) -> Indexer:
        return Indexer(
            pool=self.pool,
            staging=self.staging,
            items=self.items,
            versions=self.versions,
            collections=self.collections,
            preparers=self.preparers,
            embedder=self.embedder,
            optimizer=self.optimizer,
        )

    @cached_property
    def optimizer(self) -> Optimizer:
        return Optimizer(pool=self.pool, collections=self.collections, tasks=self.tasks, indexes=self.indexes)

    @cached_property
    def ingester(self) -> Ingester:
        return Ingester(collections=self.collections, staging=self.staging, indexer=self.indexer)

    @cached_property
    def deleter(self) -> Deleter:
        return Deleter(
            pool=self.pool,
            staging=self.staging,
            items=self.items,
            collections=self.collections,
            indexer=self.indexer,
        )

    @cached_property
    def reindexer(self) -> Reindexer:
        return Reindexer(
            pool=self.pool,
            catalog=self.catalog,
            versions=self.versions,
            holds=self.holds,
            items=self.items,
            collections=self.collections,
            preparers=self.preparers,
            embedder=self.embedder,
            indexes=self.indexes,
            models=self.models,
            before_switch=self.improvement.prepare,
            settings=self.settings.upsertion,
            store_settings=self.settings.vector_store,
        )
