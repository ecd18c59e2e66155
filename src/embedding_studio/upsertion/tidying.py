"""What keeps staging and indexes tidy: a small chore of every worker."""

import time
from contextlib import suppress

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.tasks import TaskService, TaskState
from embedding_studio.upsertion.optimizing import Optimizer
from embedding_studio.upsertion.settings import UpsertionSettings
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import CollectionNotFoundError, CollectionService, IndexVersions, deletable_meanwhile

__all__ = ["Tidier"]

_BATCH = 100
_OPEN = {"pending", "running"}
_REST_S = 600.0
_YOUNG_S = 60.0
"""A task's document is written after its items are staged: so long nobody wonders where it is."""


class Tidier:
    """Repairs what a crash between PostgreSQL and MongoDB left, and lets go of what has served its time."""

    def __init__(
        self,
        *,
        staging: Staging,
        versions: IndexVersions,
        tasks: TaskService,
        collections: CollectionService,
        optimizer: Optimizer,
        settings: UpsertionSettings,
    ) -> None:
        self._staging = staging
        self._versions = versions
        self._tasks = tasks
        self._collections = collections
        self._optimizer = optimizer
        self._optimized = ""
        self._rests: dict[int, float] = {}
        self._failed_kept = settings.failed_kept

    async def tidy(self) -> None:
        """Give up what tasks left that ended without their worker, expire old ones, drop retired indexes."""
        after = ""
        while batch := await self._staging.open_tasks(older_than=_YOUNG_S, after=after, limit=_BATCH):
            after = batch[-1]
            states = await self._tasks.states(batch)
            for task_id in batch:
                await self._tidy_task(task_id, states.get(task_id))
        await self._staging.expire(failed_after=self._failed_kept, limit=_BATCH)
        await self._give_up_indexes()
        await self._versions.drop_due()

    async def optimize_next(self) -> None:
        """Look at one collection, the next by name each time: what is written item by item asks for nothing itself.

        After that the collection is left alone for a while, lest a build that fails be asked for again and again.
        """
        collection = next(iter(await self._collections.page(after=self._optimized, limit=1)), None)
        self._optimized = collection.name if collection else ""
        now = time.monotonic()
        if collection and self._rests.get(collection.id, 0.0) <= now and await self._staging.is_quiet(collection):
            self._rests[collection.id] = now + _REST_S
            with suppress(CollectionNotFoundError, UnavailableError), deletable_meanwhile(collection.name):
                await self._optimizer.request_if_worth_it(collection)

    async def _tidy_task(self, task_id: str, state: TaskState | None) -> None:
        match state:
            case None:
                await self._staging.erase(task_id)
            case "cancelled":
                await self._staging.discard(task_id)
            case "failed":
                await self._staging.rest(task_id)
            case _:
                pass

    async def _give_up_indexes(self) -> None:
        building = {task: (collection, version) for collection, version, task in await self._versions.building_tasks()}
        states = await self._tasks.states(list(building)) if building else {}
        for task_id, (collection_id, version) in building.items():
            if states.get(task_id) not in _OPEN:
                await self._versions.fail(collection_id, version)
