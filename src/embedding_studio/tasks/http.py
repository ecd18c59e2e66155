"""The endpoints of tasks."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from embedding_studio.tasks.domain import TaskKind, TaskState
from embedding_studio.tasks.schemas import Accepted, TaskPage, TaskView
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

    @post("/{task_id:str}/cancel", status_code=202)
    async def cancel_task(self, tasks: NamedDependency[TaskService], task_id: FromPath[str]) -> Accepted:
        """Stop a task; what it has done stays done."""
        return Accepted((await tasks.cancel(task_id)).id)

    @post("/{task_id:str}/retry", status_code=202)
    async def retry_task(self, tasks: NamedDependency[TaskService], task_id: FromPath[str]) -> Accepted:
        """Try the failed items of a task again."""
        return Accepted((await tasks.retry(task_id)).id)

    @post("/{task_id:str}/pause", status_code=202)
    async def pause_task(self, tasks: NamedDependency[TaskService], task_id: FromPath[str]) -> Accepted:
        """Stop a task so that it can go on where it was."""
        return Accepted((await tasks.pause(task_id, paused=True)).id)

    @post("/{task_id:str}/resume", status_code=202)
    async def resume_task(self, tasks: NamedDependency[TaskService], task_id: FromPath[str]) -> Accepted:
        """Let a paused task go on."""
        return Accepted((await tasks.pause(task_id, paused=False)).id)
