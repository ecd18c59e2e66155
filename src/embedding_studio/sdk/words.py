"""The words of a text, and phrases among them."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Phrases", "Word", "fold", "replaced", "words_of"]

T = TypeVar("T")

# All that is neither space nor punctuation: \w would end an Indic word at each of its vowel signs.
_WORD = re.compile(r"[^\s!-/:-@\[-^`{-\xbf\u2000-\u200b\u200e-\u206f\u3000-\u303f]+|\S")
_MOST_WORDS = 16


class Word(NamedTuple):
    """A word, or a single character that is none, such as a comma, at its place in the text."""

    folded: str
    start: int
    end: int


def fold(word: str) -> str:
    """The same for all spellings that differ in case or in how characters are composed."""
    return unicodedata.normalize("NFKC", word).casefold()


def words_of(text: str) -> list[Word]:
    """The words in their order."""
    return [Word(fold(match.group()), match.start(), match.end()) for match in _WORD.finditer(text)]


def replaced(text: str, found: Iterator[tuple[int, int, T]], by: Callable[[T], str]) -> str:
    """The text with what was found replaced, and its runs of space made one; as it was if nothing was found."""
    pieces: list[str] = []
    rest = 0
    for start, end, value in found:
        pieces += [text[rest:start], by(value)]
        rest = end
    return " ".join("".join([*pieces, text[rest:]]).split()) if pieces else text


class Phrases(Generic[T]):
    """Finds phrases as whole words, whatever their case and the space between the words.

    The time grows with the text and not with the number of phrases.
    """

    def __init__(self, phrases: Mapping[str, T]) -> None:
        """Take the phrases.

        Args:
            phrases: Phrase to what is told where it is found.

        Raises:
            ValueError: A phrase has no words, or more than 16.
        """
        self._known = {tuple(word.folded for word in words_of(phrase)): value for phrase, value in phrases.items()}
        if wrong := [phrase for phrase in self._known if not 1 <= len(phrase) <= _MOST_WORDS]:
            raise ValueError(f"a phrase has 1 to {_MOST_WORDS} words, not {len(wrong[0])}")
        self._longest = max(map(len, self._known), default=0)

    def find(self, text: str) -> Iterator[tuple[int, int, T]]:
        """Start, end and value of every phrase; where several begin, the longest, and none within another."""
        words = words_of(text)
        at = 0
        while at < len(words):
            size = self._longest_at(words, at)
            if size:
                phrase = tuple(word.folded for word in words[at : at + size])
                yield words[at].start, words[at + size - 1].end, self._known[phrase]
            at += size or 1

    def _longest_at(self, words: list[Word], at: int) -> int:
        folded = tuple(word.folded for word in words[at : at + self._longest])
        return next((size for size in range(len(folded), 0, -1) if folded[:size] in self._known), 0)
