"""Team draft: two rankings in one list, each of whose items was picked by one of them."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Pick", "Team", "draft_chances", "team_draft"]

Team = Literal["control", "treatment"]

_FOLLOWED = 256


@dataclass(frozen=True, slots=True)
class Pick:
    """An item, and whose pick it was."""

    item_id: str
    team: Team


def team_draft(control: Sequence[str], treatment: Sequence[str], chance: random.Random) -> list[Pick]:
    """Both rankings' items, each once: in every round each team picks the best that is left to it, in tossed order.

    Radlinski, Kurup & Joachims 2008, "How does clickthrough data reflect retrieval quality?". When one ranking has
    nothing left, the other's rest follows.
    """
    return list(_rounds({"control": iter(control), "treatment": iter(treatment)}, chance))


def _rounds(rankings: dict[Team, Iterator[str]], chance: random.Random) -> Iterator[Pick]:
    taken: set[str] = set()
    while True:
        order: list[Team] = ["control", "treatment"] if chance.random() < 0.5 else ["treatment", "control"]  # noqa: PLR2004
        before = len(taken)
        for team in order:
            item = next((one for one in rankings[team] if one not in taken), None)
            if item is not None:
                taken.add(item)
                yield Pick(item, team)
        if len(taken) == before:
            return


def draft_chances(control: Sequence[str], treatment: Sequence[str], places: int) -> list[dict[str, float]]:
    """For each of the first places of a draft, the probability of each item to come there.

    The tosses are gone through, not drawn: after a round only who was picked matters, and teams that want the same
    item are the only ones whose picks depend on the toss. Of the sets of picks that there may be, the 256 likeliest are
    followed, which are nearly always all.
    """
    chances: list[dict[str, float]] = [defaultdict(float) for _ in range(places)]
    states: dict[frozenset[str], float] = {frozenset(): 1.0}
    while states:
        after: dict[frozenset[str], float] = defaultdict(float)
        for taken, likely in states.items():
            for first, second in ((control, treatment), (treatment, control)):
                picked = _round(first, second, taken)
                for place, item in enumerate(picked, len(taken)):
                    if place < places:
                        chances[place][item] += likely / 2
                if picked and len(taken) + len(picked) < places:
                    after[taken.union(picked)] += likely / 2
        states = _likeliest(after)
    return chances


def _round(first: Sequence[str], second: Sequence[str], taken: frozenset[str]) -> list[str]:
    """What two teams pick when it is their turn."""
    picked: list[str] = []
    for ranking in (first, second):
        item = next((one for one in ranking if one not in taken and one not in picked), None)
        if item is not None:
            picked.append(item)
    return picked


def _likeliest(states: dict[frozenset[str], float]) -> dict[frozenset[str], float]:
    if len(states) <= _FOLLOWED:
        return states
    kept = sorted(states.items(), key=lambda one: -one[1])[:_FOLLOWED]
    share = sum(states.values()) / sum(likely for _, likely in kept)
    return {taken: likely * share for taken, likely in kept}
