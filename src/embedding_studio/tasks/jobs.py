"""What may be sent to workers."""

from dataclasses import dataclass

from embedding_studio.tasks.domain import TaskKind

__all__ = ["Job"]


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of task and how it travels.

    Attributes:
        kind: The task's kind; also the actor's name.
        queue: The queue, and so the worker role, that handles it.
        bulk_queue: Where long tasks of this kind wait, so that short ones never wait behind them.
        max_attempts: How often it is tried when it fails for a reason that may pass.
        time_limit: Seconds one attempt may take; past it the attempt is cut short, and counts as one that failed.
    """

    kind: TaskKind
    queue: str
    bulk_queue: str | None = None
    max_attempts: int = 3
    time_limit: float = 3600.0
