"""The endpoints of tasks."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter

from embedding_studio.access import Caller, needs
from embedding_studio.tasks.domain import TaskKind, TaskState
from embedding_studio.tasks.models import Task
from embedding_studio.tasks.schemas import Accepted, TaskPage, TaskView
from embedding_studio.tasks.service import TaskService

__all__ = ["TaskController"]


async def _granted_task(
    tasks: NamedDependency[TaskService], caller: NamedDependency[Caller], task_id: FromPath[str]
) -> Task:
    task = await tasks.get(task_id)
    caller.require(task.collection)
    return task


class TaskController(Controller):
    """Tasks, newest first, and one at a time."""

    path = "/api/v1/tasks"
    tags = ("tasks",)
    opt = needs("admin", minds_grants=True)
    dependencies = {"task": Provide(_granted_task)}  # noqa: RUF012  # Litestar declares it as an instance's

    @get(opt=needs("ingest", minds_grants=True))
    async def list_tasks(
        self,
        tasks: NamedDependency[TaskService],
        caller: NamedDependency[Caller],
        kind: FromQuery[TaskKind | None] = None,
        status: Annotated[TaskState | None, QueryParameter(name="state")] = None,
        collection: FromQuery[str | None] = None,
        cursor: Annotated[str | None, QueryParameter(pattern="^[0-9a-f]{32}$")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> TaskPage:
        """List tasks."""
        if collection is not None:
            caller.require(collection)
        wanted = caller.collections if collection is None else {collection}
        found = await tasks.page(kind=kind, state=status, collections=wanted, before=cursor, limit=limit)
        more = len(found) == limit
        return TaskPage([TaskView.of(task) for task in found], found[-1].id if more else None)

    @get("/{task_id:str}", opt=needs("ingest", minds_grants=True))
    async def get_task(self, task: NamedDependency[Task]) -> TaskView:
        """Look at a task."""
        return TaskView.of(task)

    @post("/{task_id:str}/cancel", status_code=202)
    async def cancel_task(self, tasks: NamedDependency[TaskService], task: NamedDependency[Task]) -> Accepted:
        """Stop a task; what it has done stays done."""
        return Accepted((await tasks.cancel(task.id)).id)

    @post("/{task_id:str}/retry", status_code=202)
    async def retry_task(self, tasks: NamedDependency[TaskService], task: NamedDependency[Task]) -> Accepted:
        """Try the failed items of a task again."""
        return Accepted((await tasks.retry(task.id)).id)

    @post("/{task_id:str}/pause", status_code=202)
    async def pause_task(self, tasks: NamedDependency[TaskService], task: NamedDependency[Task]) -> Accepted:
        """Stop a task so that it can go on where it was."""
        return Accepted((await tasks.pause(task.id, paused=True)).id)

    @post("/{task_id:str}/resume", status_code=202)
    async def resume_task(self, tasks: NamedDependency[TaskService], task: NamedDependency[Task]) -> Accepted:
        """Let a paused task go on."""
        return Accepted((await tasks.pause(task.id, paused=False)).id)
