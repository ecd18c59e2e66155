"""Micro-batching: requests that wait while the encoder is busy go together into its next run."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedding_studio.kernel.encoder import TextKind
from embedding_studio.kernel.errors import UnavailableError

__all__ = ["Batcher", "Encode"]

Encode = Callable[[Sequence[str], TextKind], NDArray[np.float32]]

_TEXTS_PER_RUN = 32


@dataclass(frozen=True, slots=True)
class _Waiting:
    texts: Sequence[str]
    kind: TextKind
    vectors: "asyncio.Future[NDArray[np.float32]]"


class Batcher:
    """Adds no delay: an idle encoder starts at once with what there is.

    A request that is cancelled while it waits costs nothing any more, so that timeouts relieve a busy encoder.
    """

    def __init__(self, encode: Encode, *, executor: Executor, waiting_texts: int) -> None:
        self._encode = encode
        self._executor = executor
        self._limit = waiting_texts
        self._queue: list[_Waiting] = []
        self._texts = 0
        self._running: asyncio.Task[None] | None = None

    async def encode(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """The vectors of the texts, float32 (texts, dimensions).

        Raises:
            UnavailableError: Too many texts wait already.
        """
        if self._texts + len(texts) > self._limit:
            raise UnavailableError("too many texts wait to be embedded")
        waiting = _Waiting(texts, kind, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._texts += len(texts)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await waiting.vectors

    async def _run(self) -> None:
        try:
            while self._queue:
                if batch := self._take():
                    await self._run_one(batch)
        finally:
            self._running = None

    def _take(self) -> list[_Waiting]:
        """The longest waiting request with those behind it that fit; requests that nobody waits for are dropped."""
        batch: list[_Waiting] = []
        texts = 0
        while self._queue and (not batch or self._fits(self._queue[0], batch[0].kind, texts)):
            waiting = self._queue.pop(0)
            self._texts -= len(waiting.texts)
            if not waiting.vectors.done():
                batch.append(waiting)
                texts += len(waiting.texts)
        return batch

    @staticmethod
    def _fits(waiting: _Waiting, kind: TextKind, texts: int) -> bool:
        return waiting.kind == kind and texts + len(waiting.texts) <= _TEXTS_PER_RUN

    async def _run_one(self, batch: list[_Waiting]) -> None:
        texts = [text for waiting in batch for text in waiting.texts]
        loop = asyncio.get_running_loop()
        try:
            vectors = await loop.run_in_executor(self._executor, self._encode, texts, batch[0].kind)
        except Exception as error:  # noqa: BLE001  # every waiting request must hear of it
            for waiting in batch:
                if not waiting.vectors.done():
                    waiting.vectors.set_exception(error)
            return
        start = 0
        for waiting in batch:
            if not waiting.vectors.done():
                waiting.vectors.set_result(vectors[start : start + len(waiting.texts)])
            start += len(waiting.texts)
