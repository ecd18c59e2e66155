"""From accepted items to what the encoder sees of them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_studio.inference import Encoders
from embedding_studio.kernel.errors import InvalidError, StudioError
from embedding_studio.sdk import Aggregate, DecodeImage, EmbeddingPlugin, ImageRef, ImagesOf, Loader, TextOf
from embedding_studio.tasks import FailedItem, Stage
from embedding_studio.upsertion.domain import Content, NewItem, PreparedItem, StagedItem, content_hash
from embedding_studio.vector_store import Collection, CollectionService

__all__ = ["Preparer", "Preparers"]

_LONGEST_REASON = 500
_IMAGES = 4
"""Images that one process fetches and decodes at a time: a large one takes hundreds of megabytes."""


class _ItemError(Exception):
    """What is wrong with an item, and at which stage it showed."""

    def __init__(self, stage: Stage, reason: str, *, is_outage: bool = False) -> None:
        super().__init__(reason)
        self.stage: Stage = stage
        self.is_outage = is_outage


_Contents = list[Content] | _ItemError
"""Of one item, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Preparer:
    """A plugin's parts, built: makes the contents of items.

    The pieces of texts and images that it makes are those of the plugin as it stands now.
    """

    text_of: TextOf | None
    images_of: ImagesOf | None
    decode: DecodeImage
    loaders: Mapping[str, Loader]
    aggregate: Aggregate
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_IMAGES))

    @classmethod
    async def of(cls, plugin: EmbeddingPlugin, encoders: Encoders) -> "Preparer":
        """Build the plugin's parts.

        Raises:
            UnavailableError: The tokenizer that a part needs is not exported yet.
        """
        tokenizer = await encoders.tokenizer_of(plugin.encoder.build()) if plugin.encoder and plugin.text else None
        return cls(
            text_of=plugin.text.build(tokenizer) if plugin.text else None,
            images_of=plugin.images.build() if plugin.images else None,
            decode=plugin.preprocessing.build(),
            loaders={name: part.build({}) for name, part in plugin.loaders.items()},
            aggregate=plugin.aggregate,
        )

    async def prepare(
        self, batch: Sequence[StagedItem]
    ) -> tuple[list[PreparedItem], list[tuple[StagedItem, FailedItem]]]:
        """Make the contents of each item; one that cannot be read, or that says nothing, has failed."""
        outcomes = await asyncio.to_thread(lambda: [self._texts(staged.item) for staged in batch])
        if self.images_of:
            outcomes = await asyncio.gather(*map(self._with_images, batch, outcomes))
        finished = [self._finish(staged, outcome) for staged, outcome in zip(batch, outcomes, strict=True)]
        return (
            [one for one in finished if isinstance(one, PreparedItem)],
            [(staged, one) for staged, one in zip(batch, finished, strict=True) if isinstance(one, FailedItem)],
        )

    def _texts(self, item: NewItem) -> _Contents:
        try:
            pieces = self._of_plugin(self.text_of, item.payload) if self.text_of else []
        except _ItemError as error:
            return error
        if item.vector is not None:
            return [Content(pieces[0].text if pieces else None, vector=item.vector)]
        return [Content(piece.text, weight=piece.weight) for piece in pieces]

    async def _with_images(self, staged: StagedItem, texts: _Contents) -> _Contents:
        item = staged.item
        if isinstance(texts, _ItemError):
            return texts
        try:
            references = self._of_plugin(self.images_of, item.payload, item.source) if self.images_of else []
            return [*texts, *[Content(image=await self._image(reference)) for reference in references]]
        except _ItemError as error:
            return error

    def _finish(self, staged: StagedItem, contents: _Contents) -> PreparedItem | FailedItem:
        if isinstance(contents, _ItemError):
            reason = str(contents)[:_LONGEST_REASON]
            return FailedItem(staged.item.id, contents.stage, reason, contents.is_outage)
        if not contents:
            return FailedItem(staged.item.id, "split", "the payload has nothing to embed")
        return PreparedItem(staged, contents, content_hash(contents, self.aggregate))

    async def _image(self, reference: ImageRef) -> NDArray[np.uint8]:
        try:
            async with self.turns:
                data = reference.data if reference.data is not None else await self._fetch(reference)
                return await asyncio.to_thread(self.decode, data)
        except StudioError as error:
            raise _ItemError("load", error.detail, is_outage=error.retryable) from error

    async def _fetch(self, reference: ImageRef) -> bytes:
        loader = self.loaders.get(reference.loader or "")
        if loader is None:
            raise InvalidError.at("source", f"the plugin has no loader {reference.loader!r}")
        return await loader.fetch(reference.source or {})

    @staticmethod
    def _of_plugin(part: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return part(*arguments)
        except Exception as error:  # the edge: a plugin's code may raise anything
            raise _ItemError("split", f"{type(error).__name__}: {error}") from error


class Preparers:
    """The parts of each plugin, built once: a tokenizer is slow to make."""

    def __init__(self, *, collections: CollectionService, encoders: Encoders) -> None:
        self._collections = collections
        self._encoders = encoders
        self._built: dict[str, tuple[EmbeddingPlugin, Preparer]] = {}

    async def of(self, collection: Collection) -> Preparer:
        """The parts of the collection's plugin.

        Raises:
            UnavailableError: The plugin is gone, or the tokenizer that a part needs is not exported yet.
        """
        plugin = self._collections.plugin_of(collection)
        known = self._built.get(plugin.name)
        if known is None or known[0] is not plugin:
            known = self._built[plugin.name] = (plugin, await Preparer.of(plugin, self._encoders))
        return known[1]
