"""Parts that make the text of an item."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

__all__ = ["FieldsText", "TextOf", "TextTemplate"]

TextOf = Callable[[Mapping[str, Any]], list[str]]
"""Makes the texts of an item's parts from its payload: one string a part, none where there is nothing to say."""


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

    def build(self) -> TextOf:
        """A function from payload to texts."""

        def text_of(payload: Mapping[str, Any]) -> list[str]:
            named = [line for field in self.fields for line in _strings(payload.get(field))]
            lines = named or [line for key in sorted(payload) for line in _strings(payload[key])]
            text = "\n".join(line.strip() for line in lines if line.strip())
            return [text] if text else []

        return text_of


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

    def build(self) -> TextOf:
        """A function from payload to texts."""

        def text_of(payload: Mapping[str, Any]) -> list[str]:
            words = _Words({key: self._join(value) for key, value in payload.items() if value not in (None, "", [])})
            text = " ".join(line for phrase in self.phrases if (line := words.fill(phrase)))
            return [text] if text else []

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
