"""Topics: facts that people ask for together, and the films for which all of them hold."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.facts import Fact
from embedding_studio.demo.people import ACTORS, DIRECTORS
from embedding_studio.demo.places import COUNTRIES
from embedding_studio.demo.vocabulary import ERAS, GENRES, PRIZES

__all__ = ["FEWEST_RELEVANT", "MOST_RELEVANT", "Topic", "find_topics"]

FEWEST_RELEVANT = 10
MOST_RELEVANT = 400

_FAMILIES: tuple[tuple[int, tuple[tuple[Fact, ...], ...]], ...] = (
    (40, (GENRES,)),
    (60, (COUNTRIES,)),
    (30, (ACTORS,)),
    (30, (DIRECTORS,)),
    (300, (ERAS, GENRES)),
    (400, (GENRES, COUNTRIES)),
    (200, (ERAS, COUNTRIES)),
    (60, (GENRES, GENRES)),
    (40, (PRIZES, GENRES)),
    (20, (PRIZES, COUNTRIES)),
    (20, (PRIZES, ERAS)),
    (400, (ERAS, GENRES, COUNTRIES)),
    (60, (GENRES, ACTORS)),
    (20, (GENRES, DIRECTORS)),
    (60, (ERAS, ACTORS)),
)
"""At most how many topics of a kind, and which facts make one, in the order of their words before the noun."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Facts asked for together.

    Attributes:
        facts: One to three, in the order of their words before the noun.
        relevant: Ids of the films for which all of them hold, `FEWEST_RELEVANT` to `MOST_RELEVANT` of them.
    """

    facts: tuple[Fact, ...]
    relevant: frozenset[str]

    @property
    def key(self) -> tuple[str, ...]:
        """The keys of the facts."""
        return tuple(fact.key for fact in self.facts)


def find_topics(films: Sequence[Film], seed: int) -> list[Topic]:
    """The topics of a catalog in random order; none names a fact that leaves its relevant films the same."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable on purpose
    relevant = _relevant_by_fact(films)
    topics: list[Topic] = []
    for at_most, parts in _FAMILIES:
        family = list(_family(parts, relevant))
        topics += chance.sample(family, min(at_most, len(family)))
    chance.shuffle(topics)
    return topics


def _relevant_by_fact(films: Sequence[Film]) -> dict[str, frozenset[str]]:
    facts = {fact for _, parts in _FAMILIES for part in parts for fact in part}
    return {fact.key: frozenset(film.id for film in films if fact.holds(film)) for fact in facts}


def _family(parts: tuple[tuple[Fact, ...], ...], relevant: dict[str, frozenset[str]]) -> Iterator[Topic]:
    seen = set(relevant.values()) if len(parts) > 1 else set()
    for facts in product(*parts):
        found = frozenset.intersection(*(relevant[fact.key] for fact in facts))
        if FEWEST_RELEVANT <= len(found) <= MOST_RELEVANT and found not in seen:
            seen.add(found)
            yield Topic(facts, found)
