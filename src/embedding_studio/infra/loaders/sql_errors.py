"""What a database's errors mean."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from embedding_studio.infra.loaders.retries import outage
from embedding_studio.kernel.errors import ForbiddenError, InvalidError, NotFoundError

__all__ = ["translated"]

_NOT_FOUND = ("3D000", "3F000", "42P01", 1049, 1146)
_FORBIDDEN = ("28000", "28P01", "42501", 1044, 1045, 1142, 1143)
_INVALID = ("42703", "42883", "42804", "22P02", 1054, 1064)


def translated(error: Exception, url_env: str, table: str) -> Exception:
    """The error in the product's words, without address and credentials; one that is not a database's as it is."""
    if not isinstance(error, (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        return error
    code = _code(error)
    if code in _NOT_FOUND:
        return NotFoundError(f"the table {table} does not exist ({code})")
    if code in _FORBIDDEN:
        return ForbiddenError(f"the credentials in {url_env} may not read {table} ({code})")
    if code in _INVALID:
        return InvalidError(f"the table {table} does not have the columns it is declared with ({code})")
    return outage(f"the database that {url_env} names does not answer ({code})")


def _code(error: BaseException) -> str | int:
    """MySQL's number or PostgreSQL's SQLSTATE; the error's kind where there is neither."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if cause.args and isinstance(cause.args[0], int):
        return cause.args[0]
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else type(cause).__name__
