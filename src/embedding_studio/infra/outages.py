"""Which driver errors mean that a server does not answer."""

import errno

import asyncpg
import pymongo.errors
import redis

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["OUTAGES", "as_unavailable"]

_POSTGRES = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that dies at the wrong moment
    asyncpg.DiskFullError,
)
_MONGO = (pymongo.errors.ConnectionFailure, pymongo.errors.ExecutionTimeout, pymongo.errors.WTimeoutError)
_REDIS = (redis.ConnectionError, redis.TimeoutError)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

OUTAGES: tuple[type[Exception], ...] = (*_POSTGRES, *_MONGO, *_REDIS, OSError, TimeoutError)
"""Errors after which the same call may succeed later."""


def as_unavailable(error: Exception) -> UnavailableError:
    """The outage in the product's words, without the addresses that drivers put into theirs."""
    if isinstance(error, asyncpg.DiskFullError):
        return UnavailableError("PostgreSQL has no space left on its disk", retry_after=30)
    if isinstance(error, _POSTGRES):
        return UnavailableError("PostgreSQL does not answer")
    if isinstance(error, _MONGO):
        return UnavailableError("MongoDB does not answer")
    if isinstance(error, _REDIS):
        return UnavailableError("Redis does not answer")
    if isinstance(error, OSError) and error.errno in _FULL:
        return UnavailableError("this machine has no space left on its disk", retry_after=30)
    return UnavailableError("a server we need does not answer")
