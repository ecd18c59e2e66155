"""Parts that vary the order of results now and then, so that clicks tell how good an item is from where it stood."""

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Arrange", "Arrangement", "SwapNeighbours"]

_LARGEST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is shown of a page's results, and how likely that was.

    Attributes:
        places: For each position, from 0, the place that its item has without exploration; a permutation.
        propensities: For each position, the probability that its item is shown there; above 0, at most 1.
    """

    places: tuple[int, ...]
    propensities: tuple[float, ...]


Arrange = Callable[[int, float], Arrangement]
"""From the number of results and a draw, uniform in [0, 1), to the order that is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapNeighbours:
    """In a share of searches, two neighbours among the first results change places; which two, chance decides.

    Of two neighbours that are shown in both orders, the better one is clicked more often wherever it stands (FairPairs:
    Radlinski and Joachims 2006, "Minimally Invasive Randomization for Collecting Unbiased Preferences from
    Clickthrough Logs"). FairPairs tosses a coin for every second pair; here it is one pair of n - 1, so that a search
    loses next to nothing. An item is then shown at each neighbouring place with probability share / (n - 1), and at
    its own with 1 - share · (pairs that it is in) / (n - 1).

    Attributes:
        share: Of searches that are changed, above 0 and at most a half: above that, of two results the worse would
            more often come first.
        depth: Among how many of the first results pairs are drawn, from 2.
    """

    share: float = 0.05
    depth: int = 10

    def __post_init__(self) -> None:
        """Refuse what changes nothing or too much."""
        if not 0 < self.share <= _LARGEST_SHARE:
            raise ValueError(f"share must lie above 0 and be at most {_LARGEST_SHARE}, not {self.share}")
        if self.depth < 2:  # noqa: PLR2004  # a pair
            raise ValueError(f"depth must be at least 2, not {self.depth}")

    def build(self) -> Arrange:
        """The function from number of results and draw to order."""
        return self._arrange

    def _arrange(self, count: int, draw: float) -> Arrangement:
        among = min(count, self.depth)
        each = self.share / max(1, among - 1)
        upper = math.floor(draw / each)
        places = list(range(count))
        if draw < self.share and upper < among - 1:
            places[upper : upper + 2] = upper + 1, upper
        return Arrangement(
            places=tuple(places),
            propensities=tuple(
                each if place != position else 1 - each * _pairs(place, among) for position, place in enumerate(places)
            ),
        )


def _pairs(place: int, among: int) -> int:
    """How many pairs of the first `among` results the one at a place is in."""
    return (0 < place < among) + (place < among - 1)
