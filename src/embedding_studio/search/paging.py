"""Pages of a ranked search: slices of its window, then what comes behind it."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from embedding_studio.experiments import Variant
from embedding_studio.search.adjusting import Adjuster, Recalled
from embedding_studio.search.domain import Candidate, PageStart, SearchRequest
from embedding_studio.search.metrics import stage
from embedding_studio.search.retrieving import Retriever
from embedding_studio.search.seeking import Sought
from embedding_studio.search.together import together
from embedding_studio.search.window import Window, Windows, unfused
from embedding_studio.vector_store import Collection, Hit, ItemStore, Query, Total, Vector

__all__ = ["Page", "Pager", "following"]

_Recalling = Coroutine[Any, Any, Recalled]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page shows.

    Attributes:
        total: How many items match in all.
        following: Where the next page starts, if there may be one: of a draft, in either ranking.
        teams: Of a draft, the team of each item that was picked.
        propensities: Of a draft, the probability of each item to be shown where it is; of others, 1.
    """

    candidates: Sequence[Candidate]
    total: Total
    following: tuple[PageStart, ...]
    teams: Mapping[str, Variant] = field(default_factory=dict)
    propensities: Mapping[str, float] = field(default_factory=dict)


class Pager:
    """Makes the same window for each page, and takes its slice."""

    def __init__(self, *, retriever: Retriever, windows: Windows, adjuster: Adjuster, items: ItemStore) -> None:
        self._retriever = retriever
        self._windows = windows
        self._adjuster = adjuster
        self._items = items

    async def page(self, sought: Sought) -> Page:
        """The page that starts where it is sought."""
        recalling = await self.recalling(sought)
        if sought.start.window:
            return await self._page_of_window(sought, recalling)
        query, request = sought.asked.query, sought.request
        exact = self._exact(sought.collection, replace(query, after=sought.start.after), query, limit=request.limit)
        (hits, total), recalled = await together(exact, recalling) if recalling else (await exact, None)
        if recalled is not None and recalled.known:
            deeper = replace(sought, start=replace(sought.start, window=request.limit))
            return await self._page_of_window(deeper, _at_hand(recalled))
        candidates = [unfused(hit, sought.way.mode, sought.collection.metric) for hit in hits]
        return Page(candidates, total, following(sought.start, candidates, request.limit))

    async def _exact(self, collection: Collection, page: Query, whole: Query, *, limit: int) -> tuple[list[Hit], Total]:
        """A page in exact order, and how many match over all pages."""
        with stage("retrieve"):
            return await together(
                self._retriever.page(collection, page, limit=limit), self._retriever.total(collection, whole)
            )

    async def open(self, sought: Sought, recalling: _Recalling | None) -> tuple[Window, PageStart]:
        """The window, and the start of its pages as the memory leaves it."""
        window = await self._windows.open(
            sought.collection, sought.way, sought.asked, depth=sought.start.window, recalling=recalling
        )
        return window, _remembering(sought.start, window, sought.request)

    async def behind(self, sought: Sought, window: Window, *, shown: Sequence[str], limit: int) -> list[Candidate]:
        """What comes behind a window, in exact order, from the place where it is sought; without what was shown."""
        query = replace(sought.asked.query, excluded=[*sought.asked.query.excluded, *shown], after=sought.start.after)
        with stage("retrieve"):
            hits = await self._retriever.page(sought.collection, query, limit=limit)
        return [window.behind(hit, sought.way.mode, sought.collection.metric) for hit in hits]

    async def with_payloads(self, collection: Collection, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates of a page with their payloads; items that were deleted meanwhile are left out."""
        with stage("hydrate"):
            payloads = await self._items.payloads(collection, [one.hit.item_id for one in candidates])
        return [
            replace(one, hit=replace(one.hit, payload=payloads[one.hit.item_id]))
            for one in candidates
            if one.hit.item_id in payloads
        ]

    async def vectors(self, collection: Collection, candidates: Sequence[Candidate]) -> dict[str, Vector]:
        """The vector of the best part of each item."""
        parts = [(one.hit.item_id, one.hit.part_no) for one in candidates]
        return {item_id: vector for (item_id, _), vector in (await self._items.part_vectors(collection, parts)).items()}

    async def recalling(self, sought: Sought) -> _Recalling | None:
        """What asks the memory, if it has a say."""
        place = sought.collection, sought.way
        if await self._adjuster.applies(*place, sought.request, sought.start):
            return self._adjuster.recall(*place, sought.asked, sought.request, sought.start)
        return None

    async def _page_of_window(self, sought: Sought, recalling: _Recalling | None) -> Page:
        """A page from the window, and from what comes behind it."""
        limit = sought.request.limit
        window, start = await self.open(sought, recalling)
        head = window.candidates[start.shown : start.shown + limit]
        if len(head) == limit or window.is_all:
            shown = start.shown + len(head)
            more = len(head) == limit and (shown < len(window.candidates) or not window.is_all)
            then = replace(start, shown=shown)
            return Page(await self._shown(sought, window, head), window.total, (then,) if more else ())
        in_window = [one.hit.item_id for one in window.candidates]
        rest = await self.behind(sought, window, shown=in_window, limit=limit - len(head))
        candidates = [*head, *rest]
        shown_now = await self._shown(sought, window, candidates)
        return Page(shown_now, window.total, following(start, candidates, limit))

    async def _shown(self, sought: Sought, window: Window, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return candidates if window.has_payloads else await self.with_payloads(sought.collection, candidates)


def following(start: PageStart, candidates: Sequence[Candidate], limit: int) -> tuple[PageStart, ...]:
    """The start of the page behind these candidates; nothing, if they are the last."""
    if len(candidates) < limit:
        return ()
    last = candidates[-1].hit
    return (replace(start, shown=start.shown + limit, after=(last.keys, last.distance, last.item_id)),)


async def _at_hand(recalled: Recalled) -> Recalled:
    return recalled


def _remembering(start: PageStart, window: Window, request: SearchRequest) -> PageStart:
    """The start of the pages of a window, if memory has a say in it; otherwise all is as if there were none."""
    recalled = window.recalled
    if start.revision or not recalled.revision or recalled.at is None:
        return start
    return replace(start, window=window.depth).remembering(recalled.revision, recalled.at, request.user_id)
