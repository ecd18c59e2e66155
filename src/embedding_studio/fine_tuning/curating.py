"""The curated set: judgments by hand, which no training and no click can overrule."""

from collections.abc import Sequence
from dataclasses import dataclass

from embedding_studio.fine_tuning.clicks import normalize_query
from embedding_studio.fine_tuning.judgments import Pair
from embedding_studio.fine_tuning.models import Curated
from embedding_studio.fine_tuning.repository import CuratedRepository
from embedding_studio.kernel.errors import InvalidError, TooLargeError
from embedding_studio.kernel.time import Clock
from embedding_studio.vector_store import CollectionService

__all__ = ["CuratingService", "Curation", "EditorsJudgment"]

_MOST = 100_000
"""Judgments of a collection: a fine-tuning reads them all."""


@dataclass(frozen=True, slots=True)
class EditorsJudgment:
    """What an item is worth as the answer to a query.

    Attributes:
        query: With a letter or a digit in it.
        item_id: The item, which need not be in the index yet.
        gain: From -1, which must not come, to 1, which must.
    """

    query: str
    item_id: str
    gain: float

    @property
    def pair(self) -> Pair:
        """The normalised query and the item."""
        return normalize_query(self.query), self.item_id


@dataclass(frozen=True, slots=True)
class Curation:
    """How many pairs were new, are judged otherwise than before, and are judged as before."""

    added: int
    changed: int
    unchanged: int


class CuratingService:
    """Keeps what editors decide."""

    def __init__(self, *, collections: CollectionService, curated: CuratedRepository, clock: Clock) -> None:
        self._collections = collections
        self._curated = curated
        self._clock = clock

    async def put(self, name: str, judgments: Sequence[EditorsJudgment]) -> Curation:
        """Write judgments, at least one; what is judged as before stays as it is, its time too.

        Raises:
            CollectionNotFoundError: There is no such collection.
            InvalidError: A pair is there twice.
            TooLargeError: The collection has so many that these would be too many.
        """
        await self._collections.current(name)
        _refuse_twice(judgments)
        known = await self._curated.of_pairs(name, {one.pair for one in judgments})
        new = [one for one in judgments if one.pair not in known]
        others = [one for one in judgments if one.pair in known and _differs(one, known[one.pair])]
        if new and await self._curated.count(name) + len(new) > _MOST:
            raise TooLargeError(f"a collection has at most {_MOST:,} judgments of editors")
        written = [(one.pair, one.query, one.gain) for one in (*new, *others)]
        await self._curated.put(name, written, self._clock())
        return Curation(len(new), len(others), len(judgments) - len(written))

    async def page(self, name: str, *, query: str | None, item_id: str | None, after: str, limit: int) -> list[Curated]:
        """Judgments in the order in which they were first written, from the one after the id `after`.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        await self._collections.current(name)
        return await self._curated.page(name, group=_group(query), item_id=item_id, after=after, limit=limit)

    async def delete(self, name: str, *, query: str | None, item_id: str | None) -> None:
        """Take back the judgments of a query, of an item, or of both; all of them, if neither is given.

        Raises:
            CollectionNotFoundError: There is no such collection.
        """
        await self._collections.current(name)
        await self._curated.delete(name, group=_group(query), item_id=item_id)


def _refuse_twice(judgments: Sequence[EditorsJudgment]) -> None:
    seen: set[Pair] = set()
    for index, one in enumerate(judgments):
        if one.pair in seen:
            raise InvalidError.at(f"judgments[{index}]", f"{one.query!r} and {one.item_id!r} stand there already")
        seen.add(one.pair)


def _differs(one: EditorsJudgment, known: Curated) -> bool:
    return (one.query, one.gain) != (known.query, known.gain)


def _group(query: str | None) -> str | None:
    return None if query is None else normalize_query(query)
