"""GET /tasks."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from embedding_studio.tasks.domain import TaskKind, TaskState
from embedding_studio.tasks.schemas import TaskPage, TaskView
from embedding_studio.tasks.service import TaskService

__all__ = ["TaskController"]


class TaskController(Controller):
    """Tasks, newest first, and one at a time."""

    path = "/api/v1/tasks"
    tags = ("tasks",)

    @get()
    async def list_tasks(
        self,
        tasks: NamedDependency[TaskService],
        kind: FromQuery[TaskKind | None] = None,
        status: Annotated[TaskState | None, QueryParameter(name="state")] = None,
        collection: FromQuery[str | None] = None,
        cursor: Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{32}$")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> TaskPage:
        """List tasks."""
        found = await tasks.page(kind=kind, state=status, collection=collection, before=cursor, limit=limit)
        more = len(found) == limit
        return TaskPage([TaskView.of(task) for task in found], found[-1].id if more else None)

    @get("/{task_id:str}")
    async def get_task(self, tasks: NamedDependency[TaskService], task_id: FromPath[str]) -> TaskView:
        """Look at a task."""
        return TaskView.of(await tasks.get(task_id))
