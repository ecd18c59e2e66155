"""Tasks as MongoDB documents: the truth about all long work."""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from embedding_studio.tasks.domain import Stage, TaskKind, TaskState

__all__ = ["Failure", "IdempotencyKey", "Progress", "Task"]

_DAY = 24 * 60 * 60


class Progress(BaseModel):
    """How much of the work is done, in the task's own units."""

    done: int = 0
    total: int = 0


class Failure(BaseModel):
    """An item that did not get through."""

    id: str
    stage: Stage
    reason: str


class Task(Document):
    """One piece of long work.

    `lease_until` and `lease_owner` say which worker has it; a task whose lease has run out belongs to nobody.
    `not_before` delays the next attempt. `attempts` counts all of them, `fruitless` those since the last progress.
    `retries` counts how often somebody asked to try the failed items again. `request_id` is of the request that
    submitted it.
    """

    id: str  # type: ignore[assignment]  # Beanie declares an optional ObjectId; ours are strings, always set
    kind: TaskKind
    queue: str
    collection: str | None
    payload: dict[str, Any] = Field(default_factory=dict)
    state: TaskState = "pending"
    progress: Progress = Field(default_factory=Progress)
    attempts: int = 0
    fruitless: int = 0
    retries: int = 0
    cancel_requested: bool = False
    paused: bool = False
    failed_items: list[Failure] = Field(default_factory=list)
    failed_total: int = 0
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    sent_at: datetime | None = None
    not_before: datetime | None = None
    lease_owner: str | None = None
    lease_until: datetime | None = None
    request_id: str | None = None

    class Settings:
        """Collection and indexes."""

        name = "tasks"
        indexes: ClassVar = [
            IndexModel([("state", ASCENDING), ("lease_until", ASCENDING)]),
            IndexModel([("collection", ASCENDING), ("_id", DESCENDING)]),
            IndexModel([("kind", ASCENDING), ("_id", DESCENDING)]),
            IndexModel([("finished_at", ASCENDING)]),
        ]


class IdempotencyKey(Document):
    """The task that a key of a client stands for, for 24 hours."""

    id: str  # type: ignore[assignment]  # as above
    fingerprint: str
    task_id: str
    created_at: datetime

    class Settings:
        """Collection and indexes."""

        name = "idempotency_keys"
        indexes: ClassVar = [IndexModel([("created_at", ASCENDING)], expireAfterSeconds=_DAY)]
