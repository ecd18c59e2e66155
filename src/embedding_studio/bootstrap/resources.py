"""What a process is given: settings, connections, the time and the repositories."""

from redis.asyncio import Redis

from embedding_studio.access import KeyRepository
from embedding_studio.clickstream import ClickstreamRepository, Reporting
from embedding_studio.experiments import ExperimentRepository
from embedding_studio.fine_tuning import CuratedRepository
from embedding_studio.improvement import Backlog
from embedding_studio.inference import Encoders, ModelRepository
from embedding_studio.infra.jobs import JobQueue
from embedding_studio.infra.mongo import Database
from embedding_studio.infra.objects import Objects
from embedding_studio.infra.postgres import Pool
from embedding_studio.infra.replica import Replica
from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import find_plugins
from embedding_studio.settings import Settings
from embedding_studio.shadow import ShadowRepository
from embedding_studio.tasks import TaskRepository

__all__ = ["Resources"]


class Resources:
    """All that services are made of."""

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
