"""The models of this process, and who waits for which."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embedding_studio.inference.batcher import Batcher
from embedding_studio.inference.cross import OnnxCrossEncoder, Pair
from embedding_studio.inference.errors import NoEncoderError
from embedding_studio.inference.loading import Shelf, is_exported
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.settings import InferenceSettings
from embedding_studio.inference.trained import Fetcher
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, EncoderSource

__all__ = ["Encoders"]

_INTERACTIVE = 8
_BULK_WAITING = 32


class Encoders:
    """Interactive requests share micro-batches; bulk and scores have threads of their own and never delay them."""

    def __init__(self, settings: InferenceSettings, fetcher: Fetcher | None = None) -> None:
        """`fetcher` brings the encoders that training made; without it there are none but the exported."""
        self._settings = settings
        self._fetcher = fetcher
        self._interactive = ThreadPoolExecutor(1, "encode")
        self._bulk = ThreadPoolExecutor(1, "encode-bulk")
        self._scoring = ThreadPoolExecutor(1, "score")
        self._bulk_waiting = 0
        self._encoders = Shelf(settings.encoders, self._read_encoder)
        self._cross_encoders = Shelf(settings.encoders, self._read_cross_encoder)

    async def dimensions_of(self, plugin: EmbeddingPlugin) -> int:
        """Of the plugin's encoder.

        Raises:
            NoEncoderError: The plugin's items bring their own vectors.
            EncoderNotReadyError: The encoder was not exported yet.
        """
        if plugin.encoder is None:
            raise NoEncoderError
        return await self.dimensions(plugin.encoder.build())

    async def dimensions(self, source: EncoderSource) -> int:
        """Length of the encoder's vectors.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
        """
        encoder, _ = await self._encoder(source)
        return encoder.description.dimensions

    async def encode(self, source: EncoderSource, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """The vectors of the texts, float32 (texts, dimensions), in their order.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
            UnavailableError: Too many texts, or large batches of them, wait already.
            TimeoutError: The vectors did not come in time.
        """
        encoder, batcher = await self._encoder(source)
        if len(texts) <= _INTERACTIVE:
            async with asyncio.timeout(self._settings.timeout):
                return await batcher.run(texts, kind)
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
        encoder, _ = await self._encoder(source)
        return await self._in_bulk(partial(encoder.encode_images, list(images)))

    async def score_pairs(self, source: EncoderSource, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers the query, float32 (texts,) in 0..1.

        Args:
            source: Of kind `pair`.
            query: In words.
            texts: At most 200; each costs about as much as to embed it.

        Raises:
            EncoderNotReadyError: The model was not exported yet.
            BrokenModelError: What is stored of the model is not what was exported.
            UnavailableError: Too many texts wait already.
            TimeoutError: The scores did not come in time, or the model is still being loaded.
        """
        async with asyncio.timeout(self._settings.score_timeout):
            batcher = await self._cross_encoders.get(source)
            return await batcher.run([(query, text) for text in texts], None)

    async def tokenizer_of(self, source: EncoderSource) -> Tokenizer:
        """The encoder's own tokenizer, not to be changed; it cuts where the encoder does.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
        """
        encoder, _ = await self._encoder(source)
        return encoder.tokenizer

    async def forget(self, source: EncoderSource) -> None:
        """Drop an encoder that training made, from memory and from the folder of exports."""
        self._encoders.forget(source)
        if self._fetcher:
            await self._fetcher.drop(source)

    async def _encoder(self, source: EncoderSource) -> tuple[OnnxEncoder, Batcher[str, TextKind]]:
        if self._fetcher and not self._encoders.has(source):
            await self._fetcher.fetch(source)
        return await self._encoders.get(source)

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
        return [source for source in sources if not is_exported(self._settings.encoders, source)]

    def close(self) -> None:
        """Let no new text in."""
        self._interactive.shutdown(wait=False, cancel_futures=True)
        self._bulk.shutdown(wait=False, cancel_futures=True)
        self._scoring.shutdown(wait=False, cancel_futures=True)

    def _read_encoder(self, folder: Path) -> tuple[OnnxEncoder, Batcher[str, TextKind]]:
        encoder = OnnxEncoder.load(folder, threads=self._settings.threads)
        waiting = self._settings.waiting_texts
        return encoder, Batcher(encoder.encode, executor=self._interactive, waiting_texts=waiting)

    def _read_cross_encoder(self, folder: Path) -> Batcher[Pair, None]:
        cross_encoder = OnnxCrossEncoder.load(folder, threads=self._settings.bulk_threads)

        def score(pairs: Sequence[Pair], _kind: None) -> NDArray[np.float32]:
            return cross_encoder.score(pairs)

        return Batcher(score, executor=self._scoring, waiting_texts=self._settings.waiting_pairs)
