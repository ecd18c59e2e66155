"""Micro-batching: requests that wait while the model is busy go together into its next run."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedding_studio.inference.metrics import BATCH_TEXTS, TEXTS_WAITING
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["Batcher", "Model"]

T = TypeVar("T")

Model = Callable[[Sequence[T]], Awaitable[NDArray[np.float32]]]
"""From texts, in whichever form, to an array with a row each."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    texts: Sequence[T]
    longest: int
    rows: "asyncio.Future[NDArray[np.float32]]"


class Batcher(Generic[T]):
    """Without a delay, an idle model starts at once with what there is; one that has few requests is called directly.

    A request that is cancelled while it waits costs nothing any more, so that timeouts relieve a busy model.
    """

    def __init__(
        self,
        model: Model[T],
        *,
        length: Callable[[T], int],
        budget: int,
        waiting_texts: int,
        delay: float = 0.0,
        at_once: int = 1,
    ) -> None:
        """Batch for a model.

        Args:
            model: Called with at most `at_once` batches at a time.
            length: Of a text; those of a batch are padded to the longest.
            budget: Length of a batch, padding included; a single request may exceed it.
            waiting_texts: More are refused.
            delay: Seconds that a batch which is not full waits for others.
            at_once: Batches under way at a time.
        """
        self._model = model
        self._length = length
        self._budget = budget
        self._limit = waiting_texts
        self._delay = delay
        self._at_once = at_once
        self._queue: deque[_Waiting[T]] = deque()
        self._texts = 0
        self._running: set[asyncio.Task[Any] | None] = set()
        self._in_company = False
        self._full = asyncio.Event()

    async def run(self, texts: Sequence[T]) -> NDArray[np.float32]:
        """What the model makes of the texts, a row each, in their order.

        Raises:
            UnavailableError: Too many texts wait already.
        """
        if self._texts + len(texts) > self._limit:
            raise UnavailableError("too many texts wait for the model")
        if not (self._delay or self._running or self._in_company):
            return await self._run_alone(texts)
        longest = max(map(self._length, texts), default=0)
        waiting = _Waiting(texts, longest, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._texts += len(texts)
        TEXTS_WAITING.inc(len(texts))
        if self._texts * longest >= self._budget:
            self._full.set()
        self._start_work()
        return await waiting.rows

    async def _run_alone(self, texts: Sequence[T]) -> NDArray[np.float32]:
        """Run a request with no task between it and the model, which would cost a twentieth of a short query's time."""
        self._running.add(asyncio.current_task())
        BATCH_TEXTS.observe(len(texts))
        try:
            return await self._model(texts)
        finally:
            self._running.discard(asyncio.current_task())
            if self._queue:
                self._start_work()

    def _start_work(self) -> None:
        if len(self._running) < self._at_once:
            self._running.add(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        """Run batches while there are any; whoever comes after the last look at the queue starts another of these."""
        try:
            while self._queue:
                await self._let_others_come()
                if batch := self._take():
                    self._in_company = len(batch) > 1
                    await self._run_one(batch)
        finally:
            self._running.discard(asyncio.current_task())

    async def _let_others_come(self) -> None:
        if self._delay and not self._full.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._delay):
                    await self._full.wait()
        self._full.clear()

    def _take(self) -> list[_Waiting[T]]:
        """The longest waiting request with those behind it that fit; requests that nobody waits for are dropped."""
        batch: list[_Waiting[T]] = []
        texts = longest = 0
        while self._queue:
            waiting = self._queue[0]
            padded = (texts + len(waiting.texts)) * max(longest, waiting.longest)
            if batch and not waiting.rows.done() and padded > self._budget:
                break
            self._queue.popleft()
            self._texts -= len(waiting.texts)
            TEXTS_WAITING.dec(len(waiting.texts))
            if not waiting.rows.done():
                batch.append(waiting)
                texts, longest = texts + len(waiting.texts), max(longest, waiting.longest)
        return batch

    async def _run_one(self, batch: list[_Waiting[T]]) -> None:
        BATCH_TEXTS.observe(sum(len(waiting.texts) for waiting in batch))
        try:
            rows = await self._model([text for waiting in batch for text in waiting.texts])
        except Exception as error:  # noqa: BLE001  # every waiting request must hear of it
            for waiting in batch:
                if not waiting.rows.done():
                    waiting.rows.set_exception(error)
            return
        start = 0
        for waiting in batch:
            if not waiting.rows.done():
                waiting.rows.set_result(rows[start : start + len(waiting.texts)])
            start += len(waiting.texts)
