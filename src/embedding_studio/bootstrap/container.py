"""All services of a process, and their connections to the servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

from embedding_studio.bootstrap.access import AccessServices
from embedding_studio.bootstrap.databases import DOCUMENTS, QUEUES
from embedding_studio.bootstrap.fine_tuning import FineTuningServices
from embedding_studio.bootstrap.search import SearchServices
from embedding_studio.improvement import LOOKUP_SETTINGS
from embedding_studio.inference import Fetcher, open_encoders
from embedding_studio.infra.jobs import JobQueue, open_broker
from embedding_studio.infra.mongo import open_database
from embedding_studio.infra.objects import open_objects
from embedding_studio.infra.postgres import open_pool
from embedding_studio.infra.redis import open_redis
from embedding_studio.infra.replica import open_replica
from embedding_studio.kernel.time import Clock, now
from embedding_studio.settings import Settings
from embedding_studio.tasks import Sweeper
from embedding_studio.upsertion import Tidier

__all__ = ["Container", "open_container"]


class Container(AccessServices, SearchServices, FineTuningServices):
    """Everything a process serves with; each service is made when it is first asked for."""

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
            queue=self.queue,
            queues=QUEUES,
            clock=self.clock,
            settings=self.settings.tasks,
            chores=[tidier.tidy, tidier.optimize_next, self.announcer.remind],
        )


@asynccontextmanager
async def open_container(settings: Settings, *, clock: Clock = now) -> AsyncIterator[Container]:
    """Connect to the servers and yield the services.

    Args:
        settings: Where the servers are.
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
            queue=JobQueue(open_broker(settings.redis)),
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
