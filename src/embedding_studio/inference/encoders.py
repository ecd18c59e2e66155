"""The encoders of this process, whichever engine runs them, and who waits for which."""

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embedding_studio.inference.batcher import Batcher
from embedding_studio.inference.cross import OnnxCrossEncoder, Pair
from embedding_studio.inference.engines import Engine, InProcess
from embedding_studio.inference.errors import NoEncoderError
from embedding_studio.inference.fetching import Fetcher
from embedding_studio.inference.loading import Shelf, is_exported
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.query_cache import QueryCache
from embedding_studio.inference.settings import InferenceSettings
from embedding_studio.inference.texts import TextReader, Tokens
from embedding_studio.kernel.encoder import TextKind
from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.sdk import EmbeddingPlugin, EncoderSource

if TYPE_CHECKING:
    from embedding_studio.inference.triton import TritonModels

__all__ = ["Encoders"]

M = TypeVar("M")

_INTERACTIVE = 8
_INTERACTIVE_LETTERS = 8_000
_BULK_WAITING = 32
_PAIRS_PER_RUN = 32


@dataclass(frozen=True, slots=True)
class _Served:
    texts: TextReader
    engine: Engine
    batcher: Batcher[Tokens]


class Encoders:
    """Interactive requests share micro-batches; bulk and scores have queues of their own and never delay them.

    Attributes:
        triton: Runs the graphs; None where this process does.
    """

    def __init__(
        self, settings: InferenceSettings, fetcher: Fetcher | None = None, triton: "TritonModels | None" = None
    ) -> None:
        """Serve the exported encoders.

        Args:
            settings: Limits, and the folder of exports.
            fetcher: Brings what is not in that folder; without it there is nothing else.
            triton: Runs the graphs; None: this process does.
        """
        self._settings = settings
        self._fetcher = fetcher
        self.triton = triton
        self._interactive = ThreadPoolExecutor(1, "encode")
        self._bulk = ThreadPoolExecutor(1, "encode-bulk")
        self._scoring = ThreadPoolExecutor(1, "score")
        self._bulk_waiting = 0
        self._cache = QueryCache(settings.cached_queries)
        self._encoders = Shelf(
            settings.encoders, partial(self._read_for_triton, triton) if triton else self._read_in_process
        )
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
        return (await self._encoder(source)).texts.description.dimensions

    async def make_ready(self, source: EncoderSource) -> None:
        """Have the encoder at hand, so that the first request that needs it need not wait for it.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
            UnavailableError: What runs the encoders does not answer.
        """
        await self._encoder(source)
        if self.triton:
            await self.triton.make_ready(source.key)

    async def encode(self, source: EncoderSource, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """The vectors of the texts, float32 (texts, dimensions), in their order.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
            UnavailableError: Too many texts, or large batches of them, wait already.
            TimeoutError: The vectors did not come in time.
        """
        served = await self._encoder(source)
        if kind == "query" and len(texts) == 1:
            return await self._encode_query(served, source, texts[0])
        return await self._encode(served, texts, kind)

    async def _encode_query(self, served: _Served, source: EncoderSource, text: str) -> NDArray[np.float32]:
        known = self._cache.get(source, text)
        if known is not None:
            return known[None]
        vectors = await self._encode(served, [text], "query")
        self._cache.keep(source, text, vectors[0])
        return vectors

    async def _encode(self, served: _Served, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        if len(texts) <= _INTERACTIVE and sum(map(len, texts)) <= _INTERACTIVE_LETTERS:
            async with asyncio.timeout(self._settings.timeout):
                return await served.batcher.run(served.texts.read(texts, kind))
        return await self._in_bulk(self._encode_many(served, list(texts), kind))

    async def _encode_many(self, served: _Served, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        reading = partial(served.texts.read, texts, kind)
        tokens = await asyncio.get_running_loop().run_in_executor(self._bulk, reading)
        return await served.engine.embed(tokens, bulk=True)

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
        served = await self._encoder(source)
        return await self._in_bulk(served.engine.embed_images(list(images)))

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
            batcher = await self._on(self._cross_encoders, source)
            return await batcher.run([(query, text) for text in texts])

    async def tokenizer_of(self, source: EncoderSource) -> Tokenizer:
        """The encoder's own tokenizer, not to be changed; it cuts where the encoder does.

        Raises:
            EncoderNotReadyError: The encoder was not exported yet.
            BrokenModelError: What is stored of the encoder is not what was exported.
        """
        return (await self._encoder(source)).texts.tokenizer

    async def forget(self, source: EncoderSource) -> None:
        """Drop an encoder that training made, from memory and from the folder of exports."""
        self._encoders.forget(source)
        if self._fetcher:
            await self._fetcher.drop(source)

    async def _encoder(self, source: EncoderSource) -> _Served:
        return await self._on(self._encoders, source)

    async def _on(self, shelf: Shelf[M], source: EncoderSource) -> M:
        if self._fetcher and not shelf.has(source):
            await self._fetcher.fetch(source)
        return await shelf.get(source)

    async def _in_bulk(self, encoding: Coroutine[Any, Any, NDArray[np.float32]]) -> NDArray[np.float32]:
        if self._bulk_waiting >= _BULK_WAITING:
            encoding.close()
            raise UnavailableError("too many batches wait to be embedded")
        self._bulk_waiting += 1
        try:
            return await encoding
        finally:
            self._bulk_waiting -= 1

    def missing(self, sources: Sequence[EncoderSource]) -> list[EncoderSource]:
        """Those that are not on this machine."""
        return [source for source in sources if not is_exported(self._settings.encoders, source)]

    async def fetch(self, sources: Sequence[EncoderSource]) -> None:
        """Bring to this machine what another one has exported of these; the rest stays missing.

        Raises:
            BrokenModelError: What is stored of one is no export.
            UnavailableError: The objects cannot be reached.
        """
        if self._fetcher:
            for source in self.missing(sources):
                await self._fetcher.fetch(source)

    def close(self) -> None:
        """Let no new text in."""
        self._interactive.shutdown(wait=False, cancel_futures=True)
        self._bulk.shutdown(wait=False, cancel_futures=True)
        self._scoring.shutdown(wait=False, cancel_futures=True)

    def _read_in_process(self, folder: Path) -> _Served:
        engine = self._in_process(folder)
        return _Served(engine.texts, engine, self._batcher(engine, at_once=1))

    def _read_for_triton(self, triton: "TritonModels", folder: Path) -> _Served:
        texts = TextReader.load(folder)
        engine = triton.engine(
            folder.name,
            dimensions=texts.description.dimensions,
            in_process=partial(asyncio.to_thread, self._in_process, folder),
        )
        return _Served(texts, engine, self._batcher(engine, at_once=self._settings.triton.at_once))

    def _in_process(self, folder: Path) -> InProcess:
        encoder = OnnxEncoder.load(folder, threads=self._settings.threads, spinning=self._settings.spinning)
        return InProcess(encoder, interactive=self._interactive, bulk=self._bulk)

    def _batcher(self, engine: Engine, *, at_once: int) -> Batcher[Tokens]:
        settings = self._settings
        return Batcher(
            engine.embed,
            length=len,
            budget=settings.batch_tokens,
            waiting_texts=settings.waiting_texts,
            delay=settings.batch_delay,
            at_once=at_once,
        )

    def _read_cross_encoder(self, folder: Path) -> Batcher[Pair]:
        cross_encoder = OnnxCrossEncoder.load(folder, threads=self._settings.bulk_threads)

        async def score(pairs: Sequence[Pair]) -> NDArray[np.float32]:
            return await asyncio.get_running_loop().run_in_executor(self._scoring, cross_encoder.score, pairs)

        waiting = self._settings.waiting_pairs
        return Batcher(score, length=lambda _: 1, budget=_PAIRS_PER_RUN, waiting_texts=waiting)
