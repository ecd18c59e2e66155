"""Micro-batching: requests that wait while the model is busy go together into its next run."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedding_studio.kernel.errors import UnavailableError

__all__ = ["Batcher", "Model"]

T = TypeVar("T")
K = TypeVar("K")

Model = Callable[[Sequence[T], K], NDArray[np.float32]]
"""From texts, or pairs of texts, and their kind to an array with a row each."""

_TEXTS_PER_RUN = 32


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T, K]):
    texts: Sequence[T]
    kind: K
    rows: "asyncio.Future[NDArray[np.float32]]"


class Batcher(Generic[T, K]):
    """Adds no delay: an idle model starts at once with what there is.

    A request that is cancelled while it waits costs nothing any more, so that timeouts relieve a busy model.
    """

    def __init__(self, model: Model[T, K], *, executor: Executor, waiting_texts: int) -> None:
        self._model = model
        self._executor = executor
        self._limit = waiting_texts
        self._queue: list[_Waiting[T, K]] = []
        self._texts = 0
        self._running: asyncio.Task[None] | None = None

    async def run(self, texts: Sequence[T], kind: K) -> NDArray[np.float32]:
        """What the model makes of the texts, a row each; texts of different kinds are not mixed.

        Raises:
            UnavailableError: Too many texts wait already.
        """
        if self._texts + len(texts) > self._limit:
            raise UnavailableError("too many texts wait for the model")
        waiting = _Waiting(texts, kind, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._texts += len(texts)
        if self._running is None:
            self._running = asyncio.create_task(self._work())
        return await waiting.rows

    async def _work(self) -> None:
        try:
            while self._queue:
                if batch := self._take():
                    await self._run_one(batch)
        finally:
            self._running = None

    def _take(self) -> list[_Waiting[T, K]]:
        """The longest waiting request with those behind it that fit; requests that nobody waits for are dropped."""
        batch: list[_Waiting[T, K]] = []
        texts = 0
        while self._queue and (not batch or self._fits(self._queue[0], batch[0].kind, texts)):
            waiting = self._queue.pop(0)
            self._texts -= len(waiting.texts)
            if not waiting.rows.done():
                batch.append(waiting)
                texts += len(waiting.texts)
        return batch

    @staticmethod
    def _fits(waiting: _Waiting[T, K], kind: K, texts: int) -> bool:
        return waiting.kind == kind and texts + len(waiting.texts) <= _TEXTS_PER_RUN

    async def _run_one(self, batch: list[_Waiting[T, K]]) -> None:
        texts = [text for waiting in batch for text in waiting.texts]
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.run_in_executor(self._executor, self._model, texts, batch[0].kind)
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
