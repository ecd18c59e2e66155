"""The port behind which an encoder's graph runs, and ONNX Runtime in this process behind it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.texts import Tokens

__all__ = ["Engine", "InProcess"]

Vectors = NDArray[np.float32]


class Engine(Protocol):
    """Runs the graph of one encoder; engines give the same vectors to 1e-5."""

    async def embed(self, tokens: Sequence[Tokens], *, bulk: bool = False) -> Vectors:
        """The vectors of texts, float32 (texts, dimensions), in their order.

        Args:
            tokens: Of each text.
            bulk: Whether texts that are not may overtake.

        Raises:
            UnavailableError: The engine does not answer, or is busy beyond its limit.
        """
        ...

    async def embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """The vectors of images, each uint8 RGB (size, size, 3), as float32 (images, dimensions).

        Raises:
            InvalidError: The encoder takes no images, or an image is of another size.
        """
        ...


class InProcess:
    """ONNX Runtime on two threads of this process: bulk never delays what somebody waits for."""

    def __init__(self, encoder: OnnxEncoder, *, interactive: Executor, bulk: Executor) -> None:
        self.texts = encoder.texts
        self._encoder = encoder
        self._interactive = interactive
        self._bulk = bulk

    async def embed(self, tokens: Sequence[Tokens], *, bulk: bool = False) -> Vectors:
        """The vectors of texts, as `Engine` has it."""
        return await self._run(self._bulk if bulk else self._interactive, partial(self._encoder.encode_tokens, tokens))

    async def embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """The vectors of images, as `Engine` has it."""
        return await self._run(self._bulk, partial(self._encoder.encode_images, images))

    @staticmethod
    async def _run(executor: Executor, encode: Callable[[], Vectors]) -> Vectors:
        return await asyncio.get_running_loop().run_in_executor(executor, encode)
