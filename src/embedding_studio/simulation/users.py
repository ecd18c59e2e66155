"""Simulated users: what they ask, what they look at, what they click."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from typing import Generic, TypeVar

from embedding_studio.simulation.questions import Question

__all__ = ["UserModel", "Visit", "plan_day", "shuffle_clicks", "spread_clicks"]

_BOTS = 3
_DIGEST_BYTES = 8

Q = TypeVar("Q", bound=Question)
Clicks = tuple[int, ...]
"""Positions from 1."""


@dataclass(frozen=True, slots=True)
class UserModel:
    """The position-based click model: a click needs a look, and looks get rarer down the list (Craswell et al. 2008).

    Attributes:
        shown: Results a user asks for.
        examination: Exponent η: the result at position k is looked at with probability 1 / k^η.
        click_relevant: Probability of a click on a fully relevant item that was looked at.
        click_other: The same for an irrelevant item: the noise. What is worth g in between lies linearly in between.
        people: How many users there are.
        popularity: Exponent of the Zipf law by which queries are asked.
        taste: How far tastes differ: to a user an item is worth 1 - taste·u of what it is worth to others, with a u in
            0..1 for each pair of user and item.
    """

    shown: int = 20
    examination: float = 0.7
    click_relevant: float = 0.7
    click_other: float = 0.1
    people: int = 600
    popularity: float = 1.0
    taste: float = 0.0

    def clicks(self, gains: Sequence[float], chance: random.Random) -> Clicks:
        """The positions, from 1, that one user clicks.

        Args:
            gains: What each result is worth to the user, 0..1, from the top.
            chance: The source of randomness.
        """
        return tuple(
            position
            for position, gain in enumerate(gains, start=1)
            if chance.random() < self._attraction(gain) / position**self.examination
        )

    def worth(self, user_id: str, item_id: str, gain: float) -> float:
        """What an item is worth to a user."""
        return gain * (1 - self.taste * _fixed_chance(f"{user_id}\n{item_id}")) if self.taste else gain

    def _attraction(self, gain: float) -> float:
        return self.click_other + (self.click_relevant - self.click_other) * gain


@dataclass(frozen=True, slots=True)
class Visit(Generic[Q]):
    """One user about to ask one query; a bot clicks on all that it is shown."""

    query: Q
    user_id: str
    is_bot: bool = False


def plan_day(
    queries: Sequence[Q], visits: int, model: UserModel, chance: random.Random, *, bots: float = 0.0
) -> list[Visit[Q]]:
    """Who asks what on one day: users at random, earlier queries more often than later ones.

    Args:
        queries: The most popular first.
        visits: How many.
        model: Of the users.
        chance: The source of randomness.
        bots: Share of the visits that are of bots, 0..1.
    """
    popularity = list(accumulate(rank**-model.popularity for rank in range(1, len(queries) + 1)))
    asked = chance.choices(queries, cum_weights=popularity, k=visits)
    planned = [Visit(query, f"user-{chance.randrange(model.people)}") for query in asked]
    for number in chance.sample(range(visits), round(bots * visits)) if bots else ():
        planned[number] = Visit(planned[number].query, f"bot-{number % _BOTS}", is_bot=True)
    return planned


def shuffle_clicks(clicks: Sequence[Clicks], chance: random.Random) -> list[Clicks]:
    """Give every session the clicked positions of another one: as many clicks as before, at the same positions.

    What is clicked then still depends on the position, but no longer on the query: nothing can be learnt from it.
    """
    return chance.sample(clicks, len(clicks))


def spread_clicks(clicks: Sequence[Clicks], shown: Sequence[int], chance: random.Random) -> list[Clicks]:
    """Give every session as many clicks as before at random positions among those shown: they say nothing at all."""
    return [
        tuple(sorted(chance.sample(range(1, count + 1), min(len(clicked), count))))
        for clicked, count in zip(clicks, shown, strict=True)
    ]


def _fixed_chance(key: str) -> float:
    """A number that is uniform in 0..1 over keys, and always the same for one."""
    digest = blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big") / float(2 ** (8 * _DIGEST_BYTES))
