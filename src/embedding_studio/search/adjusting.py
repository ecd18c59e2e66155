"""What users chose lately, as a share of scores."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from embedding_studio.kernel.time import Clock
from embedding_studio.sdk import Gains
from embedding_studio.search.asking import Asked, Asking
from embedding_studio.search.domain import Candidate, PageStart, SearchRequest
from embedding_studio.search.fusion import by_score
from embedding_studio.search.planning import Plan
from embedding_studio.vector_store import Collection, Vector

__all__ = ["NOTHING", "Adjuster", "Recalled", "Remembers", "adjusted"]


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
    ) -> tuple[int, dict[str, Gains]]:
        """What items gain after queries near a vector, as of a revision or the last; and the revision."""
        ...


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is remembered of a query.

    Attributes:
        gains: By item, what is to be added to its score.
        revision: Of the memory; 0: nothing is remembered.
        at: When it was asked.
    """

    gains: Mapping[str, Gains] = field(default_factory=dict)
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
        plain = asked.plain or await self._asking.plain(collection, request, way, start.model_version)
        if plain is None:
            return NOTHING
        at = start.asked_at if start.revision else self._clock()
        revision, gains = await self._remembers.near(
            collection, plain.space, plain.vector, user_id=request.user_id, at=at, revision=start.revision or None
        )
        return Recalled(gains, start.revision or revision, at) if gains else NOTHING


def adjusted(candidates: Sequence[Candidate], gains: Mapping[str, Gains], *, places: int | None) -> list[Candidate]:
    """The candidates with what they gain, best first.

    No voice moves an item by more than `places` among the candidates as they come: one that would go further gains
    what takes it there.

    Args:
        candidates: Best first.
        gains: By item.
        places: At least 1; None: as many as it comes to.
    """
    scores = [-one.score for one in candidates]
    return by_score(
        replace(one, memory=_share(scores, rank, gains[one.hit.item_id], places)) if one.hit.item_id in gains else one
        for rank, one in enumerate(candidates)
    )


def _share(scores: Sequence[float], rank: int, gains: Gains, places: int | None) -> float:
    """What the candidate of a rank gains; `scores` are those of all with their signs turned, so that they rise."""
    if places is None or len(gains) == 1:
        return gains[-1]
    own = scores[rank]
    others = [*scores[:rank], *scores[rank + 1 :]]
    wanted = [bisect_left(others, own - gain) for gain in gains]
    place = wanted[0]
    for one in wanted[1:]:
        place = min(max(one, place - places), place + places)
    if place == wanted[-1]:
        return gains[-1]
    return min(max(gains), max(min(gains), own - _between(others, place)))


def _between(others: Sequence[float], place: int) -> float:
    """The middle between two neighbours, or what stands at an end."""
    around = others[max(0, place - 1) : place + 1]
    return sum(around) / len(around)
