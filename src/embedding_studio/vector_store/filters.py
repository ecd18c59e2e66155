"""The filter language: a tree of conditions on the payload, read strictly."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = [
    "RFC3339",
    "And",
    "Comparison",
    "Condition",
    "Equal",
    "Exists",
    "Filter",
    "Not",
    "Or",
    "Scalar",
    "parse_filter",
]

Scalar = str | int | float | bool | None
Comparison = Literal["gt", "gte", "lt", "lte"]

MAX_DEPTH = 32
MAX_NODES = 1_000
MAX_VALUES = 10_000
MAX_PATH = 512

RFC3339 = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)"


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


Filter = And | Or | Not | Equal | Condition | Exists


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
    path = _path(tree["field"], f"{place}.field")
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


def _path(field: object, place: str) -> tuple[str, ...]:
    if not isinstance(field, str) or not 1 <= len(field) <= MAX_PATH or "\0" in field:
        raise InvalidError.at(place, f"must be a dotted path of 1 to {MAX_PATH} characters without NUL")
    path = tuple(field.split("."))
    if not all(path):
        raise InvalidError.at(place, "has an empty name between its dots")
    return path


def _scalar(value: object, place: str) -> Scalar:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise InvalidError.at(place, "must be a string, a number, true, false or null")
    if isinstance(value, str) and "\0" in value:
        raise InvalidError.at(place, "must not contain NUL")
    return value


def _equal(path: tuple[str, ...], value: object, place: str) -> Filter:
    return Equal(path, (_scalar(value, place),))


def _in(path: tuple[str, ...], values: object, place: str) -> Filter:
    if not isinstance(values, list) or len(values) > MAX_VALUES:
        raise InvalidError.at(place, f"must be a list of at most {MAX_VALUES} values")
    return Equal(path, tuple(_scalar(value, f"{place}[{i}]") for i, value in enumerate(values)))


def _exists(path: tuple[str, ...], wanted: object, place: str) -> Filter:
    if not isinstance(wanted, bool):
        raise InvalidError.at(place, "must be true or false")
    return Exists(path) if wanted else Not(Exists(path))


def _comparison(comparison: Comparison) -> Callable[[tuple[str, ...], object, str], Filter]:
    return lambda path, bound, place: Condition(path, comparison, _bound(bound, place))


def _bound(value: object, place: str) -> int | float | datetime:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(RFC3339, value) and (moment := _time(value)):
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
    "in": _in,
    "exists": _exists,
    "gt": _comparison("gt"),
    "gte": _comparison("gte"),
    "lt": _comparison("lt"),
    "lte": _comparison("lte"),
}
