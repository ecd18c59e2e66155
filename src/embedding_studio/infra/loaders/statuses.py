"""What the statuses of HTTP answers mean."""

from embedding_studio.infra.loaders.retries import outage
from embedding_studio.kernel.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, StudioError

__all__ = ["error_of"]

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_ERRORS: dict[int, type[StudioError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    410: NotFoundError,
    412: ConflictError,
}


def error_of(server: str, status: int, retry_after: str | None, code: str = "") -> StudioError:
    """The error for an answer that is none; an OutageError where the request may succeed later.

    Args:
        server: What people call it.
        status: Of the answer.
        retry_after: The header `Retry-After`.
        code: The server's own word for what is wrong.
    """
    said = f"{server} answers with status {status} {code}".rstrip()
    if status in _TRANSIENT:
        return outage(said, retry_after)
    return _ERRORS.get(status, InvalidError)(said)
