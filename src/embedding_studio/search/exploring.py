"""Showing a first page in another order now and then, and saying how likely each item was at its position."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import SystemRandom

from embedding_studio.search.building import built
from embedding_studio.search.domain import Result, SearchRequest
from embedding_studio.search.planning import Plan

__all__ = ["Explorer"]

_RANDOM = SystemRandom()


class Explorer:
    """Varies the order of results within a first page: what the pages behind it show stays the same."""

    def __init__(self, draw: Callable[[], float] = _RANDOM.random) -> None:
        """`draw` gives numbers that are uniform in [0, 1)."""
        self._draw = draw

    def explore(self, way: Plan, request: SearchRequest, results: Sequence[Result]) -> Sequence[Result]:
        """The results as they are shown, each with its own score.

        Nothing is varied where nobody could learn from it: in listings and sorted searches, on later pages, and in
        searches that are not recorded.
        """
        if way.exploration is None or request.cursor is not None or not request.track:
            return results
        arranged = built(way.exploration)(len(results), self._draw())
        shown = zip(arranged.places, arranged.propensities, strict=True)
        return [
            replace(results[place], position=position, propensity=propensity)
            for position, (place, propensity) in enumerate(shown, 1)
        ]
