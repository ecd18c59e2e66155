"""Parts that make the texts of an item."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from tokenizers import Tokenizer

__all__ = ["FieldsText", "TextOf", "TextPiece", "TextTemplate", "WeightedFields"]


@dataclass(frozen=True, slots=True)
class TextPiece:
    """What becomes one part of an item.

    Attributes:
        text: Not blank.
        weight: Above 0; counts where the plugin takes the mean of an item's parts.
    """

    text: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a blank text, and a weight that no mean can be taken with."""
        if not self.text.strip():
            raise ValueError("the text of a piece must not be blank")
        _check_weight(self.weight)


TextOf = Callable[[Mapping[str, Any]], list[TextPiece]]
"""Makes the pieces of an item from its payload: one a part, none where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class FieldsText:
    """The named fields that are present, one a line; if none is, every string of the payload in key order.

    Attributes:
        fields: Top-level fields, in the order in which they are read.
    """

    fields: Sequence[str] = ("title", "name", "description", "text", "content")

    def __post_init__(self) -> None:
        """Refuse a single string, which would be read as a list of letters."""
        if isinstance(self.fields, str):
            raise TypeError("fields must be a sequence of names, not one string")

    def build(self, tokenizer: Tokenizer | None = None) -> TextOf:  # noqa: ARG002  # every text part is built alike
        """A function from payload to pieces."""

        def text_of(payload: Mapping[str, Any]) -> list[TextPiece]:
            named = list(_strings([payload.get(name) for name in self.fields]))
            return _pieces(_lines(named or payload))

        return text_of


@dataclass(frozen=True, slots=True)
class WeightedFields:
    """A piece for each field that is present, with the field's weight; an item that has none of them has no text.

    Attributes:
        fields: Top-level fields to weights above 0, in the order in which they are read.
    """

    fields: Mapping[str, float]

    def __post_init__(self) -> None:
        """Refuse no fields, and weights that no mean can be taken with."""
        if not self.fields:
            raise ValueError("fields must name a field")
        for weight in self.fields.values():
            _check_weight(weight)

    def build(self, tokenizer: Tokenizer | None = None) -> TextOf:  # noqa: ARG002  # every text part is built alike
        """A function from payload to pieces."""
        return lambda payload: [
            piece for name, weight in self.fields.items() for piece in _pieces(_lines(payload.get(name)), weight)
        ]


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """Phrases with `{field}` in them, joined by spaces; a phrase whose field is missing is left out.

    Attributes:
        phrases: Such as `"{title} ({year})."`; a list is read as its members joined by commas.
        most: How many members of a list are read.
    """

    phrases: Sequence[str]
    most: int = 5

    def __post_init__(self) -> None:
        """Refuse a single string, and phrases that do more than name fields."""
        if isinstance(self.phrases, str):
            raise TypeError("phrases must be a sequence of phrases, not one string")
        wrong = [phrase for phrase in self.phrases if not _is_plain(phrase)]
        if wrong:
            raise ValueError(f"only {{field}} may stand in a phrase, doubled braces for a brace: {wrong}")

    def build(self, tokenizer: Tokenizer | None = None) -> TextOf:  # noqa: ARG002  # every text part is built alike
        """A function from payload to pieces."""

        def text_of(payload: Mapping[str, Any]) -> list[TextPiece]:
            words = _Words({key: self._join(value) for key, value in payload.items() if value not in (None, "", [])})
            return _pieces(" ".join(line for phrase in self.phrases if (line := words.fill(phrase))))

        return text_of

    def _join(self, value: Any) -> str:
        return ", ".join(str(member) for member in value[: self.most]) if isinstance(value, list) else str(value)


class _Words(dict[str, str]):
    def fill(self, phrase: str) -> str:
        try:
            return phrase.format_map(self)
        except KeyError:
            return ""


def _is_plain(phrase: str) -> bool:
    """Whether the phrase's fields are names alone: formats and attributes fail on payloads they do not fit."""
    for _, name, form, conversion in Formatter().parse(phrase):
        if name is not None and (not name.isidentifier() or form or conversion):
            return False
    return True


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _strings(value[key])
    elif isinstance(value, Sequence):
        for member in value:
            yield from _strings(member)


def _lines(value: Any) -> str:
    return "\n".join(line.strip() for line in _strings(value) if line.strip())


def _pieces(text: str, weight: float = 1.0) -> list[TextPiece]:
    return [TextPiece(text, weight)] if text.strip() else []


def _check_weight(weight: float) -> None:
    if not (math.isfinite(weight) and weight > 0):
        raise ValueError(f"a weight must be a number above 0, not {weight}")
