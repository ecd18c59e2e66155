"""A replica of PostgreSQL, and whether it is in step.

How far it is behind is told by positions in the log, not by the time of the last transaction: the primary says where
it is, and once the replica has come there, it is as old as that answer. So a quiet primary makes no replica look old,
and one that has lost its primary looks no younger than it is.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from embedding_studio.infra.outages import OUTAGES
from embedding_studio.infra.postgres import Pool, PostgresSettings, open_pool

__all__ = ["Replica", "open_replica"]

logger = logging.getLogger(__name__)

_EVERY = 0.5
_HASTE = 5.0
_WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_REPLAYED = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint"
_NEVER = float("-inf")
_FAILURES: tuple[type[Exception], ...] = (*OUTAGES, asyncpg.PostgresError)


class Replica:
    """Watches a replica: `pool` is there while it is in step, and None while it is not."""

    def __init__(self, settings: PostgresSettings, primary: Pool, *, most_lag: float) -> None:
        self._settings = settings
        self._primary = primary
        self._most_lag = most_lag
        self._pool: Pool | None = None
        self._as_of = _NEVER
        self._positions: deque[tuple[float, int]] = deque(maxlen=1 + int(most_lag / _EVERY))

    @property
    def pool(self) -> Pool | None:
        """Connections to it, if it is no further behind than it may be."""
        return self._pool if time.monotonic() - self._as_of <= self._most_lag else None

    def doubt(self) -> None:
        """Leave it alone until it was looked at again."""
        self._as_of = _NEVER

    async def watch(self) -> None:
        """Look at it, again and again, until cancelled; whatever is wrong with it, the primary is there."""
        while True:
            try:
                async with open_pool(self._settings, name="replica") as pool:
                    self._pool = pool
                    while True:
                        await self._look(pool)
                        await asyncio.sleep(_EVERY)
            except _FAILURES as error:
                logger.warning("the replica is not used: %s", type(error).__name__)
            finally:
                self._pool = None
            await asyncio.sleep(_EVERY)

    async def _look(self, pool: Pool) -> None:
        self._positions.append((time.monotonic(), await self._primary.fetchval(_WRITTEN)))
        replayed: int | None = await pool.fetchval(_REPLAYED)
        reached = [at for at, position in self._positions if replayed is not None and position <= replayed]
        self._as_of = max(reached, default=_NEVER)


@asynccontextmanager
async def open_replica(settings: PostgresSettings, primary: Pool) -> AsyncIterator[Replica | None]:
    """Yield the watched replica that the settings name; None where they name none. It need not answer."""
    if settings.replica_dsn is None:
        yield None
        return
    theirs = settings.model_copy(
        update={
            "dsn": settings.replica_dsn,
            "statement_timeout": min(_HASTE, settings.statement_timeout),
            "acquire_timeout": min(_HASTE, settings.acquire_timeout),
        }
    )
    replica = Replica(theirs, primary, most_lag=settings.replica_lag)
    watching = asyncio.create_task(replica.watch())
    try:
        yield replica
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
