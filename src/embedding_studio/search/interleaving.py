"""Pages of two rankings at once, which draft items like teams."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from embedding_studio.experiments import Pick, draft_chances, team_draft
from embedding_studio.search.domain import Candidate, PageStart
from embedding_studio.search.paging import Page, Pager, following
from embedding_studio.search.participating import Part
from embedding_studio.search.seeking import Seeker, Sought
from embedding_studio.search.together import together
from embedding_studio.search.window import Window

__all__ = ["Interleaver"]

_TOLD = 100


@dataclass(frozen=True, slots=True)
class _Side:
    """One ranking of a draft."""

    sought: Sought
    window: Window
    start: PageStart

    @property
    def ids(self) -> list[str]:
        return [one.hit.item_id for one in self.window.candidates]


class Interleaver:
    """Drafts the windows of both arms; behind what was drafted, the control's own ranking goes on."""

    def __init__(self, *, seeker: Seeker, pager: Pager) -> None:
        self._seeker = seeker
        self._pager = pager

    async def page(self, control: Sought, part: Part) -> Page:
        """The page that starts where it is sought.

        Each page drafts the same windows with the same seed, so that pages agree.
        """
        ours, theirs = await together(self._side(control), self._of_treatment(part))
        picks = team_draft(ours.ids, theirs.ids, random.Random(part.seed))  # noqa: S311  # it hides nothing
        limit, shown = control.request.limit, ours.start.shown
        page = picks[shown : shown + limit]
        candidates = _candidates(page, ours, theirs)
        if len(page) == limit or ours.window.is_all:
            more = len(page) == limit and (shown + limit < len(picks) or not ours.window.is_all)
            start = [replace(ours.start, shown=shown + limit)] if more else []
        else:
            drafted = [pick.item_id for pick in picks]
            candidates += await self._pager.behind(control, ours.window, shown=drafted, limit=limit - len(page))
            start = [*following(ours.start, candidates, limit)]
        return Page(
            candidates=await self._pager.with_payloads(control.collection, candidates),
            total=ours.window.total,
            following=(*start, theirs.start) if start else (),
            teams={pick.item_id: pick.team for pick in page},
            propensities=_propensities(page, ours, theirs, shown),
        )

    async def _of_treatment(self, part: Part) -> _Side:
        return await self._side(await self._seeker.sought(*part.of_treatment))

    async def _side(self, sought: Sought) -> _Side:
        start = sought.start
        if sought.request.cursor is None:
            start = replace(start, window=max(sought.request.limit, sought.way.depth))
        sought = replace(sought, start=start)
        window, start = await self._pager.open(sought, await self._pager.recalling(sought))
        return _Side(sought, window, start)


def _propensities(page: Sequence[Pick], control: _Side, treatment: _Side, shown: int) -> dict[str, float]:
    """Of the items of a page to be at their places; far behind, where nobody looks, they are not told."""
    last = shown + len(page)
    if last > _TOLD:
        return {}
    chances = draft_chances(control.ids, treatment.ids, last)[shown:]
    return {pick.item_id: min(1.0, of_place[pick.item_id]) for pick, of_place in zip(page, chances, strict=True)}


def _candidates(picks: Sequence[Pick], control: _Side, treatment: _Side) -> list[Candidate]:
    """What was picked, each as its own team ranked it."""
    ranked = {
        "control": {one.hit.item_id: one for one in control.window.candidates},
        "treatment": {one.hit.item_id: one for one in treatment.window.candidates},
    }
    return [ranked[pick.team][pick.item_id] for pick in picks]
