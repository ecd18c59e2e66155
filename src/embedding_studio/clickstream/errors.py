"""What can go wrong with sessions."""

from embedding_studio.kernel.errors import NotFoundError

__all__ = ["SessionNotFoundError"]


class SessionNotFoundError(NotFoundError):
    """No session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id!r}")
