"""What can go wrong with tasks."""

from embedding_studio.kernel.errors import ConflictError, NotFoundError, UnavailableError

__all__ = [
    "AbandonedError",
    "IdempotencyConflictError",
    "LeaseLostError",
    "OverdueError",
    "TaskNotFoundError",
    "TaskStateError",
]


class TaskNotFoundError(NotFoundError):
    """No task has this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"no task {task_id!r}")


class IdempotencyConflictError(ConflictError):
    """The idempotency key stands for another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the Idempotency-Key {key!r} was used with another body within 24 hours")


class TaskStateError(ConflictError):
    """The task's kind or state does not allow what was asked."""


class AbandonedError(ConflictError):
    """No attempt made progress: each was interrupted, or took its worker down."""

    def __init__(self, attempts: int) -> None:
        super().__init__(f"{attempts} attempts were cut short, by a time limit or by the end of their worker")


class OverdueError(UnavailableError):
    """An attempt took longer than its kind of task may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the attempt took longer than {seconds:g} seconds")


class LeaseLostError(ConflictError):
    """Another worker took the task over, or it is gone: this attempt must stop."""
