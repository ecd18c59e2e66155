"""The filter language: a tree of conditions on the payload, read strictly."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = [
    "MAX_PATH",
    "MAX_TEXT",
    "MAX_VALUES",
    "All",
    "And",
    "AnyOf",
    "Comparison",
    "Condition",
    "Equal",
    "Exists",
    "Filter",
    "Leaf",
    "Not",
    "Or",
    "Phrase",
    "Prefix",
    "Scalar",
    "Words",
    "parse_filter",
    "parse_path",
]

Scalar = str | int | float | bool | None
Comparison = Literal["gt", "gte", "lt", "lte"]

MAX_DEPTH = 32
MAX_NODES = 1_000
MAX_VALUES = 10_000
MAX_PATH = 512
MAX_TEXT = 1_000

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class And:
    """All of them hold."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of them holds."""

    filters: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    filter: "Filter"


@dataclass(frozen=True, slots=True)
class Equal:
    """The field equals one of the values."""

    path: tuple[str, ...]
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """The field is a number, or a time, on this side of the bound."""

    path: tuple[str, ...]
    comparison: Comparison
    bound: int | float | datetime


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there and not null."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field is an array with one of the values, or is one of them."""

    path: tuple[str, ...]
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class All:
    """The field is an array with all of the values, one or more, or is the only one."""

    path: tuple[str, ...]
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """The strings in the field have all words of the text."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """A string in the field has the words of the text one after another."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The field is a string that starts so."""

    path: tuple[str, ...]
    text: str


Leaf = Equal | Condition | Exists | AnyOf | All | Words | Phrase | Prefix
Filter = And | Or | Not | Leaf


def parse_filter(tree: object, place: str = "filter") -> Filter:
    """Read a filter as it came in a request.

    Raises:
        InvalidError: Names the place of the first thing that is wrong.
    """
    return _Parser().parse(tree, place, depth=1)


class _Parser:
    """Counts nodes over the whole tree, so that a wide tree is bounded as a deep one is."""

    def __init__(self) -> None:
        self._nodes = 0

    def parse(self, tree: object, place: str, depth: int) -> Filter:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise InvalidError.at(place, f"a filter may be {MAX_DEPTH} levels deep")
        if self._nodes > MAX_NODES:
            raise InvalidError.at(place, f"a filter may have {MAX_NODES} conditions")
        if not isinstance(tree, dict):
            raise InvalidError.at(place, "must be an object")
        if "field" in tree:
            return _leaf(tree, place)
        if len(tree) != 1:
            raise InvalidError.at(place, "must have `field` with an operator, or one of `and`, `or`, `not`")
        operator, operand = next(iter(tree.items()))
        if operator == "not":
            return Not(self.parse(operand, f"{place}.not", depth + 1))
        if operator not in {"and", "or"}:
            raise InvalidError.at(f"{place}.{operator}", "unknown operator")
        if not isinstance(operand, list) or not operand:
            raise InvalidError.at(f"{place}.{operator}", "must be a list of one filter or more")
        members = tuple(self.parse(one, f"{place}.{operator}[{i}]", depth + 1) for i, one in enumerate(operand))
        return And(members) if operator == "and" else Or(members)


def _leaf(tree: Mapping[str, object], place: str) -> Filter:
    path = parse_path(tree["field"], f"{place}.field")
    operators = [name for name in tree if name != "field"]
    if not operators:
        raise InvalidError.at(place, "lacks an operator")
    conditions = tuple(_operator(path, name, tree[name], f"{place}.{name}") for name in operators)
    return conditions[0] if len(conditions) == 1 else And(conditions)


def _operator(path: tuple[str, ...], name: str, operand: object, place: str) -> Filter:
    read = _OPERATORS.get(name)
    if read is None:
        raise InvalidError.at(place, f"unknown operator; there are: and, or, not, {', '.join(sorted(_OPERATORS))}")
    return read(path, operand, place)


def parse_path(field: object, place: str) -> tuple[str, ...]:
    """Read a dotted path into the payload.

    Raises:
        InvalidError: Names the place.
    """
    if not isinstance(field, str) or not 1 <= len(field) <= MAX_PATH:
        raise InvalidError.at(place, f"must be a dotted path of 1 to {MAX_PATH} characters")
    path = tuple(_string(field, place).split("."))
    if not all(path):
        raise InvalidError.at(place, "has an empty name between its dots")
    return path


def _string(value: str, place: str) -> str:
    refuse_unstorable(value, place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidError.at(place, "must not contain half a surrogate pair") from None
    return value


def _number(value: float, place: str) -> int | float:
    refuse_unstorable(value, place)
    if not math.isfinite(value):
        raise InvalidError.at(place, "must be a finite number")
    return value


def _scalar(value: object, place: str) -> Scalar:
    match value:
        case None | bool():
            return value
        case str():
            return _string(value, place)
        case int() | float():
            return _number(value, place)
        case _:
            raise InvalidError.at(place, "must be a string, a number, true, false or null")


def _scalars(values: object, place: str) -> tuple[Scalar, ...]:
    if not isinstance(values, list) or len(values) > MAX_VALUES:
        raise InvalidError.at(place, f"must be a list of at most {MAX_VALUES} values")
    return tuple(_scalar(value, f"{place}[{i}]") for i, value in enumerate(values))


def _text(text: object, place: str) -> str:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise InvalidError.at(place, f"must be a string of at most {MAX_TEXT} characters")
    return _string(text, place)


def _equal(path: tuple[str, ...], value: object, place: str) -> Filter:
    return Equal(path, (_scalar(value, place),))


def _all(path: tuple[str, ...], values: object, place: str) -> Filter:
    wanted = _scalars(values, place)
    return All(path, wanted) if wanted else Exists(path)


def _exists(path: tuple[str, ...], wanted: object, place: str) -> Filter:
    if not isinstance(wanted, bool):
        raise InvalidError.at(place, "must be true or false")
    return Exists(path) if wanted else Not(Exists(path))


def _comparison(comparison: Comparison) -> Callable[[tuple[str, ...], object, str], Filter]:
    return lambda path, bound, place: Condition(path, comparison, _bound(bound, place))


def _bound(value: object, place: str) -> int | float | datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, place)
    if isinstance(value, str) and _RFC3339.fullmatch(value) and (moment := _time(value)):
        refuse_unstorable(moment, place)
        return moment
    raise InvalidError.at(place, "must be a number or an RFC 3339 time such as 2026-01-31T12:00:00Z")


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


_OPERATORS: Mapping[str, Callable[[tuple[str, ...], Any, str], Filter]] = {
    "eq": _equal,
    "ne": lambda path, value, place: Not(_equal(path, value, place)),
    "in": lambda path, values, place: Equal(path, _scalars(values, place)),
    "any": lambda path, values, place: AnyOf(path, _scalars(values, place)),
    "all": _all,
    "match": lambda path, text, place: Words(path, _text(text, place)),
    "phrase": lambda path, text, place: Phrase(path, _text(text, place)),
    "prefix": lambda path, text, place: Prefix(path, _text(text, place)),
    "exists": _exists,
    "gt": _comparison("gt"),
    "gte": _comparison("gte"),
    "lt": _comparison("lt"),
    "lte": _comparison("lte"),
}
