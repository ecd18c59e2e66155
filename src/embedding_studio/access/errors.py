"""What can go wrong with keys."""

from embedding_studio.kernel.errors import ConflictError, NotFoundError

__all__ = ["KeyEndedError", "KeyNotFoundError"]


class KeyNotFoundError(NotFoundError):
    """No key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key {key_id!r}")


class KeyEndedError(ConflictError):
    """The key was revoked or has expired."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the key {key_id!r} was revoked or has expired: create another")
