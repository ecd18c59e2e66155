"""Group commit: documents that come while an insert is under way go together in the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from pymongo.errors import WaitQueueTimeoutError

from embedding_studio.clickstream.metrics import SESSIONS_WAITING

__all__ = ["Batcher", "Insert"]

Document = TypeVar("Document")

Insert = Callable[[Sequence[Document]], Awaitable[Mapping[int, Exception]]]
"""Inserts documents, and returns why those that it could not insert failed, by their places."""


class Batcher(Generic[Document]):
    """Adds no delay: a document that meets no insert under way is inserted at once.

    A document whose caller has gone before its insert began is not inserted.
    """

    def __init__(self, insert: Insert[Document], *, at_once: int, waiting: int) -> None:
        """`at_once` is how many documents go into one insert, `waiting` how many may wait for it."""
        self._insert = insert
        self._at_once = at_once
        self._limit = waiting
        self._queue: list[tuple[Document, asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, document: Document) -> None:
        """Insert a document; it is there once this returns.

        Raises:
            WaitQueueTimeoutError: Too many documents wait already.
            Exception: What the insert failed with, for this document or for all of them.
        """
        if len(self._queue) >= self._limit:
            raise WaitQueueTimeoutError("too many documents wait to be inserted")
        inserted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((document, inserted))
        SESSIONS_WAITING.inc()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await inserted

    async def _run(self) -> None:
        try:
            while self._queue:
                first = self._queue[: self._at_once]
                batch = [waiting for waiting in first if not waiting[1].done()]
                del self._queue[: self._at_once]
                SESSIONS_WAITING.dec(len(first))
                if batch:
                    await self._insert_all(batch)
        finally:
            self._running = None

    async def _insert_all(self, batch: list[tuple[Document, "asyncio.Future[None]"]]) -> None:
        try:
            failures = await self._insert([document for document, _ in batch])
        except Exception as error:  # noqa: BLE001  # every waiting caller must hear of it
            failures = dict.fromkeys(range(len(batch)), error)
        for index, (_, inserted) in enumerate(batch):
            if inserted.done():
                continue
            if index in failures:
                inserted.set_exception(failures[index])
            else:
                inserted.set_result(None)
