"""Splitters: from one text to the texts of several parts."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from semantic_text_splitter import TextSplitter
from tokenizers import Encoding, Tokenizer

__all__ = ["SentenceSplitter", "SeparatorSplitter", "Split", "Splitter", "TokenSplitter"]

Split = Callable[[str], list[str]]
"""Gives pieces in the order of the text, none blank; between two, nothing but white space is lost."""

_LEAST_ROOM = 20
"""One character can be 18 tokens: the ligature U+FDFA in models that decompose it."""

_BLOCK = 10_000
"""The time that finding sentences takes grows with the square of the characters looked at."""


@dataclass(frozen=True, slots=True)
class TokenSplitter:
    """Pieces of the model's own tokens, as long as possible and cut between words where there are any.

    Attributes:
        size: Most tokens of a piece when it is encoded, with the prompt and the special tokens.
        overlap: Most tokens that a piece shares with the one before it, at most half of `size`.
        prompt: What the encoder puts before every item text; it takes its share of `size`.
    """

    size: int
    overlap: int = 0
    prompt: str = ""

    def __post_init__(self) -> None:
        """Refuse an overlap that would make a piece of next to nothing new."""
        if not 0 <= 2 * self.overlap <= self.size:
            raise ValueError(f"overlap must be from 0 to half of size, not {self.overlap} of {self.size}")

    def build(self, tokenizer: Tokenizer | None = None) -> Split:
        """A function from text to pieces.

        Args:
            tokenizer: The model's own. If it cuts, `size` must not be above where it does.

        Raises:
            ValueError: There is no tokenizer, the model takes fewer tokens than `size`, or the prompt and the special
                tokens leave fewer than 20 of them.
        """
        whole = self._uncut(tokenizer)
        room = self.size - len(whole.encode(self.prompt).ids)
        if room < _LEAST_ROOM:
            raise ValueError(f"a size of {self.size} leaves {room} tokens for text, fewer than {_LEAST_ROOM}")

        def fits(piece: str) -> bool:
            return len(whole.encode(self.prompt + piece).ids) <= self.size

        def split(text: str) -> list[str]:
            tokens = _Tokens(text, whole.encode(text, add_special_tokens=False))
            return [piece for piece in tokens.pieces(room, self.overlap, fits) if piece]

        return split

    def _uncut(self, tokenizer: Tokenizer | None) -> Tokenizer:
        if tokenizer is None:
            raise ValueError("a TokenSplitter needs the tokenizer of the plugin's encoder")
        if tokenizer.truncation and self.size > tokenizer.truncation["max_length"]:
            raise ValueError(f"size is {self.size}, the model takes {tokenizer.truncation['max_length']} tokens")
        whole = Tokenizer.from_str(tokenizer.to_str())
        whole.no_truncation()
        whole.no_padding()
        return whole


@dataclass(frozen=True, slots=True)
class SentenceSplitter:
    """Pieces as long as possible, cut between paragraphs, else lines, else sentences, else words.

    Attributes:
        max_characters: Of a piece.
    """

    max_characters: int

    def __post_init__(self) -> None:
        """Refuse pieces of no characters."""
        _check_characters(self.max_characters)

    def build(self, tokenizer: Tokenizer | None = None) -> Split:  # noqa: ARG002  # every splitter is built alike
        """A function from text to pieces."""
        split = _by_sentences(self.max_characters)
        return lambda text: _not_blank(split(text))


@dataclass(frozen=True, slots=True)
class SeparatorSplitter:
    r"""Pieces as long as possible, cut behind the first separator that makes them short enough, else as sentences are.

    Attributes:
        separators: The strongest first, such as `("\n# ", "\n\n")`; they stay at the end of the piece before the cut.
        max_characters: Of a piece.
    """

    separators: Sequence[str]
    max_characters: int

    def __post_init__(self) -> None:
        """Refuse a single string, empty separators and pieces of no characters."""
        if isinstance(self.separators, str):
            raise TypeError("separators must be a sequence of strings, not one string")
        if not self.separators or not all(self.separators):
            raise ValueError("there must be a separator, and none may be empty")
        _check_characters(self.max_characters)

    def build(self, tokenizer: Tokenizer | None = None) -> Split:  # noqa: ARG002  # every splitter is built alike
        """A function from text to pieces."""
        split = _by_sentences(self.max_characters)
        for separator in reversed(self.separators):
            split = self._before(separator, split)
        return lambda text: _not_blank(split(text))

    def _before(self, separator: str, weaker: Split) -> Split:
        behind = re.compile(f"(?<={re.escape(separator)})")

        def split(text: str) -> list[str]:
            pieces = [""]
            for section in behind.split(text):
                if len(pieces[-1]) + len(section) <= self.max_characters:
                    pieces[-1] += section
                else:
                    pieces += [section] if len(section) <= self.max_characters else weaker(section)
            return pieces

        return split


Splitter = TokenSplitter | SentenceSplitter | SeparatorSplitter
"""Every splitter there is."""


class _Tokens:
    """A text and where its tokens begin in it."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        words = encoding.word_ids
        self._text = text
        self._begins = [begin for begin, _ in encoding.offsets]
        self._at_character = [later > begin for begin, later in pairwise([-1, *self._begins])]
        self._at_word = [
            new and word != before
            for new, (before, word) in zip(self._at_character, pairwise([-1, *words]), strict=True)
        ]

    def pieces(self, room: int, overlap: int, fits: Callable[[str], bool]) -> Iterator[str]:
        """Windows of at most `room` tokens, each shortened until it fits or is one character."""
        first = 0
        while True:
            last = self._end(first, first + room)
            while not fits(piece := self._between(first, last)) and (shorter := self._end(first, last - 1)) < last:
                last = shorter
            yield piece
            if last == len(self._begins):
                return
            first = self._cut(range(max(last - overlap, first + 1), last + 1)) or last

    def _between(self, first: int, last: int) -> str:
        begin = self._begins[first] if first else 0
        end = self._begins[last] if last < len(self._begins) else len(self._text)
        return self._text[begin:end].strip()

    def _end(self, first: int, furthest: int) -> int:
        """Where a piece from `first` ends, at `furthest` or before it if any cut lies there."""
        count = len(self._begins)
        if furthest >= count:
            return count
        beyond = (token for token in range(furthest + 1, count) if self._at_character[token])
        return self._cut(range(furthest, first, -1)) or next(beyond, count)

    def _cut(self, tokens: range) -> int | None:
        """The first of the tokens that begins a word, else a character."""
        words = (token for token in tokens if self._at_word[token])
        characters = (token for token in tokens if self._at_character[token])
        return next(words, None) or next(characters, None)


def _by_sentences(max_characters: int) -> Split:
    """Pieces that joined are the text."""
    blocks = TextSplitter(max(_BLOCK, max_characters), trim=False)
    pieces = TextSplitter(max_characters, trim=False)
    return lambda text: [piece for block in blocks.chunks(text) for piece in pieces.chunks(block)]


def _not_blank(pieces: Sequence[str]) -> list[str]:
    return [stripped for piece in pieces if (stripped := piece.strip())]


def _check_characters(count: int) -> None:
    if count < 1:
        raise ValueError(f"max_characters must be above 0, not {count}")
