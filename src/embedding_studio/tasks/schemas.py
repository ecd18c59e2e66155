"""Tasks on the wire."""

from datetime import datetime
from typing import Any

import msgspec

from embedding_studio.tasks.domain import Stage, TaskKind, TaskState
from embedding_studio.tasks.models import Task

__all__ = ["Accepted", "FailedItemView", "ProgressView", "TaskPage", "TaskView"]


class ProgressView(msgspec.Struct):
    """How much is done, of how much."""

    done: int
    total: int


class FailedItemView(msgspec.Struct):
    """An item that did not get through."""

    id: str
    stage: Stage
    reason: str


class TaskView(msgspec.Struct):
    """A task."""

    id: str
    kind: TaskKind
    collection: str | None
    state: TaskState
    progress: ProgressView
    attempts: int
    paused: bool
    failed_items: list[FailedItemView]
    failed_total: int
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    request_id: str | None

    @classmethod
    def of(cls, task: Task) -> "TaskView":
        """The document as clients see it."""
        return cls(
            id=task.id,
            kind=task.kind,
            collection=task.collection,
            state=task.state,
            progress=ProgressView(task.progress.done, task.progress.total),
            attempts=task.attempts,
            paused=task.paused,
            failed_items=[FailedItemView(item.id, item.stage, item.reason) for item in task.failed_items],
            failed_total=task.failed_total,
            result=task.result,
            error=task.error,
            created_at=task.created_at,
            started_at=task.started_at,
            finished_at=task.finished_at,
            request_id=task.request_id,
        )


class TaskPage(msgspec.Struct):
    """Tasks, newest first."""

    items: list[TaskView]
    next_cursor: str | None


class Accepted(msgspec.Struct):
    """Work was accepted."""

    task_id: str
