"""The encoders of this process: loaded when first needed, then kept."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embedding_studio.inference.batcher import Batcher
from embedding_studio.inference.errors import BrokenModelError, EncoderNotReadyError, NoEncoderError
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.settings import InferenceSettings
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, EncoderSource

__all__ = ["Encoders"]

_INTERACTIVE = 8
_BULK_WAITING = 32


class Encoders:
    """Interactive requests share micro-batches; bulk has a thread of its own and never delays them in a queue."""

    def __init__(self, settings: InferenceSettings) -> None:
        self._settings = settings
        self._interactive = ThreadPoolExecutor(1, "encode")
        self._bulk = ThreadPoolExecutor(1, "encode-bulk")
        self._bulk_waiting = 0
        self._loading = asyncio.Lock()
        self._loaded: dict[EncoderSource, tuple[OnnxEncoder, Batcher]] = {}

    async def dimensions_of(self, plugin: EmbeddingPlugin) -> int:
        """Of the plugin's encoder.

        Raises:
            NoEncoderError: The plugin's items bring their own vectors.
            EncoderNotReadyError: The encoder was not exported yet.
        """
        if plugin.encoder is None:
            raise NoEncoderError
        encoder, _ = await self._load(plugin.encoder.build())
        return encoder.description.dimensions

    async def encode(self, source: EncoderSource, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """The vectors of the texts, float32 (texts, dimensions), in their order.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
            UnavailableError: Too many texts, or large batches of them, wait already.
            TimeoutError: The vectors did not come in time.
        """
        encoder, batcher = await self._load(source)
        if len(texts) <= _INTERACTIVE:
            async with asyncio.timeout(self._settings.timeout):
                return await batcher.encode(texts, kind)
        return await self._in_bulk(partial(encoder.encode, list(texts), kind))

    async def encode_images(self, source: EncoderSource, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """The vectors of the images, float32 (images, dimensions), in their order, in the space of the texts.

        Args:
            source: Of kind `clip`.
            images: RGB, each (size, size, 3) of the size that the encoder takes.

        Raises:
            InvalidError: The encoder takes no images, or not of this size.
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
            UnavailableError: Too many large batches wait already.
        """
        encoder, _ = await self._load(source)
        return await self._in_bulk(partial(encoder.encode_images, list(images)))

    async def tokenizer_of(self, source: EncoderSource) -> Tokenizer:
        """The encoder's own tokenizer, not to be changed; it cuts where the encoder does.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
        """
        encoder, _ = await self._load(source)
        return encoder.tokenizer

    async def _in_bulk(self, encode: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        if self._bulk_waiting >= _BULK_WAITING:
            raise UnavailableError("too many batches wait to be embedded")
        self._bulk_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._bulk, encode)
        finally:
            self._bulk_waiting -= 1

    def missing(self, sources: Sequence[EncoderSource]) -> list[EncoderSource]:
        """Those that were not exported yet."""
        return [source for source in sources if not (self._settings.encoders / source.key / "encoder.json").exists()]

    def close(self) -> None:
        """Let no new text in."""
        self._interactive.shutdown(wait=False, cancel_futures=True)
        self._bulk.shutdown(wait=False, cancel_futures=True)

    async def _load(self, source: EncoderSource) -> tuple[OnnxEncoder, Batcher]:
        if source in self._loaded:
            return self._loaded[source]
        async with self._loading:
            if source not in self._loaded:
                if self.missing([source]):
                    raise EncoderNotReadyError(source.model)
                encoder = await self._read(source)
                batcher = Batcher(
                    encoder.encode,
                    executor=self._interactive,
                    waiting_texts=self._settings.waiting_texts,
                )
                self._loaded[source] = (encoder, batcher)
        return self._loaded[source]

    async def _read(self, source: EncoderSource) -> OnnxEncoder:
        try:
            return await asyncio.to_thread(
                OnnxEncoder.load,
                self._settings.encoders / source.key,
                threads=self._settings.threads,
            )
        except InvalidError as error:
            raise BrokenModelError(error.detail) from error
