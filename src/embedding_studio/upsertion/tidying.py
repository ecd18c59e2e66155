"""What keeps staging and indexes tidy: a small chore of every worker."""

from embedding_studio.tasks import TaskService
from embedding_studio.upsertion.settings import UpsertionSettings
from embedding_studio.upsertion.staging import Staging
from embedding_studio.vector_store import IndexVersions

__all__ = ["Tidier"]

_BATCH = 100
_YOUNG_S = 60.0
"""A task's document is written after its items are staged: so long nobody wonders where it is."""


class Tidier:
    """Repairs what a crash between PostgreSQL and MongoDB left, and lets go of what has served its time."""

    def __init__(
        self, *, staging: Staging, versions: IndexVersions, tasks: TaskService, settings: UpsertionSettings
    ) -> None:
        self._staging = staging
        self._versions = versions
        self._tasks = tasks
        self._failed_kept = settings.failed_kept

    async def tidy(self) -> None:
        """Give up what tasks left that ended without their worker, expire old ones, drop retired indexes."""
        open_tasks = await self._staging.open_tasks(older_than=_YOUNG_S, limit=_BATCH)
        for task_id in await self._tasks.finished(open_tasks) if open_tasks else ():
            await self._staging.discard(task_id)
        building = {task: (collection, version) for collection, version, task in await self._versions.building_tasks()}
        for task_id in await self._tasks.finished(list(building)) if building else ():
            await self._versions.fail(*building[task_id])
        await self._staging.expire(failed_after=self._failed_kept, limit=_BATCH)
        await self._versions.drop_due()
