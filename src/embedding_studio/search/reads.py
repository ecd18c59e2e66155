"""Where searches read: at a replica that is in step and knows the index, else at the primary."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from embedding_studio.infra.outages import OUTAGES
from embedding_studio.infra.postgres import Connection, Pool
from embedding_studio.infra.replica import Replica
from embedding_studio.vector_store import Collection, is_served

__all__ = ["Reads"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FAILURES: tuple[type[Exception], ...] = (
    *OUTAGES,
    asyncpg.UndefinedTableError,  # these three: it has not come so far
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
)
_MOST_KNOWN = 10_000


class Reads:
    """Reads that may be a little old; what must not be reads at the primary."""

    def __init__(self, primary: Pool, replica: Replica | None) -> None:
        self._primary = primary
        self._replica = replica
        self._known: set[tuple[int, int]] = set()

    async def run(self, collection: Collection, read: Callable[[Connection], Awaitable[T]]) -> T:
        """What `read` finds in the collection's index; done again at the primary where the replica fails."""
        if self._replica and (pool := self._replica.pool):
            try:
                async with pool.acquire() as connection:
                    if await self._knows(connection, collection):
                        return await read(connection)
            except _FAILURES as error:
                self._replica.doubt()
                logger.warning("the replica failed a search, which the primary answers: %s", type(error).__name__)
        async with self._primary.acquire() as connection:
            return await read(connection)

    async def _knows(self, connection: Connection, collection: Collection) -> bool:
        """Whether the replica has come to where the index was filled and began to serve."""
        index = collection.id, collection.index_version
        if index not in self._known and await is_served(connection, *index):
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(index)
        return index in self._known
