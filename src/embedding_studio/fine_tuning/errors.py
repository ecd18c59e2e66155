"""What can go wrong with training."""

from embedding_studio.kernel.errors import ConflictError

__all__ = ["TrainingFailedError"]


class TrainingFailedError(ConflictError):
    """The training process gave up, and would again."""
