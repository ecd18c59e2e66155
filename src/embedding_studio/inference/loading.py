"""Models in memory: read when first needed, then kept."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from embedding_studio.inference.errors import BrokenModelError, EncoderNotReadyError
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.sharing import SharedWork
from embedding_studio.sdk import EncoderSource

__all__ = ["Shelf", "is_exported"]

M = TypeVar("M")


def is_exported(folder: Path, source: EncoderSource) -> bool:
    """Whether the source's export is in the folder of exports."""
    return (folder / source.key / "encoder.json").exists()


class Shelf(Generic[M]):
    """Models of one kind; of several requests for the same one, the first reads it and all get it.

    Who stops waiting stops nothing: the model is there for the next. One that turned out broken is left alone for the
    time that the error says, so that not every request reads its files.
    """

    def __init__(self, folder: Path, read: Callable[[Path], M]) -> None:
        self._folder = folder
        self._read = read
        self._models: dict[EncoderSource, M] = {}
        self._reading = SharedWork[EncoderSource, M]()
        self._broken: dict[EncoderSource, tuple[float, BrokenModelError]] = {}

    async def get(self, source: EncoderSource) -> M:
        """The model.

        Raises:
            EncoderNotReadyError: It was not exported yet.
            BrokenModelError: What is stored of it is not what was exported.
        """
        if source in self._models:
            return self._models[source]
        self._refuse(source)
        return await self._reading.get(source, lambda: self._load(source))

    def has(self, source: EncoderSource) -> bool:
        """Whether it is in memory, or was exported."""
        return source in self._models or is_exported(self._folder, source)

    def forget(self, source: EncoderSource) -> None:
        """Let go of a model; who has it in hand keeps it."""
        self._models.pop(source, None)

    def _refuse(self, source: EncoderSource) -> None:
        if not is_exported(self._folder, source):
            raise EncoderNotReadyError(source.model)
        until, error = self._broken.get(source, (0.0, None))
        if error and asyncio.get_running_loop().time() < until:
            raise BrokenModelError(error.detail)

    async def _load(self, source: EncoderSource) -> M:
        try:
            model = await asyncio.to_thread(self._read, self._folder / source.key)
        except InvalidError as error:
            broken = BrokenModelError(error.detail)
            self._broken[source] = (asyncio.get_running_loop().time() + broken.retry_after, broken)
            raise broken from error
        self._models[source] = model
        return model
