"""Text parts made of other parts: lists of records, cleaning, splitting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from tokenizers import Tokenizer

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.cleaning import Clean, CleaningStep
from embedding_studio.sdk.splitting import Splitter
from embedding_studio.sdk.text import FieldsText, TextOf, TextPiece, TextTemplate, WeightedFields

__all__ = ["JsonFieldSplitter", "Text", "TextPart"]


@dataclass(frozen=True, slots=True)
class JsonFieldSplitter:
    """A piece for each member of a list in the payload, such as its reviews; without the list there are none.

    Attributes:
        field: Top-level field with the list. A member that is a record is read by `of`, a string is a piece itself,
            and anything else is left out.
        of: Makes the text of a record.
        most_pieces: An item with more is refused.
    """

    field: str
    of: FieldsText | WeightedFields | TextTemplate = FieldsText()  # noqa: RUF009  # frozen
    most_pieces: int = 1_000

    def build(self, tokenizer: Tokenizer | None = None) -> TextOf:
        """A function from payload to pieces; it raises InvalidError for more than `most_pieces`."""
        text_of = self.of.build(tokenizer)

        def pieces_of(payload: Mapping[str, Any]) -> Iterator[TextPiece]:
            members = payload.get(self.field)
            for member in members if isinstance(members, list) else []:
                if isinstance(member, Mapping):
                    yield from text_of(member)
                elif isinstance(member, str) and member.strip():
                    yield TextPiece(member)

        return lambda payload: _limited(pieces_of(payload), self.most_pieces)


@dataclass(frozen=True, slots=True)
class Text:
    """Fields to text, then cleaning, then splitting.

    Attributes:
        of: Makes the texts of the payload.
        clean: Steps that each text goes through as a whole, in this order. `WeightedFields` gives every field a text
            of its own, where the broken HTML of one must not reach the next.
        split: Cuts the cleaned texts. The pieces of a text share its weight: a long one counts no more in a mean.
        max_characters: Of a text before it is cleaned; an item with a longer one is refused.
        most_pieces: An item with more is refused.
    """

    of: FieldsText | WeightedFields | TextTemplate | JsonFieldSplitter = FieldsText()  # noqa: RUF009  # frozen
    clean: Sequence[CleaningStep] = ()
    split: Splitter | None = None
    max_characters: int = 500_000
    most_pieces: int = 1_000

    def build(self, tokenizer: Tokenizer | None = None) -> TextOf:
        """A function from payload to pieces; it raises InvalidError for an item beyond the limits.

        Args:
            tokenizer: The model's own, for a `TokenSplitter`.

        Raises:
            ValueError: As `TokenSplitter.build`.
        """
        text_of = self.of.build(tokenizer)
        steps = [step.build() for step in self.clean]
        split = self.split.build(tokenizer) if self.split else _whole

        def pieces_of(payload: Mapping[str, Any]) -> Iterator[TextPiece]:
            for piece in text_of(payload):
                yield from _cut(piece, split(self._cleaned(piece.text, steps)))

        return lambda payload: _limited(pieces_of(payload), self.most_pieces)

    def _cleaned(self, text: str, steps: Sequence[Clean]) -> str:
        if len(text) > self.max_characters:
            raise InvalidError(f"a text of {len(text)} characters; at most {self.max_characters} are read")
        for step in steps:
            text = step(text)
        return text


TextPart = FieldsText | WeightedFields | TextTemplate | JsonFieldSplitter | Text
"""Every part that makes text."""


def _whole(text: str) -> list[str]:
    return [text] if text.strip() else []


def _cut(piece: TextPiece, texts: Sequence[str]) -> Iterator[TextPiece]:
    for text in texts:
        yield replace(piece, text=text, weight=piece.weight / len(texts))


def _limited(pieces: Iterator[TextPiece], most: int) -> list[TextPiece]:
    limited = list(islice(pieces, most + 1))
    if len(limited) > most:
        raise InvalidError(f"the payload gives more than {most} pieces of text")
    return limited
