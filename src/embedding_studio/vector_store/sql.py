"""SQL with bound parameters only: filters and words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from embedding_studio.sdk import Metric
from embedding_studio.vector_store.filters import RFC3339, And, Comparison, Condition, Equal, Exists, Filter, Not, Or

__all__ = ["OPERATOR", "OPERATOR_CLASS", "Parameters", "condition", "words_of"]

OPERATOR: Mapping[Metric, str] = {"cosine": "<=>", "dot": "<#>", "euclidean": "<->"}
OPERATOR_CLASS: Mapping[Metric, str] = {
    "cosine": "vector_cosine_ops",
    "dot": "vector_ip_ops",
    "euclidean": "vector_l2_ops",
}
_COMPARISON: Mapping[Comparison, str] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_MOST_CHARACTERS = 100_000  # whose words surely fit into a tsvector, which may have a megabyte


def words_of(text: str) -> str:
    """The words of a part's text as lexical search and its index read them: those of its first 100,000 characters."""
    return f"to_tsvector('english', left(coalesce({text}, ''), {_MOST_CHARACTERS:d}))"


class Parameters:
    """Values of a statement, and the placeholders that stand for them."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def bind(self, value: object) -> str:
        """The placeholder of a value."""
        self.values.append(value)
        return f"${len(self.values)}"


def condition(tree: Filter, parameters: Parameters, payload: str = "i.payload") -> str:
    """A boolean expression over the jsonb column `payload` that is never null."""
    match tree:
        case And(filters):
            return "(" + " AND ".join(condition(one, parameters, payload) for one in filters) + ")"
        case Or(filters):
            return "(" + " OR ".join(condition(one, parameters, payload) for one in filters) + ")"
        case Not(inner):
            return f"(NOT {condition(inner, parameters, payload)})"
        case Equal(path, values):
            members = parameters.bind([msgspec.json.encode(value).decode() for value in values])
            return f"COALESCE({_value(path, parameters, payload)} = ANY({members}::text[]::jsonb[]), false)"
        case Exists(path):
            return f"COALESCE({_value(path, parameters, payload)} <> 'null'::jsonb, false)"
        case Condition(path, comparison, bound):
            return _compare(path, _COMPARISON[comparison], bound, parameters, payload)


def _value(path: tuple[str, ...], parameters: Parameters, payload: str) -> str:
    return f"({payload} #> {parameters.bind(list(path))}::text[])"


def _compare(
    path: tuple[str, ...],
    operator: str,
    bound: float | datetime,
    parameters: Parameters,
    payload: str,
) -> str:
    value = _value(path, parameters, payload)
    limit = parameters.bind(bound)
    if not isinstance(bound, datetime):
        return f"COALESCE(jsonb_typeof({value}) = 'number' AND {value} {operator} {limit}::jsonb, false)"
    text = f"({value} #>> '{{}}')"
    is_time = (
        f"jsonb_typeof({value}) = 'string' AND {text} ~ '^{RFC3339}$' AND pg_input_is_valid({text}, 'timestamptz')"
    )
    return f"COALESCE(CASE WHEN {is_time} THEN {text}::timestamptz {operator} {limit}::timestamptz END, false)"
