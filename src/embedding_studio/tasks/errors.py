"""What can go wrong with tasks."""

from embedding_studio.kernel.errors import ConflictError, NotFoundError

__all__ = ["IdempotencyConflictError", "LeaseLostError", "TaskNotFoundError"]


class TaskNotFoundError(NotFoundError):
    """No task has this id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"no task {task_id!r}")


class IdempotencyConflictError(ConflictError):
    """The idempotency key stands for another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the Idempotency-Key {key!r} was used with another body within 24 hours")


class LeaseLostError(ConflictError):
    """Another worker took the task over, or it is gone: this attempt must stop."""
