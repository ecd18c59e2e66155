"""The composition root: settings in, services out, everything closed in reverse order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property

from beanie import Document
from dramatiq.brokers.redis import RedisBroker
from redis.asyncio import Redis

from embedding_studio.access import (
    ApiKey,
    AuditEntry,
    AuditLog,
    AuditRepository,
    KeyRepository,
    Keyring,
    KeyService,
    RateLimiter,
)
from embedding_studio.clickstream import (
    ClickstreamRepository,
    ClickstreamService,
    Event,
    EventDoctor,
    ForgettingService,
    IntakeDay,
    Outcomes,
    QualityService,
    Reporting,
    Retention,
    Session,
)
from embedding_studio.experiments import (
    Counter,
    Decider,
    Ending,
    Experiment,
    ExperimentRepository,
    ExperimentService,
    Preparation,
    Trials,
)
from embedding_studio.fine_tuning import Curated, CuratedRepository, CuratingService, FineTuningService, GateVerifier
from embedding_studio.improvement import (
    LOOKUP_SETTINGS,
    Announcer,
    Backlog,
    Directions,
    ImprovementService,
    MemoryRepository,
    Unlearned,
)
from embedding_studio.inference import (
    DeploymentService,
    EmbeddingService,
    Encoders,
    Fetcher,
    ModelKeeper,
    ModelRepository,
    ModelService,
    ModelVersion,
    open_encoders,
)
from embedding_studio.infra.documents import migrate_documents, require_documents
from embedding_studio.infra.jobs import JobQueue, open_broker
from embedding_studio.infra.migrations import migrate as migrate_tables
from embedding_studio.infra.migrations import present_revision, require_schema
from embedding_studio.infra.mongo import Database, open_database
from embedding_studio.infra.objects import Objects, open_objects
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.infra.postgres import Pool, open_pool
from embedding_studio.infra.redis import open_redis
from embedding_studio.infra.replica import Replica, open_replica
from embedding_studio.kernel.time import Clock, now
from embedding_studio.sdk import CrossEncoderRerank, EncoderSource, PluginRegistry, find_plugins
from embedding_studio.search import (
    Adjuster,
    Asking,
    Explorer,
    Mirror,
    Pager,
    Participation,
    Rankers,
    Reads,
    RecallMeter,
    Retriever,
    SearchService,
    Seeker,
    Windows,
)
from embedding_studio.settings import Settings
from embedding_studio.shadow import MirroredSearch, Shadow, ShadowRepository, Shadows, ShadowService
from embedding_studio.tasks import IdempotencyKey, Sweeper, Task, TaskRepository, TaskRunner, TaskService
from embedding_studio.upsertion import (
    Deleter,
    Deployer,
    Embedder,
    Indexer,
    Ingester,
    Optimizer,
    Preparers,
    Reindexer,
    Staging,
    Tidier,
    UpsertionService,
)
from embedding_studio.vector_store import Catalog, CollectionService, Indexes, IndexHolds, IndexVersions, ItemStore

__all__ = [
    "DOCUMENTS",
    "QUEUES",
    "Container",
    "encoder_sources",
    "migrate",
    "model_sources",
    "open_container",
    "require_migrated",
]

QUEUES = ("finetune", "improve", "inference", "inference_bulk", "learn", "reindex", "upsert", "upsert_bulk")
"""All that workers take messages from."""

DOCUMENTS: tuple[type[Document], ...] = (
    Task,
    IdempotencyKey,
    Session,
    Event,
    IntakeDay,
    ModelVersion,
    Unlearned,
    Curated,
    Experiment,
    Shadow,
    MirroredSearch,
    ApiKey,
    AuditEntry,
)
"""All that MongoDB holds."""


def encoder_sources(plugins: PluginRegistry) -> list[EncoderSource]:
    """The encoders that the working plugins name, each once."""
    return list(dict.fromkeys(plugin.encoder.build() for plugin in plugins.working() if plugin.encoder))


def model_sources(plugins: PluginRegistry) -> list[EncoderSource]:
    """All that is to be exported: the encoders, and the cross-encoders, without which searches go on."""
    rankers = [ranker for plugin in plugins.working() for ranker in plugin.ranking.rankers]
    cross_encoders = [ranker.build() for ranker in rankers if isinstance(ranker, CrossEncoderRerank)]
    return list(dict.fromkeys([*encoder_sources(plugins), *cross_encoders]))


async def migrate(settings: Settings) -> None:
    """Bring PostgreSQL, then MongoDB to the present schema; safe at any time, and beside the release before.

    Raises:
        ConflictError: Locks on the schema were not to be had.
    """
    await migrate_tables(settings.postgres)
    await migrate_documents(settings.mongo, DOCUMENTS)


async def require_migrated(settings: Settings) -> None:
    """See that the databases are not older than this release.

    Raises:
        ConflictError: They are; says what to run.
        UnavailableError: One does not answer.
    """
    try:
        require_schema(await present_revision(settings.postgres))
        async with open_database(settings.mongo, ()) as database:
            await require_documents(database)
    except OUTAGES as error:
        raise as_unavailable(error) from error


class Container:
    """Everything a process serves with; each service is made when it is first asked for."""

    def __init__(
        self,
        *,
        settings: Settings,
        pool: Pool,
        lookups: Pool,
        replica: Replica | None,
        database: Database,
        queue: JobQueue,
        objects: Objects,
        redis: Redis,
        encoders: Encoders,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.pool = pool
        self._lookups = lookups
        self._replica = replica
        self.database = database
        self.queue = queue
        self.objects = objects
        self._redis = redis
        self.encoders = encoders
        self.clock = clock
        self.plugins = find_plugins(settings.plugins)
        self._task_repository = TaskRepository()
        self._model_repository = ModelRepository()
        self._clickstream_repository = ClickstreamRepository()
        self._backlog = Backlog()
        self._reporting = Reporting()
        self._experiment_repository = ExperimentRepository()
        self._shadow_repository = ShadowRepository(settings.shadow)
        self._key_repository = KeyRepository()
        self.curated = CuratedRepository()

    @cached_property
    def keys(self) -> KeyService:
        return KeyService(keys=self._key_repository, clock=self.clock, settings=self.settings.access)

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring(keys=self._key_repository, clock=self.clock, settings=self.settings.access)

    @cached_property
    def rates(self) -> RateLimiter:
        return RateLimiter(self._redis)

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(entries=AuditRepository(), clock=self.clock, settings=self.settings.access)

    @cached_property
    def tasks(self) -> TaskService:
        return TaskService(
            tasks=self._task_repository, queue=self.queue, clock=self.clock, settings=self.settings.tasks
        )

    @cached_property
    def runner(self) -> TaskRunner:
        return TaskRunner(tasks=self._task_repository, clock=self.clock, settings=self.settings.tasks)

    @cached_property
    def sweeper(self) -> Sweeper:
        tidier = Tidier(
            staging=self.staging,
            versions=self.versions,
            tasks=self.tasks,
            collections=self.collections,
            optimizer=self.optimizer,
            settings=self.settings.upsertion,
        )
        return Sweeper(
            tasks=self._task_repository,
            service=self.tasks,
            clock=self.clock,
            settings=self.settings.tasks,
            chores=[tidier.tidy, tidier.optimize_next, self.announcer.remind],
        )

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
            settings=self.settings.vector_store,
        )

    @cached_property
    def clickstream(self) -> ClickstreamService:
        return ClickstreamService(
            repository=self._clickstream_repository,
            reporting=self._reporting,
            collections=self.collections,
            clock=self.clock,
            settings=self.settings.clickstream,
            on_events=(self.announcer.tell,),
            on_irrelevant=(self.improvement.forget_session,),
        )

    @cached_property
    def announcer(self) -> Announcer:
        return Announcer(backlog=self._backlog, queue=self.queue, clock=self.clock)

    @cached_property
    def improvement(self) -> ImprovementService:
        return ImprovementService(
            memories=MemoryRepository(self.pool, self._lookups),
            backlog=self._backlog,
            sessions=self._clickstream_repository,
            directions=Directions(embeddings=self.embeddings, items=self.items),
            collections=self.collections,
        )

    @cached_property
    def event_doctor(self) -> EventDoctor:
        return EventDoctor(reporting=self._reporting, collections=self.collections, clock=self.clock)

    @cached_property
    def quality(self) -> QualityService:
        return QualityService(reporting=self._reporting, collections=self.collections, clock=self.clock)

    @cached_property
    def forgetting(self) -> ForgettingService:
        return ForgettingService(
            repository=self._clickstream_repository,
            tasks=self.tasks,
            trained_since=self._model_repository.trained_since,
            on_forget=(self.improvement.forget_user,),
        )

    @cached_property
    def retention(self) -> Retention:
        return Retention(
            repository=self._clickstream_repository,
            collections=self.collections,
            experiments=self._experiment_repository.live_ids,
            clock=self.clock,
            settings=self.settings.clickstream,
        )

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
    def embeddings(self) -> EmbeddingService:
        return EmbeddingService(encoders=self.encoders, models=self.models, collections=self.collections)

    @cached_property
    def deployments(self) -> DeploymentService:
        return DeploymentService(
            catalog=self.catalog,
            models=self.models,
            embeddings=self.embeddings,
            tasks=self.tasks,
            before_switch=self.improvement.prepare,
            seen_within=self.settings.vector_store.seen_within,
        )

    @cached_property
    def keeper(self) -> ModelKeeper | None:
        """Only where Triton runs the encoders."""
        if self.encoders.triton is None:
            return None
        return ModelKeeper(
            triton=self.encoders.triton,
            encoders=self.encoders,
            plugins=encoder_sources(self.plugins),
            versions=self.versions,
            at_hand=(
                self.catalog.versions_at_hand,
                self._model_repository.next_at_hand,
                self._experiment_repository.versions_at_hand,
                self._shadow_repository.versions_at_hand,
            ),
            models=self._model_repository,
            clock=self.clock,
            retire_after=timedelta(seconds=self.settings.inference.triton.retire_after),
        )

    @cached_property
    def deployer(self) -> Deployer:
        return Deployer(
            collections=self.collections,
            models=self.models,
            embeddings=self.embeddings,
            deployments=self.deployments,
            reindexer=self.reindexer,
        )

    @cached_property
    def trials(self) -> Trials:
        return Trials(
            experiments=self._experiment_repository,
            catalog=self.catalog,
            embeddings=self.embeddings,
            seen_within=self.settings.vector_store.seen_within,
        )

    @cached_property
    def preparation(self) -> Preparation:
        return Preparation(
            experiments=self._experiment_repository,
            holds=self.holds,
            versions=self.versions,
            collections=self.collections,
            embeddings=self.embeddings,
            tasks=self.tasks,
            build_index=self.upsertion.build_beside,
            clock=self.clock,
        )

    @cached_property
    def ending(self) -> Ending:
        return Ending(
            experiments=self._experiment_repository,
            holds=self.holds,
            collections=self.collections,
            deployments=self.deployments,
            tasks=self.tasks,
            clock=self.clock,
        )

    @cached_property
    def experiments(self) -> ExperimentService:
        return ExperimentService(
            experiments=self._experiment_repository,
            collections=self.collections,
            models=self.models,
            holds=self.holds,
            preparation=self.preparation,
            ending=self.ending,
            counter=self.counter,
            clock=self.clock,
        )

    @cached_property
    def counter(self) -> Counter:
        return Counter(outcomes=Outcomes(), clock=self.clock, settings=self.settings.experiments)

    @cached_property
    def decider(self) -> Decider:
        return Decider(
            experiments=self._experiment_repository,
            preparation=self.preparation,
            counter=self.counter,
            ending=self.ending,
            effort=self.settings.experiments.effort,
        )

    @cached_property
    def meter(self) -> RecallMeter:
        return RecallMeter(self.pool, self.settings.vector_store)

    @cached_property
    def reads(self) -> Reads:
        return Reads(self.pool, self._replica)

    @cached_property
    def asking(self) -> Asking:
        return Asking(reads=self.reads, collections=self.collections, embeddings=self.embeddings, items=self.items)

    @cached_property
    def retriever(self) -> Retriever:
        return Retriever(self.reads, self.settings.vector_store, self.meter)

    @cached_property
    def windows(self) -> Windows:
        return Windows(retriever=self.retriever, rankers=Rankers(embeddings=self.embeddings, clock=self.clock))

    @cached_property
    def seeker(self) -> Seeker:
        return Seeker(collections=self.collections, asking=self.asking)

    @cached_property
    def pager(self) -> Pager:
        adjuster = Adjuster(remembers=self.improvement, asking=self.asking, clock=self.clock)
        return Pager(retriever=self.retriever, windows=self.windows, adjuster=adjuster, items=self.items)

    @cached_property
    def searches(self) -> SearchService:
        return SearchService(
            pool=self.pool,
            collections=self.collections,
            asking=self.asking,
            retriever=self.retriever,
            windows=self.windows,
            participation=Participation(self.trials),
            seeker=self.seeker,
            pager=self.pager,
            explorer=Explorer(),
            clickstream=self.clickstream,
        )

    @cached_property
    def shadow(self) -> ShadowService:
        return ShadowService(
            shadows=self._shadow_repository,
            collections=self.collections,
            models=self.models,
            embeddings=self.embeddings,
            holds=self.holds,
            clock=self.clock,
        )

    @cached_property
    def mirror(self) -> Mirror:
        shadows = Shadows(
            shadows=self._shadow_repository,
            collections=self.collections,
            catalog=self.catalog,
            embeddings=self.embeddings,
            seen_within=self.settings.vector_store.seen_within,
        )
        return Mirror(
            shadows=shadows, seeker=self.seeker, pager=self.pager, settings=self.settings.shadow, clock=self.clock
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
        return Deleter(pool=self.pool, staging=self.staging, collections=self.collections, indexer=self.indexer)

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
    def gate_verifier(self) -> GateVerifier:
        return GateVerifier(collections=self.collections, models=self.models)

    @cached_property
    def curating(self) -> CuratingService:
        return CuratingService(collections=self.collections, curated=self.curated, clock=self.clock)

    @cached_property
    def fine_tuning(self) -> FineTuningService:
        return FineTuningService(collections=self.collections, models=self.models, tasks=self.tasks, clock=self.clock)


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
    async with (
        open_pool(settings.postgres, name="main") as pool,
        open_pool(settings.postgres, name="lookups", server_settings=LOOKUP_SETTINGS) as lookups,
        open_replica(settings.postgres, pool) as replica,
        open_database(settings.mongo, DOCUMENTS) as database,
        open_objects(settings.objects) as objects,
        open_redis(settings.redis) as redis,
        open_encoders(settings.inference, Fetcher(objects, settings.inference.encoders)) as encoders,
    ):
        container = Container(
            settings=settings,
            pool=pool,
            lookups=lookups,
            replica=replica,
            database=database,
            queue=JobQueue(broker or open_broker(settings.redis)),
            objects=objects,
            redis=redis,
            encoders=encoders,
            clock=clock,
        )
        working = container.plugins.working()
        await container.catalog.note_encoders({one.name: one.encoder.build() for one in working if one.encoder})
        yield container
        await container.mirror.close()
        await container.announcer.close()
        await container.meter.close()
