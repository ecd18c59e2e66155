"""Long work."""

from functools import cached_property

from embedding_studio.bootstrap.resources import Resources
from embedding_studio.tasks import TaskRunner, TaskService

__all__ = ["TaskServices"]


class TaskServices(Resources):
    """Sends tasks, and runs them."""

    @cached_property
    def tasks(self) -> TaskService:
        return TaskService(
            tasks=self._task_repository, queue=self.queue, clock=self.clock, settings=self.settings.tasks
        )

    @cached_property
    def runner(self) -> TaskRunner:
        return TaskRunner(tasks=self._task_repository, clock=self.clock, settings=self.settings.tasks)
