"""The one lifecycle of long work: a document is the truth, a message only carries its id."""

from embedding_studio.tasks.domain import FINISHED, Backlogged, FailedItem, Outcome, Stage, TaskKind, TaskState
from embedding_studio.tasks.errors import IdempotencyConflictError, LeaseLostError, TaskNotFoundError, TaskStateError
from embedding_studio.tasks.jobs import Job
from embedding_studio.tasks.models import IdempotencyKey, Task
from embedding_studio.tasks.repository import TaskRepository
from embedding_studio.tasks.runner import Handler, Run, TaskRunner
from embedding_studio.tasks.schemas import Accepted, TaskView
from embedding_studio.tasks.service import Idempotency, Prepare, TaskService
from embedding_studio.tasks.settings import TaskSettings
from embedding_studio.tasks.sweeper import Chore, Sweeper

__all__ = [
    "FINISHED",
    "Accepted",
    "Backlogged",
    "Chore",
    "FailedItem",
    "Handler",
    "Idempotency",
    "IdempotencyConflictError",
    "IdempotencyKey",
    "Job",
    "LeaseLostError",
    "Outcome",
    "Prepare",
    "Run",
    "Stage",
    "Sweeper",
    "Task",
    "TaskKind",
    "TaskNotFoundError",
    "TaskRepository",
    "TaskRunner",
    "TaskService",
    "TaskSettings",
    "TaskState",
    "TaskStateError",
    "TaskView",
]
