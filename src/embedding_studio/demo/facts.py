"""A fact about films, and the words that people have for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from embedding_studio.demo.catalog import Film

__all__ = ["Fact", "Place", "Word", "fact", "words"]

Place = Literal["before", "noun", "after", "whole"]
"""Where a word stands: before the noun, as the noun itself, after it, or alone as the whole query."""


@dataclass(frozen=True, slots=True)
class Word:
    """One way to say a fact; a held-out one occurs in no clicked query."""

    text: str
    place: Place
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is true or false of a film, and the words for it."""

    key: str
    holds: Callable[[Film], bool]
    words: tuple[Word, ...]


def fact(key: str, holds: Callable[[Film], bool], *, before: str = "", noun: str = "", after: str = "") -> Fact:
    """A fact and its words, listed by their place as `words` reads them."""
    return Fact(key, holds, (*words(before, "before"), *words(noun, "noun"), *words(after, "after")))


def words(listed: str, place: Place) -> tuple[Word, ...]:
    """Words parted by commas; a star after one holds it out of every clicked query."""
    texts = filter(None, (text.strip() for text in listed.split(",")))
    return tuple(Word(text.removesuffix("*"), place, text.endswith("*")) for text in texts)
