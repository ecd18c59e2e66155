"""Simulated users: what they ask, what they look at, what they click."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from embedding_studio.demo.queries import Query

__all__ = ["UserModel", "Visit", "plan_day", "shuffle_clicks"]


@dataclass(frozen=True, slots=True)
class UserModel:
    """The position-based click model: a click needs a look, and looks get rarer down the list (Craswell et al. 2008).

    Attributes:
        shown: Results a user asks for.
        examination: Exponent η: the result at position k is looked at with probability 1 / k^η.
        click_relevant: Probability of a click on a relevant film that was looked at.
        click_other: The same for any other film: the noise.
        people: How many users there are.
        popularity: Exponent of the Zipf law by which queries are asked.
    """

    shown: int = 20
    examination: float = 0.4
    click_relevant: float = 0.8
    click_other: float = 0.03
    people: int = 600
    popularity: float = 0.3

    def clicks(self, relevant: Sequence[bool], chance: random.Random) -> tuple[int, ...]:
        """The positions, from 1, that one user clicks.

        Args:
            relevant: Of each result from the top, whether it is relevant.
            chance: The source of randomness.
        """
        return tuple(
            position
            for position, good in enumerate(relevant, start=1)
            if chance.random() < (self.click_relevant if good else self.click_other) / position**self.examination
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """One user about to ask one query."""

    query: Query
    user_id: str


def plan_day(queries: Sequence[Query], visits: int, model: UserModel, chance: random.Random) -> list[Visit]:
    """Who asks what on one day: users at random, earlier queries more often than later ones."""
    popularity = list(accumulate(rank**-model.popularity for rank in range(1, len(queries) + 1)))
    asked = chance.choices(queries, cum_weights=popularity, k=visits)
    return [Visit(query, f"user-{chance.randrange(model.people)}") for query in asked]


def shuffle_clicks(clicks: Sequence[tuple[int, ...]], chance: random.Random) -> list[tuple[int, ...]]:
    """Give every session the clicked positions of another one: as many clicks as before, at the same positions.

    What is clicked then still depends on the position, but no longer on the query: nothing can be learnt from it.
    """
    return chance.sample(clicks, len(clicks))
