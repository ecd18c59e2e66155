"""The composition root: settings in, services out, everything closed in reverse order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dramatiq.brokers.redis import RedisBroker

from embedding_studio.clickstream import (
    ClickstreamRepository,
    ClickstreamService,
    Event,
    ForgettingService,
    Session,
)
from embedding_studio.fine_tuning import FineTuningService
from embedding_studio.inference import (
    DeploymentService,
    EmbeddingService,
    Encoders,
    ModelRepository,
    ModelService,
    ModelVersion,
)
from embedding_studio.infra.jobs import JobQueue, open_broker
from embedding_studio.infra.mongo import Database, open_database
from embedding_studio.infra.objects import ObjectFolder
from embedding_studio.infra.postgres import Pool, open_pool
from embedding_studio.kernel.time import Clock, now
from embedding_studio.sdk import EncoderSource, PluginRegistry, find_plugins
from embedding_studio.search import SearchService
from embedding_studio.settings import Settings
from embedding_studio.tasks import IdempotencyKey, Sweeper, Task, TaskRepository, TaskRunner, TaskService
from embedding_studio.upsertion import Indexer, Staging, UpsertionService
from embedding_studio.vector_store import Catalog, CollectionService, ItemStore

__all__ = ["Container", "encoder_sources", "open_container"]

_DOCUMENTS = (Task, IdempotencyKey, Session, Event, ModelVersion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Everything a process serves with."""

    settings: Settings
    pool: Pool
    database: Database
    queue: JobQueue
    plugins: PluginRegistry
    encoders: Encoders
    catalog: Catalog
    collections: CollectionService
    items: ItemStore
    tasks: TaskService
    runner: TaskRunner
    sweeper: Sweeper
    models: ModelService
    embeddings: EmbeddingService
    deployments: DeploymentService
    clickstream: ClickstreamService
    forgetting: ForgettingService
    searches: SearchService
    indexer: Indexer
    upsertion: UpsertionService
    fine_tuning: FineTuningService


def encoder_sources(plugins: PluginRegistry) -> list[EncoderSource]:
    """The encoders that the working plugins name, each once."""
    return list(dict.fromkeys(plugin.encoder.build() for plugin in plugins.working() if plugin.encoder))


@asynccontextmanager
async def open_container(
    settings: Settings,
    *,
    broker: RedisBroker | None = None,
    clock: Clock = now,
) -> AsyncIterator[Container]:
    """Connect to the servers and yield the services.

    Args:
        settings: Where the servers are.
        broker: The one to send with; a worker hands over the one it consumes from.
        clock: Tells the time.
    """
    async with open_pool(settings.postgres) as pool, open_database(settings.mongo, _DOCUMENTS) as database:
        encoders = Encoders(settings.inference)
        queue = JobQueue(broker or open_broker(settings.redis))
        try:
            yield _compose(settings, pool=pool, database=database, queue=queue, encoders=encoders, clock=clock)
        finally:
            encoders.close()


def _compose(
    settings: Settings,
    *,
    pool: Pool,
    database: Database,
    queue: JobQueue,
    encoders: Encoders,
    clock: Clock,
) -> Container:
    plugins = find_plugins(settings.plugins)
    catalog, items, staging = Catalog(pool), ItemStore(pool), Staging(pool)
    task_repository, sessions, model_records = TaskRepository(), ClickstreamRepository(), ModelRepository()
    tasks = TaskService(tasks=task_repository, queue=queue, clock=clock, settings=settings.tasks)
    models = ModelService(
        models=model_records,
        catalog=catalog,
        objects=ObjectFolder(settings.objects),
        clock=clock,
    )
    clickstream = ClickstreamService(repository=sessions, clock=clock)
    collections = CollectionService(
        catalog=catalog,
        plugins=plugins,
        dimensions_of=encoders.dimensions_of,
        on_delete=(clickstream.delete_of, models.delete_of, tasks.delete_of),
        settings=settings.vector_store,
    )
    embeddings = EmbeddingService(encoders=encoders, models=models, collections=collections)
    deployments = DeploymentService(
        catalog=catalog,
        models=models,
        tasks=tasks,
        seen_within=settings.vector_store.seen_within,
    )
    searches = SearchService(
        pool=pool,
        collections=collections,
        embeddings=embeddings,
        clickstream=clickstream,
        settings=settings.vector_store,
    )
    indexer = Indexer(
        pool=pool,
        staging=staging,
        items=items,
        collections=collections,
        embeddings=embeddings,
        settings=settings.vector_store,
    )
    return Container(
        settings=settings,
        pool=pool,
        database=database,
        queue=queue,
        plugins=plugins,
        encoders=encoders,
        catalog=catalog,
        collections=collections,
        items=items,
        tasks=tasks,
        runner=TaskRunner(tasks=task_repository, clock=clock, settings=settings.tasks),
        sweeper=Sweeper(tasks=task_repository, service=tasks, clock=clock, settings=settings.tasks),
        models=models,
        embeddings=embeddings,
        deployments=deployments,
        clickstream=clickstream,
        forgetting=ForgettingService(repository=sessions, tasks=tasks, trained_since=model_records.trained_since),
        searches=searches,
        indexer=indexer,
        upsertion=UpsertionService(
            pool=pool,
            staging=staging,
            items=items,
            indexer=indexer,
            collections=collections,
            tasks=tasks,
        ),
        fine_tuning=FineTuningService(collections=collections, models=models, tasks=tasks, clock=clock),
    )
