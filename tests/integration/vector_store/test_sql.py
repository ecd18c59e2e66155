"""PostgreSQL and a plain Python reading of the filter language agree on random trees over random payloads."""

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.vector_store import parse_filter
from embedding_studio.vector_store.filters import RFC3339
from embedding_studio.vector_store.sql import Parameters, condition
from studio import Studio

pytestmark = pytest.mark.anyio

TIMES = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-06-01t12:30:00.25z", "not a time", "now"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0, -0.0, 1e300, 2**53]),
    st.sampled_from(["", "a", "1", "true", 'quote"\\', "é", *TIMES]),
)
fields = st.sampled_from(["a", "b", "a.b", "a.0", "b.a.b", "missing"])
payloads = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "b"]), inner)),
        max_leaves=5,
    ),
)
bounds = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 1e300]), st.sampled_from(TIMES[:3]))
leaves = st.one_of(
    st.builds(lambda field, value: {"field": field, "eq": value}, fields, scalars),
    st.builds(lambda field, value: {"field": field, "ne": value}, fields, scalars),
    st.builds(lambda field, values: {"field": field, "in": values}, fields, st.lists(scalars, max_size=3)),
    st.builds(lambda field, wanted: {"field": field, "exists": wanted}, fields, st.booleans()),
    st.builds(
        lambda field, operator, bound: {"field": field, operator: bound},
        fields,
        st.sampled_from(["gt", "gte", "lt", "lte"]),
        bounds,
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda members: {"and": members}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda members: {"or": members}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda member: {"not": member}, inner),
    ),
    max_leaves=6,
)

MISSING = object()


def value_at(payload: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(payload, dict) and name in payload:
            payload = payload[name]
        elif isinstance(payload, list) and re.fullmatch(r"-?\d+", name) and -len(payload) <= int(name) < len(payload):
            payload = payload[int(name)]
        else:
            return MISSING
    return payload


def same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def as_time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value.upper()) if isinstance(value, str) and re.fullmatch(RFC3339, value) else None


def compare(value: Any, operator: str, bound: Any) -> bool:
    if isinstance(bound, str):
        moment, limit = as_time(value), as_time(bound)
        return moment is not None and limit is not None and compare_ordered(moment, operator, limit)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and compare_ordered(value, operator, bound)


def compare_ordered(left: Any, operator: str, right: Any) -> bool:
    return bool({"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[operator])


def holds(tree: dict[str, Any], payload: dict[str, Any]) -> bool:
    if "field" not in tree:
        ((operator, operand),) = tree.items()
        if operator == "not":
            return not holds(operand, payload)
        return bool({"and": all, "or": any}[operator](holds(one, payload) for one in operand))
    value = value_at(payload, tree["field"])
    ((operator, operand),) = ((name, operand) for name, operand in tree.items() if name != "field")
    match operator:
        case "eq":
            return value is not MISSING and same(value, operand)
        case "ne":
            return value is MISSING or not same(value, operand)
        case "in":
            return value is not MISSING and any(same(value, one) for one in operand)
        case "exists":
            return bool((value is not MISSING and value is not None) == operand)
        case _:
            return compare(value, operator, operand)


@given(tree=trees, rows=st.lists(payloads, min_size=1, max_size=8))
@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_the_database_reads_filters_as_python_does(
    studio: Studio, tree: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    parameters = Parameters()
    expression = condition(parse_filter(tree), parameters)
    payload = parameters.bind(rows)
    found = await studio.container.pool.fetch(
        f"SELECT {expression} AS holds FROM unnest({payload}::jsonb[]) WITH ORDINALITY AS i (payload, n) ORDER BY n",
        *parameters.values,
    )
    assert [row["holds"] for row in found] == [holds(tree, row) for row in rows]
