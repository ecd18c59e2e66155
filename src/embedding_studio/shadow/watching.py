"""Shadows as searches see them: known without waiting for anything."""

import asyncio
import logging
from collections.abc import Mapping

import asyncpg
from pymongo.errors import PyMongoError

from embedding_studio.inference import EmbeddingService
from embedding_studio.infra.outages import OUTAGES
from embedding_studio.kernel.errors import StudioError
from embedding_studio.shadow.domain import Compared, Counts, LiveShadow
from embedding_studio.shadow.models import Shadow
from embedding_studio.shadow.repository import ShadowRepository
from embedding_studio.vector_store import Catalog, CollectionService

__all__ = ["Shadows"]

logger = logging.getLogger(__name__)

_FAILURES: tuple[type[Exception], ...] = (*OUTAGES, PyMongoError, asyncpg.PostgresError, StudioError)


class Shadows:
    """Keeps a memory of the live shadows, which is renewed in the background when somebody asks and it is old."""

    def __init__(
        self,
        *,
        shadows: ShadowRepository,
        collections: CollectionService,
        catalog: Catalog,
        embeddings: EmbeddingService,
        seen_within: float,
    ) -> None:
        """`seen_within` is how many seconds the memory is good for."""
        self._shadows = shadows
        self._collections = collections
        self._catalog = catalog
        self._embeddings = embeddings
        self._seen_within = seen_within
        self._live: Mapping[str, LiveShadow] = {}
        self._good_until = 0.0
        self._looking: asyncio.Task[None] | None = None

    def of(self, name: str) -> LiveShadow | None:
        """The shadow of a collection, as far as it is known now."""
        if self._looking is None and asyncio.get_running_loop().time() >= self._good_until:
            self._looking = asyncio.create_task(self._look())
        return self._live.get(name)

    async def note(self, shadow: LiveShadow, counts: Counts, result: Compared | str | None = None) -> None:
        """Count what became of searches, and keep the comparison, or what an error said."""
        failure = result if isinstance(result, str) else None
        number = await self._shadows.count(shadow.id, counts, failure)
        if number is not None and isinstance(result, Compared):
            await self._shadows.keep(shadow.id, number, result)

    async def close(self) -> None:
        """Give up looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _look(self) -> None:
        try:
            found = [await self._served(shadow) for shadow in await self._shadows.all()]
            self._live = {one.collection.name: one for one in found if one is not None}
        except _FAILURES as error:
            logger.warning("which shadows there are is not known: %s", error)
        finally:
            self._good_until = asyncio.get_running_loop().time() + self._seen_within
            self._looking = None

    async def _served(self, shadow: Shadow) -> LiveShadow | None:
        """The collection as the candidate serves it; None where that cannot be."""
        try:
            collection = await self._collections.get(shadow.collection)
            encoder = await self._embeddings.encoder_with(collection, shadow.model_version)
        except StudioError as error:
            logger.warning("the shadow of %r cannot serve: %s", shadow.collection, error)
            return None
        served = await self._catalog.serving(collection, shadow.model_version, encoder)
        if served is None or collection.id != shadow.collection_id:
            return None
        return LiveShadow(shadow.id, served, shadow.overrides, shadow.share)
