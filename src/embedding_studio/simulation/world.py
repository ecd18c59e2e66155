"""Worlds with planted truth: items, what people ask of them and want; and perhaps a day on which that changes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from embedding_studio.kernel.errors import InvalidError, NotFoundError
from embedding_studio.simulation.client import Item
from embedding_studio.simulation.judged import JudgedSet
from embedding_studio.simulation.questions import Gains

__all__ = ["JudgedQuery", "Truth", "World", "read_world"]


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query of a judged set; its grades, divided by the highest of the set, are the gains."""

    text: str
    gains: Gains


@dataclass(frozen=True, slots=True)
class Truth:
    """What people want at one time.

    Attributes:
        asked: Queries that people ask, the most popular first.
        never_asked: Others, that nobody asks.
    """

    asked: Sequence[JudgedQuery]
    never_asked: Sequence[JudgedQuery]

    @property
    def queries(self) -> Sequence[JudgedQuery]:
        """All of them."""
        return [*self.asked, *self.never_asked]

    def drifted(self, chance: random.Random) -> "Truth":
        """The same queries after a change of taste: each query's gains change places among its judged items."""
        return Truth(*([_permuted(one, chance) for one in part] for part in (self.asked, self.never_asked)))


@dataclass(frozen=True, slots=True)
class World:
    """Items and truth.

    Attributes:
        items: As the API takes them.
        drift_day: The first day of the later truth; None: the truth stays.
    """

    items: Sequence[Item]
    truth: Truth
    later: Truth
    drift_day: int | None = None

    def on(self, day: int) -> Truth:
        """What people want on a day."""
        return self.truth if self.drift_day is None or day < self.drift_day else self.later


def read_world(folder: Path, *, seed: int, never_asked: float = 0.0, drift_day: int | None = None) -> World:
    """Make a world of a judged set: `items.jsonl.gz`, `queries.jsonl.gz` and `qrels.tsv` (query, item, grade).

    Args:
        folder: Where they are.
        seed: Decides which queries are popular, which are never asked, and how tastes change.
        never_asked: Share of the queries that nobody asks, at least 0 and below 1.
        drift_day: The day on which tastes change; None: never.

    Raises:
        NotFoundError: A file is missing.
        InvalidError: No query is left that people could ask.
    """
    try:
        judged = JudgedSet.read(folder)
    except FileNotFoundError as error:
        raise NotFoundError(f"{error.filename} is not there") from error
    chance = random.Random(f"world {seed}")  # noqa: S311 -- repeatable on purpose
    highest = max((grade for gains in judged.gains.values() for grade in gains.values()), default=1.0)
    queries = [
        JudgedQuery(text, {item: max(0.0, grade) / highest for item, grade in judged.gains[query].items()})
        for query, text in _distinct(judged)
    ]
    chance.shuffle(queries)
    held_out = round(never_asked * len(queries))
    truth = Truth(queries[held_out:], queries[:held_out])
    if not truth.asked:
        raise InvalidError.at("--never-asked", "leaves no query that people could ask")
    return World(judged.items, truth, truth.drifted(chance) if drift_day is not None else truth, drift_day)


def _distinct(judged: JudgedSet) -> list[tuple[str, str]]:
    """The queries' ids and texts; of two with one text, the first."""
    by_text: dict[str, str] = {}
    for query, text in judged.queries.items():
        by_text.setdefault(text, query)
    return [(query, text) for text, query in by_text.items()]


def _permuted(query: JudgedQuery, chance: random.Random) -> JudgedQuery:
    items = sorted(query.gains)
    gains = chance.sample([query.gains[item] for item in items], len(items))
    return replace(query, gains=dict(zip(items, gains, strict=True)))
