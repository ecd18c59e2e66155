"""What can go wrong with sessions."""

from embedding_studio.kernel.errors import ConflictError, NotFoundError

__all__ = ["SessionExistsError", "SessionNotFoundError"]


class SessionNotFoundError(NotFoundError):
    """No session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id!r}")


class SessionExistsError(ConflictError):
    """Another session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"another session has the id {session_id!r}")
