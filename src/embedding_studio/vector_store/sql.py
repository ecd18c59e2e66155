"""SQL with bound parameters only: filters and words."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any

import msgspec

from embedding_studio.vector_store.filters import (
    All,
    And,
    AnyOf,
    Comparison,
    Condition,
    Equal,
    Exists,
    Filter,
    Leaf,
    Not,
    Or,
    Phrase,
    Prefix,
    Scalar,
    Words,
)

__all__ = ["Parameters", "condition", "where"]

_COMPARISON: Mapping[Comparison, str] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_START = 64  # characters that `payload_start` gives
_FEW = 16  # values; each row that an index finds is compared with them one by one
_POSITION = re.compile(r"\s*[+-]?[0-9]+")
_SLASH = re.compile(r'(?<=[^\s<"])/(?=[^\s>"])')  # as `payload_words` reads it


class Parameters:
    """Values of a statement, and the placeholders that stand for them."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: object) -> str:
        """The placeholder of a value."""
        self.values.append(value)
        return f"${len(self.values)}"


def condition(tree: Filter, parameters: Parameters, payload: str = "i.payload", *, language: str = "english") -> str:
    """A boolean expression over the jsonb column `payload`, which is not null, that is never null itself.

    Args:
        tree: What is to hold.
        parameters: Takes what is to be bound.
        payload: The column.
        language: The text search configuration that `match` and `phrase` read words by.
    """
    match tree:
        case And(filters):
            return "(" + " AND ".join(condition(one, parameters, payload, language=language) for one in filters) + ")"
        case Or(filters):
            return "(" + " OR ".join(condition(one, parameters, payload, language=language) for one in filters) + ")"
        case Not(inner):
            return f"(NOT {condition(inner, parameters, payload, language=language)})"
        case leaf:
            return f"COALESCE({_leaf(leaf, parameters, payload, language)}, false)"


def where(tree: Filter, parameters: Parameters, payload: str = "i.payload", *, language: str = "english") -> str:
    """As `condition`, but null where it does not hold for want of the field: what the planner finds indexes for."""
    match tree:
        case And(filters):
            return "(" + " AND ".join(where(one, parameters, payload, language=language) for one in filters) + ")"
        case Or(filters):
            return "(" + " OR ".join(where(one, parameters, payload, language=language) for one in filters) + ")"
        case Not(Not(inner)):
            return where(inner, parameters, payload, language=language)
        case Not():
            return condition(tree, parameters, payload, language=language)
        case leaf:
            return f"({_leaf(leaf, parameters, payload, language)})"


def _leaf(leaf: Leaf, parameters: Parameters, payload: str, language: str) -> str:
    if isinstance(leaf, Equal | AnyOf | All):
        return _members(leaf, parameters, payload)
    value = _value(leaf.path, parameters, payload)
    match leaf:
        case Exists():
            return f"{value} <> 'null'::jsonb"
        case Condition(_, comparison, bound):
            return _compare(value, _COMPARISON[comparison], bound, parameters)
        case Words(_, text):
            return _words(value, "plainto_tsquery", text, parameters, language)
        case Phrase(_, text):
            return _words(value, "phraseto_tsquery", text, parameters, language)
        case Prefix(_, text):
            return _prefix(value, text, parameters)


def _value(path: tuple[str, ...], parameters: Parameters, payload: str) -> str:
    return f"({payload} #> {parameters.bind(list(path))}::text[])"


def _members(leaf: Equal | AnyOf | All, parameters: Parameters, payload: str) -> str:
    """Few values through the payload as a whole, which one index serves for all fields; many are hashed.

    A name in the path that may be a position in an array as well is looked up: containment knows names only.
    """
    by_name = not any(_POSITION.fullmatch(name) for name in leaf.path)
    if by_name and (isinstance(leaf, All) or len(leaf.values) <= _FEW):
        documents = [reduce(lambda inner, name: {name: inner}, reversed(leaf.path), one) for one in _wanted(leaf)]
        return f"{payload} @> ANY({parameters.bind(documents)}::jsonb[])"
    value = _value(leaf.path, parameters, payload)
    members = f"{parameters.bind([msgspec.json.encode(one).decode() for one in leaf.values])}::text[]::jsonb[]"
    match leaf:
        case Equal(_, values):
            return f"{value} = ANY({members}){_implied(values, value, parameters)}"
        case AnyOf():
            return f"EXISTS (SELECT FROM jsonb_path_query({value}, '$[*]') AS m (member) WHERE member = ANY({members}))"
        case All():
            return f"{value} @> ALL({members})"


def _implied(values: Sequence[Scalar], value: str, parameters: Parameters) -> str:
    """What is so of a value that equals one of them, as the index of a declared field knows it."""
    strings = [one for one in values if isinstance(one, str)]
    numbers = [one for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(strings) == len(values):
        starts = parameters.bind([one[:_START] for one in strings])
        return f' AND payload_start({value}) COLLATE "C" = ANY({starts}::text[])'
    if len(numbers) == len(values):
        return f" AND payload_number({value}) = ANY({parameters.bind([_decimal(one) for one in numbers])}::numeric[])"
    return ""


def _wanted(leaf: Equal | AnyOf | All) -> list[Any]:
    """What the field may contain, of which one is enough: an array contains others, a scalar itself only."""
    match leaf:
        case Equal(_, values):
            return list(values)
        case AnyOf(_, values):
            return [*values, *([one] for one in values)]
        case All(_, values):
            distinct = {(isinstance(one, bool), one) for one in values}
            return [list(values), *(values[:1] if len(distinct) == 1 else ())]


def _compare(value: str, operator: str, bound: float | datetime, parameters: Parameters) -> str:
    if isinstance(bound, datetime):
        return f"payload_time({value}) {operator} {parameters.bind(bound)}::timestamptz"
    return f"payload_number({value}) {operator} {parameters.bind(_decimal(bound))}::numeric"


def _decimal(number: float) -> Decimal:
    """As its JSON is read: the shortest decimal that stands for the number, not the binary fraction behind it."""
    return Decimal(str(number))


def _words(value: str, query: str, text: str, parameters: Parameters, language: str) -> str:
    by = f"{parameters.bind(language)}::regconfig"
    return f"payload_words({by}, {value}) @@ {query}({by}, {parameters.bind(_SLASH.sub(' ', text))}::text)"


def _prefix(value: str, text: str, parameters: Parameters) -> str:
    """By the start that is indexed, and if that is not enough by the whole string."""
    start = f'payload_start({value}) COLLATE "C" ^@ {parameters.bind(text[:_START])}::text'
    return start if len(text) <= _START else f"{start} AND ({value} #>> '{{}}') ^@ {parameters.bind(text)}::text"
