"""Triton behind the port of engines, and the models it is to have."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.inference.engines import Engine
from embedding_studio.inference.exported import compare, read_canaries
from embedding_studio.inference.metrics import FALLBACKS
from embedding_studio.inference.onnx import text_canaries
from embedding_studio.inference.settings import TritonSettings
from embedding_studio.inference.texts import TextReader, Tokens
from embedding_studio.inference.tokens import batches, masks, padded
from embedding_studio.inference.triton_folders import BULK, INTERACTIVE, OUTPUT, TritonFolders
from embedding_studio.infra.triton import TritonClient
from embedding_studio.infra.tritons import Tritons, open_tritons
from embedding_studio.kernel.errors import InvalidError, UnavailableError

__all__ = ["TritonEngine", "TritonModels", "open_triton_models"]

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
Reading = Callable[[], Coroutine[Any, Any, Engine]]

_SPARED = 1.0
"""Seconds after a failure in which Triton is not asked where another engine can take over."""

_BULK_AT_ONCE = 2


class TritonEngine:
    """An encoder that Triton runs; its images are embedded in process."""

    def __init__(
        self,
        tritons: Tritons | TritonClient,
        model: str,
        *,
        dimensions: int,
        in_process: Reading,
        fallback: bool = False,
    ) -> None:
        """Ask Triton for a model.

        Args:
            tritons: That have it.
            model: Its name there.
            dimensions: Of its vectors.
            in_process: Reads the same encoder into this process when it is first needed.
            fallback: Whether that takes over while Triton does not answer.
        """
        self._tritons = tritons
        self._model = model
        self._dimensions = dimensions
        self._in_process = in_process
        self._fallback = fallback
        self._spared_until = 0.0
        self._own: asyncio.Task[Engine] | None = None

    async def embed(self, tokens: Sequence[Tokens], *, bulk: bool = False) -> Vectors:
        """The vectors of texts, as `Engine` has it."""
        moment = asyncio.get_running_loop().time
        if moment() < self._spared_until:
            return await (await self._in_this_process()).embed(tokens, bulk=bulk)
        try:
            return await self._embed(tokens, bulk=bulk)
        except UnavailableError as error:
            if not self._fallback:
                raise
            logger.warning("%s is embedded in process: %s", self._model, error.detail)
            self._spared_until = moment() + _SPARED
            FALLBACKS.inc()
            return await (await self._in_this_process()).embed(tokens, bulk=bulk)

    async def embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """The vectors of images, as `Engine` has it."""
        return await (await self._in_this_process()).embed_images(images)

    async def _in_this_process(self) -> Engine:
        if self._own is None or (self._own.done() and (self._own.cancelled() or self._own.exception())):
            self._own = asyncio.create_task(self._in_process())
        return await asyncio.shield(self._own)

    async def _embed(self, tokens: Sequence[Tokens], *, bulk: bool) -> Vectors:
        groups = list(batches([len(ids) for ids in tokens]))
        room = asyncio.Semaphore(_BULK_AT_ONCE if bulk else len(groups) or 1)

        async def infer(rows: NDArray[np.int64]) -> Vectors:
            async with room:
                own = [tokens[row] for row in rows]
                inputs = {"input_ids": padded(own), "attention_mask": masks(own)}
                return await self._tritons.infer(self._model, inputs, OUTPUT, priority=BULK if bulk else INTERACTIVE)

        found = await asyncio.gather(*map(infer, groups))
        vectors = np.empty((len(tokens), self._dimensions), np.float32)
        for rows, own in zip(groups, found, strict=True):
            vectors[rows] = own
        return vectors


class TritonModels:
    """Brings encoders into every Triton and takes them out; a process that may write their repository does it."""

    def __init__(self, tritons: Tritons, settings: TritonSettings, exports: Path) -> None:
        self._tritons = tritons
        self._settings = settings
        self._folders = TritonFolders(settings, exports)
        self._exports = exports
        self._checked: set[tuple[str, str]] = set()

    def engine(self, key: str, *, dimensions: int, in_process: Reading) -> TritonEngine:
        """What asks Triton for the encoder of this key, as `TritonEngine` has it."""
        return TritonEngine(
            self._tritons, key, dimensions=dimensions, in_process=in_process, fallback=self.has_fallback
        )

    @property
    def has_fallback(self) -> bool:
        """Whether encoders are run in process while Triton does not answer."""
        return self._settings.fallback

    async def is_live(self) -> None:
        """Return if a Triton answers; else raise UnavailableError."""
        await self._tritons.is_live()

    async def make_ready(self, key: str) -> None:
        """Lay the export of this key into the repository, have each Triton load it, and compare its canaries there.

        Comparing warms it; others serve on meanwhile. What was done already is not done again. A process that does not
        manage Triton leaves it to those that do.

        Raises:
            UnavailableError: A Triton does not answer or cannot load it, or it was not exported.
            InvalidError: It computes other vectors than its export did.
        """
        if not self._settings.manages:
            return
        changed = await self._folders.write(key)
        servers = await self._tritons.servers()
        tries = (self._have_ready(address, one, key, again=changed) for address, one in servers.items())
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        if all(isinstance(outcome, InvalidError) for outcome in outcomes):
            await self.retire({key})
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def retire(self, keys: AbstractSet[str]) -> None:
        """Have models unloaded, and delete their folders.

        Raises:
            UnavailableError: A Triton does not answer.
        """
        servers = await self._tritons.servers()
        for key in sorted(keys):
            self._checked -= {(address, key) for address in servers}
            await asyncio.gather(*(one.unload(key) for one in servers.values()))
            await self._folders.delete(key)

    async def keys(self) -> set[str]:
        """The models that lie in the repository."""
        return await self._folders.keys()

    async def _have_ready(self, address: str, server: TritonClient, key: str, *, again: bool) -> None:
        """Have a server load a model that it lacks, or `again` in any case; one whose canaries differ is unloaded."""
        if again or not await server.is_ready(key):
            self._checked.discard((address, key))
            await server.load(key)
        if (address, key) not in self._checked:
            try:
                await self._check(server, key)
            except InvalidError:
                await server.unload(key)
                raise
            self._checked.add((address, key))

    async def _check(self, server: TritonClient, key: str) -> None:
        folder = self._exports / key
        texts = await asyncio.to_thread(TextReader.load, folder)
        canaries, expected = await asyncio.to_thread(read_canaries, folder, text_canaries)
        engine = TritonEngine(server, key, dimensions=texts.description.dimensions, in_process=_nowhere)
        compare(await engine.embed(texts.read(canaries, "item")), expected, texts.description.source)


@asynccontextmanager
async def open_triton_models(settings: TritonSettings, exports: Path) -> AsyncIterator[TritonModels]:
    """Yield the models of the Tritons; nothing is asked of them before models are.

    Args:
        settings: Where they are, and how they are to run models.
        exports: Folder of exported encoders.
    """
    async with open_tritons(
        settings.url,
        ssl=settings.ssl,
        channels=settings.channels,
        answer_within=settings.timeout,
        load_within=settings.load_timeout,
    ) as tritons:
        yield TritonModels(tritons, settings, exports)


async def _nowhere() -> Engine:
    raise UnavailableError("canaries are of texts")
