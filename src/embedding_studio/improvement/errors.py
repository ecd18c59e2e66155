"""What can go wrong with the memory."""

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["MemoryBusyError"]


class MemoryBusyError(UnavailableError):
    """Items are being written or deleted, and the memory gave way; the same may succeed in a moment."""
