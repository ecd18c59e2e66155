"""Parts that make better queries of queries in words."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from embedding_studio.sdk.patterns import FilterPattern, cut
from embedding_studio.sdk.ranking import ProcessQuery, QueryDraft
from embedding_studio.sdk.words import Phrases, fold, replaced, words_of

__all__ = ["Expand", "Rewrite", "Spelling", "SplitFilters"]

_MOST_EXPANSIONS = 32
_MOST_CORRECTIONS = 8
_KEPT_CORRECTIONS = 4_096
_SHORTEST = 4
_SHORTEST_FOR_TWO = 6


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Phrases replaced by others, as whole words, whatever their case.

    What a rule wrote is not read again, by no rule.

    Attributes:
        rules: Phrase of at most 16 words to what stands in its place; empty drops the phrase.
    """

    rules: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse phrases that could not be found."""
        Phrases(self.rules)

    def build(self) -> ProcessQuery:
        """The processor."""
        phrases = Phrases(self.rules)
        return lambda draft: replace(draft, text=replaced(draft.text, phrases.find(draft.text), str))


@dataclass(frozen=True, slots=True)
class Expand:
    """Words that lexical search looks up too; the text, and so the query's vector, stays.

    A query gets at most 32 expansions.

    Attributes:
        synonyms: Phrase of at most 16 words to the phrases that mean the same; one way only.
    """

    synonyms: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        """Refuse phrases that could not be found, and a single string, which would be read as a list of letters."""
        Phrases(self.synonyms)
        if any(isinstance(phrases, str) for phrases in self.synonyms.values()):
            raise TypeError("the synonyms of a phrase must be a sequence of phrases, not one string")

    def build(self) -> ProcessQuery:
        """The processor."""
        phrases = Phrases(self.synonyms)

        def process(draft: QueryDraft) -> QueryDraft:
            found = [phrase for _, _, synonyms in phrases.find(draft.text) for phrase in synonyms]
            every = dict.fromkeys([*draft.expansions, *found])
            return replace(draft, expansions=tuple(every)[: max(_MOST_EXPANSIONS, len(draft.expansions))])

        return process


@dataclass(frozen=True, slots=True)
class Spelling:
    """Unknown words replaced by the nearest known one, if one is near enough.

    Words with digits and words of less than 4 letters stay. Distance is the number of letters that are wrong, missing,
    too many or swapped with their neighbour (optimal string alignment). The first 8 unknown words of a query are
    looked up.

    Attributes:
        words: All words that are right, or words to how frequent they are: with "leather" alone, "feather" would be
            corrected too. Of equally near words the most frequent is taken, then the first in the alphabet.
        distance: Largest distance; 2 is for words of 6 letters and more, shorter ones get 1.
    """

    words: Collection[str] | Mapping[str, float]
    distance: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        """Refuse a single string, which would be read as a list of letters, and other distances."""
        if isinstance(self.words, str):
            raise TypeError("words must be a collection of words, not one string")
        if self.distance not in (1, 2):
            raise ValueError(f"distance must be 1 or 2, not {self.distance}")

    def build(self) -> ProcessQuery:
        """The processor."""
        vocabulary = _Vocabulary(self.words, self.distance)
        nearest = lru_cache(_KEPT_CORRECTIONS)(vocabulary.nearest)

        def process(draft: QueryDraft) -> QueryDraft:
            words = words_of(draft.text)
            unknown = dict.fromkeys(word.folded for word in words if vocabulary.misses(word.folded))
            right = {word: found for word in list(unknown)[:_MOST_CORRECTIONS] if (found := nearest(word))}
            places = ((word.start, word.end, word.folded) for word in words if word.folded in right)
            return replace(draft, text=replaced(draft.text, places, right.__getitem__))

        return process


@dataclass(frozen=True, slots=True)
class SplitFilters:
    """What the text says of fields becomes filters, and leaves the text.

    Attributes:
        patterns: What is read out, in this order, such as `NumberPhrases("price")` and `FieldPrefix("brand")`.
    """

    patterns: Sequence[FilterPattern]

    def build(self) -> ProcessQuery:
        """The processor."""
        readers = [read for pattern in self.patterns for read in pattern.build()]

        def process(draft: QueryDraft) -> QueryDraft:
            text, filters = draft.text, list(draft.filters)
            for read in readers:
                text, found = cut(text, read)
                filters += found
            return replace(draft, text=text, filters=tuple(filters))

        return process


class _Vocabulary:
    def __init__(self, words: Collection[str] | Mapping[str, float], distance: int) -> None:
        self._distance = distance
        self._known: dict[str, tuple[float, str]] = {}
        self._by_length: defaultdict[int, list[str]] = defaultdict(list)
        for rank in sorted((-(words[word] if isinstance(words, Mapping) else 0), word) for word in words):
            self._known.setdefault(fold(rank[1]), rank)
        for folded in self._known:
            self._by_length[len(folded)].append(folded)

    def misses(self, folded: str) -> bool:
        long_enough = len(folded) >= _SHORTEST and not any(letter.isdigit() for letter in folded)
        return long_enough and folded not in self._known

    def nearest(self, folded: str) -> str | None:
        distance = self._distance if len(folded) >= _SHORTEST_FOR_TWO else 1
        lengths = range(len(folded) - distance, len(folded) + distance + 1)
        near = [
            (far, *self._known[known])
            for choices in (self._by_length.get(length, []) for length in lengths)
            for known, far, _ in extract(folded, choices, scorer=OSA.distance, score_cutoff=distance, limit=None)
        ]
        return min(near)[-1] if near else None
