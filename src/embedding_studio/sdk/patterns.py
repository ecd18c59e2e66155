"""Patterns by which conditions on fields are read out of a query's words.

Every expression is made of escaped words and bounded repetitions: no text makes one slow.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol

from embedding_studio.sdk.words import fold, replaced

__all__ = ["FieldPrefix", "FilterPattern", "NumberPhrases", "Read", "Tree", "cut"]

Tree = Mapping[str, Any]
"""A filter as in a request."""

Read = Callable[[str], Iterator[tuple[int, int, Tree]]]
"""Start and end of what says a condition, from left to right, and the condition."""

_Operator = Literal["lt", "lte", "gt", "gte"]

_MOST = 16
_NUMBER = r"((?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(?:\.[0-9]{1,6})?)"
_GAP = r"\s{0,3}"


class FilterPattern(Protocol):
    """A part that finds conditions in a text."""

    def build(self) -> Sequence[Read]:
        """Readers, each of which sees what those before it left of the text; must not raise on any."""
        ...


def cut(text: str, read: Read) -> tuple[str, list[Tree]]:
    """The text without what was read, and the conditions, at most 16."""
    found = list(islice(read(text), _MOST))
    return replaced(text, iter(found), lambda _: " "), [tree for _, _, tree in found]


@dataclass(frozen=True, slots=True)
class NumberPhrases:
    """A number within limits: "under 500", "between 10 and 20", ">= 3".

    Numbers have digits, perhaps with commas between thousands, and a point before decimals.

    Attributes:
        field: Dotted path of a number.
        names: Words for the field that may stand before, and then leave the text too, as in "price under 500".
        units: What may stand at the number, as in "$500" or "500 usd".
        needs_unit: Whether a number without a unit is left alone, where other fields have numbers too.
        under: Words for `lt`.
        at_most: Words for `lte`.
        over: Words for `gt`.
        at_least: Words for `gte`.
        between: Pairs of words before the first and the second number; both limits are included.
    """

    field: str
    names: Sequence[str] = ()
    units: Sequence[str] = ()
    needs_unit: bool = False
    under: Sequence[str] = ("under", "below", "less than", "cheaper than", "<")
    at_most: Sequence[str] = ("at most", "up to", "no more than", "not more than", "not over", "<=")
    over: Sequence[str] = ("over", "above", "more than", ">")
    at_least: Sequence[str] = ("at least", "no less than", "not less than", "not under", ">=")
    between: Sequence[tuple[str, str]] = (("between", "and"), ("from", "to"))

    def __post_init__(self) -> None:
        """Refuse blank words, which would match everywhere, and a unit that is needed but not named."""
        pairs = [word for pair in self.between for word in pair]
        for words in (self.names, self.units, self.under, self.at_most, self.over, self.at_least, pairs):
            _check_words(words)
        if self.needs_unit and not self.units:
            raise ValueError("units must name the unit that numbers need")

    def build(self) -> Sequence[Read]:
        """Readers of ranges, then of limits; "no more than" is tried before "more than"."""
        limits: list[tuple[_Operator, Sequence[str]]] = [
            ("lte", self.at_most),
            ("gte", self.at_least),
            ("lt", self.under),
            ("gt", self.over),
        ]
        ranges = [self._range(first, second) for first, second in self.between]
        return ranges + [self._limit(operator, words) for operator, words in limits if words]

    def _range(self, first: str, second: str) -> Read:
        amount = self._amount()
        expression = self._compile(_any_of([first]), _GAP, amount, _GAP, _any_of([second]), _GAP, amount)

        def tree(match: re.Match[str]) -> Tree:
            low, high = sorted(map(_number, filter(None, match.groups())))
            return {"field": self.field, "gte": low, "lte": high}

        return _reader(expression, tree)

    def _limit(self, operator: _Operator, words: Sequence[str]) -> Read:
        expression = self._compile(_any_of(words), _GAP, self._amount())
        return _reader(
            expression,
            lambda match: {"field": self.field, operator: _number(next(filter(None, match.groups())))},
        )

    def _compile(self, *parts: str) -> re.Pattern[str]:
        names = f"(?:{_any_of(self.names)}{_GAP})?" if self.names else ""
        return re.compile(rf"(?<!\w){names}{''.join(parts)}(?!\w|[.,][0-9])", re.IGNORECASE)

    def _amount(self) -> str:
        if not self.units:
            return _NUMBER
        unit = _any_of(self.units)
        if self.needs_unit:
            return rf"(?:{unit}\s?{_NUMBER}|{_NUMBER}\s?{unit})"
        return rf"(?:{unit}\s?)?{_NUMBER}(?:\s?{unit})?"


@dataclass(frozen=True, slots=True)
class FieldPrefix:
    """A field by its name: `brand:acme`, `brand:"Acme & Sons"`.

    Attributes:
        field: Dotted path.
        name: What stands before the colon; the field itself if not given.
        values: The values that there are, as items have them, found in whatever case; a text that names another value
            is left alone. Empty: any value, exactly as written.
        number: Whether the value is a number; what is none is left alone.
    """

    field: str
    name: str = ""
    values: Sequence[str] = ()
    number: bool = False

    def __post_init__(self) -> None:
        """Refuse a single string, which would be read as a list of letters."""
        _check_words(self.values)

    def build(self) -> Sequence[Read]:
        """The reader."""
        named = _any_of([self.name or self.field])
        expression = re.compile(rf'(?<!\w){named}:\s?(?:"([^"]{{1,200}})"|([^\s"]{{1,200}}))', re.IGNORECASE)
        known = {fold(value): value for value in self.values}

        def tree(match: re.Match[str]) -> Tree | None:
            value = self._value(match[1] or match[2].rstrip(",.;"), known)
            return None if value is None else {"field": self.field, "eq": value}

        return [_reader(expression, tree)]

    def _value(self, written: str, known: Mapping[str, str]) -> str | int | float | None:
        if self.number:
            return _number(written) if re.fullmatch(_NUMBER, written) else None
        return known.get(fold(written)) if known else written or None


def _reader(expression: re.Pattern[str], tree_of: Callable[[re.Match[str]], Tree | None]) -> Read:
    def read(text: str) -> Iterator[tuple[int, int, Tree]]:
        for match in expression.finditer(text):
            if (tree := tree_of(match)) is not None:
                yield *match.span(), tree

    return read


def _number(written: str) -> int | float:
    digits = written.replace(",", "")
    return float(digits) if "." in digits else int(digits)


def _any_of(words: Sequence[str]) -> str:
    """An expression for one of the words, the longest first."""
    escaped = [r"\s{1,3}".join(map(re.escape, word.split())) for word in sorted(words, key=len, reverse=True)]
    return f"(?:{'|'.join(escaped)})"


def _check_words(words: Sequence[str]) -> None:
    if isinstance(words, str):
        raise TypeError("words must be a sequence of words, not one string")
    if not all(word.strip() for word in words):
        raise ValueError("a word must not be blank")
