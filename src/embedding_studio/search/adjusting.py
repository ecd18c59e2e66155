"""What users chose lately, as a share of scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from embedding_studio.kernel.time import Clock
from embedding_studio.search.asking import Asked, Asking
from embedding_studio.search.domain import Candidate, PageStart, SearchRequest
from embedding_studio.search.fusion import by_score
from embedding_studio.search.planning import Plan
from embedding_studio.search.retrieving import Retriever
from embedding_studio.vector_store import Collection, Hit, Query, Vector

__all__ = ["NOTHING", "Adjuster", "Recalled", "Remembers", "adjusted"]

_UNITED = 50
"""Items that are found because they are remembered, at most: those that gain the most."""


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
    ) -> tuple[int, dict[str, float]]:
        """What items gain after queries near a vector, as of a revision or the last; and the revision."""
        ...


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is remembered of a query.

    Attributes:
        boosts: By item, what is to be added to its score.
        hits: Items that gain, as far as they match, wherever the search itself would find them.
        revision: Of the memory; 0: nothing is remembered.
        at: When it was asked.
    """

    boosts: Mapping[str, float] = field(default_factory=dict)
    hits: Sequence[Hit] = ()
    revision: int = 0
    at: datetime | None = None


NOTHING = Recalled()


class Adjuster:
    """Asks the memory, beside the search itself."""

    def __init__(self, *, remembers: Remembers, asking: Asking, retriever: Retriever, clock: Clock) -> None:
        self._remembers = remembers
        self._asking = asking
        self._retriever = retriever
        self._clock = clock

    def applies(self, way: Plan, request: SearchRequest, start: PageStart) -> bool:
        """Whether the memory has a say: what it did not say on the first page, it does not say on later ones."""
        return (
            way.adjuster is not None
            and way.mode is not None
            and not request.sort
            and request.image is None
            and (request.cursor is None or start.revision > 0)
        )

    async def recall(
        self, collection: Collection, way: Plan, asked: Asked, request: SearchRequest, start: PageStart
    ) -> Recalled:
        """What is remembered of a query, as the first of its pages saw it."""
        if not await self._remembers.may_know(collection):
            return NOTHING
        plain = asked.plain or await self._asking.plain(collection, request, way, start.model_version)
        if plain is None:
            return NOTHING
        at = start.asked_at if start.revision else self._clock()
        revision, boosts = await self._remembers.near(
            collection, plain.space, plain.vector, user_id=request.user_id, at=at, revision=start.revision or None
        )
        if not boosts:
            return NOTHING
        return Recalled(boosts, await self._find(collection, asked.query, boosts), start.revision or revision, at)

    async def _find(self, collection: Collection, query: Query, boosts: Mapping[str, float]) -> list[Hit]:
        gaining = sorted((item for item in boosts if boosts[item] > 0), key=lambda item: (-boosts[item], item))
        allowed = None if query.only is None else set(query.only)
        only = [item for item in gaining[:_UNITED] if allowed is None or item in allowed]
        return await self._retriever.page(collection, replace(query, only=only), limit=len(only)) if only else []


def adjusted(candidates: Sequence[Candidate], boosts: Mapping[str, float]) -> list[Candidate]:
    """The candidates with what they gain, best first."""
    return by_score(
        replace(one, memory=boosts[one.hit.item_id]) if one.hit.item_id in boosts else one for one in candidates
    )
