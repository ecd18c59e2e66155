"""Starting, looking at and ending shadows."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from embedding_studio.experiments import Arm, check_arm
from embedding_studio.inference import EmbeddingService, ModelService
from embedding_studio.kernel.errors import StudioError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import Clock
from embedding_studio.shadow.errors import NoIndexForShadowError, ShadowNotFoundError
from embedding_studio.shadow.models import MirroredSearch, Shadow
from embedding_studio.shadow.reporting import Summary, summarize
from embedding_studio.shadow.repository import ShadowRepository
from embedding_studio.vector_store import Collection, CollectionService, IndexHolds

__all__ = ["ShadowReport", "ShadowService"]

_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """A shadow, and what was seen of it beside the model that serves now.

    Attributes:
        live_model: The version that serves now; comparisons with others are left out.
        summary: None while nothing was compared.
        differing: The searches whose answers are least alike.
    """

    shadow: Shadow
    live_model: int
    summary: Summary | None
    differing: Sequence[MirroredSearch]


class ShadowService:
    """Shadows of collections, one in each."""

    def __init__(
        self,
        *,
        shadows: ShadowRepository,
        collections: CollectionService,
        models: ModelService,
        embeddings: EmbeddingService,
        holds: IndexHolds,
        clock: Clock,
    ) -> None:
        self._shadows = shadows
        self._collections = collections
        self._models = models
        self._embeddings = embeddings
        self._holds = holds
        self._clock = clock

    async def start(self, name: str, arm: Arm, *, share: float) -> Shadow:
        """Mirror a share of a collection's searches to a candidate from now on, and hold its index.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: There is no such model, or no such ranking can be; names the place.
            ShadowExistsError: The collection has one.
            NoIndexForShadowError: There is no index that the model goes with.
            StudioError: The model is broken, or does not fit the index.
        """
        collection = await self._collections.current(name)
        await check_arm(collection, self._collections.plugin_of(collection), self._models, arm)
        shadow = Shadow(
            id=new_id(),
            collection=name,
            collection_id=collection.id,
            model_version=arm.model_version,
            ranking=arm.ranking,
            share=share,
            started_at=self._clock(),
        )
        await self._shadows.add(shadow)
        try:
            await self._hold(collection, shadow)
        except StudioError:
            await self._end(shadow)
            raise
        return shadow

    async def report(self, name: str) -> ShadowReport:
        """What was seen of the collection's shadow.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ShadowNotFoundError: It has none.
        """
        collection = await self._collections.current(name)
        shadow = await self._of(collection)
        seen = shadow.id, collection.model_version
        rows = await self._shadows.numbers(*seen)
        summary = await asyncio.to_thread(summarize, rows)
        differing = await self._shadows.differing(*seen, limit=_EXAMPLES)
        return ShadowReport(shadow, collection.model_version, summary, differing)

    async def stop(self, name: str) -> None:
        """End the collection's shadow; what was mirrored to it is deleted.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ShadowNotFoundError: It has none.
        """
        await self._end(await self._of(await self._collections.current(name)))

    async def _of(self, collection: Collection) -> Shadow:
        shadow = await self._shadows.of(collection.id)
        if shadow is None:
            raise ShadowNotFoundError(collection.name)
        return shadow

    async def _hold(self, collection: Collection, shadow: Shadow) -> None:
        if not await self._embeddings.hold(self._holds, collection, shadow.model_version, shadow.holder):
            raise NoIndexForShadowError(collection.name, shadow.model_version)

    async def _end(self, shadow: Shadow) -> None:
        """The document goes last: whoever dies before can be asked again."""
        await self._holds.release(shadow.holder)
        await self._shadows.remove(shadow)
