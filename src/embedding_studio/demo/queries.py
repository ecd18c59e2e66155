"""Queries in people's words, each with the films that the facts make relevant."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from embedding_studio.demo.catalog import Film
from embedding_studio.demo.facts import Fact, Word
from embedding_studio.demo.topics import Topic, find_topics
from embedding_studio.demo.vocabulary import NOUNS

__all__ = ["Query", "compose_queries"]

_CLICKED = 1_150
_NEVER_CLICKED = 400
_NEVER_CLICKED_TOPICS = 0.26
_HELD_OUT_EVERY = 3
_PHRASINGS = 4
_SEED = 20


@dataclass(frozen=True, slots=True)
class Query:
    """One thing people ask for.

    Attributes:
        text: As people would type it; distinct among all queries.
        topic: Keys of the facts asked for. No topic has both clicked and never-clicked queries.
        relevant: Ids of the films for which all these facts hold.
        clicked: Whether simulated users ask it, and so may click.
        held_out: Whether it uses a word that no clicked query uses.
    """

    text: str
    topic: tuple[str, ...]
    relevant: frozenset[str]
    clicked: bool
    held_out: bool

    @property
    def gains(self) -> dict[str, float]:
        """What the relevant films are worth: all the same."""
        return dict.fromkeys(self.relevant, 1.0)


def compose_queries(films: Sequence[Film]) -> list[Query]:
    """All queries that a catalog can answer, the clicked ones first; the same catalog gives the same queries.

    The whole catalog gives 1,150 clicked and 400 never-clicked queries, every third of the latter with a held-out word.
    """
    topics = find_topics(films, _SEED)
    never_clicked = round(_NEVER_CLICKED_TOPICS * len(topics))
    return [
        *_phrased(topics[never_clicked:], _CLICKED, clicked=True),
        *_phrased(topics[:never_clicked], _NEVER_CLICKED, clicked=False),
    ]


def _phrased(topics: Sequence[Topic], at_most: int, *, clicked: bool) -> list[Query]:
    chance = random.Random(_SEED + clicked)  # noqa: S311 -- repeatable on purpose
    queries: dict[str, Query] = {}
    for turn, topic in enumerate(islice(cycle(topics), len(topics) * _PHRASINGS)):
        held_out = not clicked and turn % _HELD_OUT_EVERY == 0
        words = _words(chance, topic.facts, held_out=held_out)
        text = _sentence(words, chance.choice(NOUNS).text)
        new = Query(text, topic.key, topic.relevant, clicked, any(word.held_out for word in words))
        queries.setdefault(text, new)
        if len(queries) == at_most:
            break
    return list(queries.values())


def _words(chance: random.Random, facts: tuple[Fact, ...], *, held_out: bool) -> list[Word]:
    """One word for every fact, at most one of them a noun; one is held out where that is asked for and possible."""
    novel = [fact for fact in facts if any(word.held_out for word in fact.words)]
    chosen = chance.choice(novel) if held_out and novel else None
    words: dict[str, Word] = {}
    for fact in sorted(facts, key=lambda fact: fact is not chosen):
        familiar = [word for word in fact.words if word.held_out == (fact is chosen)]
        taken = list(words.values())
        words[fact.key] = chance.choice([word for word in familiar if _fits(word, taken, alone=len(facts) == 1)])
    return [words[fact.key] for fact in facts]


def _fits(word: Word, words: Sequence[Word], *, alone: bool) -> bool:
    if word.place == "whole":
        return alone
    return word.place != "noun" or all(other.place != "noun" for other in words)


def _sentence(words: Sequence[Word], noun: str) -> str:
    before, nouns, after, whole = (
        [word.text for word in words if word.place == place] for place in ("before", "noun", "after", "whole")
    )
    return " ".join(whole or [*before, *(nouns or [noun]), *after])
