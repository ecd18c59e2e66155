"""Team draft: two rankings in one list, each of whose items was picked by one of them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Pick", "Team", "team_draft"]

Team = Literal["control", "treatment"]


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
