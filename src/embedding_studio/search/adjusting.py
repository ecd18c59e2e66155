"""What users chose lately, as a share of scores."""

import logging
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from embedding_studio.kernel.errors import UnavailableError
from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import ClickMemory, Remembered
from embedding_studio.search.asking import Asked, Asking, Plain
from embedding_studio.search.domain import Candidate, PageStart, SearchRequest
from embedding_studio.search.fusion import by_score
from embedding_studio.search.metrics import stage
from embedding_studio.search.planning import Plan
from embedding_studio.vector_store import Collection, Vector

__all__ = ["NOTHING", "Adjuster", "Recalled", "Remembers", "adjusted"]


logger = logging.getLogger(__name__)


class Remembers(Protocol):
    """What knows what users chose."""

    async def may_know(self, collection: Collection) -> bool:
        """Whether it knows anything of a collection."""
        ...

    async def near(
        self,
        collection: Collection,
        space: str,
        vector: Vector,
        *,
        user_id: str | None,
        at: datetime,
        revision: int | None = None,
    ) -> tuple[int, dict[str, Remembered]]:
        """What is known of items after queries near a vector, as of a revision or the last; and the revision."""
        ...


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is remembered of a query.

    Attributes:
        known: By item, what changes its score.
        revision: Of the memory; 0: nothing is remembered.
        at: When it was asked.
    """

    known: Mapping[str, Remembered] = field(default_factory=dict)
    revision: int = 0
    at: datetime | None = None


NOTHING = Recalled()


class Adjuster:
    """Asks the memory, beside the search itself."""

    def __init__(self, *, remembers: Remembers, asking: Asking, clock: Clock) -> None:
        self._remembers = remembers
        self._asking = asking
        self._clock = clock

    async def applies(self, collection: Collection, way: Plan, request: SearchRequest, start: PageStart) -> bool:
        """Whether the memory has a say: what it did not say on the first page, it does not say on later ones."""
        return (
            way.adjuster is not None
            and way.mode is not None
            and not request.sort
            and request.image is None
            and (request.cursor is None or start.revision > 0)
            and await self._remembers.may_know(collection)
        )

    async def recall(
        self, collection: Collection, way: Plan, asked: Asked, request: SearchRequest, start: PageStart
    ) -> Recalled:
        """What is remembered of a query, as the first of its pages saw it."""
        with stage("memory"):
            return await self._recall(collection, way, asked, request, start)

    async def _recall(
        self, collection: Collection, way: Plan, asked: Asked, request: SearchRequest, start: PageStart
    ) -> Recalled:
        plain = asked.plain or await self._plain(collection, way, request, start)
        if plain is None:
            return NOTHING
        at = start.asked_at if start.revision else self._clock()
        revision, known = await self._remembers.near(
            collection, plain.space, plain.vector, user_id=request.user_id, at=at, revision=start.revision or None
        )
        return Recalled(known, start.revision or revision, at) if known else NOTHING

    async def _plain(self, collection: Collection, way: Plan, request: SearchRequest, start: PageStart) -> Plain | None:
        """The vector of a query that is searched for by its words: without an encoder, these go on alone.

        Raises:
            UnavailableError: The encoder does not answer, and the pages before this one had what is remembered.
        """
        try:
            return await self._asking.plain(collection, request, way, start.model_version)
        except (UnavailableError, TimeoutError) as error:
            if start.revision:
                raise
            logger.warning("a search of %r goes without memory: %s", collection.name, error)
            return None


def adjusted(
    candidates: Sequence[Candidate], known: Mapping[str, Remembered], adjuster: ClickMemory
) -> list[Candidate]:
    """The candidates with what they gain, best first.

    No voice moves an item by more than the adjuster's `places` among the candidates as they come: one that would go
    further gains what takes it there.

    Args:
        candidates: Best first.
        known: Of items.
        adjuster: What it comes to.
    """
    scores = [-one.score for one in candidates]
    return by_score(
        replace(one, memory=_share(scores, rank, known[one.hit.item_id], adjuster)) if one.hit.item_id in known else one
        for rank, one in enumerate(candidates)
    )


def _share(scores: Sequence[float], rank: int, remembered: Remembered, adjuster: ClickMemory) -> float:
    """What the candidate of a rank gains; `scores` are those of all with their signs turned, so that they rise."""
    own, gain, places = scores[rank], adjuster.gain(remembered), adjuster.places

    def place_with(gained: float) -> int:
        return bisect_left(scores, own - gained) - (gained < 0)

    if places is None or not remembered.voices:
        return gain
    wanted, alone = place_with(gain), place_with(adjuster.boost(remembered.own_up, remembered.own_down))
    if abs(wanted - alone) <= places:
        return gain
    gains = adjuster.gains(remembered)
    place = place_with(gains[0])
    for heard in gains[1:]:
        place = min(max(place_with(heard), place - places), place + places)
    if place == wanted:
        return gain
    others = [*scores[:rank], *scores[rank + 1 :]]
    return min(max(gains), max(min(gains), own - _between(others, place)))


def _between(others: Sequence[float], place: int) -> float:
    """The middle between two neighbours, or what stands at an end."""
    around = others[max(0, place - 1) : place + 1]
    return sum(around) / len(around)
