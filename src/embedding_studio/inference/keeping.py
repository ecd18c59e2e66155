"""Keeping Triton in step with what is served, whatever was killed or forgotten in between."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from embedding_studio.inference.encoders import Encoders
from embedding_studio.inference.repository import ModelRepository
from embedding_studio.kernel.errors import InvalidError, UnavailableError
from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import EncoderSource
from embedding_studio.vector_store import IndexVersions

if TYPE_CHECKING:
    from embedding_studio.inference.triton import TritonModels

__all__ = ["ModelKeeper", "VersionsAtHand"]

logger = logging.getLogger(__name__)

VersionsAtHand = Callable[[], Awaitable[Iterable[tuple[int, int]]]]
"""Model versions that must be able to serve, each by its collection's id and its number."""


class ModelKeeper:
    """Has Triton hold the encoders that serve, or that a deployment or a rollback would serve, and no others of ours.

    A Triton that comes back empty is filled again; what a deployment that never came about left is taken out. What was
    trained last is loaded ahead, so that its deployment need not wait for Triton.
    """

    def __init__(
        self,
        *,
        triton: "TritonModels",
        encoders: Encoders,
        plugins: Sequence[EncoderSource],
        versions: IndexVersions,
        at_hand: Sequence[VersionsAtHand],
        models: ModelRepository,
        clock: Clock,
        retire_after: timedelta,
    ) -> None:
        """Keep Triton.

        Args:
            triton: The models in it.
            encoders: Bring them there.
            plugins: The encoders that plugins name: collections may be made with them at any time.
            versions: Know what the vectors of indexes come from.
            at_hand: Say which model versions are served, or may be any moment.
            models: Knows what versions need.
            clock: Tells the time.
            retire_after: So long a model stays that nobody needs: a deployment may be about to need it.
        """
        self._triton = triton
        self._encoders = encoders
        self._plugins = plugins
        self._versions = versions
        self._at_hand = at_hand
        self._models = models
        self._clock = clock
        self._retire_after = retire_after
        self._unneeded_since: dict[str, datetime] = {}

    async def tidy(self) -> None:
        """Load what is missing, retire what nobody needs.

        Raises:
            UnavailableError: Triton does not answer.
        """
        await self._triton.is_live()
        needed = await self._needed()
        for source in needed:
            try:
                await self._encoders.make_ready(source)
            except (UnavailableError, InvalidError, OSError) as error:  # a full disk spares the others
                logger.warning("Triton lacks the encoder %s: %s", source.model, error)
        await self._retire_all_but({source.key for source in needed})

    async def _needed(self) -> list[EncoderSource]:
        indexes = await self._versions.live_encoders()
        at_hand = [version for versions in self._at_hand for version in await versions()]
        queries = await self._models.query_encoders(set(at_hand))
        return list(dict.fromkeys([*self._plugins, *indexes, *queries]))

    async def _retire_all_but(self, needed: set[str]) -> None:
        moment = self._clock()
        unneeded = await self._triton.keys() - needed
        self._unneeded_since = {key: self._unneeded_since.get(key, moment) for key in unneeded}
        due = {key for key, since in self._unneeded_since.items() if moment - since >= self._retire_after}
        await self._triton.retire(due)
